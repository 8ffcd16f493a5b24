//! What somebody can do about an execution, by where it stands and what they may.

use automate_core::status::{ExecutionStatus, StepStatus};

use super::super::words;
use super::regions::culprit;
use super::{Loaded, PAYLOAD};
use crate::http::{Cx, Fields};

/// What can be done.
pub(super) struct Actions {
    /// The page's address.
    pub(super) here: String,
    /// The token of the form that retries in place.
    pub(super) retry: Option<String>,
    /// Where a step is decided whose outcome is not known.
    pub(super) resolve: Option<String>,
    /// It can be run again.
    pub(super) rerun: bool,
    /// And that is the first thing to do.
    pub(super) rerun_first: bool,
    /// Where it is run again from the step that failed.
    pub(super) rerun_from: Option<String>,
    /// It takes signals.
    pub(super) signal: bool,
    /// It can be cancelled.
    pub(super) cancel: bool,
    /// Inputs and outputs are shown.
    pub(super) payload: bool,
}

pub(super) fn actions(cx: &Cx, loaded: &Loaded) -> Actions {
    let (status, here) = (loaded.execution.status, words::execution(loaded.id));
    let with = |page: &str, step: &str| {
        let fields = Fields::of(vec![("step".to_owned(), step.to_owned())]);
        format!("{here}{page}/{}", fields.to_query())
    };
    let failed = status == ExecutionStatus::Failed && cx.can("execution.retry");
    let unknown = loaded.followed.steps.iter().find(|step| step.status == StepStatus::OutcomeUnknown);
    let resolve = unknown.filter(|_| status == ExecutionStatus::Waiting && cx.can("execution.retry"));
    let rerun = status.is_terminal() && cx.can("execution.replay");
    let from = culprit(loaded).filter(|_| rerun && status == ExecutionStatus::Failed);
    Actions {
        // Of one attempt there is one retry, however often the button is pressed.
        retry: failed.then(|| format!("retry-{}-{}", loaded.id, loaded.execution.attempt)),
        resolve: resolve.map(|step| with("resolve", &step.path)),
        rerun,
        rerun_first: rerun && !failed,
        rerun_from: from.map(|step| {
            let fields = Fields::of(vec![("from".to_owned(), step.path.clone())]);
            format!("{here}replay/{}", fields.to_query())
        }),
        signal: !status.is_terminal() && cx.can("execution.signal"),
        cancel: !status.is_terminal() && loaded.execution.cancel_requested_at.is_none() && cx.can("execution.cancel"),
        payload: cx.can(PAYLOAD),
        here,
    }
}
