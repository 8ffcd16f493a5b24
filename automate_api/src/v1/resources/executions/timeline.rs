//! What happened to an execution, from the rows that are stored of it; and where in it a reader is.
//!
//! Rows tell how far each step is, not in which order that came about, and a step may be recorded
//! later than one that ended after it. So a place in the stream is no point in time: it is, for each
//! step, how far the reader was told of it. Steps end one after the other mostly, so that this is
//! short however many they are.

mod runs;

use automate_core::ids::ExecutionId;
use automate_core::limits;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_store::follow::{Followed, FollowedStep};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use self::runs::Runs;

/// Something that happened to an execution.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct ExecutionEvent {
    /// `execution.` or `step.` and what happened: `step.completed`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// The execution.
    execution_id: Uuid,
    /// When; null where that is not recorded.
    at: Option<DateTime<Utc>>,
    /// The attempt: of the step, or of the execution, which a retry begins anew.
    attempt: i32,
    /// The path of the step, where it is about one.
    path: Option<String>,
    /// The name of the step.
    id: Option<String>,
    /// What the step calls.
    uses: Option<String>,
    /// Why it failed.
    error: Option<Value>,
    /// When it goes on.
    until: Option<DateTime<Utc>>,
}

/// How far a reader was told of a step: which repetition of it, which attempt, and what of that.
/// Later is greater.
type Told = u32;

/// Values of [`Told`] for each repetition of a step.
const PER_RERUN: Told = 1 << 12;

/// What a step that waits calls.
const WAIT: &str = "wait";

const STARTED: Told = 1;
const PAUSED: Told = 2;
const ENDED: Told = 3;

fn told(rerun: i32, attempt: u32, what: Told) -> Told {
    let rerun = Told::try_from(rerun).unwrap_or(0).min(Told::MAX / PER_RERUN - 1);
    rerun * PER_RERUN + (attempt * 4 + what).min(PER_RERUN - 1)
}

/// Where in the stream of an execution a reader is. As text, `ATTEMPT.STATUS.RUNS`: where the
/// execution stood, and how far its steps were, in their order, as `COUNTxHOW_FAR` with `_` between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The attempt of the execution, 0 before anything was told, and where it stood.
    execution: (i32, Option<ExecutionStatus>),
    /// By the number of the step.
    steps: Runs,
}

/// One event with the place behind it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Happened {
    pub(super) place: String,
    pub(super) event: ExecutionEvent,
}

impl Place {
    /// The place as text.
    fn written(&self) -> String {
        let (attempt, status) = self.execution;
        format!("{attempt}.{}.{}", status.map_or("-", letter), self.steps)
    }

    /// The place that a reader names; `None` where it is none of ours, and then the stream begins at
    /// its beginning.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > limits::STREAM_ID_BYTES {
            return None;
        }
        let mut parts = text.splitn(3, '.');
        let (attempt, status, runs) = (parts.next()?, parts.next()?, parts.next()?);
        let status = match status {
            "-" => None,
            word => Some(*ExecutionStatus::ALL.iter().find(|status| letter(**status) == word)?),
        };
        let mut place = Self { execution: (attempt.parse().ok()?, status), steps: Runs::default() };
        for run in runs.split('_').filter(|run| !run.is_empty()) {
            let (count, value) = run.split_once('x')?;
            let (count, value): (usize, Told) = (count.parse().ok()?, value.parse().ok()?);
            if count == 0 || place.steps.len().checked_add(count)? > limits::STREAM_STEPS {
                return None;
            }
            place.steps.push(count, value);
        }
        Some(place)
    }

    /// Whether the reader was told the end.
    pub(super) fn is_end(&self) -> bool {
        self.execution.1.is_some_and(ExecutionStatus::is_terminal)
    }

    /// What the reader was not told yet, in the order to tell it; the reader is told it now.
    pub(super) fn advance(&mut self, id: ExecutionId, now: &Followed) -> Vec<Happened> {
        let mut happened = Vec::new();
        let (told_attempt, told_status) = self.execution;
        if told_attempt < now.attempt {
            self.forget_steps_of_this_attempt(now);
        }
        if told_status.is_none() {
            self.tell_status(id, now, ExecutionStatus::Pending, Some(now.created_at), &mut happened);
        }
        let began = told_attempt < now.attempt || told_status == Some(ExecutionStatus::Pending);
        if began && (now.started_at.is_some() || now.status == ExecutionStatus::Running) {
            self.tell_status(id, now, ExecutionStatus::Running, now.started_at, &mut happened);
        }
        for (seq, value, event) in self.of_steps(id, now) {
            self.steps.set(seq, value);
            happened.push(Happened { place: self.written(), event });
        }
        if self.execution != (now.attempt, Some(now.status)) {
            let at = now.status.is_terminal().then_some(now.finished_at).flatten();
            self.tell_status(id, now, now.status, at, &mut happened);
        }
        happened
    }

    /// A retry of the whole takes away what ran because of the failure, and what runs then gets the
    /// numbers of what was taken away.
    fn forget_steps_of_this_attempt(&mut self, now: &Followed) {
        let earlier = |step: &&FollowedStep| match (step.started_at, now.started_at) {
            (Some(step), Some(attempt)) => step < attempt,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let mut kept = Runs::default();
        for seq in now.steps.iter().filter(earlier).filter_map(place_of) {
            kept.set(seq, self.steps.get(seq));
        }
        self.steps = kept;
    }

    fn tell_status(
        &mut self,
        id: ExecutionId,
        now: &Followed,
        status: ExecutionStatus,
        at: Option<DateTime<Utc>>,
        happened: &mut Vec<Happened>,
    ) {
        let attempt = if status == ExecutionStatus::Pending && now.attempt > 1 { 1 } else { now.attempt };
        self.execution = (attempt, Some(status));
        let event = ExecutionEvent {
            kind: format!("execution.{status}"),
            execution_id: id.0,
            at,
            attempt,
            path: None,
            id: None,
            uses: None,
            error: now.error.clone().filter(|_| status.is_terminal()),
            until: None,
        };
        happened.push(Happened { place: self.written(), event });
    }

    /// What of the steps was not told, in the order of time, though never a step's own events out of
    /// their order.
    fn of_steps(&self, id: ExecutionId, now: &Followed) -> Vec<(usize, Told, ExecutionEvent)> {
        let mut untold = Vec::new();
        for step in &now.steps {
            let Some(seq) = place_of(step) else { continue };
            let known = self.steps.get(seq);
            let mut last: Option<DateTime<Utc>> = None;
            for (value, event) in events_of(id, step).into_iter().filter(|(value, _)| *value > known) {
                last = last.max(event.at);
                untold.push((last, seq, value, event));
            }
        }
        untold.sort_by_key(|(at, seq, value, _)| (*at, *seq, *value));
        untold.into_iter().map(|(_, seq, value, event)| (seq, value, event)).collect()
    }
}

