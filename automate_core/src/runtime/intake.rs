//! The ways in: webhook deliveries, events, and runs by hand. Each is one transaction.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::Engine;
use crate::document::Diagnostic;
use crate::document::definition::Verify;
use crate::ids::{EventId, ExecutionId, TenantId};
use crate::store::{ExecutionRecord, Json, NewWebhookRequest, StoreError, TriggerRecord};

/// Why something was not accepted. Nothing of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IntakeError {
    /// There is no such workflow, version or tenant.
    #[error("not found: {0}")]
    NotFound(String),
    /// The input does not fit the workflow's `inputs` schema.
    #[error("the input does not fit the workflow's `inputs`")]
    InvalidInput(Vec<Diagnostic>),
    /// Too much is queued already.
    #[error("{reason}; try again in {} s", .retry_after.as_secs())]
    Overloaded {
        /// What is full.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// An expression of a trigger failed on this event.
    #[error("the {what} of a trigger of workflow `{workflow}` failed: {message}")]
    Trigger {
        /// `filter` or `dedupe`.
        what: &'static str,
        /// Whose.
        workflow: String,
        /// How.
        message: String,
    },
    /// The store refused or cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A webhook path that somebody listens to.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    /// Whose.
    pub tenant_id: TenantId,
    /// The path under `/hooks/{tenant}/`.
    pub path: String,
    /// The triggers that listen, each with how it verifies.
    pub targets: Vec<WebhookTarget>,
}

/// One trigger at a webhook path.
#[derive(Debug, Clone)]
pub struct WebhookTarget {
    /// The trigger.
    pub trigger: TriggerRecord,
    /// How its deliveries are verified.
    pub verify: Verify,
}

/// A delivery that was verified and parsed.
#[derive(Debug, Clone)]
pub struct WebhookDelivery {
    /// The parsed body.
    pub payload: Value,
    /// The body as it came, where it is JSON text; stored as the payload.
    pub payload_text: Json,
    /// The headers that templates may read, secrets masked, as a JSON object.
    pub headers: Value,
    /// The sender's id of the delivery, or a digest that stands for it.
    pub delivery_id: Option<String>,
    /// Taken from `X-Correlation-ID` or made.
    pub correlation_id: String,
    /// The row for the inbox; its `id` becomes the event's id.
    pub request: NewWebhookRequest,
}

/// An event to publish inside the system.
#[derive(Debug, Clone)]
pub struct PublishEvent {
    /// Whose.
    pub tenant_id: TenantId,
    /// Its type, dot separated.
    pub event_type: String,
    /// Where it comes from.
    pub source: String,
    /// Its payload.
    pub payload: Value,
    /// Carried along.
    pub correlation_id: String,
}

/// A run by hand.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// Whose.
    pub tenant_id: TenantId,
    /// The workflow's slug.
    pub workflow: String,
    /// A version other than the live one.
    pub version: Option<i32>,
    /// The input.
    pub input: Option<Value>,
    /// Who or what started it: `cli`, `api`, `admin`.
    pub source: String,
    /// Carried along.
    pub correlation_id: String,
    /// Runs in this process at once, whether it is a worker or not.
    pub run_here: bool,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// The event; the first one's where this was a duplicate.
    pub event_id: Option<EventId>,
    /// The executions that it started.
    pub execution_ids: Vec<ExecutionId>,
    /// It had been delivered before.
    pub duplicate: bool,
}

impl Engine {
    /// Who listens at a webhook path; `None` where nobody does. Answers from a cache that is
    /// refreshed within a second of a publication elsewhere, and at once for one in this process.
    pub async fn webhook_endpoint(&self, _tenant: &str, _path: &str) -> Result<Option<WebhookEndpoint>, StoreError> {
        Ok(None)
    }

    /// Accepts a verified delivery. `verified` names the targets of the endpoint whose own
    /// verification passed, by index. Answers after the commit.
    pub async fn deliver(
        &self,
        _endpoint: &WebhookEndpoint,
        _verified: &[usize],
        _delivery: WebhookDelivery,
    ) -> Result<Received, IntakeError> {
        Err(IntakeError::NotFound(String::new()))
    }

    /// Publishes an event: it is stored with the executions that it starts.
    pub async fn publish_event(&self, _event: PublishEvent) -> Result<Received, IntakeError> {
        Err(IntakeError::NotFound(String::new()))
    }

    /// Starts a workflow by hand.
    pub async fn start(&self, _request: StartRequest) -> Result<ExecutionId, IntakeError> {
        Err(IntakeError::NotFound(String::new()))
    }

    /// Starts an ended execution again as a new one that is linked to it, with the same event and
    /// input, or with another input.
    pub async fn replay(
        &self,
        _tenant: TenantId,
        _id: ExecutionId,
        _input: Option<Value>,
        _run_here: bool,
    ) -> Result<ExecutionId, IntakeError> {
        Err(IntakeError::NotFound(String::new()))
    }

    /// Waits until an execution has ended; `None` where it has not within the timeout.
    pub async fn wait_until_ended(
        &self,
        _tenant: TenantId,
        _id: ExecutionId,
        _timeout: Duration,
    ) -> Result<Option<ExecutionRecord>, StoreError> {
        Ok(None)
    }
}
