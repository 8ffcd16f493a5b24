//! The ways in: webhook deliveries, events, and runs by hand. Each is one transaction.

mod accepting;
mod by_hand;
mod error;
mod redelivery;
mod testing;

pub(super) use by_hand::ByHand;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::Engine;
use super::about::About;
use super::begin::EventView;
use super::definitions::{Definition, DefinitionError};
use crate::document::definition::{Trigger, Verify};
use crate::engine::CompiledTrigger;
use crate::expr::Context;
use crate::ids::{EventId, ExecutionId, TenantId};
use crate::limits;
use crate::store::{
    Accept, DeliveryKey, ExecutionRecord, Json, NewEvent, NewExecution, NewWebhookRequest, StoreError, TriggerRecord,
};

pub use error::{InputProblem, IntakeError};
pub use redelivery::{RedeliveredBy, Redelivery, RedeliveryError, dedupe_of};
pub use testing::{TestAbout, TestError};

/// How long an accept waits for a slot while none becomes free, before its execution goes to the
/// queue instead. Waiting spares the claim and the load, so it is what keeps the throughput up when
/// all slots are taken by short executions.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long it waits at most while slots do become free.
const MOST_PATIENCE: Duration = Duration::from_secs(1);
/// How often triggers are looked up again when a publication came in between.
const STALE_TRIES: usize = 3;
/// When an overloaded system should be tried again.
const OVERLOAD_RETRY: Duration = Duration::from_secs(2);

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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Received {
    /// The event; the first one's where this was a duplicate.
    pub event_id: Option<EventId>,
    /// The executions that it started.
    pub execution_ids: Vec<ExecutionId>,
    /// It had been delivered before.
    pub duplicate: bool,
}

/// An execution on its way in.
struct Start {
    definition: Arc<Definition>,
    context: Context,
    about: About,
    new: NewExecution,
    input: Option<Value>,
    permit: Option<Slot>,
}

/// Room to run at once: one of the worker's slots, held until the run is over, or none of them
/// where the caller asked to run it here beyond them.
struct Slot {
    _held: Option<OwnedSemaphorePermit>,
}

/// What starts executions: an event with what is known about it.
struct Incoming<'a> {
    tenant_id: TenantId,
    id: EventId,
    event_type: String,
    source: &'a str,
    payload: &'a Value,
    headers: &'a Value,
    correlation_id: &'a str,
    received_at: DateTime<Utc>,
    kind: &'static str,
    depth: u32,
}

impl Engine {
    /// Who listens at a webhook path; `None` where nobody does. Answers from memory, which is
    /// refreshed within a second of a publication elsewhere, and at once for one in this process.
    pub async fn webhook_endpoint(&self, tenant: &str, path: &str) -> Result<Option<WebhookEndpoint>, StoreError> {
        match self.tenant_id(tenant).await? {
            Some(tenant_id) => self.webhook_endpoint_of(tenant_id, path).await,
            None => Ok(None),
        }
    }

