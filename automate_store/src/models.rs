//! The system's own models: what the API and the admin show, declared once for both.

pub mod executions;
pub mod workflows;
