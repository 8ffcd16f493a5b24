//! The tests that need several crates, in one binary.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod chaos;
mod cli;
mod databases;
mod engine;
mod outbox;
mod secrets;
mod store;
mod webhooks;
