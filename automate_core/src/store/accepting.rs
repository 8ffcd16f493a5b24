//! What is stored when something comes in.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{Json, StepRecord};
use crate::ids::{EventId, ExecutionId, OutboxId, TenantId, TriggerId, VersionId, WorkflowId};
use crate::outbox::Claim;

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
    /// Steps of that execution that it takes over as they ended, stored with it.
    pub adopted: Vec<StepRecord>,
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
