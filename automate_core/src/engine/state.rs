//! One execution of a plan, in memory, and what of it has changed since it was last recorded.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::plan::{Node, NodeIx, Plan, Work};
use super::signals::{self, Signals};
use crate::error::StepError;
use crate::expr::Context;
use crate::limits;
use crate::status::{Effect, ExecutionStatus, StepStatus};
use crate::store::{ExecutionError, ExecutionUpdate, FailedAttempt, Json, StepRecord};

/// What an execution is about at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The steps of the workflow.
    Main,
    /// It has failed; running actions are awaited, nothing new starts.
    Failing,
    /// The steps of `on_failure`.
    OnFailure,
    /// It is being cancelled; running actions are awaited.
    Cancelling,
    /// It has ended.
    Ended,
}

/// One step of an execution.
#[derive(Debug, Clone)]
pub struct StepState {
    /// Where it stands.
    pub status: StepStatus,
    /// The attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// Grows when an operator has it repeated.
    pub rerun: u32,
    /// The order in which steps began.
    pub seq: i32,
    /// The rendered input, secrets redacted.
    pub input: Option<Value>,
    /// The output, scrubbed.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<StepError>,
    /// Attempts that failed before.
    pub attempts: Vec<FailedAttempt>,
    /// When it goes on.
    pub wake_at: Option<DateTime<Utc>>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When its present attempt began.
    pub attempt_started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its successors may go on.
    pub(super) settled: bool,
    /// How many of the steps it waits for have not settled.
    pub(super) blocked_on: usize,
    /// How many steps of its `on_error` block have not settled.
    pub(super) handling: usize,
}

impl StepState {
    fn new(blocked_on: usize) -> Self {
        Self {
            status: StepStatus::Pending,
            attempt: 0,
            rerun: 0,
            seq: 0,
            input: None,
            output: None,
            error: None,
            attempts: Vec::new(),
            wake_at: None,
            started_at: None,
            attempt_started_at: None,
            finished_at: None,
            settled: false,
            blocked_on,
            handling: 0,
        }
    }
}

/// One execution of a plan.
#[derive(Clone)]
pub struct State {
    /// The id, as text; part of idempotency keys.
    pub execution_id: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// What it is about.
    pub phase: Phase,
    /// The steps, by their index in the plan.
    pub steps: Vec<StepState>,
    /// What templates see.
    pub context: Context,
    /// The output.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<ExecutionError>,
    /// When its first step began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// An effect has a result that is not on record yet: it must be before the next effect begins.
    pub unrecorded_effect: bool,
    pub(super) next_seq: i32,
    pub(super) running: usize,
    pub(super) main_left: usize,
    pub(super) on_failure_left: usize,
    pub(super) waiting: BTreeSet<(DateTime<Utc>, NodeIx)>,
    pub(super) signals: Signals,
    dirty: BTreeSet<NodeIx>,
    execution_dirty: bool,
}

/// What is to be recorded.
#[derive(Debug, Default)]
pub struct Progress {
    /// Steps that changed.
    pub steps: Vec<StepRecord>,
    /// The execution, where it changed.
    pub execution: Option<ExecutionUpdate>,
}

impl State {
    /// An execution of which nothing has happened yet.
    #[must_use]
    pub fn new(plan: &Plan, execution_id: String, context: Context) -> Self {
        Self {
            execution_id,
            status: ExecutionStatus::Pending,
            phase: Phase::Main,
            steps: plan.nodes.iter().map(|node| StepState::new(node.waits_for.len())).collect(),
            context,
            output: None,
            error: None,
            started_at: None,
            finished_at: None,
            unrecorded_effect: false,
            next_seq: 0,
            running: 0,
            main_left: plan.main.len(),
            on_failure_left: plan.on_failure.len(),
            waiting: BTreeSet::new(),
            signals: Signals::default(),
            dirty: BTreeSet::new(),
            execution_dirty: false,
        }
    }

    /// Takes over what was recorded of a step. Call it in the order of `seq`, then step with
    /// [`super::Happening::Resume`]. Answers whether the plan has such a step.
    pub fn restore(&mut self, plan: &Plan, record: &StepRecord) -> bool {
        let Some(ix) = plan.node(&record.path) else { return false };
        let step = &mut self.steps[ix];
        step.status = record.status;
        step.attempt = u32::try_from(record.attempt).unwrap_or(0);
        step.rerun = u32::try_from(record.rerun).unwrap_or(0);
        step.seq = record.seq;
        step.input = record.input.as_deref().and_then(|text| serde_json::from_str(text).ok());
        step.output = record.output.as_deref().and_then(|text| serde_json::from_str(text).ok());
        step.error.clone_from(&record.error);
        step.attempts.clone_from(&record.attempts);
        step.wake_at = record.wake_at;
        step.started_at = record.started_at;
        step.attempt_started_at = record.started_at;
        step.finished_at = record.finished_at;
        self.next_seq = self.next_seq.max(record.seq + 1);
        if matches!(plan.nodes[ix].work, Work::Signal { .. })
            && let Some(taken) = step.input.as_ref().and_then(signals::taken_of)
        {
            self.signals.taken.insert(taken);
        }
        if record.status.is_finished() {
            self.show(plan, ix);
        }
        true
    }

