//! The HTTP face: webhooks in, health, metrics; and the server that all of it runs on.
//!
//! [`router`] makes an [`axum::Router`] over an [`ApiState`]; [`server::serve`] runs it. Everything
//! passes one layer (the private module `edge`) that gives the request its correlation id, runs
//! the handler in a task of its own so that a client that goes away cannot drop database work,
//! and puts the security headers on the answer. Errors are [`Problem`]s, always.

pub mod auth;
mod correlation;
mod edge;
mod health;
mod hooks;
pub use automate_core::json_gate;
pub mod masking;
pub mod metrics;
mod problem;
mod router;
mod sampled;
pub mod server;
mod state;
pub mod v1;

pub use correlation::CorrelationId;
pub use problem::{FieldError, Problem};
pub use router::{router, router_with};
pub use state::{ApiSettings, ApiState, MetricsAccess};
