//! `/executions`.

use automate_core::access::Principal;
use automate_store::models::executions::EXECUTIONS;
use automate_store::resource::{ListQuery, Model};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::Problem;
use crate::v1::base::{BaseReadOnlyViewSet, Call, Faces};

/// Runs of workflows.
pub(super) struct Executions;

impl BaseReadOnlyViewSet for Executions {
    fn model(&self) -> &'static Model {
        &EXECUTIONS
    }

    /// Ids are made in the order of time, and have an index; the column of times has none.
    fn get_queryset(&self, _principal: &Principal, mut query: ListQuery) -> Result<ListQuery, Problem> {
        query.ordering.iter_mut().filter(|by| by.column == "created_at").for_each(|by| by.column = "id");
        query.ordering.dedup_by_key(|by| by.column);
        Ok(query)
    }

    fn represent(&self, _call: &Call, mut fields: Map<String, Value>) -> Result<Value, Problem> {
        for step in fields.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(step) = step.as_object_mut() {
                *step = named(std::mem::take(step));
            }
        }
        Ok(Value::Object(fields))
    }

    fn faces(&self) -> Faces {
        Faces::columns().adds_many::<ExecutionStep>("steps")
    }
}

/// A step of an execution.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExecutionStep {
    /// Its name in the document.
    id: String,
    /// Where in the execution it is; with repetitions, which one.
    path: String,
    /// Its place in the order in which steps began.
    seq: i64,
    /// The action.
    uses: String,
    /// `pending`, `running`, `waiting`, `completed`, `failed`, `skipped`, `cancelled` or
    /// `outcome_unknown`.
    status: String,
    /// How often it was tried.
    attempt: i64,
    /// What the action was given to have one effect however often it is tried.
    idempotency_key: String,
    /// What the action was given; null without the permission `execution.view_payload`.
    input: Option<Value>,
    /// What the action gave; null without the permission `execution.view_payload`.
    output: Option<Value>,
    /// Why it failed.
    error: Option<Value>,
    /// When it is looked at again, where it waits.
    wake_at: Option<DateTime<Utc>>,
    /// When its last attempt began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

/// A step with its name in front, under the name that documents give it.
fn named(mut step: Map<String, Value>) -> Map<String, Value> {
    let id = step.shift_remove("step_id").unwrap_or_default();
    let mut named = Map::from_iter([("id".to_owned(), id)]);
    named.extend(step);
    named
}
