//! Runs by hand, and what they share with repetitions of ended executions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Engine;
use super::super::about::About;
use super::super::definitions::Definition;
use super::{InputProblem, IntakeError, Slot, Start, StartRequest};
use crate::engine::Effects;
use crate::ids::{ExecutionId, OutboxId, TenantId, VersionId, WorkflowId};
use crate::outbox::DEFAULT_PRIORITY;
use crate::store::{Accept, EventRecord, NewExecution, StoreError, WorkflowRecord};

/// An execution that somebody starts.
pub(in crate::runtime) struct ByHand<'a> {
    pub(in crate::runtime) tenant_id: TenantId,
    pub(in crate::runtime) definition: Arc<Definition>,
    pub(in crate::runtime) new: NewExecution,
    pub(in crate::runtime) input: Option<Value>,
    /// The stored event that it is about.
    pub(in crate::runtime) event: Option<&'a EventRecord>,
    /// It runs in this process at once, whether it is a worker or not.
    pub(in crate::runtime) run_here: bool,
}

impl Engine {
    /// Starts a workflow by hand.
    pub async fn start(&self, request: StartRequest) -> Result<ExecutionId, IntakeError> {
        self.start_once(request, None).await
    }

    /// As [`Engine::start`]; a second start of the workflow with the same key is not made, and is
    /// answered with the first.
    ///
    /// # Errors
    /// Those of [`Engine::start`].
    pub async fn start_once(
        &self,
        request: StartRequest,
        dedupe_key: Option<String>,
    ) -> Result<ExecutionId, IntakeError> {
        let trigger = json!({ "kind": "manual", "source": request.source });
        let (definition, mut new) = self.execution_of(&request, &trigger).await?;
        definition.check_input(request.input.as_ref())?;
        new.dedupe_key = dedupe_key;
        let by_hand = ByHand {
            tenant_id: request.tenant_id,
            definition,
            new,
            input: request.input,
            event: None,
            run_here: request.run_here,
        };
        self.start_by_hand(by_hand).await
    }

    /// The version that a start asks for, and a new execution of it.
    pub(super) async fn execution_of(
        &self,
        request: &StartRequest,
        trigger: &Value,
    ) -> Result<(Arc<Definition>, NewExecution), IntakeError> {
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
        self.execution_at(request, workflow, (version_id, version), trigger).await
    }

    /// A new execution of a version, or of a draft that is kept.
    pub(super) async fn execution_at(
        &self,
        request: &StartRequest,
        workflow: WorkflowRecord,
        (version_id, version): (VersionId, i32),
        trigger: &Value,
    ) -> Result<(Arc<Definition>, NewExecution), IntakeError> {
        let definition = self.definition(version_id).await?;
        let mut new = self.new_execution(version, request.correlation_id.clone(), trigger);
        new.workflow_id = workflow.id;
        new.workflow = workflow.slug;
        new.version_id = version_id;
        Ok((definition, new))
    }

    /// Stores an execution that somebody started; answers with the earlier one where its dedupe key
    /// was there before.
    pub(in crate::runtime) async fn start_by_hand(&self, by_hand: ByHand<'_>) -> Result<ExecutionId, IntakeError> {
        let ByHand { tenant_id, definition, mut new, input, event, run_here } = by_hand;
        let id = new.id;
        new.input = input.as_ref().map(|value| value.to_string().into());
        let about = About {
            execution_id: id,
            tenant_id,
            workflow: new.workflow.clone(),
            version: new.version,
            correlation_id: new.correlation_id.clone(),
            depth: event.map_or(0, |event| event.depth),
            effects: Arc::new(Effects::of_execution(&new.trigger, new.version)),
        };
        let context = match event {
            Some(event) => self.stored_event_context(event)?,
            None => self.manual_context(tenant_id, id, input.as_ref(), &new.created_at.to_rfc3339()),
        };
        let permit = run_here.then_some(Slot { _held: None });
        let start = Start { definition, context, about, new, input, permit };
        let accept = Accept { tenant_id, event: None, request: None, delivery: None, starts: Vec::new() };
        match self.accept(accept, vec![start]).await? {
            Some(received) => Ok(received.execution_ids.first().copied().unwrap_or(id)),
            None => Err(IntakeError::Store(StoreError::Conflict("the workflow was published in between".to_owned()))),
        }
    }

    /// An execution of no workflow yet.
    pub(in crate::runtime) fn new_execution(
        &self,
        version: i32,
        correlation_id: String,
        trigger: &Value,
    ) -> NewExecution {
        NewExecution {
            id: ExecutionId::new(),
            outbox_id: OutboxId::new(),
            workflow_id: WorkflowId(uuid::Uuid::nil()),
            workflow: String::new(),
            version_id: VersionId(uuid::Uuid::nil()),
            version,
            trigger_id: None,
            trigger: trigger.to_string().into(),
            dedupe_key: None,
            input: None,
            priority: DEFAULT_PRIORITY,
            correlation_id,
            event_id: None,
            parent_id: None,
            replay_of: None,
            adopted: Vec::new(),
            created_at: self.ports().clock.now(),
            lease: None,
        }
    }
}

impl Definition {
    /// Holds an input against the workflow's `inputs`.
    pub(in crate::runtime) fn check_input(&self, input: Option<&Value>) -> Result<(), IntakeError> {
        let Some(schema) = &self.inputs else { return Ok(()) };
        let empty = Value::Object(serde_json::Map::new());
        let problems: Vec<InputProblem> = schema
            .iter_errors(input.unwrap_or(&empty))
            .take(100)
            .map(|error| InputProblem { path: error.instance_path().to_string(), message: error.to_string() })
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(IntakeError::InvalidInput(problems)) }
    }
}

/// What was asked for by its name.
pub(super) fn named(error: StoreError) -> IntakeError {
    match error {
        StoreError::NotFound(what) => IntakeError::NotFound(what),
        error => IntakeError::Store(error),
    }
}
