//! The system's own models: what the API and the admin show, declared once for both.

pub mod audit;
pub mod events;
pub mod executions;
pub mod operations;
pub mod outbox;
pub mod views;
pub mod workflows;