    /// As [`Engine::webhook_endpoint`], of a tenant that is known already.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn webhook_endpoint_of(
        &self,
        tenant_id: TenantId,
        path: &str,
    ) -> Result<Option<WebhookEndpoint>, StoreError> {
        let snapshot = self.triggers().await?;
        let mut targets = Vec::new();
        for record in snapshot.webhooks(tenant_id, path) {
            match self.definition(record.version_id).await {
                Ok(definition) => {
                    if let Some(Trigger::Webhook(webhook)) = compiled(&definition, record).map(|t| &t.trigger) {
                        targets.push(WebhookTarget { trigger: record.clone(), verify: webhook.verify.clone() });
                    }
                }
                Err(DefinitionError::Store(error)) if error.is_transient() => return Err(error),
                Err(error) => tracing::error!(workflow = %record.workflow, %error, "a webhook trigger cannot be used"),
            }
        }
        Ok((!targets.is_empty()).then(|| WebhookEndpoint { tenant_id, path: path.to_owned(), targets }))
    }

    /// Accepts a verified delivery. `verified` names the targets of the endpoint whose own
    /// verification passed, by index. Answers after the commit.
    ///
    /// A `filter` that fails on the payload does not match, and says so in the log; a `dedupe` that
    /// fails refuses the delivery, because starting twice or not at all would both be silent.
    pub async fn deliver(
        &self,
        endpoint: &WebhookEndpoint,
        verified: &[usize],
        delivery: WebhookDelivery,
    ) -> Result<Received, IntakeError> {
        let request = &delivery.request;
        let incoming = Incoming {
            tenant_id: endpoint.tenant_id,
            id: request.id,
            event_type: format!("webhook.{}", endpoint.path.replace('/', ".")),
            source: &endpoint.path,
            payload: &delivery.payload,
            headers: &delivery.headers,
            correlation_id: &delivery.correlation_id,
            received_at: request.received_at,
            kind: "webhook",
            depth: 0,
        };
        let mut records: Vec<TriggerRecord> =
            verified.iter().filter_map(|&ix| endpoint.targets.get(ix)).map(|target| target.trigger.clone()).collect();
        let scope = format!("hook:{}", endpoint.path);
        for _ in 0..STALE_TRIES {
            let starts = self.matching(&incoming, &records).await?;
            let accept = Accept {
                tenant_id: endpoint.tenant_id,
                event: Some(incoming.event(delivery.payload_text.clone())),
                request: Some(request.clone()),
                delivery: delivery.delivery_id.clone().map(|key| DeliveryKey { scope: scope.clone(), key }),
                starts: Vec::new(),
            };
            match self.accept(accept, starts).await? {
                Some(received) => return Ok(received),
                None => {
                    // Published in between: the workflows whose triggers we had are looked up again.
                    // What was verified for a workflow stays verified for it.
                    let workflows: Vec<_> = records.iter().map(|record| record.workflow_id).collect();
                    records = self.triggers().await?.webhooks(endpoint.tenant_id, &endpoint.path).to_vec();
                    records.retain(|record| workflows.contains(&record.workflow_id));
                }
            }
        }
        Err(IntakeError::Store(StoreError::Busy("the workflow is being published over and over".to_owned())))
    }

    /// Publishes an event: it is stored with the executions that it starts.
    pub async fn publish_event(&self, event: PublishEvent) -> Result<Received, IntakeError> {
        self.publish_event_once(event, None).await
    }

    /// As [`Engine::publish_event`]; a second event with the same key is not stored, and is answered
    /// with the first.
    ///
    /// # Errors
    /// Those of [`Engine::publish_event`].
    pub async fn publish_event_once(
        &self,
        event: PublishEvent,
        key: Option<DeliveryKey>,
    ) -> Result<Received, IntakeError> {
        let headers = Value::Object(serde_json::Map::new());
        let incoming = Incoming {
            tenant_id: event.tenant_id,
            id: EventId::new(),
            event_type: event.event_type,
            source: &event.source,
            payload: &event.payload,
            headers: &headers,
            correlation_id: &event.correlation_id,
            received_at: self.ports().clock.now(),
            kind: "event",
            depth: 0,
        };
        let text: Json = event.payload.to_string().into();
        for _ in 0..STALE_TRIES {
            let snapshot = self.triggers().await?;
            let records: Vec<TriggerRecord> = snapshot.events(event.tenant_id, &incoming.event_type).cloned().collect();
            let starts = self.matching(&incoming, &records).await?;
            let accept = Accept {
                tenant_id: event.tenant_id,
                event: Some(incoming.event(text.clone())),
                request: None,
                delivery: key.clone(),
                starts: Vec::new(),
            };
            if let Some(received) = self.accept(accept, starts).await? {
                return Ok(received);
            }
        }
        Err(IntakeError::Store(StoreError::Busy("a workflow is being published over and over".to_owned())))
    }

    /// What the end of an execution accepts in its own transaction, where a workflow listens. Nothing
    /// where that cannot be found out: the end itself must not fail for it.
    pub(super) async fn accept_of_core_event(
        &self,
        about: &About,
        event_type: &str,
        payload: impl FnOnce() -> Value,
    ) -> Vec<Accept> {
        self.try_core_event(about, event_type, payload).await.unwrap_or_else(|error| {
            tracing::error!(execution = %about.execution_id, event_type, %error, "an event could not start its workflows");
            None
        }).into_iter().collect()
    }

    /// The same; an error where it cannot be found out who listens.
    pub(super) async fn try_core_event(
        &self,
        about: &About,
        event_type: &str,
        payload: impl FnOnce() -> Value,
    ) -> Result<Option<Accept>, IntakeError> {
        if about.effects.is_test() {
            // What it would have started would reach the world.
            return Ok(None);
        }
        let depth = about.depth + 1;
        let snapshot = self.triggers().await?;
        let records: Vec<TriggerRecord> = snapshot.events(about.tenant_id, event_type).cloned().collect();
        if records.is_empty() {
            return Ok(None);
        }
        if depth > limits::EVENT_CHAIN_DEPTH {
            tracing::error!(execution = %about.execution_id, depth, "a chain of executions that start each other was cut");
            return Ok(None);
        }
        let payload = payload();
        let headers = Value::Object(serde_json::Map::new());
        let incoming = Incoming {
            tenant_id: about.tenant_id,
            id: EventId::new(),
            event_type: event_type.to_owned(),
            source: "core",
            payload: &payload,
            headers: &headers,
            correlation_id: &about.correlation_id,
            received_at: self.ports().clock.now(),
            kind: "event",
            depth,
        };
        let starts = self.matching(&incoming, &records).await?;
        Ok(Some(Accept {
            tenant_id: about.tenant_id,
            event: Some(incoming.event(payload.to_string().into())),
            request: None,
            delivery: None,
            // Stored in the queue: the trigger may go in between, which must not undo the checkpoint.
            starts: starts.into_iter().map(|start| NewExecution { trigger_id: None, ..start.new }).collect(),
        }))
    }

    /// Waits until an execution has ended; `None` where it has not within the timeout.
    pub async fn wait_until_ended(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        timeout: Duration,
    ) -> Result<Option<ExecutionRecord>, StoreError> {
        let until = Instant::now() + timeout;
        // An execution that runs here tells us; one that runs elsewhere is looked at, less and less often.
        let mut pause = Duration::from_millis(50);
        loop {
            let waiter = self.inner.active.waiter(id);
            let told = waiter.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            let record = self.ports().store.execution(tenant, id).await?;
            let left = until.saturating_duration_since(Instant::now());
            if record.status.is_terminal() || left.is_zero() {
                self.inner.active.forget_waiter(id);
                return Ok(record.status.is_terminal().then_some(record));
            }
            let _ = tokio::time::timeout(pause.min(left), told).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    // ------------------------------------------------------------ the common part

    /// The executions that an event starts, one per matching trigger's workflow.
    async fn matching(&self, incoming: &Incoming<'_>, records: &[TriggerRecord]) -> Result<Vec<Start>, IntakeError> {
        let mut starts: Vec<Start> = Vec::new();
        if records.is_empty() {
            return Ok(starts);
        }
        let context = self.event_context(
            incoming.tenant_id,
            &EventView {
                payload: incoming.payload,
                event_type: &incoming.event_type,
                source: incoming.source,
                id: incoming.id.to_string(),
                received_at: incoming.received_at.to_rfc3339(),
                headers: incoming.headers,
            },
        );
        for record in records.iter().take(limits::STARTS_PER_EVENT) {
            if starts.iter().any(|start| start.new.workflow_id == record.workflow_id) {
                // Two triggers of one workflow: one delivery starts it once.
                continue;
            }
            let definition = self.definition(record.version_id).await?;
            let Some(trigger) = compiled(&definition, record) else { continue };
            if !matches_filter(trigger, record, &context) {
                continue;
            }
            let failed =
                |message: String| IntakeError::Trigger { what: "dedupe", workflow: record.workflow.clone(), message };
            let dedupe_key = match &trigger.dedupe {
                None => None,
                Some(template) => Some(template.render_string(&context).map_err(|e| failed(e.to_string()))?),
            };
            let shown = json!({ "kind": incoming.kind, "key": record.key, "type": incoming.event_type });
            let mut new = self.new_execution(record.version, incoming.correlation_id.to_owned(), &shown);
            new.workflow_id = record.workflow_id;
            new.workflow.clone_from(&record.workflow);
            new.version_id = record.version_id;
            new.trigger_id = Some(record.id);
            new.dedupe_key = dedupe_key;
            let about = About {
                execution_id: new.id,
                tenant_id: incoming.tenant_id,
                workflow: new.workflow.clone(),
                version: new.version,
                correlation_id: new.correlation_id.clone(),
                depth: incoming.depth,
                effects: Arc::default(),
            };
            starts.push(Start { definition, context: context.clone(), about, new, input: None, permit: None });
        }
        Ok(starts)
    }
}

impl Incoming<'_> {
    fn event(&self, payload: Json) -> NewEvent {
        NewEvent {
            id: self.id,
            event_type: self.event_type.clone(),
            source: self.source.to_owned(),
            payload,
            headers: match self.headers {
                Value::Object(headers) if headers.is_empty() => None,
                headers => Some(headers.to_string().into()),
            },
            correlation_id: self.correlation_id.to_owned(),
            received_at: self.received_at,
            depth: self.depth,
        }
    }
}

fn compiled<'a>(definition: &'a Definition, record: &TriggerRecord) -> Option<&'a CompiledTrigger> {
    definition.plan.triggers.get(usize::try_from(record.position).ok()?)
}

fn matches_filter(trigger: &CompiledTrigger, record: &TriggerRecord, context: &Context) -> bool {
    let Some(filter) = &trigger.filter else { return true };
    match filter.is_true(context) {
        Ok(matches) => matches,
        Err(error) => {
            metrics::counter!("automate_trigger_filter_errors_total").increment(1);
            tracing::warn!(workflow = %record.workflow, version = record.version, %error,
                "a trigger's filter failed on an event, so the event does not match");
            false
        }
    }
}
