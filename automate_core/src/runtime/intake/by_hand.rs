//! Runs by hand, and repetitions of ended executions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Engine;
use super::super::definitions::Definition;
use super::super::run::About;
use super::{InputProblem, IntakeError, Slot, Start, StartRequest};
use crate::ids::{ExecutionId, TenantId};
use crate::store::{Accept, EventRecord, NewExecution, StoreError};

impl Engine {
    /// Starts a workflow by hand.
    pub async fn start(&self, request: StartRequest) -> Result<ExecutionId, IntakeError> {
        let store = &self.ports().store;
        let workflow = store.workflow(request.tenant_id, &request.workflow).await.map_err(named)?;
        let (version_id, version) = match request.version {
            None => match (workflow.live_version_id, workflow.live_version) {
                (Some(id), Some(number)) => (id, number),
                _ => {
                    return Err(IntakeError::NotFound(format!(
                        "workflow `{}` has no published version; publish it with `automate workflow publish`",
                        request.workflow
                    )));
                }
            },
            Some(number) => {
                let versions = store.versions(request.tenant_id, &request.workflow).await?;
                let found = versions.iter().find(|v| v.number == number);
                let found = found.ok_or_else(|| {
                    IntakeError::NotFound(format!("workflow `{}` has no version {number}", request.workflow))
                })?;
                (found.id, number)
            }
        };
        let definition = self.definition(version_id).await?;
        check_input(&definition, request.input.as_ref())?;
        let trigger = json!({ "kind": "manual", "source": request.source });
        let mut new = self.new_execution(version, request.correlation_id.clone(), &trigger);
        new.workflow_id = workflow.id;
        new.workflow = workflow.slug;
        new.version_id = version_id;
        self.start_by_hand(request.tenant_id, definition, new, request.input, None, request.run_here).await
    }

    /// Starts an ended execution again as a new one that is linked to it, with the same event and
    /// input, or with another input. It runs the version that the first one ran.
    pub async fn replay(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        input: Option<Value>,
        run_here: bool,
    ) -> Result<ExecutionId, IntakeError> {
        let store = &self.ports().store;
        let old = store.execution(tenant, id).await.map_err(named)?;
        let definition = self.definition(old.version_id).await?;
        // With another input it is a run by hand; otherwise it is about the same event or input.
        let (input, event) = match input {
            Some(input) => {
                check_input(&definition, Some(&input))?;
                (Some(input), None)
            }
            None => {
                let input = old.input.as_deref().map(serde_json::from_str).transpose().map_err(|error| {
                    IntakeError::Store(StoreError::Corrupt(format!(
                        "the input of execution {id} does not parse: {error}"
                    )))
                })?;
                let event = match old.event_id {
                    Some(event) => Some(store.event(tenant, event).await?),
                    None => None,
                };
                (input, event)
            }
        };
        let trigger = json!({ "kind": "replay", "of": id });
        let mut new = self.new_execution(old.version, old.correlation_id.clone(), &trigger);
        new.workflow_id = old.workflow_id;
        new.workflow = old.workflow;
        new.version_id = old.version_id;
        new.replay_of = Some(id);
        new.event_id = event.as_ref().map(|event| event.id);
        self.start_by_hand(tenant, definition, new, input, event.as_ref(), run_here).await
    }

    async fn start_by_hand(
        &self,
        tenant_id: TenantId,
        definition: Arc<Definition>,
        mut new: NewExecution,
        input: Option<Value>,
        event: Option<&EventRecord>,
        run_here: bool,
    ) -> Result<ExecutionId, IntakeError> {
        let id = new.id;
        new.input = input.as_ref().map(|value| value.to_string().into());
        let about = About {
            execution_id: id,
            tenant_id,
            workflow: new.workflow.clone(),
            version: new.version,
            correlation_id: new.correlation_id.clone(),
            depth: event.map_or(0, |event| event.depth),
        };
        let context = match event {
            Some(event) => self.stored_event_context(event)?,
            None => self.manual_context(tenant_id, id, input.as_ref(), &new.created_at.to_rfc3339()),
        };
        let permit = run_here.then_some(Slot { _held: None });
        let start = Start { definition, context, about, new, input, permit };
        let accept = Accept { tenant_id, event: None, request: None, delivery: None, starts: Vec::new() };
        match self.accept(accept, vec![start]).await? {
            Some(_) => Ok(id),
            None => Err(IntakeError::Store(StoreError::Conflict("the workflow was published in between".to_owned()))),
        }
    }
}

fn check_input(definition: &Definition, input: Option<&Value>) -> Result<(), IntakeError> {
    let Some(schema) = &definition.inputs else { return Ok(()) };
    let empty = Value::Object(serde_json::Map::new());
    let problems: Vec<InputProblem> = schema
        .iter_errors(input.unwrap_or(&empty))
        .take(100)
        .map(|error| InputProblem { path: error.instance_path().to_string(), message: error.to_string() })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(IntakeError::InvalidInput(problems)) }
}

fn named(error: StoreError) -> IntakeError {
    match error {
        StoreError::NotFound(what) => IntakeError::NotFound(what),
        error => IntakeError::Store(error),
    }
}
