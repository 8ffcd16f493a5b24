//! From what is stored, or was just accepted, to a run.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::Engine;
use super::about::{About, Failing};
use super::active::Held;
use super::definitions::{Definition, DefinitionError};
use super::run::Run;
use crate::engine::{Happening, State};
use crate::expr::Context;
use crate::ids::{ExecutionId, TenantId};
use crate::outbox::ClaimedItem;
use crate::store::{EventRecord, LoadedExecution, NewExecution, SignalRecord, StepRecord, StoreError};

/// When a worker that lacks a connector gives an execution another chance elsewhere.
const ELSEWHERE: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

impl Engine {
    /// What templates see of an event.
    pub(super) fn event_context(&self, tenant: TenantId, event: &EventView<'_>) -> Context {
        let mut context = Context::new(self.settings().env.clone());
        context.set_tenant(&tenant.to_string());
        context.set_event(event.payload, event.event_type, event.source, &event.id, &event.received_at, event.headers);
        context
    }

    /// A run of an execution that was just accepted, born leased.
    pub(super) fn fresh_run(
        &self,
        held: Arc<Held>,
        definition: Arc<Definition>,
        about: About,
        new: &NewExecution,
        mut context: Context,
        input: Option<&Value>,
    ) -> Run {
        see_execution(&mut context, new.id, &definition, new.version, &new.created_at.to_rfc3339(), 1);
        context.set_inputs(input.unwrap_or(&Value::Object(serde_json::Map::new())));
        let mut state = State::new(&definition.plan, new.id.to_string(), context);
        if new.adopted.is_empty() {
            return Run { held, definition, about, state, first: Happening::Begin };
        }
        for record in in_order(&new.adopted) {
            state.restore(&definition.plan, record);
        }
        Run { held, definition, about, state, first: Happening::Resume }
    }

