//! The stores: PostgreSQL and SQLite behind the ports of `automate_core`.
//!
//! [`db::Database`] opens a database and is the only place that knows how. [`outbox`] is the queue,
//! usable on its own: an embedder queues work in its own transaction and handles it later.

pub mod db;
pub mod error;
pub mod outbox;
