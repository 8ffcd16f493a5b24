//! Tests: what a version or a draft would do, with its effects left out.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Engine;
use super::super::definitions::Definition;
use super::super::publish::PublishError;
use super::by_hand::named;
use super::{ByHand, IntakeError, StartRequest};
use crate::document::{self, Diagnostic};
use crate::engine::Effects;
use crate::ids::{EventId, ExecutionId};
use crate::policy::PolicyRefusal;
use crate::store::{NewDraft, NewExecution, StoreError};

/// What a test is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestAbout {
    /// The input of the request, held against the workflow's `inputs`.
    Input,
    /// The input of the request, as the payload of an event, of which `inputs` say nothing.
    Payload,
    /// A stored event; there is no input.
    Event(EventId),
}

/// Why a draft was not tested. No execution was stored.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// It could not be published either: its errors, warnings too.
    #[error("the draft has errors")]
    Invalid(Vec<Diagnostic>),
    /// What any start may fail with; `NOT_FOUND` where there is no draft.
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

impl From<StoreError> for TestError {
    fn from(error: StoreError) -> Self {
        Self::Intake(error.into())
    }
}

impl From<PolicyRefusal> for TestError {
    fn from(refusal: PolicyRefusal) -> Self {
        Self::Intake(refusal.into())
    }
}

impl From<PublishError> for TestError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Invalid(findings) => Self::Invalid(findings),
            PublishError::Refused(refusal) => refusal.into(),
            PublishError::Store(error) => error.into(),
        }
    }
}

impl Engine {
    /// Starts a workflow to see what it would do: what its actions do to the world is left out as `effects`
    /// says, and answered for.
    ///
    /// # Errors
    /// Those of [`Engine::start`]; `NOT_FOUND` where there is no such event.
    pub async fn start_test(
        &self,
        request: StartRequest,
        effects: &Effects,
        about: TestAbout,
    ) -> Result<ExecutionId, IntakeError> {
        let (definition, new) = self.execution_of(&request, &test_trigger(&request, effects)).await?;
        self.store_test(request, definition, new, about).await
    }

    /// As [`Engine::start_test`], of the workflow's draft, which must be what could be published. The text that
    /// is tested is kept for as long as an execution needs it; it becomes no version.
    ///
    /// # Errors
    /// The findings of a draft that is wrong, and those of [`Engine::start_test`]; `NOT_FOUND` where there is no
    /// draft, `Conflict` of the store where the workflow is not at the `row_version` that is expected.
    pub async fn test_draft(
        &self,
        request: StartRequest,
        effects: &Effects,
        about: TestAbout,
        author: &str,
        expected: Option<i32>,
    ) -> Result<ExecutionId, TestError> {
        let tenant = request.tenant_id;
        let workflow = self.ports().store.workflow(tenant, &request.workflow).await.map_err(named)?;
        if expected.is_some_and(|expected| expected != workflow.row_version) {
            let message = format!("workflow `{}` has changed since", request.workflow);
            return Err(StoreError::Conflict(message).into());
        }
        let source = workflow
            .draft
            .clone()
            .ok_or_else(|| IntakeError::NotFound(format!("workflow `{}` has no draft", request.workflow)))?;
        let (document, _) = self.admitted(tenant, &source, "workflow.test").await?;
        let canonical = document::canonical_json(&document);
        let draft = NewDraft {
            workflow_id: workflow.id,
            sha256: document::sha256(&canonical),
            document: canonical,
            source,
            author: author.to_owned(),
        };
        // A process that dies behind this has kept a draft that nothing runs, which goes by itself
        // (`limits::TESTED_DRAFT_KEPT`), and not before its execution can have been stored.
        let kept = self.ports().store.keep_draft(tenant, draft).await?;
        let trigger = test_trigger(&request, effects);
        let (definition, new) = self.execution_at(&request, workflow, (kept.id, kept.number), &trigger).await?;
        Ok(self.store_test(request, definition, new, about).await?)
    }

    async fn store_test(
        &self,
        request: StartRequest,
        definition: Arc<Definition>,
        mut new: NewExecution,
        about: TestAbout,
    ) -> Result<ExecutionId, IntakeError> {
        let event = match about {
            TestAbout::Input | TestAbout::Payload => None,
            TestAbout::Event(id) => Some(self.ports().store.event(request.tenant_id, id).await.map_err(named)?),
        };
        if about == TestAbout::Input {
            definition.check_input(request.input.as_ref())?;
        }
        new.event_id = event.as_ref().map(|event| event.id);
        let by_hand = ByHand {
            tenant_id: request.tenant_id,
            definition,
            new,
            input: request.input.filter(|_| event.is_none()),
            event: event.as_ref(),
            run_here: request.run_here,
        };
        self.start_by_hand(by_hand).await
    }
}

fn test_trigger(request: &StartRequest, effects: &Effects) -> Value {
    let mut trigger = json!({ "kind": "test", "source": request.source });
    // Without: a caller who forgets what it asks for must not reach the world.
    let off = Effects::off();
    let effects = if effects.is_test() { effects } else { &off };
    effects.put_into(&mut trigger);
    trigger
}
