//! The one layer around all routes.
//!
//! The handler runs in a task of its own. hyper drops a request's future when the client goes
//! away, and a future that is dropped in the middle of `BEGIN` gives a broken connection back to
//! the database's pool; a task is not dropped. The same task boundary turns a panic into a 500.

use std::sync::Arc;
use std::time::Instant;

use automate_core::limits;
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::correlation::{self, CorrelationId};
use crate::problem::Problem;

/// Puts the layer around all routes of a router. `requests` has a permit for each request that may
/// be under way.
pub(crate) fn around(router: Router, requests: Arc<Semaphore>) -> Router {
    router.layer(from_fn_with_state(requests, handle))
}

async fn handle(State(requests): State<Arc<Semaphore>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let correlation = CorrelationId::taken_or_made(request.headers());
    let method = request.method().clone();
    // The template, never the address itself: its values are unbounded and the client's.
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    request.extensions_mut().insert(correlation.clone());
    // For whoever answers and does not know this crate.
    if let Some(value) = correlation.header_value() {
        request.headers_mut().insert(correlation::HEADER, value);
    }

    let mut response = match admit(&requests, &request) {
        Err(problem) => problem.into_response(),
        Ok(permit) => {
            let span = tracing::info_span!(
                "request",
                correlation_id = correlation.as_str(),
                %method,
                route = route.as_deref().unwrap_or("")
            );
            let work = async move {
                let response = next.run(request).await;
                drop(permit);
                response
            };
            match tokio::spawn(work.instrument(span)).await {
                Ok(response) => response,
                Err(error) => {
                    // The panic's message is in the log already, by the panic hook.
                    tracing::error!(correlation_id = correlation.as_str(), panic = error.is_panic(), "a handler died");
                    Problem::internal().into_response()
                }
            }
        }
    };

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if problem.status().is_server_error() {
            let (status, code) = (problem.status().as_u16(), problem.code());
            tracing::warn!(correlation_id = correlation.as_str(), status, code, "answered with an error");
        }
        *response.body_mut() = Body::from(problem.body(Some(&correlation)));
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    set_headers(response.headers_mut(), &correlation);
    record(route, &method, response.status(), started);
    response
}

/// Refuses what is refused whatever it is for. `Ok` has the permit to be worked on.
fn admit(requests: &Arc<Semaphore>, request: &Request) -> Result<OwnedSemaphorePermit, Problem> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > limits::URI_BYTES) {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "URI_TOO_LONG",
            format!("the address is longer than {} bytes", limits::URI_BYTES),
        )
        .closing());
    }
    let bytes: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > limits::HEADER_BYTES || request.headers().len() > limits::HEADER_COUNT {
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HEADERS_TOO_LARGE",
            format!("the headers are more than {} or than {} bytes", limits::HEADER_COUNT, limits::HEADER_BYTES),
        )
        .closing());
    }
    if let Some(framing) = request.extensions().get::<crate::server::AmbiguousFraming>() {
        return Err(framing.problem());
    }
    Arc::clone(requests).try_acquire_owned().map_err(|_| {
        metrics::counter!("automate_http_requests_shed_total").increment(1);
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "OVERLOADED",
            "too many requests are under way; try again shortly",
        )
        .with_retry_after(std::time::Duration::from_secs(1))
    })
}

const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// A page that needs another policy sets its own; what is there is not overwritten.
fn set_headers(headers: &mut HeaderMap, correlation: &CorrelationId) {
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    if let Some(value) = correlation.header_value() {
        headers.insert(correlation::HEADER, value);
    }
}

fn record(route: Option<String>, method: &Method, status: StatusCode, started: Instant) {
    // Methods outside the common ones are the client's invention and would be unbounded labels.
    let method = match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    };
    let route = route.map_or_else(|| metrics::SharedString::const_str("none"), metrics::SharedString::from);
    let status = metrics::SharedString::from(status.as_str().to_owned());
    metrics::counter!(
        "automate_http_requests_total",
        "route" => route.clone(), "method" => method, "status" => status
    )
    .increment(1);
    metrics::histogram!("automate_http_request_duration_seconds", "route" => route)
        .record(started.elapsed().as_secs_f64());
}
