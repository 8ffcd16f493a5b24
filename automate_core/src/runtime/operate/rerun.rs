//! Running an ended execution again: whole or from one of its steps, with its input or another, on
//! its version or another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Engine;
use super::super::definitions::Definition;
use super::super::intake::ByHand;
use super::{IntakeError, OperateError};
use crate::engine::{Effects, RepeatedEffect, Rerun, RerunStep, RerunWarning, rerun};
use crate::ids::{ExecutionId, TenantId, VersionId};
use crate::store::{DRAFT, EventRecord, ExecutionRecord, StepRecord, StoreError, version_name};

/// The version that a re-run runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RerunVersion {
    /// The one that the execution ran.
    #[default]
    Pinned,
    /// The live one.
    Live,
    /// The one of this number.
    Number(i32),
}

/// How an execution is to be repeated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RerunRequest {
    /// The path of the step to begin at; at the beginning where absent.
    pub from: Option<String>,
    /// Another input; the same event or input where absent.
    pub input: Option<Value>,
    /// The version.
    pub version: RerunVersion,
}

/// What a re-run will do, before it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RerunPlan {
    /// The execution that is repeated.
    pub execution_id: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// The version that will run.
    pub version: i32,
    /// Where it begins; at the beginning where absent.
    pub from: Option<String>,
    /// The input is another one.
    pub edited_input: bool,
    /// Every step, in the order of the document.
    pub steps: Vec<RerunStep>,
    /// Effects that will be repeated, under new idempotency keys.
    pub repeated_effects: Vec<RepeatedEffect>,
    /// What is worth a look.
    pub warnings: Vec<RerunWarning>,
}

/// What was read to repeat an execution.
struct Repeated {
    old: ExecutionRecord,
    records: Vec<StepRecord>,
    definition: Arc<Definition>,
    version_id: VersionId,
    version: i32,
    input: Option<Value>,
    event: Option<EventRecord>,
    rerun: Rerun,
}

/// How a re-run is stored.
#[derive(Debug, Clone, Default)]
pub(in crate::runtime) struct Storing {
    /// Runs in this process at once.
    pub(in crate::runtime) run_here: bool,
    /// A second one with it is not made.
    pub(in crate::runtime) dedupe_key: Option<String>,
}

impl Engine {
    /// What [`Engine::rerun`] will do: which steps are kept, which run, which effects are repeated.
    ///
    /// # Errors
    /// Those of [`Engine::rerun`].
    pub async fn rerun_plan(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        request: &RerunRequest,
    ) -> Result<RerunPlan, OperateError> {
        let repeated = self.repeated(tenant, id, request).await?;
        Ok(RerunPlan {
            execution_id: id,
            workflow: repeated.old.workflow,
            version: repeated.version,
            from: request.from.clone(),
            edited_input: request.input.is_some(),
            steps: repeated.rerun.steps,
            repeated_effects: repeated.rerun.repeated_effects,
            warnings: repeated.rerun.warnings,
        })
    }

    /// Runs an ended execution again as a new one that is linked to it. Steps that are kept are
    /// stored with it as they ended, in the transaction that accepts it; the others run, with new
    /// idempotency keys. With `run_here` it runs in this process at once, whether it is a worker or
    /// not.
    ///
    /// # Errors
    /// `NOT_FOUND`, `EXECUTION_NOT_ENDED`, `UNKNOWN_STEP`, `STEP_NOT_RERUNNABLE`, `INVALID_INPUT` where
    /// the input does not fit, `NOT_RUNNABLE`, `OVERLOADED`, and those of the database.
    pub async fn rerun(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        request: &RerunRequest,
        run_here: bool,
    ) -> Result<ExecutionId, OperateError> {
        self.rerun_as(tenant, id, request, Storing { run_here, dedupe_key: None }).await
    }

    /// As [`Engine::rerun`]; a second one with the same key is not made, and is answered with the
    /// first.
    ///
    /// # Errors
    /// Those of [`Engine::rerun`].
    pub async fn rerun_once(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        request: &RerunRequest,
        dedupe_key: Option<String>,
    ) -> Result<ExecutionId, OperateError> {
        self.rerun_as(tenant, id, request, Storing { run_here: false, dedupe_key }).await
    }

    /// The whole execution again, on its own version.
    ///
    /// # Errors
    /// Those of [`Engine::rerun`].
    pub async fn replay(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        input: Option<Value>,
        run_here: bool,
    ) -> Result<ExecutionId, OperateError> {
        self.rerun(tenant, id, &RerunRequest { input, ..RerunRequest::default() }, run_here).await
    }

