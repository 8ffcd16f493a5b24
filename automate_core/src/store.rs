//! The store: semantic verbs, one transaction each, each with a deadline. Implemented in
//! `automate_store` for PostgreSQL and SQLite; one conformance suite runs on both.
//!
//! Payloads travel as JSON text (`Json`), because on the hot path nobody but the engine reads them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::actions::LogLevel;
use crate::error::StepError;
use crate::ids::{EventId, ExecutionId, OutboxId, TenantId, TriggerId, VersionId, WorkflowId};
use crate::outbox::{Claim, OutboxStore};
use crate::status::{ExecutionStatus, StepStatus};

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

// ---------------------------------------------------------------- accepting

/// Everything that one outside event causes, stored in one transaction.
#[derive(Debug, Clone)]
pub struct Accept {
    /// Whose.
    pub tenant_id: TenantId,
    /// The event; a manual run has none.
    pub event: Option<NewEvent>,
    /// The received request, for the inbox.
    pub request: Option<NewWebhookRequest>,
    /// The key of the delivery: a second accept with it stores nothing and answers with the first.
    pub delivery: Option<DeliveryKey>,
    /// The executions to start.
    pub starts: Vec<NewExecution>,
}

/// What happened.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Its type, `webhook.orders` for a delivery to the path `orders`.
    pub event_type: String,
    /// Where it came from.
    pub source: String,
    /// The payload.
    pub payload: Json,
    /// The headers that templates may read, secrets masked.
    pub headers: Option<Json>,
    /// Carried to executions, outbound calls and the audit log.
    pub correlation_id: String,
    /// When.
    pub received_at: DateTime<Utc>,
    /// How many executions lie between it and the outside.
    pub depth: u32,
}

/// A request to `/hooks/…`, as received.
#[derive(Debug, Clone)]
pub struct NewWebhookRequest {
    /// Its id; the event's where one was made.
    pub id: EventId,
    /// The path under the tenant.
    pub path: String,
    /// The method.
    pub method: String,
    /// The headers, secrets masked.
    pub headers: Json,
    /// The raw body; `None` where it is the event's payload byte for byte.
    pub body: Option<Vec<u8>>,
    /// The length of the body.
    pub body_bytes: i64,
    /// Who sent it.
    pub remote_addr: Option<String>,
    /// `ok`, or the code of the refusal.
    pub signature: String,
    /// What was answered.
    pub http_status: i16,
    /// When.
    pub received_at: DateTime<Utc>,
}

/// The identity of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryKey {
    /// What the key is unique within, `hook:orders`.
    pub scope: String,
    /// The sender's delivery id, or a digest.
    pub key: String,
}

/// An execution to start.
#[derive(Debug, Clone)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// Its queue item's id.
    pub outbox_id: OutboxId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The workflow's slug.
    pub workflow: String,
    /// The version it is pinned to.
    pub version_id: VersionId,
    /// That version's number.
    pub version: i32,
    /// The trigger that matched; the accept is refused as stale where it is no longer there.
    pub trigger_id: Option<TriggerId>,
    /// `{"kind":…}`, as shown.
    pub trigger: Json,
    /// A second start of the workflow with it is not made.
    pub dedupe_key: Option<String>,
    /// The input of manual and API runs; `None` is null.
    pub input: Option<Json>,
    /// Lower goes first.
    pub priority: i16,
    /// Carried along.
    pub correlation_id: String,
    /// The stored event that it is about, where it is not the one accepted with it: a replay's.
    pub event_id: Option<EventId>,
    /// The execution that started it.
    pub parent_id: Option<ExecutionId>,
    /// The execution that it repeats.
    pub replay_of: Option<ExecutionId>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// Inserted already claimed by this process, which runs it at once.
    pub lease: Option<NewLease>,
}

/// A lease that an item is born with; its token is 1.
#[derive(Debug, Clone)]
pub struct NewLease {
    /// Who holds it.
    pub owner: String,
    /// For how long.
    pub lease: Duration,
}