/// The place of a step among the others.
fn place_of(step: &FollowedStep) -> Option<usize> {
    usize::try_from(step.seq).ok().filter(|seq| *seq < limits::STREAM_STEPS)
}

/// A letter for each status.
const fn letter(status: ExecutionStatus) -> &'static str {
    match status {
        ExecutionStatus::Pending => "p",
        ExecutionStatus::Running => "r",
        ExecutionStatus::Waiting => "w",
        ExecutionStatus::Completed => "c",
        ExecutionStatus::Failed => "f",
        ExecutionStatus::Cancelled => "x",
    }
}

/// Everything that happened to a step, as far as its row tells, in its order.
fn events_of(id: ExecutionId, step: &FollowedStep) -> Vec<(Told, ExecutionEvent)> {
    let event = |kind: &str, attempt: u32, at| ExecutionEvent {
        kind: format!("step.{kind}"),
        execution_id: id.0,
        at,
        attempt: i32::try_from(attempt).unwrap_or(i32::MAX),
        path: Some(step.path.clone()),
        id: Some(step.step_id.clone()),
        uses: Some(step.uses.clone()),
        error: None,
        until: None,
    };
    let Some(started_at) = step.started_at else { return Vec::new() };
    let attempt = u32::try_from(step.attempt).unwrap_or(0);
    let mut events = Vec::new();
    let mut begun = None;
    // The history has the attempts of earlier repetitions too.
    for failed in step.attempts.iter().filter(|failed| failed.started_at >= started_at && failed.attempt <= attempt) {
        begun = Some(failed.attempt);
        let started = event("started", failed.attempt, Some(failed.started_at));
        events.push((told(step.rerun, failed.attempt, STARTED), started));
        // The last one's end is the step's own.
        if failed.attempt < attempt || !step.status.is_finished() {
            let mut retrying = event("retrying", failed.attempt, Some(failed.finished_at));
            retrying.error = serde_json::to_value(&failed.error).ok();
            retrying.until = failed.retry_at;
            events.push((told(step.rerun, failed.attempt, PAUSED), retrying));
        }
    }
    let skipped = step.status == StepStatus::Skipped;
    if begun.is_none_or(|begun| begun < attempt) && step.status != StepStatus::Pending && !skipped {
        let at = if attempt <= 1 { Some(started_at) } else { step.attempts.last().and_then(|failed| failed.retry_at) };
        events.push((told(step.rerun, attempt, STARTED), event("started", attempt, at)));
    }
    // What a wait that is over waited for is not recorded, but that it did is.
    let waited = step.finished_at.filter(|ended| step.uses == WAIT && *ended > started_at).is_some();
    if waited {
        events.push((told(step.rerun, attempt, PAUSED), event("waiting", attempt, Some(started_at))));
    }
    match step.status {
        StepStatus::Pending | StepStatus::Running => {}
        StepStatus::Waiting if begun == Some(attempt) => {}
        StepStatus::Waiting => {
            let mut waiting = event("waiting", attempt, Some(started_at));
            waiting.until = step.wake_at;
            events.push((told(step.rerun, attempt, PAUSED), waiting));
        }
        StepStatus::OutcomeUnknown => {
            let mut unknown = event("outcome_unknown", attempt, step.finished_at);
            unknown.error.clone_from(&step.error);
            events.push((told(step.rerun, attempt, PAUSED), unknown));
        }
        status @ (StepStatus::Completed | StepStatus::Failed | StepStatus::Skipped | StepStatus::Cancelled) => {
            let mut ended = event(status.as_str(), attempt, step.finished_at);
            ended.error.clone_from(&step.error);
            events.push((told(step.rerun, attempt, ENDED), ended));
        }
    }
    events
}

#[cfg(test)]
mod tests;
