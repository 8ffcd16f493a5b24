//! Whether the process lives, and whether it should get requests.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use crate::state::ApiState;

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Response {
    Json(Report { status: Outcome::Ok, checks: Vec::new() }).into_response()
}

/// `GET /readyz`: each check with its state; 503 while one fails.
pub(crate) async fn ready(State(state): State<ApiState>) -> Response {
    let checks = checks(&state).await;
    let ready = checks.iter().all(|check| check.status == Outcome::Ok);
    let report = Report { status: if ready { Outcome::Ok } else { Outcome::Fail }, checks };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

#[derive(Serialize)]
struct Report {
    status: Outcome,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

/// A check by its name. Why it fails is for operators: the log and `automate doctor` say it.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Fail,
}

async fn checks(state: &ApiState) -> Vec<Check> {
    let check = |name, ok| Check { name, status: if ok { Outcome::Ok } else { Outcome::Fail } };
    let store = std::sync::Arc::clone(&state.inner.engine.ports().store);
    let health = state.inner.health.get(|| async move { store.health().await }).await;
    let worker = state.inner.engine.worker_status();
    let (database, migrations) = match health.as_deref() {
        Some(Ok(health)) => (true, health.pending_migrations.is_empty()),
        Some(Err(error)) => {
            tracing::warn!(%error, "not ready: the database");
            (false, false)
        }
        None => {
            tracing::warn!("not ready: the database has not answered in time");
            (false, false)
        }
    };
    vec![
        check("database", database),
        check("migrations", migrations),
        check("accepting", !state.inner.shutdown.is_cancelled() && !worker.draining),
    ]
}
