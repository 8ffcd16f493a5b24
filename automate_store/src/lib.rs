//! The stores: PostgreSQL and SQLite behind the ports of `automate_core`.
//!
//! [`db::Database`] opens a database and is the only place that knows how. [`outbox`] is the queue,
//! usable on its own: an embedder queues work in its own transaction and handles it later.
//! [`engine_store`] is everything the engine stores, behind one trait.

pub mod admin_runs;
pub mod audit;
mod committer;
pub mod counts;
pub mod db;
pub mod engine_store;
pub mod error;
pub mod follow;
pub mod idempotency;
pub mod inbox;
mod like;
pub mod models;
pub mod outbox;
pub mod overview;
pub mod referring;
pub mod resource;
pub mod saved_views;
pub mod search;
mod tables;
pub mod workflows;

pub use engine_store::{EngineStoreOptions, open, open_with};
