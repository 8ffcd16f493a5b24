//! What happened to an execution, as its rows tell it. No IO.

use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::SignalRecord;
use automate_store::follow::Followed;
use automate_store::search::FoundExecution;
use chrono::{DateTime, Utc};

use super::super::words;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: DateTime<Utc>,
    /// A word of a state.
    pub(super) state: &'static str,
    /// In words.
    pub(super) text: String,
}

/// Everything that happened, in the order of time.
pub(super) fn events(execution: &FoundExecution, followed: &Followed, signals: &[SignalRecord]) -> Vec<Event> {
    let mut all = vec![Event {
        at: execution.created_at,
        state: "pending",
        text: format!("Accepted: started by {}", words::started_by(&execution.trigger)),
    }];
    let mut add = |at: Option<DateTime<Utc>>, state: &'static str, text: String| {
        all.extend(at.map(|at| Event { at, state, text }));
    };
    let attempt = if followed.attempt > 1 { format!(" (attempt {})", followed.attempt) } else { String::new() };
    add(followed.started_at, "running", format!("Began{attempt}"));
    for step in &followed.steps {
        let path = &step.path;
        if step.status != StepStatus::Skipped {
            add(step.started_at, "running", format!("{path} began ({})", step.uses));
        }
        for failed in &step.attempts {
            let text =
                format!("{path}: attempt {} failed: {} {}", failed.attempt, failed.error.code, failed.error.message);
            add(Some(failed.finished_at), "retrying", text);
        }
        let told = match step.status {
            StepStatus::Completed => "ended well",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "was skipped",
            StepStatus::Cancelled => "was cancelled",
            StepStatus::Pending | StepStatus::Running | StepStatus::Waiting | StepStatus::OutcomeUnknown => continue,
        };
        add(step.finished_at, step.status.as_str(), format!("{path} {told}"));
    }
    for signal in signals {
        add(Some(signal.received_at), "sent", format!("Signal {} from {}", signal.name, signal.source));
    }
    add(execution.cancel_requested_at, "cancelled", "Somebody asked to cancel it".to_owned());
    let ended = match execution.status {
        ExecutionStatus::Completed => "Ended well",
        ExecutionStatus::Failed => "Failed",
        ExecutionStatus::Cancelled => "Cancelled",
        ExecutionStatus::Pending | ExecutionStatus::Running | ExecutionStatus::Waiting => "",
    };
    if !ended.is_empty() {
        add(execution.finished_at, execution.status.as_str(), ended.to_owned());
    }
    all.sort_by_key(|event| event.at);
    all
}
