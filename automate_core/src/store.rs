//! The store: semantic verbs, one transaction each, each with a deadline. Implemented in
//! `automate_store` for PostgreSQL and SQLite; one conformance suite runs on both.
//!
//! Payloads travel as JSON text (`Json`), because on the hot path nobody but the engine reads them.

mod accepting;
mod advancing;
mod bulk;
mod documents;
mod operating;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use crate::ids::{EventId, ExecutionId, TenantId, VersionId};
use crate::outbox::OutboxStore;
use crate::status::ExecutionStatus;

pub use accepting::*;
pub use advancing::*;
pub use bulk::*;
pub use documents::*;
pub use operating::*;

/// JSON as text, checked by whoever made it.
pub type Json = Arc<str>;

/// Why a store verb did not happen. Nothing of it was stored, unless `Unavailable` says that the
/// outcome is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The row is not what the caller thought: a unique key, a version, a state.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The claim is no longer ours.
    #[error("the lease was lost: another worker or the reaper has the item")]
    LeaseLost,
    /// There is no such row for this tenant.
    #[error("not found: {0}")]
    NotFound(String),
    /// The store is at its bound; try again shortly.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The disk is full.
    #[error("the disk is full: {0}. Free space on the database's disk; work resumes by itself")]
    Full(String),
    /// The database cannot be reached or did not answer in time.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row cannot be read.
    #[error("a stored row is corrupt: {0}")]
    Corrupt(String),
    /// A fault of ours: the statement itself is wrong.
    #[error("internal store error: {0}")]
    Internal(String),
}

impl StoreError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "CONFLICT",
            Self::LeaseLost => "LEASE_LOST",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Busy(_) => "STORE_BUSY",
            Self::Full(_) => "DISK_FULL",
            Self::Unavailable(_) => "DATABASE_UNAVAILABLE",
            Self::Corrupt(_) => "CORRUPT_ROW",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Busy(_) | Self::Full(_) | Self::Unavailable(_) => true,
            Self::Conflict(_) | Self::LeaseLost | Self::NotFound(_) | Self::Corrupt(_) | Self::Internal(_) => false,
        }
    }
}

/// How an operator resolves a step whose outcome is not known.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution {
    /// It happened: go on with this output.
    Completed(Option<Json>),
    /// It did not happen: call it again with the same idempotency key.
    Repeat,
    /// Take it as failed.
    Failed,
}

/// What happened with a request to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Nothing held it: it is cancelled.
    Cancelled,
    /// A worker holds it; the request is on record, no new step starts.
    Requested,
    /// It had ended before.
    AlreadyEnded(ExecutionStatus),
}

/// The state of the database, for `doctor`, `/readyz` and metrics.
#[derive(Debug, Clone, Default, Serialize)]
pub struct StoreHealth {
    /// `sqlite` or `postgres`.
    pub backend: String,
    /// Its version.
    pub version: String,
    /// Migrations that are not applied.
    pub pending_migrations: Vec<String>,
    /// How far this process's clock is ahead of the database's, in seconds.
    pub clock_skew_seconds: f64,
    /// Bytes free on the disk of an embedded database.
    pub disk_free_bytes: Option<u64>,
    /// More facts by name.
    pub facts: BTreeMap<String, String>,
}

