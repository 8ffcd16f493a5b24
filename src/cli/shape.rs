//! The JSON of executions, as the API and `--json` give it.

use automate_core::store::{ExecutionRecord, Json, StepRecord};
use serde_json::{Value, json};

/// Stored JSON text as data; text that cannot be read is shown as the text that it is.
fn data(text: Option<&Json>) -> Value {
    text.map_or(Value::Null, |t| serde_json::from_str(t).unwrap_or_else(|_| Value::String(t.to_string())))
}

/// An execution; with its steps where they are given.
#[must_use]
pub(crate) fn execution(record: &ExecutionRecord, steps: Option<&[StepRecord]>) -> Value {
    let mut shape = json!({
        "id": record.id,
        "workflow": record.workflow,
        "version": record.version,
        "status": record.status,
        "trigger": data(Some(&record.trigger)),
        "event_id": record.event_id,
        "input": data(record.input.as_ref()),
        "output": data(record.output.as_ref()),
        "error": record.error,
        "attempt": record.attempt,
        "created_at": record.created_at,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "parent_id": record.parent_id,
        "replay_of": record.replay_of,
        "correlation_id": record.correlation_id,
    });
    if let (Some(steps), Some(object)) = (steps, shape.as_object_mut()) {
        object.insert("steps".into(), steps.iter().map(step).collect());
    }
    shape
}

/// One step.
fn step(record: &StepRecord) -> Value {
    json!({
        "id": record.step_id,
        "path": record.path,
        "uses": record.uses,
        "status": record.status,
        "attempt": record.attempt,
        "idempotency_key": record.idempotency_key,
        "input": data(record.input.as_ref()),
        "output": data(record.output.as_ref()),
        "error": record.error,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::timeline::tests::{completed_execution, steps_with_a_retry};

    #[test]
    fn an_execution_has_the_published_keys_in_their_order() {
        let shape = execution(&completed_execution(), Some(&steps_with_a_retry()));
        let keys: Vec<&str> = shape.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "id",
                "workflow",
                "version",
                "status",
                "trigger",
                "event_id",
                "input",
                "output",
                "error",
                "attempt",
                "created_at",
                "started_at",
                "finished_at",
                "parent_id",
                "replay_of",
                "correlation_id",
                "steps",
            ]
        );
        let keys: Vec<&str> = shape["steps"][0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "id",
                "path",
                "uses",
                "status",
                "attempt",
                "idempotency_key",
                "input",
                "output",
                "error",
                "started_at",
                "finished_at",
            ]
        );
        assert_eq!(shape["trigger"]["kind"], "webhook");
    }

    #[test]
    fn text_that_is_no_json_is_shown_as_it_is() {
        let bad: Json = Arc::from("{oops");
        assert_eq!(data(Some(&bad)), json!("{oops"));
    }
}
