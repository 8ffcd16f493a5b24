//! The outbox: queued work that is stored in the same transaction as what it belongs to, claimed
//! under a lease with a fencing token, and never lost.
//!
//! [`OutboxStore`] is implemented for PostgreSQL and SQLite in `automate_store`, together with
//! `enqueue(&txn, …)` for work that is queued inside an embedder's own transaction.

mod reaper;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::ids::{ExecutionId, OutboxId, TenantId};
use crate::status::OutboxStatus;
use crate::store::StoreError;

pub use reaper::OutboxReaper;

/// The kind of the engine's own items; their key is the execution's id.
pub const EXECUTION_KIND: &str = "execution";
/// The kind of the items that publish the end of an execution for which no worker was there: it was
/// cancelled while it waited, or set aside as poison. Their key is the execution's id.
pub const ENDED_KIND: &str = "execution.ended";
/// The kind of the items that are operations over many executions; their key is the operation's id.
pub const BULK_KIND: &str = "execution.bulk";
/// The priority of work that names none; a lower number goes first.
pub const DEFAULT_PRIORITY: i16 = 100;

/// One unit of queued work, as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutboxItem {
    /// Its id.
    pub id: OutboxId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Which handler takes it.
    pub kind: String,
    /// What it is about; the handler's own key.
    pub key: String,
    /// What the handler needs.
    pub payload: Value,
    /// Where it stands.
    pub status: OutboxStatus,
    /// Lower goes first.
    pub priority: i16,
    /// Attempts that were charged.
    pub attempt_count: i32,
    /// Attempts after which it becomes a dead letter.
    pub max_attempts: i32,
    /// Not before this.
    pub next_attempt_at: DateTime<Utc>,
    /// Who holds it.
    pub lease_owner: Option<String>,
    /// The fencing token; grows with each claim and each reaping.
    pub lease_token: i64,
    /// When the lease ends.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Leases lost since its last progress.
    pub lost_leases: i32,
    /// The code of the last failure.
    pub last_error_code: Option<String>,
    /// The last failure, without secrets.
    pub last_error: Option<String>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
}

/// Work to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewOutboxItem {
    /// Its id, made by the caller.
    pub id: OutboxId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Which handler takes it.
    pub kind: String,
    /// What it is about.
    pub key: String,
    /// What the handler needs.
    pub payload: Value,
    /// Lower goes first.
    pub priority: i16,
    /// Attempts after which it becomes a dead letter.
    pub max_attempts: i32,
    /// Not before this; at once where absent.
    pub not_before: Option<DateTime<Utc>>,
}

impl NewOutboxItem {
    /// Work of a kind, of the default tenant, priority and number of attempts.
    #[must_use]
    pub fn new(kind: impl Into<String>, key: impl Into<String>, payload: Value) -> Self {
        Self {
            id: OutboxId::new(),
            tenant_id: TenantId::DEFAULT,
            kind: kind.into(),
            key: key.into(),
            payload,
            priority: DEFAULT_PRIORITY,
            max_attempts: 10,
            not_before: None,
        }
    }
}

/// The work of publishing the end of an execution, to be queued with what ended it.
#[must_use]
pub fn ended_item(tenant_id: TenantId, id: ExecutionId) -> NewOutboxItem {
    NewOutboxItem { tenant_id, ..NewOutboxItem::new(ENDED_KIND, id.to_string(), Value::Null) }
}

/// The right to work on an item. A write with an old token changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The item.
    pub id: OutboxId,
    /// The token of this claim.
    pub token: i64,
}

/// An item together with the right to work on it.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedItem {
    /// The right.
    pub claim: Claim,
    /// The item as claimed: status `RUNNING`, with this claim's token.
    pub item: OutboxItem,
}

/// What became of one claim in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimState {
    /// The write took effect; the lease is or was ours.
    Held,
    /// Another claim or the reaper has the item now; nothing was changed.
    LeaseLost,
}

/// What a claim asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRequest {
    /// Who claims; unique per process start.
    pub owner: String,
    /// The most items.
    pub limit: usize,
    /// How long the lease lasts, by the database's clock.
    pub lease: Duration,
    /// The kinds that this process handles; all where empty.
    pub kinds: Vec<String>,
}

/// What the queue looks like.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OutboxStats {
    /// Ready now.
    pub ready: i64,
    /// Waiting for their time, `RETRY` included.
    pub scheduled: i64,
    /// Leased.
    pub running: i64,
    /// Leased, and the lease has run out.
    pub stale: i64,
    /// Dead letters.
    pub failed: i64,
    /// Done and kept.
    pub completed: i64,
    /// Seconds that the oldest ready item has been ready.
    pub oldest_ready_seconds: f64,
    /// When the next scheduled item becomes ready.
    pub next_due_at: Option<DateTime<Utc>>,
}

