//! How attempts and steps end, and what follows from it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::Machine;
use crate::document::definition::OnUnknown;
use crate::engine::plan::NodeIx;
use crate::engine::retry::{backoff, may_retry};
use crate::engine::state::{Phase, error_value};
use crate::error::{ErrorCode, StepError};
use crate::status::{Effect, StepStatus};
use crate::store::{ExecutionError, FailedAttempt};

impl Machine<'_> {
    pub(super) fn succeeded(&mut self, ix: NodeIx, output: Value) {
        if self.state.steps[ix].status != StepStatus::Running {
            return;
        }
        self.state.running -= 1;
        self.state.unrecorded_effect |= self.plan.nodes[ix].effect() != Effect::Pure;
        self.complete(ix, output);
    }

    pub(super) fn failed(&mut self, ix: NodeIx, error: StepError, draw: f64) {
        if self.state.steps[ix].status != StepStatus::Running {
            return;
        }
        let node = &self.plan.nodes[ix];
        let effect = node.effect();
        self.state.running -= 1;
        self.state.unrecorded_effect |= effect != Effect::Pure;
        let open = effect == Effect::Once && leaves_outcome_open(&error);
        match self.state.phase {
            Phase::Main | Phase::OnFailure => {}
            // Nothing is repeated any more; what is not known is still called so.
            Phase::Failing | Phase::Cancelling | Phase::Ended => {
                let status = match error.code {
                    _ if open => StepStatus::OutcomeUnknown,
                    ErrorCode::Cancelled => StepStatus::Cancelled,
                    _ => StepStatus::Failed,
                };
                self.state.steps[ix].error = Some(error);
                return self.end_step(ix, status);
            }
        }
        if open {
            return self.unknown(ix, error, draw);
        }
        if may_retry(&node.retry, self.state.steps[ix].attempt, &error) {
            return self.retry(ix, error, draw);
        }
        self.fail_step(ix, error);
    }

    fn retry(&mut self, ix: NodeIx, error: StepError, draw: f64) {
        let attempt = self.state.steps[ix].attempt;
        let delay = backoff(&self.plan.nodes[ix].retry, attempt, error.retry_after, draw);
        let at = self.now + TimeDelta::from_std(delay).unwrap_or_default();
        self.keep_attempt(ix, &error, Some(at));
        self.state.steps[ix].error = Some(error);
        self.wait(ix, at);
    }

    fn keep_attempt(&mut self, ix: NodeIx, error: &StepError, retry_at: Option<DateTime<Utc>>) {
        let now = self.now;
        let step = &mut self.state.steps[ix];
        step.attempts.push(FailedAttempt {
            attempt: step.attempt,
            started_at: step.attempt_started_at.unwrap_or(now),
            finished_at: now,
            error: error.clone(),
            retry_at,
        });
    }

    /// Whether the effect happened is not known.
    pub(super) fn unknown(&mut self, ix: NodeIx, error: StepError, draw: f64) {
        let node = &self.plan.nodes[ix];
        let error = StepError {
            code: ErrorCode::OutcomeUnknown,
            message: error.message,
            retryable: false,
            retry_after: error.retry_after,
            details: error.details,
        };
        match node.on_unknown {
            OnUnknown::Ask => {
                self.keep_attempt(ix, &error, None);
                let step = &mut self.state.steps[ix];
                step.status = StepStatus::OutcomeUnknown;
                step.error = Some(error);
                self.state.touch(ix);
            }
            OnUnknown::Retry if self.state.steps[ix].attempt < node.retry.max_attempts => self.retry(ix, error, draw),
            OnUnknown::Retry | OnUnknown::Fail => self.fail_step(ix, error),
        }
    }

    pub(super) fn complete(&mut self, ix: NodeIx, output: Value) {
        let step = &mut self.state.steps[ix];
        step.output = Some(output);
        step.error = None;
        self.end_step(ix, StepStatus::Completed);
    }

    /// Ends a step in a way that lets its successors go on.
    pub(super) fn end_step(&mut self, ix: NodeIx, status: StepStatus) {
        self.mark(ix, status);
        if status.is_finished() {
            self.settle(ix);
        }
    }

    pub(super) fn mark(&mut self, ix: NodeIx, status: StepStatus) {
        let step = &mut self.state.steps[ix];
        step.status = status;
        step.wake_at = None;
        step.finished_at = Some(self.now);
        self.state.touch(ix);
        self.state.show(self.plan, ix);
    }

    pub(super) fn fail_step(&mut self, ix: NodeIx, error: StepError) {
        self.state.steps[ix].error = Some(error);
        self.mark(ix, StepStatus::Failed);
        self.after_failure(ix);
    }

    /// What the failure of a step leads to: its handler, the next step, or the end.
    pub(super) fn after_failure(&mut self, ix: NodeIx) {
        let node = &self.plan.nodes[ix];
        if !node.on_error.is_empty() {
            self.state.steps[ix].handling =
                node.on_error.iter().filter(|&&handler| !self.state.steps[handler].settled).count();
            if let Some(error) = &self.state.steps[ix].error {
                self.state.context.set_error(&error_value(error, &node.path));
            }
            return self.push_roots(&node.on_error);
        }
        // A failing step of `on_failure` does not keep the others from running.
        if node.continue_on_error || node.on_failure {
            return self.settle(ix);
        }
        let error = self.state.steps[ix].error.clone();
        self.fail_execution(ExecutionError {
            code: error.as_ref().map_or(ErrorCode::Internal, |e| e.code).as_str().to_owned(),
            message: error.map_or_else(|| "the step failed".to_owned(), |e| e.message),
            step: Some(node.path.clone()),
        });
    }

    pub(super) fn settle(&mut self, ix: NodeIx) {
        if self.state.steps[ix].settled {
            return;
        }
        self.state.steps[ix].settled = true;
        let node = &self.plan.nodes[ix];
        for &next in &node.dependents {
            let blocked = &mut self.state.steps[next].blocked_on;
            *blocked = blocked.saturating_sub(1);
            if *blocked == 0 {
                self.ready.push_back(next);
            }
        }
        match node.handles {
            Some(parent) => {
                let handling = &mut self.state.steps[parent].handling;
                if *handling > 0 {
                    *handling -= 1;
                    if *handling == 0 {
                        self.settle(parent);
                    }
                }
            }
            None if node.on_failure => self.state.on_failure_left = self.state.on_failure_left.saturating_sub(1),
            None => self.state.main_left = self.state.main_left.saturating_sub(1),
        }
    }

    pub(super) fn fail_execution(&mut self, error: ExecutionError) {
        if self.state.phase != Phase::Main {
            return;
        }
        self.state.phase = Phase::Failing;
        self.state.error = Some(error);
        self.state.touch_execution();
        self.stop_waiting();
    }

    /// Steps that wait for a time or an attempt do not go on.
    pub(super) fn stop_waiting(&mut self) {
        for (_, ix) in std::mem::take(&mut self.state.waiting) {
            self.mark(ix, StepStatus::Cancelled);
        }
    }
}