/// What an accept did.
#[derive(Debug, Clone, PartialEq)]
pub enum Accepted {
    /// It is durable.
    Stored {
        /// The event.
        event_id: Option<EventId>,
        /// In the order of `starts`.
        executions: Vec<AcceptedExecution>,
    },
    /// The delivery was there before; nothing was stored.
    Duplicate {
        /// The first delivery's event.
        event_id: Option<EventId>,
        /// The executions that it started.
        executions: Vec<ExecutionId>,
    },
    /// A trigger named in `starts` is gone: look the triggers up again. Nothing was stored.
    StaleTriggers,
}

/// What became of one start.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptedExecution {
    /// The execution; the earlier one where it is a duplicate.
    pub id: ExecutionId,
    /// The claim, where it was born leased.
    pub claim: Option<Claim>,
    /// Its dedupe key was there before.
    pub duplicate: bool,
}

// ---------------------------------------------------------------- advancing

/// One attempt that failed, in the history of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedAttempt {
    /// Which, from 1.
    pub attempt: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// Why it failed.
    pub error: StepError,
    /// When the next one was planned.
    pub retry_at: Option<DateTime<Utc>>,
}

/// A step as stored. Its key is (execution, path); the path holds iterations of loops, so it is
/// unique within the execution.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// Its place: `enrich`, `enrich/on_error/tell`, `on_failure/tell`, later `lines/3/stock`.
    pub path: String,
    /// The step's id.
    pub step_id: String,
    /// The order in which steps began.
    pub seq: i32,
    /// `connector.action`, or `set`, `fail`, `wait`.
    pub uses: String,
    /// Where it stands.
    pub status: StepStatus,
    /// The attempt, from 1; 0 where none began.
    pub attempt: i32,
    /// Grows when an operator has it repeated; part of the idempotency key.
    pub rerun: i32,
    /// The same over all attempts.
    pub idempotency_key: String,
    /// The rendered input, with `$secret:KEY` in place of secrets.
    pub input: Option<Json>,
    /// The output, scrubbed.
    pub output: Option<Json>,
    /// Why it failed.
    pub error: Option<StepError>,
    /// Earlier attempts that failed.
    pub attempts: Vec<FailedAttempt>,
    /// When it goes on: the next attempt, or the end of a wait.
    pub wake_at: Option<DateTime<Utc>>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A log line of a step, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLog {
    /// The step's path.
    pub path: String,
    /// Which attempt.
    pub attempt: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// How loud.
    pub level: LogLevel,
    /// What it says, scrubbed.
    pub message: String,
    /// Fields, scrubbed.
    pub fields: Option<Json>,
}

/// The new state of an execution; all of it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionUpdate {
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its output.
    pub output: Option<Json>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
}

/// Why an execution failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionError {
    /// The stable code.
    pub code: String,
    /// For people, without secrets.
    pub message: String,
    /// The path of the step, where one is to blame.
    pub step: Option<String>,
}

/// What becomes of the queue item with a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// The lease is kept.
    Hold,
    /// The execution ended, or waits for a person: the item goes.
    Finish,
    /// The lease is given back until that time.
    WakeAt(DateTime<Utc>),
}

/// What a worker records, in one transaction, if and only if its claim is held.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// The right to do so.
    pub claim: Claim,
    /// Which execution.
    pub execution_id: ExecutionId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Steps that changed, inserted or replaced.
    pub steps: Vec<StepRecord>,
    /// Log lines, appended.
    pub logs: Vec<StepLog>,
    /// The execution, where it changed.
    pub execution: Option<ExecutionUpdate>,
    /// The queue item.
    pub then: Then,
    /// Events that this causes (`core.workflow.completed`), accepted in the same transaction.
    pub publish: Vec<Accept>,
}

/// What a checkpoint answered.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointAck {
    /// Somebody has asked to cancel the execution.
    pub cancel_requested: bool,
    /// In the order of `publish`.
    pub published: Vec<Accepted>,
}

/// An execution as a worker needs it to go on.
#[derive(Debug, Clone)]
pub struct LoadedExecution {
    /// The row.
    pub execution: ExecutionRecord,
    /// The event, where it has one.
    pub event: Option<EventRecord>,
    /// Its steps so far.
    pub steps: Vec<StepRecord>,
}

