//! Which address leads where.

use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::StatusCode;

use crate::state::ApiState;
use crate::{Problem, edge, health, hooks, metrics};

/// The routes of the HTTP face that need no more than an engine, with the one layer around them.
pub fn router(state: ApiState) -> Router {
    router_with(state, [])
}

/// All routes, with the one layer around them: the REST API of [`v1::router`](crate::v1::router), the
/// admin and the extensions are given as `more`, so that they too run inside the layer.
pub fn router_with(state: ApiState, more: impl IntoIterator<Item = Router>) -> Router {
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
    let routes = more.into_iter().fold(routes, Router::merge);
    edge::around(routes, requests)
}

/// The router adds `Allow`.
pub(crate) async fn method_not_allowed() -> impl IntoResponse {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this address does not take that method")
}
