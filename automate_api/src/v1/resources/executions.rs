//! `/executions`.

mod control;
mod replay;
mod stream;
mod timeline;
mod watching;

use std::sync::Arc;

use automate_core::ids::ExecutionId;
use automate_core::limits;
use automate_store::models::executions::{EXECUTIONS, LOGS, STEPS};
use automate_store::resource::{Model, Selection};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(super) use self::replay::ReplayVersion;
use self::watching::Watchers;
use super::nested::{Nested, nullable, row_shape};
use crate::Problem;
use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Faces, Operation, Reply, Shape, model_access};

/// Runs of workflows.
pub(super) struct Executions {
    watchers: Arc<Watchers>,
}

impl Executions {
    /// The view.
    pub(super) fn new() -> Self {
        Self { watchers: Arc::default() }
    }
}

impl BaseReadOnlyViewSet for Executions {
    fn model(&self) -> &'static Model {
        &EXECUTIONS
    }

    fn get_permissions(&self, action: &Action) -> Access {
        let writes = |permission| Access::new("executions:write", permission);
        match action.name() {
            "cancel" => writes("execution.cancel"),
            "retry" | "resolve" => writes("execution.retry"),
            "replay" => writes("execution.replay"),
            "signal" => writes("execution.signal"),
            "steps" | "logs" => Access::new("executions:read", "executions.view_step"),
            _ => {
                let read = Access::new("executions:read", "executions.view_execution");
                if matches!(action, Action::Custom(_)) { read } else { model_access(&EXECUTIONS, action) }
            }
        }
    }

    fn represent(&self, _call: &Call, fields: Map<String, Value>) -> Result<Value, Problem> {
        Ok(Value::Object(with_named_steps(fields)))
    }

    fn faces(&self) -> Faces {
        faces()
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let mut operations = vec![
            Nested {
                path: "/executions/{id}/steps",
                action: "steps",
                model: &STEPS,
                faces: Faces::columns().adds::<String>("id").without("step_id").adds_shape("error", failure()),
                parent: &EXECUTIONS,
                column: "execution_id",
                show: named,
            }
            .operation()
            .summary("Lists the steps of an execution")
            .description("In the order in which they began."),
            Nested {
                path: "/executions/{id}/logs",
                action: "logs",
                model: &LOGS,
                faces: Faces::columns(),
                parent: &EXECUTIONS,
                column: "execution_id",
                show: |row| row,
            }
            .operation()
            .summary("Lists what the steps of an execution logged")
            .description("The oldest line first."),
            stream::operation(&self.watchers),
        ];
        operations.extend(control::operations());
        operations.push(replay::operation());
        operations
    }
}

fn faces() -> Faces {
    Faces::columns()
        .adds_many::<ExecutionStep>("steps")
        .adds::<ExecutionTrigger>("trigger")
        .adds_shape("error", failure())
}

fn failure() -> Shape {
    nullable(&Shape::of::<ExecutionFailure>())
}

/// How an execution looks.
pub(super) fn shape() -> Shape {
    row_shape(&EXECUTIONS, faces())
}

/// An answer with an execution as it is now.
pub(super) async fn shown(call: &Call, status: StatusCode, id: ExecutionId) -> Result<Reply, Problem> {
    let row = call.api.resources().get(&EXECUTIONS, &call.writer(), id.0, &Selection::default()).await?;
    Reply::json(status, row.fields)
}

/// What made an execution start.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExecutionTrigger {
    /// `webhook`, `event`, `manual` or `replay`.
    kind: String,
}

/// Why something failed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExecutionFailure {
    /// A stable code.
    code: String,
    /// What happened, for people.
    message: String,
    /// Of an execution: the path of the step that is to blame, where one is.
    step: Option<String>,
}

/// A step of an execution.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExecutionStep {
    /// Its name in the document.
    id: String,
    /// Where in the execution it is; with repetitions, which one.
    path: String,
    /// The action, or the kind of step.
    uses: String,
    /// `pending`, `running`, `waiting`, `completed`, `failed`, `skipped`, `cancelled` or
    /// `outcome_unknown`.
    status: String,
    /// The attempt, from 1; 0 where none began.
    attempt: i64,
    /// What the action was given to have one effect however often it is tried.
    idempotency_key: String,
    /// What the action was given; null without the permission `execution.view_payload`.
    input: Option<Value>,
    /// What the action gave; null without the permission `execution.view_payload`.
    output: Option<Value>,
    /// Why it failed.
    error: Option<Value>,
    /// When its first attempt began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

fn with_named_steps(mut execution: Map<String, Value>) -> Map<String, Value> {
    for step in execution.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(step) = step.as_object_mut() {
            *step = named(std::mem::take(step));
        }
    }
    execution
}

/// A step with its name in front, under the name that documents give it.
fn named(mut step: Map<String, Value>) -> Map<String, Value> {
    let Some(id) = step.shift_remove("step_id") else { return step };
    let mut named = Map::from_iter([("id".to_owned(), id)]);
    named.extend(step);
    named
}

/// How many characters the path of a step has, at most.
const PATH_CHARS: usize = limits::PARAMETER_CHARS;
/// The permission that shows inputs, outputs and payloads.
pub(super) const PAYLOAD: &str = "execution.view_payload";