    /// Takes note of a signal that was sent before; call it after [`State::restore`], in the order in
    /// which they came. One that a step has taken is passed over.
    pub fn receive(&mut self, signal: super::Signal) {
        self.signals.receive(signal);
    }

    /// Makes a finished step visible to templates.
    pub(super) fn show(&mut self, plan: &Plan, ix: NodeIx) {
        let node = &plan.nodes[ix];
        let step = &self.steps[ix];
        let output = step.output.as_ref().unwrap_or(&Value::Null);
        if let (Work::Set(_), StepStatus::Completed, Value::Object(values)) = (&node.work, step.status, output) {
            for (name, value) in values {
                self.context.set_var(name, value);
            }
        }
        let error = step.error.as_ref().map(|error| error_value(error, &node.path));
        let started = step.started_at.map(|at| at.to_rfc3339());
        self.context.set_step(&node.id, output, step.status.as_str(), error.as_ref(), started.as_deref());
    }

    pub(super) fn touch(&mut self, ix: NodeIx) {
        self.dirty.insert(ix);
    }

    pub(super) fn touch_execution(&mut self) {
        self.execution_dirty = true;
    }

    /// Whether an action runs.
    #[must_use]
    pub fn is_acting(&self) -> bool {
        self.running > 0
    }

    /// When the next waiting step goes on, or the execution times out.
    #[must_use]
    pub fn next_wake(&self, plan: &Plan) -> Option<DateTime<Utc>> {
        let step = self.waiting.first().map(|(at, _)| *at);
        [step, self.deadline(plan)].into_iter().flatten().min()
    }

    /// When the execution times out, while it can.
    #[must_use]
    pub fn deadline(&self, plan: &Plan) -> Option<DateTime<Utc>> {
        match self.phase {
            Phase::Main => {
                let timeout = chrono::TimeDelta::from_std(plan.timeout?).ok()?;
                self.started_at?.checked_add_signed(timeout)
            }
            Phase::Failing | Phase::OnFailure | Phase::Cancelling | Phase::Ended => None,
        }
    }

    /// What has changed since the last call. A running step is left for later unless its intent
    /// must be on record (`once`) or `show_running` asks for it: most actions end before anybody
    /// could look, and a row less is a row less.
    pub fn take_progress(&mut self, plan: &Plan, show_running: bool) -> Progress {
        let mut steps = Vec::with_capacity(self.dirty.len());
        for ix in std::mem::take(&mut self.dirty) {
            let node = &plan.nodes[ix];
            let running = self.steps[ix].status == StepStatus::Running;
            if running && !show_running && node.effect() != Effect::Once {
                self.dirty.insert(ix);
                continue;
            }
            steps.push(self.record(node, ix));
        }
        self.unrecorded_effect = false;
        let execution = std::mem::take(&mut self.execution_dirty).then(|| ExecutionUpdate {
            status: self.status,
            started_at: self.started_at,
            finished_at: self.finished_at,
            output: self.output.as_ref().map(text),
            error: self.error.clone(),
        });
        Progress { steps, execution }
    }

    fn record(&self, node: &Node, ix: NodeIx) -> StepRecord {
        let step = &self.steps[ix];
        let dropped = step.attempts.len().saturating_sub(limits::ATTEMPTS_KEPT);
        StepRecord {
            path: node.path.clone(),
            step_id: node.id.clone(),
            seq: step.seq,
            uses: node.uses.clone(),
            status: step.status,
            attempt: i32::try_from(step.attempt).unwrap_or(i32::MAX),
            rerun: i32::try_from(step.rerun).unwrap_or(i32::MAX),
            idempotency_key: self.idempotency_key(node, ix),
            input: step.input.as_ref().map(text),
            output: step.output.as_ref().map(text),
            error: step.error.clone(),
            attempts: step.attempts[dropped..].to_vec(),
            wake_at: step.wake_at,
            started_at: step.started_at,
            finished_at: step.finished_at,
        }
    }

    /// The same over all attempts of a step; another one after an operator has it repeated.
    #[must_use]
    pub fn idempotency_key(&self, node: &Node, ix: NodeIx) -> String {
        format!("{}:{}:{}", self.execution_id, node.path, self.steps[ix].rerun)
    }
}

/// What templates see of an error.
pub(super) fn error_value(error: &StepError, path: &str) -> Value {
    serde_json::json!({ "code": error.code.as_str(), "message": error.message, "step": path })
}

fn text(value: &Value) -> Json {
    value.to_string().into()
}
