//! The one way that every request to an operation goes.

mod admit;
mod answer;
mod input;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use automate_core::audit::Origin;
use automate_core::limits;
use axum::extract::{ConnectInfo, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};
use tracing::Instrument;

use super::base::{Call, IfMatch, Operation, Reply, is_known};
use super::idempotency::{self, Ended, Held};
use super::state::ApiV1;
use crate::Problem;
use crate::correlation::CorrelationId;

pub(super) use admit::authenticate;

/// Where a request came from.
pub(super) struct Source {
    pub(super) address: Option<IpAddr>,
    pub(super) origin: Origin,
}

impl Source {
    pub(super) fn of(request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let address = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
        let correlation = request.extensions().get::<CorrelationId>();
        let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let origin = Origin {
            correlation_id: correlation.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
            agent: agent.chars().take(limits::AUDIT_TEXT_CHARS).collect(),
        };
        Self { address, origin }
    }
}

/// Answers one request to one operation.
pub(super) async fn run(
    api: &ApiV1,
    operation: &Arc<Operation>,
    parameters: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut limits = HeaderMap::new();
    let mut response = match attempt(api, operation, parameters, request, &mut limits).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    response.headers_mut().extend(limits);
    if let Some(cors) = operation.cors.as_ref().or(api.settings().cors.as_ref()) {
        response.headers_mut().extend(cors.headers(origin.as_ref()));
    }
    response
}

async fn attempt(
    api: &ApiV1,
    operation: &Arc<Operation>,
    parameters: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
    limits: &mut HeaderMap,
) -> Result<Response, Problem> {
    let source = Source::of(&request);
    let (parts, body) = request.into_parts();
    input::refuse_credentials(parts.uri.query())?;
    let principal = admit::admit(api, operation, &parts.headers, &source, limits).await?;
    let path = input::path(operation, parameters)?;
    let query = input::query(operation, parts.uri.query())?;
    input::last_event_id(operation, &parts.headers)?;
    let if_match = IfMatch::of(&parts.headers)?;
    if if_match.is_some() && !operation.takes_if_match && !operation.is_safe() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "CONDITION_NOT_SUPPORTED",
            "this operation does not look at If-Match; leave it out",
        ));
    }
    let key = if operation.idempotent { idempotency::key_of(&parts.headers)? } else { None };
    let (bytes, value, _memory) = input::body(api, operation, &parts.headers, body).await?;

    let held = match key {
        None => None,
        Some(key) => {
            let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
            let hash = idempotency::hash(&operation.method, target, &bytes);
            match idempotency::claim(api.keys(), &principal, key, hash).await? {
                Held::Ours(held) => Some(held),
                Held::Answered(reply) => return answer::of(api, &principal, reply),
            }
        }
    };
    let call = Call {
        api: api.clone(),
        action: operation.action.clone(),
        principal: principal.clone(),
        origin: source.origin,
        path,
        query,
        body: value,
        if_match,
        pagination: operation.pagination,
        headers: parts.headers.clone(),
        held,
    };
    let reply = work(operation, call).await?;
    if operation.is_safe()
        && let Some(tag) = reply.headers.get(header::ETAG)
        && is_known(&parts.headers, tag)?
    {
        return Ok(answer::not_modified(tag));
    }
    answer::of(api, &principal, reply)
}

/// Runs the handler in a task of its own: it goes on to its end past the deadline, and when it
/// breaks down its idempotency key is given up.
async fn work(operation: &Arc<Operation>, call: Call) -> Result<Reply, Problem> {
    let handler = Arc::clone(&operation.handler);
    let held = call.held.clone();
    let task = async move {
        let inner = tokio::spawn(async move { handler(call).await }.in_current_span());
        let result = inner.await.unwrap_or_else(|error| {
            // The panic's message is in the log already, by the panic hook.
            tracing::error!(panic = error.is_panic(), "an operation died");
            Err(Problem::internal())
        });
        if let Some(held) = held {
            let ended = Ended::of(&result);
            held.end(ended).await;
        }
        result
    };
    match tokio::time::timeout(operation.deadline, tokio::spawn(task.in_current_span())).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(Problem::internal()),
        Err(_) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "TIMED_OUT",
            "it takes longer than it may; it goes on, and whether it succeeds is not known yet",
        )
        .with_retry_after(std::time::Duration::from_secs(5))),
    }
}

/// Whether a method only looks.
pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
