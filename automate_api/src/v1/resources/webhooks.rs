//! `/webhooks`: the inbox of received requests.

mod redeliver;

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::access::Principal;
use automate_core::ids::EventId;
use automate_core::runtime::dedupe_of;
use automate_store::models::events::{EVENTS, WEBHOOKS};
use automate_store::resource::{ListQuery, Model, Selection};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::events::in_order_of_ids;
use super::executions::PAYLOAD;
use crate::Problem;
use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Faces, Operation, model_access};

/// Requests to webhooks.
pub(super) struct Webhooks;

#[async_trait]
impl BaseReadOnlyViewSet for Webhooks {
    fn model(&self) -> &'static Model {
        &WEBHOOKS
    }

    fn get_permissions(&self, action: &Action) -> Access {
        match action {
            Action::Custom(_) => Access::new("webhooks:write", "webhook.redeliver"),
            action => model_access(&WEBHOOKS, action),
        }
    }

    fn get_queryset(&self, _principal: &Principal, mut query: ListQuery) -> Result<ListQuery, Problem> {
        in_order_of_ids(&mut query);
        Ok(query)
    }

    async fn represent_all(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            shown.push(Value::Object(represented(call, row).await?));
        }
        Ok(shown)
    }

    fn faces(&self) -> Faces {
        Faces::columns()
            .adds::<Option<String>>("body")
            .adds::<Option<String>>("body_encoding")
            .adds::<Option<String>>("dedupe")
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        vec![redeliver::operation()]
    }
}

/// A row with its body as text, where it is text, and with what its signature says of it.
async fn represented(call: &Call, mut row: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    if let Some(signature) = row.get("signature").and_then(Value::as_str) {
        let dedupe = dedupe_of(signature).map_or(Value::Null, Into::into);
        row.insert("dedupe".to_owned(), dedupe);
    }
    if row.contains_key("body") {
        let bytes = match row.get("body").and_then(Value::as_str) {
            Some(base64) => STANDARD.decode(base64).ok(),
            None => body_of_event(call, &row).await?,
        };
        let (body, encoding) = match bytes.map(String::from_utf8) {
            None => (Value::Null, Value::Null),
            Some(Ok(text)) => (text.into(), "text".into()),
            Some(Err(bytes)) => (STANDARD.encode(bytes.as_bytes()).into(), "base64".into()),
        };
        row.insert("body".to_owned(), body);
        row.insert("body_encoding".to_owned(), encoding);
    }
    Ok(row)
}

/// The body that is kept as the payload of the event, byte for byte.
async fn body_of_event(call: &Call, row: &Map<String, Value>) -> Result<Option<Vec<u8>>, Problem> {
    let id = row.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
    let Some(id) = id.filter(|_| call.principal.can(PAYLOAD)) else { return Ok(None) };
    // Through the service, which puts on record that it was seen.
    let payload = Selection { fields: vec!["payload"], expand: Vec::new() };
    match call.api.resources().get(&EVENTS, &call.writer(), id, &payload).await {
        Ok(_) => {}
        Err(automate_store::resource::ResourceError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let event = call.api.engine().ports().store.event(call.tenant()?, EventId(id)).await?;
    Ok(Some(event.payload.as_bytes().to_vec()))
}