/// The verbs of the engine. `Arc<dyn Store>` is what drivers hold.
#[async_trait]
pub trait Store: OutboxStore + OperateStore {
    /// Stores an event, its dedupe keys, its executions and their items, in one transaction; many
    /// concurrent calls share one commit. A call that has been made goes on when its future is
    /// dropped.
    async fn accept(&self, accept: Accept) -> Result<Accepted, StoreError>;
    /// Records progress where the claim is held; `LeaseLost` otherwise. Shares commits likewise.
    async fn checkpoint(&self, checkpoint: Checkpoint) -> Result<CheckpointAck, StoreError>;
    /// Records a request that was refused before it became an event.
    async fn record_request(&self, tenant: TenantId, request: NewWebhookRequest) -> Result<(), StoreError>;
    /// What a worker needs to go on with claimed executions; a corrupt one is an error of its own.
    async fn load_executions(
        &self,
        ids: &[ExecutionId],
    ) -> Result<Vec<(ExecutionId, Result<LoadedExecution, StoreError>)>, StoreError>;
    /// Which of these executions somebody wants cancelled.
    async fn cancel_requests(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionId>, StoreError>;

    /// Records a request to cancel. Where no worker holds the execution it is cancelled at once.
    async fn cancel(&self, tenant: TenantId, id: ExecutionId) -> Result<CancelOutcome, StoreError>;
    /// Puts a failed execution back into the queue: its failed steps run again, finished ones stay.
    async fn retry_execution(&self, tenant: TenantId, id: ExecutionId) -> Result<(), StoreError>;
    /// Resolves a step in `outcome_unknown` and puts the execution back into the queue.
    async fn resolve_unknown(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        path: &str,
        resolution: Resolution,
    ) -> Result<(), StoreError>;

    /// One execution.
    async fn execution(&self, tenant: TenantId, id: ExecutionId) -> Result<ExecutionRecord, StoreError>;
    /// A page of executions, newest first.
    async fn executions(&self, tenant: TenantId, query: &ExecutionQuery) -> Result<Vec<ExecutionRecord>, StoreError>;
    /// How many executions a query matches, without its cursor and limit.
    async fn count_executions(&self, tenant: TenantId, query: &ExecutionQuery) -> Result<u64, StoreError>;
    /// The steps of an execution, in the order they began.
    async fn steps(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<StepRecord>, StoreError>;
    /// The log lines of an execution, oldest first.
    async fn logs(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<StepLog>, StoreError>;
    /// One event.
    async fn event(&self, tenant: TenantId, id: EventId) -> Result<EventRecord, StoreError>;

    /// The tenant of a slug.
    async fn tenant(&self, slug: &str) -> Result<TenantId, StoreError>;
    /// Saves a draft; makes the workflow where there is none. With `expected`, `Conflict` where the
    /// row has changed since; 0 is a workflow that is not there yet.
    async fn save_draft(
        &self,
        tenant: TenantId,
        slug: &str,
        title: &str,
        description: &str,
        source: &str,
        expected: Option<i32>,
    ) -> Result<WorkflowRecord, StoreError>;
    /// Stores a version, makes it live, replaces the triggers and clears the draft, in one
    /// transaction. Publishing what is live already answers with it and changes nothing.
    async fn publish(&self, tenant: TenantId, version: NewVersion) -> Result<VersionRecord, StoreError>;
    /// A workflow by its slug.
    async fn workflow(&self, tenant: TenantId, slug: &str) -> Result<WorkflowRecord, StoreError>;
    /// All workflows, by slug.
    async fn workflows(&self, tenant: TenantId) -> Result<Vec<WorkflowRecord>, StoreError>;
    /// Keeps a draft for its test, under the number [`DRAFT`]: it is no version, and in no list of them. The
    /// same text again is the same row. The workflow's drafts that were not used for longest go where there are
    /// more than `limits::TESTED_DRAFTS`, those apart that have yet to end.
    async fn keep_draft(&self, tenant: TenantId, draft: NewDraft) -> Result<VersionRecord, StoreError>;
    /// Notes that a kept draft is about to run again, so that it stays. `NotFound` where it has gone.
    async fn use_draft(&self, tenant: TenantId, id: VersionId) -> Result<(), StoreError>;
    /// A version, or a draft that is kept, by its id; any tenant, for the engine.
    async fn version(&self, id: VersionId) -> Result<VersionRecord, StoreError>;
    /// The versions of a workflow, newest first.
    async fn versions(&self, tenant: TenantId, slug: &str) -> Result<Vec<VersionRecord>, StoreError>;
    /// The live triggers of all tenants, for the cache of the accepting side.
    async fn triggers(&self) -> Result<Vec<TriggerRecord>, StoreError>;

    /// A hint that work or a cancellation is there; may be lost, may be spurious. Answers when one
    /// came or after `timeout`.
    async fn wait_for_hint(&self, timeout: Duration);
    /// The state of the database.
    async fn health(&self) -> Result<StoreHealth, StoreError>;
    /// Chores that keep the database fit: partitions ahead, old dedupe keys away.
    async fn maintain(&self, retention: Option<Duration>) -> Result<(), StoreError>;
    /// Deletes what a tenant's ended executions, events and received webhooks left before an instant.
    async fn forget_before(&self, tenant: TenantId, cutoff: chrono::DateTime<chrono::Utc>) -> Result<(), StoreError>;
    /// Commits what waits and closes the connections.
    async fn close(&self);
}
