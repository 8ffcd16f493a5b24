//! `/workflows`.

mod documents;
mod drafts;
mod publishing;
mod run;

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::limits;
use automate_core::store::WorkflowRecord;
use automate_store::models::workflows::WORKFLOWS;
use automate_store::resource::{Model, ResourceError, ResourceHooks, Row, Selection, Writer};
use http::StatusCode;
use sea_orm::DatabaseTransaction;
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::nested::row_shape;
use crate::Problem;
use crate::v1::base::{
    Access, Action, BaseModelViewSet, Call, Faces, Mixin, Mixins, Operation, Parameter, ParameterKind, Reply, Shape,
    model_access,
};

/// Workflows, each over all of its versions.
pub(super) struct Workflows {
    /// Permits of requests that wait for their execution.
    waiters: Arc<Semaphore>,
}

impl Workflows {
    /// The view.
    pub(super) fn new() -> Self {
        Self { waiters: Arc::new(Semaphore::new(limits::HOOK_WAITERS)) }
    }
}

impl BaseModelViewSet for Workflows {
    fn model(&self) -> &'static Model {
        &WORKFLOWS
    }

    /// Drafts are saved by operations of their own: their slug and title come from the document.
    fn actions(&self) -> &'static [Action] {
        &[Action::List, Action::Retrieve, Action::Destroy]
    }

    fn hooks(&self) -> Arc<dyn ResourceHooks> {
        Arc::new(OnlyUnpublished)
    }

    fn get_permissions(&self, action: &Action) -> Access {
        let reads = || Access::new("workflows:read", "workflows.view_workflow");
        match action.name() {
            "publish" | "rollback" => Access::new("workflows:write", "workflow.publish"),
            "run" => Access::new("executions:write", "workflow.run"),
            "versions" | "version" | "diff" => Access::new("workflows:read", "workflows.view_version"),
            "validate" | "schema" | "graph" | "graph_svg" => reads(),
            _ => model_access(&WORKFLOWS, action),
        }
    }

    fn mixins(&self) -> Mixins {
        Mixins::default().with(BySlug)
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let mut operations = drafts::operations();
        operations.extend(documents::operations());
        operations.extend(publishing::operations());
        operations.push(run::operation(&self.waiters));
        operations
    }
}

/// How a workflow looks.
fn shape() -> Shape {
    row_shape(&WORKFLOWS, Faces::columns())
}

/// The workflow of the path.
async fn of_path(call: &Call) -> Result<WorkflowRecord, Problem> {
    let id = call.path_id("id")?;
    let slug = Selection { fields: vec!["slug"], expand: Vec::new() };
    let row = call.api.resources().get(&WORKFLOWS, &call.writer(), id, &slug).await?;
    let slug = row.fields.get("slug").and_then(Value::as_str).unwrap_or_default();
    Ok(call.api.engine().ports().store.workflow(call.tenant()?, slug).await?)
}

/// An answer with the workflow as it is now.
async fn shown(call: &Call, status: StatusCode, id: Uuid) -> Result<Reply, Problem> {
    let row = call.api.resources().get(&WORKFLOWS, &call.writer(), id, &Selection::default()).await?;
    let reply = Reply::json(status, row.fields)?;
    Ok(match row.version {
        Some(version) => reply.with_version(version),
        None => reply,
    })
}

/// Refuses a change of a workflow that is not at a version which the client names.
///
/// # Errors
/// 412.
fn unchanged(call: &Call, workflow: &WorkflowRecord) -> Result<(), Problem> {
    let current = i64::from(workflow.row_version);
    match &call.if_match {
        Some(condition) if !condition.holds(current) => Err(ResourceError::Changed { current }.into()),
        _ => Ok(()),
    }
}

/// 412 for a change that came in between, where the client set a condition, and 409 otherwise.
async fn overtaken(call: &Call, problem: Problem) -> Problem {
    if problem.status() != StatusCode::CONFLICT || call.if_match.is_none() {
        return problem;
    }
    match of_path(call).await {
        Ok(now) => ResourceError::Changed { current: i64::from(now.row_version) }.into(),
        Err(problem) => problem,
    }
}

/// Lets people name a workflow by its slug wherever an address has its id.
struct BySlug;

impl Mixin for BySlug {
    fn wrap(&self, mut operation: Operation) -> Operation {
        if !operation.path_names().any(|name| name == "id") {
            return operation;
        }
        operation.path_parameters.retain(|parameter| parameter.name != "id");
        let described = "The id of the workflow, or its slug.";
        let parameter = Parameter::new("id", ParameterKind::Word, described).required();
        let inner = Arc::clone(&operation.handler);
        operation.path_parameter(parameter).handler(move |mut call: Call| {
            let inner = Arc::clone(&inner);
            async move {
                if call.path_id("id").is_err() {
                    let store = &call.api.engine().ports().store;
                    let workflow = store.workflow(call.tenant()?, call.path("id")).await?;
                    call.path.insert("id".to_owned(), workflow.id.to_string());
                }
                inner(call).await
            }
        })
    }
}

/// Keeps workflows that were ever published: their executions name them, and history stays.
struct OnlyUnpublished;

#[async_trait]
impl ResourceHooks for OnlyUnpublished {
    async fn before_delete(&self, _: &DatabaseTransaction, _: &Writer, old: &Row) -> Result<(), ResourceError> {
        // The first publication makes a version live, and there is no way back from that.
        match old.fields.get("live_version") {
            Some(Value::Null) | None => Ok(()),
            Some(_) => Err(ResourceError::Refused(
                "the workflow was published, and its executions name its versions; \
                 publish a version without triggers to take it out of service"
                    .to_owned(),
            )),
        }
    }
}