    pub(in crate::runtime) async fn rerun_as(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        request: &RerunRequest,
        storing: Storing,
    ) -> Result<ExecutionId, OperateError> {
        let repeated = self.repeated(tenant, id, request).await?;
        if repeated.version == DRAFT {
            // Before the execution is stored, so that the draft cannot go in between.
            self.ports().store.use_draft(tenant, repeated.version_id).await?;
        }
        let old = &repeated.old;
        let mut trigger = json!({ "kind": "replay", "of": id });
        if let Some(from) = &request.from {
            trigger["from"] = json!(from);
        }
        if request.input.is_some() {
            trigger["edited_input"] = json!(true);
        }
        // What was a test is one again: nobody said that it may reach the world now.
        Effects::of_execution(&old.trigger, old.version).put_into(&mut trigger);
        let mut new = self.new_execution(repeated.version, old.correlation_id.clone(), &trigger);
        new.workflow_id = old.workflow_id;
        new.workflow.clone_from(&old.workflow);
        new.version_id = repeated.version_id;
        new.replay_of = Some(id);
        new.dedupe_key = storing.dedupe_key;
        new.event_id = repeated.event.as_ref().map(|event| event.id);
        let plan = &repeated.definition.plan;
        let kept = |record: &&StepRecord| {
            plan.node(&record.path).is_some_and(|ix| repeated.rerun.keep.binary_search(&ix).is_ok())
        };
        new.adopted = repeated.records.iter().filter(kept).cloned().collect();
        let by_hand = ByHand {
            tenant_id: tenant,
            definition: repeated.definition.clone(),
            new,
            input: repeated.input,
            event: repeated.event.as_ref(),
            run_here: storing.run_here,
        };
        Ok(self.start_by_hand(by_hand).await?)
    }

    async fn repeated(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        request: &RerunRequest,
    ) -> Result<Repeated, OperateError> {
        let store = &self.ports().store;
        let old = store.execution(tenant, id).await?;
        if !old.status.is_terminal() {
            return Err(OperateError::NotEnded { id, status: old.status });
        }
        let (version_id, version) = self.version_of(tenant, &old, request.version).await?;
        let definition = self.definition(version_id).await.map_err(IntakeError::from)?;
        // With another input it is a run by hand; otherwise it is about the same event or input.
        let (input, event) = match &request.input {
            Some(input) => (Some(input.clone()), None),
            None => {
                let input = old.input.as_deref().map(serde_json::from_str).transpose().map_err(|error| {
                    StoreError::Corrupt(format!("the input of execution {id} does not parse: {error}"))
                })?;
                let event = match old.event_id {
                    Some(event) => Some(store.event(tenant, event).await?),
                    None => None,
                };
                (input, event)
            }
        };
        if request.input.is_some() || (version_id != old.version_id && event.is_none()) {
            definition.check_input(input.as_ref())?;
        }
        let records = store.steps(tenant, id).await?;
        let mut rerun = rerun(&definition.plan, &records, request.from.as_deref())?;
        if request.input.is_some() && !rerun.keep.is_empty() {
            rerun.warnings.push(warning("KEPT_WITH_OTHER_INPUT", "steps that are kept had the old input"));
        }
        if version_id != old.version_id {
            let (now, before) = (version_name(version), version_name(old.version));
            let message = format!("{now} runs, where {before} ran before");
            rerun.warnings.push(warning("OTHER_VERSION", &message));
        }
        Ok(Repeated { old, records, definition, version_id, version, input, event, rerun })
    }

    async fn version_of(
        &self,
        tenant: TenantId,
        old: &ExecutionRecord,
        version: RerunVersion,
    ) -> Result<(VersionId, i32), OperateError> {
        match version {
            RerunVersion::Pinned => Ok((old.version_id, old.version)),
            RerunVersion::Live => {
                let workflow = self.ports().store.workflow(tenant, &old.workflow).await?;
                match (workflow.live_version_id, workflow.live_version) {
                    (Some(id), Some(number)) => Ok((id, number)),
                    _ => Err(StoreError::NotFound(format!("workflow `{}` has no live version", old.workflow)).into()),
                }
            }
            RerunVersion::Number(number) => {
                let versions = self.ports().store.versions(tenant, &old.workflow).await?;
                let found = versions.iter().find(|version| version.number == number);
                let missing = || StoreError::NotFound(format!("workflow `{}` has no version {number}", old.workflow));
                Ok(found.map(|version| (version.id, version.number)).ok_or_else(missing)?)
            }
        }
    }
}

fn warning(code: &'static str, message: &str) -> RerunWarning {
    RerunWarning { code, message: message.to_owned(), path: None }
}