/// Whether an error of a `once` action leaves open if it took effect: no answer came back, and the
/// connector does not say that nothing was sent; or the answer came from a gateway that did not get
/// one itself (502 and 504; RFC 9110, sections 15.6.3 and 15.6.5).
fn leaves_outcome_open(error: &StepError) -> bool {
    let detail = |name: &str| error.details.as_ref().and_then(|details| details.get(name));
    let not_sent = detail("sent").and_then(Value::as_bool) == Some(false);
    match error.code {
        ErrorCode::OutcomeUnknown => true,
        ErrorCode::Timeout | ErrorCode::TransientNetwork | ErrorCode::Cancelled => !not_sent,
        ErrorCode::Upstream5xx => matches!(detail("status").and_then(Value::as_u64), Some(502 | 504)),
        ErrorCode::AuthFailed
        | ErrorCode::Forbidden
        | ErrorCode::NotFound
        | ErrorCode::InvalidInput
        | ErrorCode::InvalidOutput
        | ErrorCode::ConfigInvalid
        | ErrorCode::RateLimited
        | ErrorCode::TemplateError
        | ErrorCode::SecretUnavailable
        | ErrorCode::EgressDenied
        | ErrorCode::PolicyDenied
        | ErrorCode::LimitExceeded
        | ErrorCode::BudgetExceeded
        | ErrorCode::Failed
        | ErrorCode::ExecutionTimeout
        | ErrorCode::Quarantined
        | ErrorCode::Internal => false,
    }
}
