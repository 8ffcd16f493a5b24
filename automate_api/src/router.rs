//! Which address leads where.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::StatusCode;

use crate::state::ApiState;
use crate::{Problem, edge, health, hooks, metrics};

/// All routes of the HTTP face, with the one layer around them.
///
/// The REST resources under `/api/v1`, the admin and the extensions are merged here, above the
/// fallback, so that they too run inside the layer.
pub fn router(state: ApiState) -> Router {
    let requests = Arc::clone(&state.inner.requests);
    let routes = Router::new()
        .route("/hooks/{tenant}/{*path}", post(hooks::receive))
        .route("/api/v1/webhooks/{tenant}/{event_type}", post(hooks::receive))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/ext/observability/metrics", get(metrics::show))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state);
    edge::around(routes, requests)
}

/// The router adds `Allow`.
pub(crate) async fn method_not_allowed() -> impl IntoResponse {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this address does not take that method")
}
