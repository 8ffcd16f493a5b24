//! Who may do what, and what may leave: the egress guard, the sources of secrets, policies of tenants,
//! and the scrubbing of logs.

#[doc(hidden)]
pub use inventory;

pub mod connections;
pub mod egress;
pub mod fixtures;
pub mod hardening;
pub mod identity;
pub mod models;
pub mod policy;
pub mod redaction;
pub mod secrets;
pub mod telemetry;
