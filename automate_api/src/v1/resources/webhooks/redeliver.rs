//! `POST /webhooks/{id}/redeliver`.

use automate_core::ids::{EventId, TenantId};
use automate_core::runtime::{IntakeError, Received, WebhookDelivery};
use automate_core::store::NewWebhookRequest;
use automate_store::models::events::WEBHOOKS;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::events::EventReceived;
use super::super::nested::found;
use super::passed;
use crate::Problem;
use crate::hooks::{body, payload};
use crate::v1::base::{Action, Call, Operation, Reply};

/// How a request is delivered again.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Redelivery {
    /// Whether to take a request that was refused, whose signature nobody has found right.
    accept_unverified: bool,
}

pub(super) fn operation() -> Operation {
    Operation::post("/webhooks/{id}/redeliver", Action::custom("redeliver"))
        .summary("Delivers a received request again")
        .description(
            "As a new delivery with the body that was stored: the workflows that listen at the path now are started. \
             Signatures are not kept, so it is not verified again; a request that was refused is taken only with \
             `accept_unverified`. A body that was not kept whole cannot be delivered again.",
        )
        .may_read::<Redelivery>()
        .answers::<EventReceived>(StatusCode::ACCEPTED, "It is stored, with the executions that it started.")
        .handler(redeliver)
}

fn refused(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}

async fn redeliver(call: Call) -> Result<Reply, Problem> {
    let Redelivery { accept_unverified } = call.read()?;
    let (id, tenant) = (found(&call, &WEBHOOKS).await?, call.tenant()?);
    let request = automate_store::inbox::request(call.api.database(), tenant, id).await?;
    let request = request.ok_or_else(Problem::not_found)?;
    if !passed(&request.signature) && !accept_unverified {
        return Err(refused(
            "NOT_VERIFIED",
            "the request was refused; say `accept_unverified` to take it nevertheless",
        ));
    }
    let bytes = match &request.body {
        Some(body) => body.clone(),
        // It is the payload of the event, byte for byte.
        None => match call.api.engine().ports().store.event(tenant, EventId(id)).await {
            Ok(event) => event.payload.as_bytes().to_vec(),
            Err(automate_core::store::StoreError::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error.into()),
        },
    };
    if i64::try_from(bytes.len()).ok() != Some(request.body_bytes) {
        return Err(refused("BODY_NOT_KEPT", "the body was not kept whole, so it cannot be delivered again"));
    }
    let entry = call.audit("webhook.redeliver")?.about("webhook", id);
    let entry = entry.with(json!({ "path": request.path, "accept_unverified": accept_unverified }));
    let deed = deliver(&call, tenant, id, request, &bytes);
    let delivered: Result<Result<Received, Problem>, IntakeError> = call.api.audit().around(entry, deed).await;
    Reply::accepted(EventReceived::from(delivered??))
}

/// Delivers a body; what the client did wrong is answered within.
async fn deliver(
    call: &Call,
    tenant: TenantId,
    of: Uuid,
    request: NewWebhookRequest,
    bytes: &[u8],
) -> Result<Result<Received, Problem>, IntakeError> {
    let engine = call.api.engine();
    let Some(endpoint) = engine.webhook_endpoint_of(tenant, &request.path).await? else {
        return Ok(Err(refused("NOBODY_LISTENS", "no workflow listens at the path of the request any more")));
    };
    let mut headers: Map<String, Value> = serde_json::from_str(&request.headers).unwrap_or_default();
    let payload = match parsed(&headers, bytes) {
        Ok(payload) => payload,
        Err(problem) => return Ok(Err(refused("BODY_NOT_READABLE", problem.detail()))),
    };
    headers.insert("x-automate-redelivery-of".to_owned(), of.to_string().into());
    let headers = Value::Object(headers);
    let delivery = WebhookDelivery {
        payload: payload.value,
        payload_text: payload.text,
        request: NewWebhookRequest {
            id: EventId::new(),
            headers: headers.to_string().into(),
            body: (!payload.is_body).then(|| bytes.to_vec()),
            signature: "ok".to_owned(),
            http_status: 202,
            remote_addr: Some(call.origin.address.clone()).filter(|address| !address.is_empty()),
            received_at: engine.ports().clock.now(),
            ..request
        },
        headers,
        // With a key, a delivery that was made before the process died is found again.
        delivery_id: call.dedupe_key().map(|key| format!("redelivery:{key}")),
        correlation_id: call.origin.correlation_id.clone(),
    };
    // Whoever may deliver again answers for all that listen.
    let targets: Vec<usize> = (0..endpoint.targets.len()).collect();
    engine.deliver(&endpoint, &targets, delivery).await.map(Ok)
}

/// The body as its type says.
fn parsed(headers: &Map<String, Value>, bytes: &[u8]) -> Result<payload::Payload, Problem> {
    let mut head = HeaderMap::new();
    if let Some(of) = headers.get("content-type").and_then(Value::as_str).and_then(|of| HeaderValue::from_str(of).ok())
    {
        head.insert(header::CONTENT_TYPE, of);
    }
    payload::parse(body::check_head(&head, bytes.len())?, bytes)
}
