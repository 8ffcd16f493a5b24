//! The decision.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{Cause, Circumstances, Explanation, Hold, Holder, Reason, advice};
use crate::engine::signal_of;
use crate::error::{ErrorCode, StepError};
use crate::limits;
use crate::status::{ExecutionStatus, OutboxStatus, StepStatus};
use crate::store::{ExecutionFacts, QueueFacts, StepRecord};

/// Explains an execution from what was loaded of it.
#[must_use]
pub fn explain(facts: &ExecutionFacts, circumstances: Circumstances) -> Explanation {
    let mut reasons = match facts.execution.status {
        ExecutionStatus::Completed => vec![ended(facts, Hold::Completed, "it ended well")],
        ExecutionStatus::Cancelled => vec![ended(facts, Hold::Cancelled, "it was cancelled")],
        ExecutionStatus::Failed => vec![failed(facts)],
        ExecutionStatus::Pending | ExecutionStatus::Running | ExecutionStatus::Waiting => open(facts, circumstances),
    };
    let first = reasons.remove(0);
    let (code, summary) = (first.code, first.summary.clone());
    reasons.insert(0, first);
    let expected_at = reasons.iter().filter_map(|reason| reason.until).min();
    let execution = &facts.execution;
    Explanation {
        execution_id: execution.id,
        workflow: execution.workflow.clone(),
        version: execution.version,
        status: execution.status,
        at: facts.now,
        code,
        summary,
        moving: is_moving(code),
        expected_at: expected_at.filter(|_| !execution.status.is_terminal()),
        holder: facts.item.as_ref().and_then(holder),
        outbox_id: facts.item.as_ref().map(|item| item.id),
        cancel_requested_at: execution.cancel_requested_at,
        remedies: advice::remedies(facts, &reasons),
        reasons,
    }
}

fn is_moving(code: Hold) -> bool {
    match code {
        Hold::Held | Hold::Cancelling | Hold::Queued => true,
        Hold::LeaseExpired
        | Hold::Overloaded
        | Hold::GivenBack
        | Hold::NotRunnable
        | Hold::Timer
        | Hold::Retry
        | Hold::Signal
        | Hold::OutcomeUnknown
        | Hold::DeadLetter
        | Hold::Quarantined
        | Hold::Orphaned
        | Hold::Completed
        | Hold::Failed
        | Hold::Cancelled => false,
    }
}

fn reason(code: Hold, summary: impl Into<String>) -> Reason {
    Reason {
        code,
        summary: summary.into(),
        step: None,
        since: None,
        until: None,
        signal: None,
        ahead: None,
        error: None,
    }
}

fn holder(item: &QueueFacts) -> Option<Holder> {
    let owner = item.lease_owner.clone().filter(|_| item.status == OutboxStatus::Running)?;
    Some(Holder { owner, since: item.changed_at, lease_until: item.lease_expires_at })
}

// ---------------------------------------------------------------- ended

fn ended(facts: &ExecutionFacts, code: Hold, summary: &str) -> Reason {
    Reason { since: facts.execution.finished_at, ..reason(code, summary) }
}

fn failed(facts: &ExecutionFacts) -> Reason {
    let Some(error) = &facts.execution.error else { return ended(facts, Hold::Failed, "it failed") };
    let dead = facts.item.as_ref().is_some_and(|item| item.status == OutboxStatus::Failed);
    let mut told = if error.code == ErrorCode::Quarantined.as_str() && dead {
        ended(facts, Hold::Quarantined, "workers died over it again and again, so it was set aside")
    } else {
        let place = error.step.as_ref().map(|step| format!(" at step `{step}`")).unwrap_or_default();
        ended(facts, Hold::Failed, &format!("it failed{place}: {} {}", error.code, error.message))
    };
    told.step.clone_from(&error.step);
    told.error = Some(Cause { code: error.code.clone(), message: error.message.clone() });
    told
}

// ---------------------------------------------------------------- not ended

