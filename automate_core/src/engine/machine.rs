//! The transition function.

mod ending;
mod signals;

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::plan::{Node, NodeIx, Plan, Work};
use super::signals::Signal;
use super::state::{Phase, State};
use crate::document::definition::Wait;
use crate::error::{ErrorCode, StepError};
use crate::expr::ExprError;
use crate::limits;
use crate::status::{Effect, ExecutionStatus, StepStatus};
use crate::store::ExecutionError;

/// Something that happened to an execution.
#[derive(Debug, Clone)]
pub enum Happening {
    /// It begins.
    Begin,
    /// It goes on from what was recorded; every recorded step was restored before.
    Resume,
    /// An action ended well.
    ActionSucceeded {
        /// The step.
        node: NodeIx,
        /// Its output, scrubbed.
        output: Value,
    },
    /// An action ended with an error.
    ActionFailed {
        /// The step.
        node: NodeIx,
        /// Why, scrubbed.
        error: StepError,
        /// A number in `[0, 1)` for the jitter of the delay.
        draw: f64,
    },
    /// Somebody sent signals, in this order; those that are known already are told apart by their ids.
    Signals(Vec<Signal>),
    /// Time passed: steps whose time has come go on, and the execution may time out.
    Tick,
    /// Somebody wants it cancelled.
    Cancel,
}

/// What a driver must do, after it has recorded the state that came with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Perform an attempt of an action.
    Perform(Perform),
    /// Tell the running actions to stop.
    StopActions,
}

/// An attempt of an action.
#[derive(Debug, Clone, PartialEq)]
pub struct Perform {
    /// The step.
    pub node: NodeIx,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The rendered input, with markers in place of secrets.
    pub input: Value,
    /// The same over all attempts of the step.
    pub idempotency_key: String,
}

/// Decides what a happening leads to. Synchronous, total, and the same for the same arguments.
#[must_use]
pub fn step(plan: &Plan, state: State, happening: Happening, now: DateTime<Utc>) -> (State, Vec<Command>) {
    let mut machine = Machine { plan, state, now, commands: Vec::new(), ready: VecDeque::new() };
    if machine.state.phase != Phase::Ended {
        machine.take(happening);
        machine.advance();
    }
    (machine.state, machine.commands)
}

struct Machine<'a> {
    plan: &'a Plan,
    state: State,
    now: DateTime<Utc>,
    commands: Vec<Command>,
    ready: VecDeque<NodeIx>,
}

