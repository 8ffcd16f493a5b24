//! One attempt of one action: secrets bound just before the call, everything that comes back
//! scrubbed of them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::about::About;
use super::definitions::Definition;
use super::run::{Logs, STOP_GRACE};
use crate::actions::{ActionCall, LogLevel, LogSink};
use crate::engine::{Node, Perform, Reach, Work};
use crate::error::{ErrorCode, StepError};
use crate::limits;
use crate::secrets::{Purpose, SecretError};
use crate::store::{DRAFT, StepLog};

/// An attempt, owned, so that it can run in a task of its own.
pub(super) struct Action {
    pub(super) engine: Engine,
    pub(super) definition: Arc<Definition>,
    pub(super) about: About,
    pub(super) perform: Perform,
    pub(super) stop: CancellationToken,
    pub(super) logs: Logs,
}

impl Action {
    /// Performs it. The result holds no secret.
    pub(super) async fn run(self) -> Result<Value, StepError> {
        let result = self.attempt().await;
        let scrubber = &self.engine.ports().scrubber;
        if scrubber.is_empty() {
            return result;
        }
        match result {
            Ok(mut output) => {
                scrubber.scrub_value(&mut output);
                Ok(output)
            }
            Err(mut error) => {
                error.message = scrubber.scrub_str(&error.message).into_owned();
                if let Some(details) = &mut error.details {
                    scrubber.scrub_value(details);
                }
                Err(error)
            }
        }
    }

    async fn attempt(&self) -> Result<Value, StepError> {
        let ports = self.engine.ports();
        let node = &self.definition.plan.nodes[self.perform.node];
        let Work::Action { connection, .. } = &node.work else {
            return Err(StepError::new(ErrorCode::Internal, "this step has no action"));
        };
        self.check_policy(&node.uses).await?;
        let performs = self.about.effects.performs(node.effect(), &node.uses, &self.perform.input);
        if !performs || self.keeps_secrets() {
            return Ok(self.answered(node));
        }
        let input = self.bind(node).await?;
        let timeout = node.timeout;
        let deadline = ports.clock.now() + TimeDelta::from_std(timeout).unwrap_or(TimeDelta::days(1));
        let call = ActionCall {
            uses: node.uses.clone(),
            input,
            connection: connection.clone(),
            tenant_id: self.about.tenant_id,
            execution_id: self.about.execution_id,
            step_path: node.path.clone(),
            attempt: self.perform.attempt,
            idempotency_key: self.perform.idempotency_key.clone(),
            correlation_id: self.about.correlation_id.clone(),
            deadline,
            cancel: self.stop.clone(),
            log: Arc::new(Sink::of(self, node)),
        };
        let running = ports.actions.run(call);
        tokio::pin!(running);
        tokio::select! {
            result = &mut running => result,
            () = tokio::time::sleep(timeout) => {
                self.stop.cancel();
                Err(StepError::new(ErrorCode::Timeout, format!("the attempt took longer than its timeout of {timeout:?}")))
            }
            () = self.stop.cancelled() => {
                // It is asked first, so that a call that is about to end can say how it ended.
                match tokio::time::timeout(STOP_GRACE, &mut running).await {
                    Ok(result) => result,
                    Err(_) => Err(StepError::new(ErrorCode::Cancelled, "the action was told to stop and did not in time")),
                }
            }
        }
    }

    /// Whether an action is left out for the secrets in its input: whoever writes drafts need not be somebody who
    /// may publish, and what a step computes from a secret may tell it. Where a draft's test may read outside,
    /// whoever began it could have published it.
    fn keeps_secrets(&self) -> bool {
        let binder = &self.definition.plan.binder;
        self.about.version == DRAFT
            && self.about.effects.reach == Reach::Nothing
            && !binder.keys(&self.perform.input).is_empty()
    }

    /// What stands in for the outcome of an action that a test does not perform. Its secrets are not even
    /// looked up.
    fn answered(&self, node: &Node) -> Value {
        let ports = self.engine.ports();
        let input = self.definition.plan.binder.redacted(self.perform.input.clone());
        let meta = ports.actions.action(&node.uses);
        let answer = self.about.effects.answer(&node.path, &node.uses, meta.as_deref(), input);
        Sink::of(self, node).log(
            LogLevel::Info,
            format!("a test: `{}` would have been called, and was not", node.uses),
            None,
        );
        answer
    }

    /// Whether the tenant may use the action now: its policy may have changed since the workflow was
    /// published.
    async fn check_policy(&self, uses: &str) -> Result<(), StepError> {
        let policies = &self.engine.ports().policies;
        let policy = policies.policy(self.about.tenant_id).await.map_err(|error| {
            let mut step = StepError::new(ErrorCode::Internal, format!("the tenant's policy cannot be read: {error}"));
            step.retryable = error.is_transient();
            step
        })?;
        policy.check_action(uses).map_err(|refusal| {
            policies.refused(self.about.tenant_id, uses, &refusal);
            StepError::new(ErrorCode::PolicyDenied, refusal.to_string())
        })
    }

    /// Replaces the markers in the input by the values of the secrets.
    async fn bind(&self, node: &Node) -> Result<Value, StepError> {
        let ports = self.engine.ports();
        let binder = &self.definition.plan.binder;
        let keys = binder.keys(&self.perform.input);
        if keys.is_empty() {
            return Ok(self.perform.input.clone());
        }
        let mut values = BTreeMap::new();
        let purpose = Purpose::Step {
            execution: self.about.execution_id,
            path: node.path.clone(),
            attempt: self.perform.attempt,
        };
        for key in keys {
            let value = ports
                .secrets
                .resolve_for(self.about.tenant_id, &key, &purpose)
                .await
                .map_err(|error| secret_error(&error))?;
            ports.scrubber.add(&value);
            values.insert(key, value);
        }
        binder
            .bind(self.perform.input.clone(), &values)
            .map_err(|error| StepError::new(ErrorCode::TemplateError, format!("step `{}`: {error}", node.path)))
    }
}

fn secret_error(error: &SecretError) -> StepError {
    let mut step = StepError::new(ErrorCode::SecretUnavailable, error.to_string());
    // A backend that is away may come back; a key that is not there will not.
    step.retryable = matches!(error, SecretError::Unavailable { .. });
    step
}

struct Sink {
    engine: Engine,
    path: String,
    attempt: i32,
    logs: Logs,
}

impl Sink {
    fn of(action: &Action, node: &Node) -> Self {
        Self {
            engine: action.engine.clone(),
            path: node.path.clone(),
            attempt: i32::try_from(action.perform.attempt).unwrap_or(i32::MAX),
            logs: action.logs.clone(),
        }
    }
}

impl LogSink for Sink {
    fn log(&self, level: LogLevel, message: String, fields: Option<Value>) {
        let ports = self.engine.ports();
        let mut message = ports.scrubber.scrub_str(&message).into_owned();
        if message.len() > limits::LOG_MESSAGE_BYTES {
            let mut end = limits::LOG_MESSAGE_BYTES;
            while !message.is_char_boundary(end) {
                end -= 1;
            }
            message.truncate(end);
            message.push('…');
        }
        let fields = fields.map(|mut fields| {
            ports.scrubber.scrub_value(&mut fields);
            fields.to_string().into()
        });
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        if logs.len() >= limits::LOG_LINES_PER_ATTEMPT {
            metrics::counter!("automate_step_log_lines_dropped_total").increment(1);
            return;
        }
        logs.push(StepLog {
            path: self.path.clone(),
            attempt: self.attempt,
            at: ports.clock.now(),
            level,
            message,
            fields,
        });
    }
}
