//! The queue: work that is stored in the same transaction as what it belongs to, claimed under a
//! lease with a fencing token, and never lost.
//!
//! It is of use without the rest of Automate. An embedder queues work in its own sea-orm
//! transaction with [`TransactionalOutbox::enqueue`], and a worker claims, handles and marks it
//! through [`OutboxStore`]; `examples/outbox.rs` shows all of it.
//!
//! [`SkipLockedClaimOutboxStore`] is for PostgreSQL, [`OptimisticClaimOutboxStore`] for SQLite;
//! [`open`] takes whichever fits. A write of a worker names its claims (id and token) and changes
//! nothing where a claim is lost, whatever the clocks say: an item that was claimed again or reaped
//! has another token.

mod insert;
mod operate;
mod optimistic;
pub mod processes;
mod queue;
mod reap;
mod row;
pub mod shown;
mod skip_locked;
mod statement;
pub mod tenant;

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::clock::Clock;
use automate_core::ids::OutboxId;
use automate_core::outbox::{NewOutboxItem, OutboxStore};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

pub use optimistic::OptimisticClaimOutboxStore;
pub use skip_locked::SkipLockedClaimOutboxStore;

use crate::db::{Backend, Database};

/// How the queue treats its rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutboxOptions {
    /// Keeps done items as `COMPLETED` until they are purged. Deleting them, which is the default,
    /// keeps the table small and is about a third faster.
    pub keep_completed: bool,
}

/// The queue of a database. `clock` is read on SQLite only; PostgreSQL goes by its own.
///
/// # Errors
/// None for a database that [`Database::connect`] opened.
pub fn open(db: &Database, clock: Arc<dyn Clock>, options: OutboxOptions) -> Result<Arc<dyn OutboxStore>, StoreError> {
    Ok(match db.backend() {
        Backend::Postgres => Arc::new(SkipLockedClaimOutboxStore::new(db, options)?),
        Backend::Sqlite => Arc::new(OptimisticClaimOutboxStore::new(db, clock, options)?),
    })
}

/// Puts dead letters back into the queue, with their executions, in the transaction of the caller.
pub(crate) async fn requeue_in(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    ids: &[OutboxId],
) -> Result<u64, StoreError> {
    operate::requeue(transaction, now, ids).await
}

/// A transaction in which work can be queued.
#[async_trait]
pub trait TransactionalOutbox {
    /// Queues items: they are there if and only if the transaction commits.
    ///
    /// # Errors
    /// Those of the database, `Conflict` where an id is taken, `Internal` where an item passes its
    /// bounds. The transaction is to be rolled back then.
    async fn enqueue(&self, items: &[NewOutboxItem]) -> Result<(), StoreError>;
}

#[async_trait]
impl TransactionalOutbox for DatabaseTransaction {
    async fn enqueue(&self, items: &[NewOutboxItem]) -> Result<(), StoreError> {
        insert::enqueue(self, items, automate_core::clock::now()).await
    }
}