impl Machine<'_> {
    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Begin => self.begin(),
            Happening::Resume => self.resume(),
            Happening::ActionSucceeded { node, output } => self.succeeded(node, output),
            Happening::ActionFailed { node, error, draw } => self.failed(node, error, draw),
            Happening::Signals(signals) => self.signals(signals),
            Happening::Tick => self.tick(),
            Happening::Cancel => self.cancel(),
        }
    }

    fn begin(&mut self) {
        if self.state.started_at.is_none() {
            self.state.started_at = Some(self.now);
            self.state.touch_execution();
        }
        self.set_status(ExecutionStatus::Running);
        self.push_roots(&self.plan.main);
    }

    fn push_roots(&mut self, block: &[NodeIx]) {
        let roots = block.iter().copied().filter(|&ix| self.plan.nodes[ix].waits_for.is_empty());
        self.ready.extend(roots);
    }

    /// Goes on from the record: settles what has ended, waits for what waits, and decides what to
    /// do about what was running when its worker ended.
    fn resume(&mut self) {
        self.begin();
        if self.state.error.is_some() {
            // It had failed already, and nothing of it runs any more.
            self.enter_on_failure();
        }
        for ix in 0..self.plan.nodes.len() {
            match self.state.steps[ix].status {
                StepStatus::Completed | StepStatus::Skipped | StepStatus::Cancelled => self.settle(ix),
                StepStatus::Failed => self.after_failure(ix),
                StepStatus::Waiting => {
                    let at = self.state.steps[ix].wake_at.unwrap_or(self.now);
                    self.state.waiting.insert((at, ix));
                }
                StepStatus::Running => self.was_running(ix),
                StepStatus::Pending | StepStatus::OutcomeUnknown => {}
            }
        }
        // What came while nobody looked counts before the time that passed since.
        self.hand_out_signals();
        self.tick();
    }

    /// A worker ended while this attempt was under way.
    fn was_running(&mut self, ix: NodeIx) {
        let node = &self.plan.nodes[ix];
        if self.state.phase == Phase::OnFailure && !node.on_failure {
            let status = if node.effect() == Effect::Once { StepStatus::OutcomeUnknown } else { StepStatus::Cancelled };
            return self.mark(ix, status);
        }
        if node.effect() == Effect::Once {
            let error = StepError::new(
                ErrorCode::OutcomeUnknown,
                "the worker ended while this action was under way; whether it took effect is not known",
            );
            self.unknown(ix, error, 0.5);
        } else {
            let step = &mut self.state.steps[ix];
            step.status = StepStatus::Pending;
            step.attempt = step.attempt.saturating_sub(1);
            self.ready.push_back(ix);
        }
    }

    fn tick(&mut self) {
        if self.state.deadline(self.plan).is_some_and(|deadline| deadline <= self.now) {
            let timeout = self.plan.timeout.unwrap_or_default();
            self.fail_execution(ExecutionError {
                code: ErrorCode::ExecutionTimeout.as_str().to_owned(),
                message: format!("the execution took longer than its timeout of {timeout:?}"),
                step: None,
            });
            if self.state.is_acting() {
                self.commands.push(Command::StopActions);
            }
            return;
        }
        while let Some(&(at, ix)) = self.state.waiting.first() {
            if at > self.now {
                break;
            }
            self.state.waiting.pop_first();
            self.state.steps[ix].wake_at = None;
            match &self.plan.nodes[ix].work {
                Work::Wait { .. } => self.complete(ix, Value::Null),
                Work::Signal { name, timeout } => self.signal_never_came(ix, name, *timeout),
                Work::Action { .. } | Work::Set(_) | Work::Fail(_) => {
                    self.state.steps[ix].status = StepStatus::Pending;
                    self.ready.push_back(ix);
                }
            }
        }
    }

    fn cancel(&mut self) {
        if matches!(self.state.phase, Phase::Cancelling) {
            return;
        }
        self.state.phase = Phase::Cancelling;
        self.state.error = Some(ExecutionError {
            code: ErrorCode::Cancelled.as_str().to_owned(),
            message: "the execution was cancelled on request".to_owned(),
            step: None,
        });
        self.state.touch_execution();
        self.stop_waiting();
        if self.state.is_acting() {
            self.commands.push(Command::StopActions);
        }
    }

    /// Runs what is ready, then decides where the execution stands.
    fn advance(&mut self) {
        loop {
            while let Some(ix) = self.ready.pop_front() {
                self.start(ix);
            }
            if self.state.is_acting() {
                return self.set_status(ExecutionStatus::Running);
            }
            match self.state.phase {
                Phase::Main if self.state.main_left == 0 => self.finish(),
                Phase::Main => return self.set_status(ExecutionStatus::Waiting),
                Phase::Failing => self.enter_on_failure(),
                Phase::OnFailure if self.state.on_failure_left == 0 => self.end(ExecutionStatus::Failed),
                Phase::OnFailure => return self.set_status(ExecutionStatus::Waiting),
                Phase::Cancelling => self.end(ExecutionStatus::Cancelled),
                Phase::Ended => return,
            }
        }
    }

    fn enter_on_failure(&mut self) {
        self.state.phase = Phase::OnFailure;
        if let Some(error) = &self.state.error {
            let value = serde_json::json!({ "code": error.code, "message": error.message, "step": error.step });
            self.state.context.set_error(&value);
        }
        self.push_roots(&self.plan.on_failure);
    }

    /// Renders the output; a template that fails there fails the execution.
    fn finish(&mut self) {
        let rendered = match &self.plan.output {
            None => Ok(None),
            Some(template) => template.render(&self.state.context).map_err(|e| template_error(&e)).and_then(|value| {
                self.refuse_secrets(&value, "output")?;
                Ok(Some(value))
            }),
        };
        match rendered {
            Ok(output) => {
                self.state.output = output;
                self.end(ExecutionStatus::Completed);
            }
            Err(error) => self.fail_execution(ExecutionError {
                code: error.code.as_str().to_owned(),
                message: format!("the workflow's output: {}", error.message),
                step: None,
            }),
        }
    }

    fn end(&mut self, status: ExecutionStatus) {
        self.state.phase = Phase::Ended;
        self.state.finished_at = Some(self.now);
        self.state.touch_execution();
        self.state.status = status;
    }

    fn set_status(&mut self, status: ExecutionStatus) {
        if self.state.status != status {
            self.state.status = status;
            self.state.touch_execution();
        }
    }

    // ------------------------------------------------------------ steps

    fn start(&mut self, ix: NodeIx) {
        let node = &self.plan.nodes[ix];
        let allowed = match self.state.phase {
            Phase::Main => !node.on_failure,
            Phase::OnFailure => node.on_failure,
            Phase::Failing | Phase::Cancelling | Phase::Ended => false,
        };
        if !allowed || self.state.steps[ix].status != StepStatus::Pending {
            return;
        }
        if self.state.steps[ix].started_at.is_none() {
            self.state.steps[ix].started_at = Some(self.now);
            self.state.steps[ix].seq = self.state.next_seq;
            self.state.next_seq += 1;
        }
        self.state.touch(ix);
        match self.wanted(node) {
            Ok(true) => {}
            Ok(false) => return self.end_step(ix, StepStatus::Skipped),
            Err(error) => return self.fail_step(ix, template_error(&error)),
        }
        match &node.work {
            Work::Set(values) => self.set(ix, values),
            Work::Fail(message) => {
                let error = match message.render_string(&self.state.context) {
                    Ok(message) => StepError::new(ErrorCode::Failed, message),
                    Err(error) => template_error(&error),
                };
                let error = self.refuse_secrets(&Value::String(error.message.clone()), "fail").err().unwrap_or(error);
                self.fail_step(ix, error);
            }
            Work::Wait { wait, template } => match self.wake_at(wait, template.as_ref()) {
                Ok(at) if at <= self.now => self.complete(ix, Value::Null),
                Ok(at) => self.wait(ix, at),
                Err(error) => self.fail_step(ix, error),
            },
            Work::Signal { name, timeout } => self.await_signal(ix, name, *timeout),
            Work::Action { with, .. } => match with.render(&self.state.context) {
                Ok(input) => self.perform(ix, input),
                Err(error) => self.fail_step(ix, template_error(&error)),
            },
        }
    }

    fn wanted(&self, node: &Node) -> Result<bool, ExprError> {
        node.condition.as_ref().map_or(Ok(true), |condition| condition.is_true(&self.state.context))
    }

    fn set(&mut self, ix: NodeIx, values: &[(String, crate::expr::ValueTemplate)]) {
        let mut output = Map::with_capacity(values.len());
        for (name, template) in values {
            let value = match template.render(&self.state.context) {
                Ok(value) => value,
                Err(error) => return self.fail_step(ix, template_error(&error)),
            };
            if let Err(error) = self.refuse_secrets(&value, "set") {
                return self.fail_step(ix, error);
            }
            // Later values of the same step see earlier ones.
            self.state.context.set_var(name, &value);
            output.insert(name.clone(), value);
        }
        self.complete(ix, Value::Object(output));
    }

    fn perform(&mut self, ix: NodeIx, input: Value) {
        let node = &self.plan.nodes[ix];
        let idempotency_key = self.state.idempotency_key(node, ix);
        let step = &mut self.state.steps[ix];
        step.status = StepStatus::Running;
        step.attempt += 1;
        step.attempt_started_at = Some(self.now);
        step.input = Some(self.plan.binder.redacted(input.clone()));
        step.error = None;
        self.state.running += 1;
        let attempt = self.state.steps[ix].attempt;
        self.commands.push(Command::Perform(Perform { node: ix, attempt, input, idempotency_key }));
    }

    fn wait(&mut self, ix: NodeIx, at: DateTime<Utc>) {
        let step = &mut self.state.steps[ix];
        step.status = StepStatus::Waiting;
        step.wake_at = Some(at);
        self.state.waiting.insert((at, ix));
        self.state.touch(ix);
    }

    fn wake_at(&self, wait: &Wait, template: Option<&crate::expr::Template>) -> Result<DateTime<Utc>, StepError> {
        let rendered = match template {
            None => Value::Null,
            Some(template) => template.render(&self.state.context).map_err(|e| template_error(&e))?,
        };
        let refused = |what: &str| {
            StepError::new(ErrorCode::InvalidInput, format!("`wait` rendered to {rendered}, which is not {what}"))
        };
        let length = match wait {
            Wait::Until(at) => return Ok(*at),
            Wait::UntilTemplate(_) => {
                let text = rendered.as_str().ok_or_else(|| refused("an instant (RFC 3339)"))?;
                let at = DateTime::parse_from_rfc3339(text).map_err(|_| refused("an instant (RFC 3339)"))?;
                let at = at.with_timezone(&Utc);
                let longest = TimeDelta::from_std(limits::MAX_WAIT).unwrap_or_default();
                return if at - self.now > longest { Err(refused("within five years")) } else { Ok(at) };
            }
            Wait::For(length) => *length,
            // A step of its own kind, which is not waited for here.
            Wait::Signal { timeout, .. } => timeout.unwrap_or(limits::MAX_WAIT),
            Wait::ForTemplate(_) => match &rendered {
                Value::Number(seconds) => seconds
                    .as_f64()
                    .and_then(|s| Duration::try_from_secs_f64(s).ok())
                    .ok_or_else(|| refused("a number of seconds"))?,
                Value::String(text) => {
                    crate::document::duration::parse(text).map_err(|_| refused("a length of time such as `30s`"))?
                }
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    return Err(refused("a length of time such as `30s`"));
                }
            },
        };
        if length > limits::MAX_WAIT {
            return Err(refused("within five years"));
        }
        TimeDelta::from_std(length)
            .ok()
            .and_then(|length| self.now.checked_add_signed(length))
            .ok_or_else(|| refused("a length of time that ends in this era"))
    }

    fn refuse_secrets(&self, value: &Value, place: &str) -> Result<(), StepError> {
        if self.plan.binder.keys(value).is_empty() {
            return Ok(());
        }
        Err(StepError::new(
            ErrorCode::TemplateError,
            format!("a secret may only be used in the `with` of an action, not in `{place}`"),
        ))
    }
}

fn template_error(error: &ExprError) -> StepError {
    StepError::new(ErrorCode::TemplateError, error.to_string())
}
