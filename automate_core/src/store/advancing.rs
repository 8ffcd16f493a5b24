//! What is stored when an execution goes on, and what is read to go on with it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Accept, Accepted, Json};
use crate::actions::LogLevel;
use crate::error::StepError;
use crate::ids::{EventId, ExecutionId, TenantId, VersionId, WorkflowId};
use crate::outbox::Claim;
use crate::status::{ExecutionStatus, StepStatus};

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