/// What one run of the reaper did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReapReport {
    /// Items given back to the queue.
    pub requeued: Vec<OutboxId>,
    /// Items set aside as poison.
    pub quarantined: Vec<OutboxId>,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// What the reaper is told.
#[derive(Debug, Clone, PartialEq)]
pub struct ReapRequest {
    /// How long past its end a lease must be.
    pub stale_threshold: Duration,
    /// The most items in one run.
    pub max_batch: usize,
    /// When a reaped item becomes ready again.
    pub retry_delay: Duration,
    /// Losses of a lease in a row after which an item is quarantined that its worker held alone. One
    /// that was lost together with others of the same worker may be innocent: it is given back, a
    /// little apart from them, until [`Self::max_lost_in_company`].
    pub max_lost_leases: i32,
    /// Losses of a lease in a row after which an item is quarantined whatever was lost with it.
    pub max_lost_in_company: i32,
    /// Only report.
    pub dry_run: bool,
}

/// Which items an operator means.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutboxFilter {
    /// Only these ids; all where empty.
    pub ids: Vec<OutboxId>,
    /// Only this status.
    pub status: Option<OutboxStatus>,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only items last changed before this.
    pub before: Option<DateTime<Utc>>,
    /// The most items; 0 means no bound but the store's own page.
    pub limit: usize,
}

/// The queue. Every write of a worker takes claims and changes nothing where a claim is lost; the
/// answer names, in the order given, which were held.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// Queues items in a transaction of its own.
    async fn enqueue_all(&self, items: &[NewOutboxItem]) -> Result<(), StoreError>;
    /// Leases ready items: lowest priority number, then `next_attempt_at`, then id.
    async fn claim_batch(&self, request: &ClaimRequest) -> Result<Vec<ClaimedItem>, StoreError>;
    /// Ends items well.
    async fn mark_success(&self, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError>;
    /// Gives an item back for another attempt, charging one; past `max_attempts` it becomes a dead
    /// letter instead.
    async fn mark_retry(
        &self,
        claim: Claim,
        next_attempt_at: DateTime<Utc>,
        code: &str,
        error: &str,
    ) -> Result<ClaimState, StoreError>;
    /// Makes an item a dead letter.
    async fn mark_failed(&self, claim: Claim, code: &str, error: &str) -> Result<ClaimState, StoreError>;
    /// Moves the ends of leases, all in one statement.
    async fn extend_lease(&self, claims: &[Claim], lease: Duration) -> Result<Vec<ClaimState>, StoreError>;
    /// Gives items back at once without charging an attempt.
    async fn release(&self, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError>;
    /// Counts the queue.
    async fn stats(&self) -> Result<OutboxStats, StoreError>;
    /// When the next item that is not ready yet becomes ready, by the database's clock, as a delay.
    async fn next_due_in(&self) -> Result<Option<Duration>, StoreError>;
    /// Gives back what dead workers held.
    async fn reap_stale(&self, request: &ReapRequest) -> Result<ReapReport, StoreError>;
    /// Counts leases past their end by the threshold.
    async fn stale_count(&self, stale_threshold: Duration) -> Result<i64, StoreError>;
    /// Lists items for operators, newest first.
    async fn list(&self, filter: &OutboxFilter) -> Result<Vec<OutboxItem>, StoreError>;
    /// Puts dead letters back into the queue with fresh attempts; answers how many.
    async fn requeue(&self, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError>;
    /// Deletes dead letters and kept done work; answers how many.
    async fn purge(&self, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError>;
}

/// Work of one kind, done by an embedder's code.
#[async_trait]
pub trait OutboxHandler: Send + Sync + 'static {
    /// The kind it takes.
    fn kind(&self) -> &str;
    /// Does the work. An error is retried with backoff until the item's attempts are used up. The
    /// work may be repeated after a crash, so it must be idempotent; `item.id` is a stable key.
    async fn handle(&self, item: &OutboxItem) -> Result<(), HandlerError>;
}

/// Why a handler did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// Try again.
    #[error("{code}: {message}")]
    Retry {
        /// A stable code.
        code: String,
        /// Without secrets.
        message: String,
        /// Not before; the backoff decides where absent.
        after: Option<Duration>,
    },
    /// Never try again: a dead letter.
    #[error("{code}: {message}")]
    Dead {
        /// A stable code.
        code: String,
        /// Without secrets.
        message: String,
    },
}
