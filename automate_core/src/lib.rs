//! The heart of Automate: what a workflow is, how it advances, and the ports through which the
//! rest of the world is reached.
//!
//! This crate knows no SQL and no HTTP server. [`engine`] is pure: `step(definition, state,
//! happening, now) -> (state, commands)`, without a clock, randomness or IO. [`runtime`] drives it
//! through the ports in [`store`], [`outbox`], [`actions`] and [`secrets`].
//!
//! Start reading at [`engine`], then [`runtime`].

pub mod access;
pub mod actions;
pub mod audit;
pub mod body;
pub mod clock;
pub mod config;
pub mod document;
pub mod engine;
pub mod error;
pub mod explain;
pub mod expr;
pub mod fingerprint;
pub mod ids;
pub mod json_gate;
pub mod limits;
pub mod outbox;
pub mod policy;
pub mod redaction;
pub mod registry;
pub mod runtime;
pub mod secrets;
pub mod signals;
pub mod status;
pub mod store;
