//! What the tests of several crates share.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

pub mod admin;
pub mod binary;
pub mod deliveries;
pub mod effects;
pub mod identity_provider;
pub mod openbao;
pub mod outbox_conformance;
pub mod postgres;
pub mod processes;
pub mod store_conformance;
