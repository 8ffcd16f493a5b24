//! What a sender is told about a delivery that was taken.

use std::sync::Arc;
use std::time::Duration;

use automate_core::ids::{EventId, ExecutionId, TenantId};
use automate_core::limits;
use automate_core::runtime::Received;
use automate_core::store::ExecutionRecord;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::Problem;
use crate::state::ApiState;

/// The wish to be answered when the execution has ended.
pub(super) struct Wait {
    timeout: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Wait {
    /// What the query asks for (`wait`, `timeout`). Other parameters are the sender's own business.
    /// Where too many wait already the wish is passed over: the answer is 202 then, as after the
    /// timeout.
    pub(super) fn of(query: Option<&str>, state: &ApiState) -> Result<Option<Self>, Problem> {
        let Some(timeout) = asked(query.unwrap_or_default())? else { return Ok(None) };
        let permit = Arc::clone(&state.inner.waiters).try_acquire_owned().ok();
        Ok(permit.map(|permit| Self { timeout, _permit: permit }))
    }
}

fn asked(query: &str) -> Result<Option<Duration>, Problem> {
    let invalid = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", detail).closing();
    let mut wait = false;
    let mut timeout = limits::HOOK_WAIT;
    for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        match (name, value) {
            ("wait", "true" | "1") => wait = true,
            ("wait", "false" | "0") => wait = false,
            ("wait", _) => return Err(invalid("`wait` is `true` or `false`".to_owned())),
            ("timeout", seconds) => {
                let seconds = seconds.strip_suffix('s').unwrap_or(seconds);
                timeout = seconds
                    .parse()
                    .ok()
                    .map(Duration::from_secs)
                    .filter(|timeout| (Duration::from_secs(1)..=limits::HOOK_WAIT_MAX).contains(timeout))
                    .ok_or_else(|| invalid(format!("`timeout` is 1 to {} seconds", limits::HOOK_WAIT_MAX.as_secs())))?;
            }
            _ => {}
        }
    }
    Ok(wait.then_some(timeout))
}

#[derive(Serialize)]
struct Accepted<'a> {
    event_id: Option<EventId>,
    execution_ids: &'a [ExecutionId],
    duplicate: bool,
    #[serde(flatten)]
    ended: Option<Ended<'a>>,
}

#[derive(Serialize)]
struct Ended<'a> {
    status: &'static str,
    output: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Code<'a>>,
}

/// Why an execution failed, as far as its sender may know: the message is the operator's.
#[derive(Serialize)]
struct Code<'a> {
    code: &'a str,
}

/// 202 after the commit; with a wish to wait, 200 with how the first execution ended.
pub(super) async fn accepted(state: &ApiState, tenant: TenantId, received: Received, wait: Option<Wait>) -> Response {
    let ended = match (wait, received.execution_ids.first()) {
        (Some(wait), Some(first)) => until_ended(state, tenant, *first, wait.timeout).await,
        _ => None,
    };
    let ended = ended.as_ref().map(|execution| Ended {
        status: execution.status.as_str(),
        output: execution.output.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        error: execution.error.as_ref().map(|error| Code { code: &error.code }),
    });
    let status = if ended.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let body = Accepted {
        event_id: received.event_id,
        execution_ids: &received.execution_ids,
        duplicate: received.duplicate,
        ended,
    };
    (status, Json(body)).into_response()
}

async fn until_ended(
    state: &ApiState,
    tenant: TenantId,
    id: ExecutionId,
    timeout: Duration,
) -> Option<ExecutionRecord> {
    // In a task of its own, because the wait may be cut short and a query must not be.
    let engine = state.inner.engine.clone();
    let waiting = tokio::spawn(async move { engine.wait_until_ended(tenant, id, timeout).await });
    tokio::select! {
        ended = waiting => match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot wait for an execution");
                None
            }
            Err(_) => None,
        },
        () = state.inner.shutdown.cancelled() => None,
    }
}

/// The answer to Slack's `url_verification`.
pub(super) fn challenge(challenge: &str) -> Response {
    Json(serde_json::json!({ "challenge": challenge })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_may_ask_to_wait() {
        let asked = |query| asked(query).map_err(|problem| problem.code());
        assert_eq!(asked(""), Ok(None));
        assert_eq!(asked("a=b&wait=false"), Ok(None));
        assert_eq!(asked("wait=true"), Ok(Some(limits::HOOK_WAIT)));
        assert_eq!(asked("wait=1&timeout=5"), Ok(Some(Duration::from_secs(5))));
        assert_eq!(asked("timeout=60s&wait=true"), Ok(Some(limits::HOOK_WAIT_MAX)));
        for query in ["wait=maybe", "wait", "wait=true&timeout=61", "wait=true&timeout=0", "wait=true&timeout=-1"] {
            assert_eq!(asked(query), Err("INVALID_PARAMETER"), "{query}");
        }
    }

    #[test]
    fn an_answer_without_waiting_has_three_members() {
        let body = Accepted { event_id: None, execution_ids: &[], duplicate: true, ended: None };
        let expected = r#"{"event_id":null,"execution_ids":[],"duplicate":true}"#;
        assert_eq!(serde_json::to_string(&body).unwrap(), expected);
        let output = serde_json::from_str(r#"{"b":1.50,"a":[]}"#).unwrap();
        let ended = Some(Ended { status: "completed", output: Some(output), error: None });
        let body = Accepted { event_id: None, execution_ids: &[], duplicate: false, ended };
        let expected =
            r#"{"event_id":null,"execution_ids":[],"duplicate":false,"status":"completed","output":{"b":1.50,"a":[]}}"#;
        assert_eq!(serde_json::to_string(&body).unwrap(), expected);
    }
}
