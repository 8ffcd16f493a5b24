//! What operators and other systems do to executions beyond cancelling, retrying and resolving:
//! signals, the facts behind `explain`, and operations over many executions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::bulk::{BulkApplied, BulkItem, BulkItemQuery, BulkPage, BulkRecord, BulkWork, NewBulk, Selected, Selection};
use super::{ExecutionRecord, Json, StepRecord, StoreError};
use crate::ids::{BulkId, ExecutionId, OutboxId, SignalId, TenantId};
use crate::outbox::Claim;
use crate::status::{ExecutionStatus, OutboxStatus};

/// A signal to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSignal {
    /// Its id, made by the caller.
    pub id: SignalId,
    /// What a step waits for.
    pub name: String,
    /// What the waiting step takes as its output, as JSON.
    pub payload: Json,
    /// A second signal of the execution with it is not stored.
    pub dedupe_key: Option<String>,
    /// Who sent it: `cli`, `api`, `admin`, or a program's own word.
    pub source: String,
}

/// A signal as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignalRecord {
    /// Its id.
    pub id: SignalId,
    /// Its place among those of the execution, from 1: the order in which they are taken.
    pub seq: i32,
    /// What a step waits for.
    pub name: String,
    /// What the waiting step takes as its output.
    #[serde(serialize_with = "as_data")]
    pub payload: Json,
    /// Of which there is one in the execution.
    pub dedupe_key: Option<String>,
    /// Who sent it.
    pub source: String,
    /// When it was stored, by the database's clock.
    pub received_at: DateTime<Utc>,
}

fn as_data<S: Serializer>(text: &Json, serializer: S) -> Result<S::Ok, S::Error> {
    // What cannot be read is shown as the text that it is.
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.serialize(serializer),
        Err(_) => serializer.serialize_str(text),
    }
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignalOutcome {
    /// It is durable, and the execution was woken.
    Stored {
        /// Its place among those of the execution.
        seq: i32,
    },
    /// One with its dedupe key was there before; nothing was stored.
    Duplicate {
        /// The first one.
        id: SignalId,
        /// Its place.
        seq: i32,
    },
    /// The execution has ended; nothing was stored.
    Ended(ExecutionStatus),
    /// The execution has as many as it may ever have; nothing was stored.
    Full,
}

/// The queue item of an execution, as far as it explains why the execution stands still.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueFacts {
    /// The item.
    pub id: OutboxId,
    /// Where it stands.
    pub status: OutboxStatus,
    /// Lower goes first.
    pub priority: i16,
    /// When it was last claimed, given back or marked, by the database's clock.
    pub changed_at: DateTime<Utc>,
    /// Not before this.
    pub next_attempt_at: DateTime<Utc>,
    /// Who holds it.
    pub lease_owner: Option<String>,
    /// When the lease ends, if it is not extended.
    pub lease_expires_at: Option<DateTime<Utc>>,
    /// Leases lost since its last progress.
    pub lost_leases: i32,
    /// Attempts that were charged.
    pub attempt_count: i32,
    /// Attempts after which it becomes a dead letter.
    pub max_attempts: i32,
    /// The code of the last failure.
    pub last_error_code: Option<String>,
    /// The last failure.
    pub last_error: Option<String>,
}

/// Everything that tells why an execution stands where it does, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionFacts {
    /// That moment, by the database's clock.
    pub now: DateTime<Utc>,
    /// The execution.
    pub execution: ExecutionRecord,
    /// Its steps, in the order they began.
    pub steps: Vec<StepRecord>,
    /// Its queue item, where it has one.
    pub item: Option<QueueFacts>,
    /// Ready items that go before it; counted up to `limits::QUEUE_PLACES`.
    pub ahead: u64,
    /// Ready items in all; counted up to `limits::QUEUE_PLACES`.
    pub ready: u64,
    /// Workers that hold something now.
    pub busy_workers: u64,
}

/// Verbs for operating executions. One transaction each, each with a deadline.
#[async_trait]
pub trait OperateStore: Send + Sync + 'static {
    /// Stores a signal and wakes the execution: one that waits becomes ready at once, one that a
    /// worker holds is looked at again when the worker lets go of it.
    async fn signal(&self, tenant: TenantId, id: ExecutionId, signal: NewSignal) -> Result<SignalOutcome, StoreError>;
    /// The signals of an execution in their order, the taken ones too.
    async fn signals(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<SignalRecord>, StoreError>;
    /// How many signals executions have; those without any are left out.
    async fn signal_counts(&self, ids: &[ExecutionId]) -> Result<Vec<(ExecutionId, u64)>, StoreError>;
    /// What tells why an execution stands where it does, read as of one moment.
    async fn execution_facts(&self, tenant: TenantId, id: ExecutionId) -> Result<ExecutionFacts, StoreError>;

    /// What an operation over many executions would select.
    async fn bulk_select(&self, tenant: TenantId, selection: &Selection) -> Result<Selected, StoreError>;
    /// Stores an operation with what it selects, and queues it. `Conflict` where more is selected
    /// than one operation may have.
    async fn bulk_start(&self, tenant: TenantId, bulk: NewBulk) -> Result<BulkRecord, StoreError>;
    /// One operation, counted.
    async fn bulk(&self, tenant: TenantId, id: BulkId) -> Result<BulkRecord, StoreError>;
    /// Operations, newest first, a page of them.
    async fn bulks(&self, tenant: TenantId, page: &BulkPage) -> Result<Vec<BulkRecord>, StoreError>;
    /// Executions of an operation, in its order, a page of them.
    async fn bulk_items(
        &self,
        tenant: TenantId,
        id: BulkId,
        query: &BulkItemQuery,
    ) -> Result<Vec<BulkItem>, StoreError>;
    /// Ends an operation: what was not gone through stays as it is. Where a worker is at it, it
    /// stops after the execution that it has in hand.
    async fn bulk_cancel(&self, tenant: TenantId, id: BulkId) -> Result<BulkRecord, StoreError>;
    /// For the worker that holds the operation: what it is, and what comes next.
    async fn bulk_next(&self, claim: Claim, id: BulkId, limit: usize) -> Result<BulkWork, StoreError>;
    /// For the worker: does the operation to one execution and records that, in one transaction;
    /// with `outcome` it only records. An execution that was gone through already is left alone.
    async fn bulk_apply(
        &self,
        id: BulkId,
        position: i32,
        outcome: Option<BulkApplied>,
    ) -> Result<BulkApplied, StoreError>;
    /// For the worker: ends the operation and its queue item, in one transaction.
    async fn bulk_finish(&self, claim: Claim, id: BulkId) -> Result<(), StoreError>;
}