fn open(facts: &ExecutionFacts, circumstances: Circumstances) -> Vec<Reason> {
    let steps = || waiting_steps(facts);
    let Some(item) = &facts.item else {
        let unknown = steps();
        if unknown.is_empty() {
            return vec![reason(Hold::Orphaned, "it has not ended and is in no queue; this is a fault of ours")];
        }
        return unknown;
    };
    match item.status {
        OutboxStatus::Running => {
            let mut reasons = vec![held(facts, item, circumstances)];
            reasons.extend(steps());
            reasons
        }
        OutboxStatus::Failed => vec![dead(item)],
        OutboxStatus::Completed => {
            vec![reason(Hold::Orphaned, "it has not ended and its queue item is done; this is a fault of ours")]
        }
        OutboxStatus::Pending | OutboxStatus::Retry if item.next_attempt_at <= facts.now => {
            vec![queued(facts, item, circumstances)]
        }
        OutboxStatus::Retry => vec![given_back(item)],
        OutboxStatus::Pending => {
            let mut reasons = steps();
            if reasons.is_empty() {
                let until = Some(item.next_attempt_at);
                reasons.push(Reason { until, ..reason(Hold::Timer, "it is not due before its time") });
            }
            reasons
        }
    }
}

fn held(facts: &ExecutionFacts, item: &QueueFacts, circumstances: Circumstances) -> Reason {
    let owner = item.lease_owner.as_deref().unwrap_or("a worker");
    let since = Some(item.changed_at);
    if let Some(ended) = item.lease_expires_at.filter(|ends| *ends < facts.now) {
        let summary = format!(
            "worker {owner} has not been heard of since its lease ran out; another one takes it over within a moment"
        );
        return Reason { since, until: Some(later(ended, circumstances)), ..reason(Hold::LeaseExpired, summary) };
    }
    if facts.execution.cancel_requested_at.is_some() {
        let summary = format!("worker {owner} was asked to stop it: no new step starts, running actions are told");
        return Reason { since: facts.execution.cancel_requested_at, ..reason(Hold::Cancelling, summary) };
    }
    let running = facts.steps.iter().find(|step| step.status == StepStatus::Running);
    let summary = match running {
        Some(step) => {
            format!("worker {owner} runs attempt {} of step `{}` ({})", step.attempt.max(1), step.path, step.uses)
        }
        None => format!("worker {owner} has it"),
    };
    Reason { since, step: running.map(|step| step.path.clone()), ..reason(Hold::Held, summary) }
}

/// When a lease that ran out is noticed, at the latest: reapers look after 0.75 to 1.25 times their
/// interval.
fn later(ended: DateTime<Utc>, circumstances: Circumstances) -> DateTime<Utc> {
    let look = TimeDelta::from_std(circumstances.reap_interval.mul_f64(1.25)).unwrap_or_default();
    ended.checked_add_signed(look).unwrap_or(ended)
}

fn queued(facts: &ExecutionFacts, item: &QueueFacts, circumstances: Circumstances) -> Reason {
    let ahead = if facts.ahead >= limits::QUEUE_PLACES {
        format!("{} items or more go", limits::QUEUE_PLACES)
    } else {
        match facts.ahead {
            0 => "nothing goes".to_owned(),
            1 => "1 item goes".to_owned(),
            n => format!("{n} items go"),
        }
    };
    let full = circumstances.max_depth > 0 && i64::try_from(facts.ready).is_ok_and(|r| r >= circumstances.max_depth);
    let code = if full { Hold::Overloaded } else { Hold::Queued };
    let mut summary = format!("it is ready and waits for a worker; {ahead} before it");
    if full {
        summary.push_str(&format!("; {} items are ready, and new work is refused", facts.ready));
    } else if facts.busy_workers == 0 {
        summary.push_str("; no worker is at work on anything, so look whether one runs");
    }
    Reason { since: Some(item.next_attempt_at), ahead: Some(facts.ahead), error: cause(item), ..reason(code, summary) }
}

