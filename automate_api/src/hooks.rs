//! Webhooks in: `POST /hooks/{tenant}/{path}`.
//!
//! The order is what keeps it safe: bounds, then the signature over the raw bytes, then the gate
//! for JSON, and only then a value, one transaction, and an answer after its commit. Whoever asks
//! at a path that nobody listens to gets the answer of a wrong signature, after the same work.

mod address;
mod answer;
pub(crate) mod body;
mod delivery_id;
mod inbox;
pub(crate) mod payload;
mod verification;

use std::net::SocketAddr;

use automate_core::ids::EventId;
use automate_core::runtime::{IntakeError, WebhookDelivery, WebhookEndpoint};
use automate_core::store::{Json, NewWebhookRequest};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::correlation::CorrelationId;
use crate::masking::masked_headers;
use crate::problem::Problem;
use crate::state::ApiState;
use address::Address;
use answer::Wait;
pub(crate) use inbox::Inbox;
use inbox::Outcome;

/// The handler of both addresses.
pub(crate) async fn receive(State(state): State<ApiState>, request: Request) -> Response {
    let now = state.inner.engine.ports().clock.now();
    let (parts, body) = request.into_parts();
    let Some(address) = Address::of(parts.uri.path()) else {
        return Problem::not_found().closing().into_response();
    };
    let mut received = Received {
        address,
        correlation: parts.extensions.get().cloned().unwrap_or_else(|| CorrelationId::taken_or_made(&parts.headers)),
        peer: parts.extensions.get().map(|ConnectInfo(peer): &ConnectInfo<SocketAddr>| *peer),
        headers: parts.headers,
        body: Bytes::new(),
        at: now,
    };
    let answered = match Wait::of(parts.uri.query(), &state) {
        Ok(wait) => take(&state, &mut received, body, wait).await,
        Err(problem) => Err(problem.into()),
    };
    match answered {
        Ok(response) => response,
        Err(refusal) => {
            metrics::counter!("automate_webhooks_total", "outcome" => refusal.problem.code()).increment(1);
            let outcome = Outcome { signature: refusal.problem.code(), status: refusal.problem.status() };
            // The reason names headers and times; it is for the operator only.
            tracing::debug!(
                tenant = received.address.tenant,
                path = received.address.path,
                code = refusal.problem.code(),
                reason = refusal.reason,
                "a webhook delivery was refused"
            );
            if refusal.recorded {
                state.inner.inbox.record(&state, received, outcome);
            }
            refusal.problem.into_response()
        }
    }
}

/// A request as it came.
struct Received {
    address: Address,
    correlation: CorrelationId,
    /// Who connected. Headers that claim otherwise are the sender's to write and are not believed.
    peer: Option<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
    at: DateTime<Utc>,
}

impl Received {
    /// The row for the inbox. `body` is `None` where the event holds it byte for byte.
    fn row(&self, headers: Json, body: Option<Vec<u8>>, outcome: &Outcome) -> NewWebhookRequest {
        NewWebhookRequest {
            id: EventId::new(),
            path: self.address.path.clone(),
            method: "POST".to_owned(),
            headers,
            body,
            body_bytes: i64::try_from(self.body.len()).unwrap_or(i64::MAX),
            remote_addr: self.peer.map(|peer| peer.ip().to_canonical().to_string()),
            signature: outcome.signature.to_owned(),
            http_status: i16::try_from(outcome.status.as_u16()).unwrap_or(i16::MAX),
            received_at: self.at,
        }
    }
}

/// Why a delivery was not taken: what the sender is told, and what the operator is.
struct Refusal {
    problem: Problem,
    reason: String,
    /// Whether it belongs into the inbox. Faults of ours do not: the sender repeats those.
    recorded: bool,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let recorded = problem.status().is_client_error();
        Self { reason: problem.detail().to_owned(), problem, recorded }
    }
}

/// The one answer to a wrong signature and to a path that nobody listens to.
fn unauthorized(reason: impl Into<String>) -> Refusal {
    let problem = Problem::new(
        StatusCode::UNAUTHORIZED,
        "SIGNATURE_INVALID",
        "there is no webhook at this address, or the delivery is not signed as it must be",
    )
    .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Signature"));
    Refusal { problem, reason: reason.into(), recorded: true }
}

async fn take(
    state: &ApiState,
    received: &mut Received,
    body: axum::body::Body,
    wait: Option<Wait>,
) -> Result<Response, Refusal> {
    let format = body::check_head(&received.headers, state.inner.settings.body_limit)?;
    delivery_id::check_headers(&received.headers)?;
    let (bytes, _memory) = body::read(body, state.inner.settings.body_limit, &state.inner.body_bytes).await?;
    received.body = bytes;

    let address = &received.address;
    let endpoint = state.inner.engine.webhook_endpoint(&address.tenant, &address.path).await.map_err(|error| {
        tracing::warn!(%error, "webhook triggers cannot be looked up");
        Refusal::from(Problem::from(error))
    })?;
    let Some(endpoint) = endpoint else {
        verification::pretend(state, received);
        return Err(unauthorized("nobody listens at this path"));
    };
    let verified = verification::verify(state, &endpoint, received).await?;
    let payload = payload::parse(format, &received.body)?;
    if let Some(challenge) = verified.slack_challenge(&endpoint, &payload.value) {
        metrics::counter!("automate_webhooks_total", "outcome" => "challenge").increment(1);
        return Ok(answer::challenge(challenge));
    }
    let delivery_id = delivery_id::of(&verified, received, &payload.value);
    deliver(state, received, &endpoint, &verified.targets, payload, delivery_id, wait).await
}

async fn deliver(
    state: &ApiState,
    received: &Received,
    endpoint: &WebhookEndpoint,
    targets: &[usize],
    payload: payload::Payload,
    delivery_id: Option<String>,
    wait: Option<Wait>,
) -> Result<Response, Refusal> {
    let headers = masked_headers(&received.headers);
    let outcome = Outcome { signature: "ok", status: StatusCode::ACCEPTED };
    let raw = (!payload.is_body).then(|| received.body.to_vec());
    let delivery = WebhookDelivery {
        payload: payload.value,
        payload_text: payload.text,
        request: received.row(headers.to_string().into(), raw, &outcome),
        headers,
        delivery_id,
        correlation_id: received.correlation.as_str().to_owned(),
    };
    let accepted = match state.inner.engine.deliver(endpoint, targets, delivery).await {
        Ok(accepted) => accepted,
        // The workflow was taken out of service between the look-up and now.
        Err(IntakeError::NotFound(what)) => return Err(unauthorized(what)),
        Err(error) => {
            tracing::warn!(%error, tenant = received.address.tenant, path = received.address.path, "a delivery was not accepted");
            return Err(Problem::from(error).into());
        }
    };
    let word = if accepted.duplicate { "duplicate" } else { "accepted" };
    metrics::counter!("automate_webhooks_total", "outcome" => word).increment(1);
    if accepted.duplicate {
        inbox::record_duplicate(state, received, endpoint, &accepted);
    }
    Ok(answer::accepted(state, endpoint.tenant_id, accepted, wait).await)
}

/// A string member of a payload.
fn member<'a>(payload: &'a Value, name: &str) -> Option<&'a str> {
    payload.as_object()?.get(name)?.as_str()
}

#[cfg(test)]
mod tests;