/// An execution as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRecord {
    /// Its id.
    pub id: ExecutionId,
    /// Whose.
    pub tenant_id: TenantId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The workflow's slug.
    pub workflow: String,
    /// The pinned version.
    pub version_id: VersionId,
    /// Its number.
    pub version: i32,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// `{"kind":…}`.
    pub trigger: Json,
    /// The event.
    pub event_id: Option<EventId>,
    /// The input.
    pub input: Option<Json>,
    /// The output.
    pub output: Option<Json>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// From 1; grows with each retry of the whole in place.
    pub attempt: i32,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The execution that started it.
    pub parent_id: Option<ExecutionId>,
    /// The execution that it repeats.
    pub replay_of: Option<ExecutionId>,
    /// Carried along.
    pub correlation_id: String,
    /// Since when somebody wants it cancelled.
    pub cancel_requested_at: Option<DateTime<Utc>>,
}

/// An event as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRecord {
    /// Its id.
    pub id: EventId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Its type.
    pub event_type: String,
    /// Where it came from.
    pub source: String,
    /// The payload.
    pub payload: Json,
    /// The headers that templates may read.
    pub headers: Option<Json>,
    /// Carried along.
    pub correlation_id: String,
    /// When.
    pub received_at: DateTime<Utc>,
    /// How many executions lie between it and the outside.
    pub depth: u32,
}

/// What an execution list asks for.
#[derive(Debug, Clone, Default)]
pub struct ExecutionQuery {
    /// Only this workflow.
    pub workflow: Option<String>,
    /// Only this status.
    pub status: Option<ExecutionStatus>,
    /// Only older ones than this id (the cursor).
    pub before: Option<ExecutionId>,
    /// Rows of the page, 200 at most.
    pub limit: usize,
}

// ---------------------------------------------------------------- documents

/// A workflow as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowRecord {
    /// Its id.
    pub id: WorkflowId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Its slug.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// The number of the live version, where one is published.
    pub live_version: Option<i32>,
    /// That version.
    pub live_version_id: Option<VersionId>,
    /// The source of the draft, where there is one.
    pub draft: Option<String>,
    /// Grows with each change, for `If-Match`.
    pub row_version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// An immutable version as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionRecord {
    /// Its id.
    pub id: VersionId,
    /// Whose.
    pub tenant_id: TenantId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// From 1.
    pub number: i32,
    /// The canonical JSON of the document.
    pub document: String,
    /// The source as written.
    pub source: String,
    /// The SHA-256 of the canonical JSON, hex.
    pub sha256: String,
    /// Who published it.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What publishing stores, in one transaction with the switch of the triggers.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The workflow's slug; the workflow is made where there is none.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// The canonical JSON of the document.
    pub document: String,
    /// The source as written.
    pub source: String,
    /// The SHA-256 of the canonical JSON, hex.
    pub sha256: String,
    /// Who.
    pub author: String,
    /// Why.
    pub note: String,
    /// The triggers of the document.
    pub triggers: Vec<NewTrigger>,
}

/// A trigger to be stored with its version.
#[derive(Debug, Clone)]
pub struct NewTrigger {
    /// `webhook`, `event` or `manual`.
    pub kind: String,
    /// The webhook's path or the event's pattern; empty for `manual`.
    pub key: String,
    /// Its place among the document's triggers, from 0.
    pub position: i32,
}

/// A live trigger, with what is needed to start its workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerRecord {
    /// Its id; a new one with each publication.
    pub id: TriggerId,
    /// Whose.
    pub tenant_id: TenantId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The workflow's slug.
    pub workflow: String,
    /// The live version.
    pub version_id: VersionId,
    /// Its number.
    pub version: i32,
    /// `webhook`, `event` or `manual`.
    pub kind: String,
    /// The webhook's path or the event's pattern.
    pub key: String,
    /// Its place among the document's triggers.
    pub position: i32,
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
pub trait Store: OutboxStore {
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
    /// row has changed since.
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
    /// A version by its id; any tenant, for the engine.
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
    /// Commits what waits and closes the connections.
    async fn close(&self);
}