fn given_back(item: &QueueFacts) -> Reason {
    let until = Some(item.next_attempt_at);
    let since = Some(item.changed_at);
    let error = cause(item);
    let (code, summary) = match item.last_error_code.as_deref() {
        Some("CONFIG_INVALID") => {
            let left = (item.max_attempts - item.attempt_count).max(0);
            let text = format!(
                "the worker that had it lacks what the version needs; it is tried {left} more times, for another \
                 worker may have it"
            );
            (Hold::NotRunnable, text)
        }
        Some("LEASE_EXPIRED") => {
            let text = format!(
                "its worker died or was cut off ({} times in a row); it goes on at its time",
                item.lost_leases.max(1)
            );
            (Hold::GivenBack, text)
        }
        _ => (Hold::GivenBack, "its worker gave it back; it goes on at its time".to_owned()),
    };
    Reason { since, until, error, ..reason(code, summary) }
}

fn dead(item: &QueueFacts) -> Reason {
    let error = cause(item);
    let why = error.as_ref().map(|e| format!(": {} {}", e.code, e.message)).unwrap_or_default();
    let summary = format!("its queue item is a dead letter, kept but no longer tried{why}");
    Reason { since: Some(item.changed_at), error, ..reason(Hold::DeadLetter, summary) }
}

fn cause(item: &QueueFacts) -> Option<Cause> {
    let code = item.last_error_code.clone()?;
    Some(Cause { code, message: item.last_error.clone().unwrap_or_default() })
}

// ---------------------------------------------------------------- steps

/// What its steps wait for; what ends first stands first.
fn waiting_steps(facts: &ExecutionFacts) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = facts.steps.iter().filter_map(waiting).collect();
    reasons.sort_by_key(|reason| (reason.until.is_none(), reason.until));
    reasons
}

fn waiting(step: &StepRecord) -> Option<Reason> {
    let about = |found: Reason| Some(Reason { step: Some(step.path.clone()), ..found });
    let path = &step.path;
    match step.status {
        StepStatus::OutcomeUnknown => {
            let summary = format!(
                "whether step `{path}` ({}) took effect is not known, and a person has to say; its idempotency key is {}",
                step.uses, step.idempotency_key
            );
            let since = step.attempts.last().map(|attempt| attempt.finished_at).or(step.finished_at);
            about(Reason { since, error: step.error.as_ref().map(of_step), ..reason(Hold::OutcomeUnknown, summary) })
        }
        StepStatus::Waiting if step.uses == "wait" => {
            let (since, until) = (step.started_at, step.wake_at);
            let input: Option<Value> = step.input.as_deref().and_then(|text| serde_json::from_str(text).ok());
            about(match input.as_ref().and_then(signal_of) {
                Some(name) => {
                    let summary = format!("step `{path}` waits for the signal `{name}`");
                    Reason { since, until, signal: Some(name.to_owned()), ..reason(Hold::Signal, summary) }
                }
                None => Reason { since, until, ..reason(Hold::Timer, format!("step `{path}` waits for its time")) },
            })
        }
        StepStatus::Waiting => {
            let error = step.error.as_ref().or_else(|| step.attempts.last().map(|attempt| &attempt.error));
            let why = error.map(|e| format!(", after {} {}", e.code, e.message)).unwrap_or_default();
            let summary = format!("step `{path}` ({}) waits for attempt {}{why}", step.uses, step.attempt + 1);
            let since = step.attempts.last().map(|attempt| attempt.finished_at);
            about(Reason { since, until: step.wake_at, error: error.map(of_step), ..reason(Hold::Retry, summary) })
        }
        StepStatus::Pending
        | StepStatus::Running
        | StepStatus::Completed
        | StepStatus::Failed
        | StepStatus::Skipped
        | StepStatus::Cancelled => None,
    }
}

fn of_step(error: &StepError) -> Cause {
    Cause { code: error.code.as_str().to_owned(), message: error.message.clone() }
}