    /// Goes on with a claimed execution, from what is on record.
    pub(super) async fn resume(
        &self,
        held: Arc<Held>,
        claimed: ClaimedItem,
        id: ExecutionId,
        loaded: Result<LoadedExecution, StoreError>,
    ) {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return self.unreadable(&held, &claimed, id, &error).await,
        };
        if loaded.execution.status.is_terminal() {
            // Ended by other means; the item is a left-over.
            if let Err(error) = self.ports().store.mark_success(&[held.claim]).await {
                tracing::warn!(execution = %id, %error, "a left-over item could not be removed now");
            }
            return self.inner.active.let_go(&held);
        }
        let definition = match self.definition(loaded.execution.version_id).await {
            Ok(definition) => definition,
            Err(DefinitionError::Store(error)) => return self.unreadable(&held, &claimed, id, &error).await,
            Err(DefinitionError::Plan(error)) => {
                let about = About::of(&loaded.execution, loaded.event.as_ref());
                return self.not_here(&held, &claimed, &about, &error.to_string()).await;
            }
        };
        let signals = match definition.plan.takes_signals() {
            true => self.ports().store.signals(loaded.execution.tenant_id, id).await,
            false => Ok(Vec::new()),
        };
        let run = signals.and_then(|signals| self.restored_run(held.clone(), definition, &loaded, &signals));
        match run {
            Ok(run) => self.drive(run).await,
            Err(error) => self.unreadable(&held, &claimed, id, &error).await,
        }
    }

    /// # Errors
    /// `Corrupt` where a stored value is no JSON: to go on with `null` in its place would be to go
    /// on with wrong data.
    fn restored_run(
        &self,
        held: Arc<Held>,
        definition: Arc<Definition>,
        loaded: &LoadedExecution,
        signals: &[SignalRecord],
    ) -> Result<Run, StoreError> {
        let execution = &loaded.execution;
        let input: Option<Value> = execution
            .input
            .as_deref()
            .map(|text| stored_json(text, || format!("execution {}, column `input`", execution.id)))
            .transpose()?;
        let mut context = match &loaded.event {
            Some(event) => self.stored_event_context(event)?,
            None => self.manual_context(
                execution.tenant_id,
                execution.id,
                input.as_ref(),
                &execution.created_at.to_rfc3339(),
            ),
        };
        let started = execution.started_at.unwrap_or(execution.created_at).to_rfc3339();
        let attempt = u32::try_from(execution.attempt).unwrap_or(1);
        see_execution(&mut context, execution.id, &definition, execution.version, &started, attempt);
        context.set_inputs(input.as_ref().unwrap_or(&Value::Object(serde_json::Map::new())));
        let mut state = State::new(&definition.plan, execution.id.to_string(), context);
        state.status = execution.status;
        state.started_at = execution.started_at;
        state.error.clone_from(&execution.error);
        for record in in_order(&loaded.steps) {
            for (column, text) in [("input", &record.input), ("output", &record.output)] {
                let row = || format!("step `{}` of execution {}, column `{column}`", record.path, execution.id);
                text.as_deref().map(|text| stored_json::<IgnoredAny>(text, row)).transpose()?;
            }
            if !state.restore(&definition.plan, record) {
                tracing::warn!(execution = %execution.id, path = %record.path, "a recorded step is not in the version");
            }
        }
        for signal in signals {
            let row = || format!("signal {} of execution {}, column `payload`", signal.id, execution.id);
            let payload = stored_json(&signal.payload, row)?;
            state.receive(crate::engine::Signal { id: signal.id, name: signal.name.clone(), payload });
        }
        held.signals_known.store(signals.len() as u64, Ordering::Relaxed);
        let about = About::of(execution, loaded.event.as_ref());
        if execution.cancel_requested_at.is_some() {
            held.cancel.cancel();
        }
        Ok(Run { held, definition, about, state, first: Happening::Resume })
    }

    pub(super) fn stored_event_context(&self, event: &EventRecord) -> Result<Context, StoreError> {
        let payload: Value = stored_json(&event.payload, || format!("event {}, column `payload`", event.id))?;
        let headers: Option<Value> = event
            .headers
            .as_deref()
            .map(|text| stored_json(text, || format!("event {}, column `headers`", event.id)))
            .transpose()?;
        let headers = headers.unwrap_or_default();
        Ok(self.event_context(
            event.tenant_id,
            &EventView {
                payload: &payload,
                event_type: &event.event_type,
                source: &event.source,
                id: event.id.to_string(),
                received_at: event.received_at.to_rfc3339(),
                headers: &headers,
            },
        ))
    }

    /// A run by hand has no event; its input stands in for the payload, so that a workflow written
    /// for a webhook can be tried by hand.
    pub(super) fn manual_context(&self, tenant: TenantId, id: ExecutionId, input: Option<&Value>, at: &str) -> Context {
        let empty = Value::Object(serde_json::Map::new());
        self.event_context(
            tenant,
            &EventView {
                payload: input.unwrap_or(&empty),
                event_type: "manual",
                source: "manual",
                id: id.to_string(),
                received_at: at.to_owned(),
                headers: &empty,
            },
        )
    }

    /// A row that cannot be read is set aside with its reason; the rest goes on.
    async fn unreadable(&self, held: &Held, claimed: &ClaimedItem, id: ExecutionId, error: &StoreError) {
        if error.is_transient() {
            if let Err(error) = self.ports().store.release(&[held.claim]).await {
                tracing::warn!(execution = %id, %error, "an item could not be released; its lease will run out");
            }
        } else {
            tracing::error!(execution = %id, %error, "an execution cannot be read and is set aside");
            let failing = Failing { id, tenant_id: claimed.item.tenant_id, about: None };
            self.fail_execution(failing, held, error.code(), &error.to_string()).await;
        }
        self.inner.active.let_go(held);
        self.inner.active.tell_ended(id);
    }

    /// This program lacks what the version needs. Another worker may have it (a rolling upgrade),
    /// so the item waits; when its attempts are used up the execution fails with the reason.
    async fn not_here(&self, held: &Held, claimed: &ClaimedItem, about: &About, reason: &str) {
        let id = about.execution_id;
        tracing::warn!(execution = %id, reason, "an execution cannot run in this program");
        if claimed.item.attempt_count + 1 >= claimed.item.max_attempts.min(self.settings().max_attempts) {
            self.fail_execution(Failing::of(about), held, "CONFIG_INVALID", reason).await;
        } else {
            let at = self.ports().clock.now() + ELSEWHERE;
            if let Err(error) = self.ports().store.mark_retry(held.claim, at, "CONFIG_INVALID", reason).await {
                tracing::warn!(execution = %id, %error, "an item could not be given back; its lease will run out");
            }
        }
        self.inner.active.let_go(held);
        self.inner.active.tell_ended(id);
    }
}

/// Steps in the order in which they began, which is the order in which they are restored.
fn in_order(records: &[StepRecord]) -> Vec<&StepRecord> {
    let mut records: Vec<_> = records.iter().collect();
    records.sort_by_key(|record| record.seq);
    records
}

/// A stored value. `place` names the row and the column for the error.
fn stored_json<'a, T: Deserialize<'a>>(text: &'a str, place: impl FnOnce() -> String) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("{}: {error}", place())))
}

/// An event, as templates see it.
pub(super) struct EventView<'a> {
    pub(super) payload: &'a Value,
    pub(super) event_type: &'a str,
    pub(super) source: &'a str,
    pub(super) id: String,
    pub(super) received_at: String,
    pub(super) headers: &'a Value,
}

fn see_execution(
    context: &mut Context,
    id: ExecutionId,
    definition: &Definition,
    version: i32,
    started_at: &str,
    attempt: u32,
) {
    let plan = &definition.plan;
    context.set_execution(id.to_string(), &plan.title, &plan.workflow, version, started_at, attempt);
}
