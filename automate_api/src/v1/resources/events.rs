//! `/events`.

use std::sync::Arc;

use automate_core::access::Principal;
use automate_core::document::pattern::is_event_type;
use automate_core::limits;
use automate_core::runtime::{IntakeError, PublishEvent, Received};
use automate_core::store::DeliveryKey;
use automate_store::models::events::EVENTS;
use automate_store::resource::{ListQuery, Model};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Operation, Reply, model_access};
use crate::{FieldError, Problem};

/// What happened.
pub(super) struct Events;

impl BaseReadOnlyViewSet for Events {
    fn model(&self) -> &'static Model {
        &EVENTS
    }

    fn get_permissions(&self, action: &Action) -> Access {
        match action {
            Action::Custom(_) => Access::new("events:publish", "event.publish"),
            action => model_access(&EVENTS, action),
        }
    }

    /// As of executions: ids are in the order of time.
    fn get_queryset(&self, _principal: &Principal, mut query: ListQuery) -> Result<ListQuery, Problem> {
        in_order_of_ids(&mut query);
        Ok(query)
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let publish = Operation::post("/events", Action::custom("publish"))
            .summary("Publishes an event")
            .description("Stores the event and starts the workflows that listen to its type, in one transaction.")
            .reads::<EventInput>()
            .answers::<EventReceived>(StatusCode::ACCEPTED, "It is stored, with the executions that it started.")
            .handler(publish);
        vec![publish]
    }
}

/// Rows that are ordered by when they were received, by their ids instead, which have an index.
pub(super) fn in_order_of_ids(query: &mut ListQuery) {
    query.ordering.iter_mut().filter(|by| by.column == "received_at").for_each(|by| by.column = "id");
    query.ordering.dedup_by_key(|by| by.column);
}

/// An event to publish.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EventInput {
    /// Its type: words with dots between, such as `order.paid`. Those that begin with `core.` and
    /// `webhook.` are the system's own.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 200, pattern = "^(?!core[.]|webhook[.])[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$")]
    kind: String,
    /// What it says.
    #[serde(default)]
    payload: Value,
    /// Where it comes from; `api` where absent.
    #[schema(min_length = 1, max_length = 200)]
    source: Option<String>,
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
pub(super) struct EventReceived {
    /// The event; the first one's where this was a duplicate.
    event_id: Option<Uuid>,
    /// The executions that it started.
    execution_ids: Vec<Uuid>,
    /// It had been received before.
    duplicate: bool,
}

impl From<Received> for EventReceived {
    fn from(received: Received) -> Self {
        Self {
            event_id: received.event_id.map(|id| id.0),
            execution_ids: received.execution_ids.into_iter().map(|id| id.0).collect(),
            duplicate: received.duplicate,
        }
    }
}

fn fault(path: &str, code: &str, message: &str) -> FieldError {
    FieldError { path: path.to_owned(), code: code.to_owned(), message: message.to_owned() }
}

async fn publish(call: Call) -> Result<Reply, Problem> {
    let EventInput { kind, payload, source } = call.read()?;
    let mut faults = Vec::new();
    if kind.len() > limits::TRIGGER_NAME_BYTES || !is_event_type(&kind) {
        let rule = "must be words of letters, digits, `_` and `-` with dots between, 200 characters at most";
        faults.push(fault("/type", "INVALID_VALUE", rule));
    } else if kind.starts_with("core.") || kind.starts_with("webhook.") {
        faults.push(fault("/type", "RESERVED", "must not begin as the types of the system's own events do"));
    }
    let fits = |source: &String| {
        let characters = source.chars().count();
        (1..=limits::TRIGGER_NAME_BYTES).contains(&characters) && !source.contains('\0')
    };
    if source.as_ref().is_some_and(|source| !fits(source)) {
        faults.push(fault("/source", "INVALID_VALUE", "must be 1 to 200 characters"));
    }
    if !faults.is_empty() {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the event is not valid")
            .with_errors(faults));
    }
    let tenant = call.tenant()?;
    let entry = call.audit("event.publish")?.about("event", &kind);
    let entry = entry.with(json!({ "source": source }));
    let event = PublishEvent {
        tenant_id: tenant,
        event_type: kind,
        source: source.unwrap_or_else(|| "api".to_owned()),
        payload,
        correlation_id: call.origin.correlation_id.clone(),
    };
    let key = call.dedupe_key().map(|key| DeliveryKey { scope: "api:events".to_owned(), key });
    let deed = call.api.engine().publish_event_once(event, key);
    let received: Result<Received, IntakeError> = call.api.audit().around(entry, deed).await;
    Reply::accepted(EventReceived::from(received?))
}
