//! The parts of the page that are kept fresh. Each is one element with an id, rendered the same way
//! for the page and for its stream.

use askama::Template;
use automate_core::explain::Explanation;
use automate_core::status::StepStatus;
use automate_store::follow::FollowedStep;
use automate_store::search::FoundExecution;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::Value;

use super::super::live::mark;
use super::super::{timeline, words};
use super::actions::{Actions, actions};
use super::tabs::StepsTable;
use super::{Loaded, STEPS};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Shell};

/// The parts, rendered.
pub(super) struct Regions {
    pub(super) head: String,
    pub(super) actions: String,
    pub(super) failing: String,
    pub(super) waiting: String,
    pub(super) timeline: String,
    pub(super) steps: String,
}

impl Regions {
    /// Each part with its id.
    pub(super) fn all(&self) -> [(&'static str, &str); 6] {
        [
            ("x-head", &self.head),
            ("x-actions", &self.actions),
            ("x-failing", &self.failing),
            ("x-waiting", &self.waiting),
            ("x-timeline", &self.timeline),
            ("x-steps", &self.steps),
        ]
    }

    /// What tells this state of the parts from others.
    pub(super) fn marks(&self) -> String {
        self.all().map(|(_, html)| mark(html)).join(".")
    }

    pub(super) fn render(cx: &Cx, shell: &Shell, loaded: &Loaded, tab: &str) -> Result<Self, AdminError> {
        let Loaded { execution, explanation, .. } = loaded;
        let actions = actions(cx, loaded);
        let steps = cx.can(STEPS);
        Ok(Self {
            head: Head::of(shell, loaded).render()?,
            failing: Failing::of(shell, loaded, &actions).render()?,
            waiting: Waiting { shell, execution, explanation: explanation.as_ref(), actions: &actions }.render()?,
            actions: ActionsPart { shell, actions: &actions }.render()?,
            timeline: if steps { chart(loaded).render()? } else { String::from("<div id=\"x-timeline\"></div>") },
            steps: if steps && tab == "steps" {
                StepsTable::of(cx, shell, loaded)?.render()?
            } else {
                String::from("<div id=\"x-steps\"></div>")
            },
        })
    }
}

#[derive(Template)]
#[template(path = "admin/execution/head.html")]
struct Head<'a> {
    shell: &'a Shell,
    execution: &'a FoundExecution,
    status: &'static str,
    is_test: bool,
    started_by: String,
    workflow_url: String,
    took: String,
    cancelling: bool,
    parent: Option<(String, String)>,
    replay_of: Option<(String, String)>,
    children_url: String,
    replays_url: String,
    same_request_url: String,
    event_url: String,
}

impl<'a> Head<'a> {
    fn of(shell: &'a Shell, loaded: &'a Loaded) -> Self {
        let execution = &loaded.execution;
        Self {
            shell,
            execution,
            status: execution.status.as_str(),
            is_test: words::is_test(&execution.trigger, execution.version),
            started_by: words::started_by(&execution.trigger),
            workflow_url: words::workflow(&execution.workflow),
            // What runs is told by when it began, so that a part does not change with each second.
            took: words::took(execution.started_at, execution.finished_at),
            cancelling: execution.cancel_requested_at.is_some() && !execution.status.is_terminal(),
            parent: words::maybe_execution(execution.parent_id),
            replay_of: words::maybe_execution(execution.replay_of),
            children_url: words::search(&format!("parent:{}", execution.id)),
            replays_url: words::search(&format!("replay:{}", execution.id)),
            same_request_url: words::search(&format!("correlation:{}", words::quoted(&execution.correlation_id))),
            event_url: execution.event_id.map(|id| words::search(&format!("event:{id}"))).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/execution/actions.html")]
struct ActionsPart<'a> {
    shell: &'a Shell,
    actions: &'a Actions,
}

/// What went wrong: the step that is to blame, or the one that somebody has to decide.
#[derive(Template)]
#[template(path = "admin/execution/failing.html")]
struct Failing<'a> {
    shell: &'a Shell,
    shown: bool,
    title: String,
    status: &'static str,
    step: Option<&'a FollowedStep>,
    code: String,
    message: String,
    details: String,
    took: String,
    next: Option<DateTime<Utc>>,
    steps_url: String,
    io_url: String,
    logs_url: String,
    actions: &'a Actions,
}

/// The step that the card is about.
pub(super) fn culprit(loaded: &Loaded) -> Option<&FollowedStep> {
    let steps = &loaded.followed.steps;
    let unknown = steps.iter().find(|step| step.status == StepStatus::OutcomeUnknown);
    let blamed = loaded.execution.error.as_ref().and_then(|error| error.step.as_deref());
    unknown.or_else(|| steps.iter().find(|step| Some(step.path.as_str()) == blamed)).or_else(|| {
        match loaded.execution.status.is_terminal() {
            // A step that failed in an execution that did not was handled.
            true => steps.iter().find(|step| step.status == StepStatus::Failed && loaded.execution.error.is_some()),
            // One that is tried again.
            false => steps.iter().find(|step| !step.status.is_finished() && !step.attempts.is_empty()),
        }
    })
}

fn text_of(error: Option<&Value>, name: &str) -> String {
    error.and_then(|error| error[name].as_str()).unwrap_or_default().to_owned()
}

impl<'a> Failing<'a> {
    fn of(shell: &'a Shell, loaded: &'a Loaded, actions: &'a Actions) -> Self {
        let step = culprit(loaded);
        let last = step.and_then(|step| step.attempts.last());
        let error = step
            .and_then(|step| step.error.clone())
            .or_else(|| last.and_then(|attempt| serde_json::to_value(&attempt.error).ok()));
        let (mut code, mut message) = (text_of(error.as_ref(), "code"), text_of(error.as_ref(), "message"));
        if code.is_empty()
            && let Some(error) = &loaded.execution.error
        {
            (code, message) = (error.code.clone(), error.message.clone());
        }
        let details = error.as_ref().map(|error| &error["details"]).filter(|details| !details.is_null());
        let failed = loaded.execution.error.is_some();
        let title = match (step, failed) {
            (Some(step), _) if step.status == StepStatus::OutcomeUnknown => {
                format!("Whether {} took effect is not known", step.path)
            }
            (Some(step), true) => format!("{} failed", step.path),
            (Some(step), false) => format!("{} is tried again", step.path),
            (None, _) => "The execution failed".to_owned(),
        };
        let here = words::execution(loaded.id);
        let path = step.map(|step| step.path.clone()).unwrap_or_default();
        let at = |tab: &str| {
            let fields = Fields::of(vec![("tab".to_owned(), tab.to_owned()), ("step".to_owned(), path.clone())]);
            format!("{here}{}#tabs", fields.to_query())
        };
        Self {
            shell,
            shown: step.is_some() || failed,
            status: match step {
                Some(step) if step.status == StepStatus::OutcomeUnknown => "outcome_unknown",
                _ if failed => "failed",
                _ => "retrying",
            },
            title,
            code,
            message,
            details: details.and_then(|details| serde_json::to_string_pretty(details).ok()).unwrap_or_default(),
            took: step.map(|step| words::took(step.started_at, step.finished_at)).unwrap_or_default(),
            next: step.filter(|step| !step.status.is_finished()).and_then(|step| step.wake_at),
            steps_url: at("steps"),
            io_url: at("io"),
            logs_url: at("logs"),
            step,
            actions,
        }
    }
}

/// What holds an execution that has not ended.
#[derive(Template)]
#[template(path = "admin/execution/waiting.html")]
struct Waiting<'a> {
    shell: &'a Shell,
    execution: &'a FoundExecution,
    explanation: Option<&'a Explanation>,
    actions: &'a Actions,
}

impl Waiting<'_> {
    /// Where the form for a signal is, with its name filled in.
    fn signal_url(&self, name: &str) -> String {
        let fields = Fields::of(vec![("name".to_owned(), name.to_owned())]);
        format!("{}signal/{}", words::execution(self.execution.id), fields.to_query())
    }
}

#[derive(Template)]
#[template(path = "admin/execution/timeline.html")]
struct Chart {
    svg: String,
    rows: usize,
    folded: bool,
    steps: usize,
}

fn chart(loaded: &Loaded) -> Chart {
    let followed = &loaded.followed;
    let began = followed.started_at.unwrap_or(followed.created_at);
    // While it runs, bars grow in steps of a fiftieth, not with each look.
    let grain = ((loaded.now - began) / 50).max(TimeDelta::seconds(2));
    let now = if loaded.execution.status.is_terminal() {
        loaded.now
    } else {
        loaded.now.duration_trunc(grain).unwrap_or(loaded.now).max(began)
    };
    let first = followed.steps.iter().filter_map(|step| step.started_at).min();
    let laid = timeline::layout(&followed.steps, first.unwrap_or(began).min(began), now);
    Chart {
        svg: timeline::draw(&laid, |step: &str, _| super::tabs::of_step(step)),
        rows: laid.rows.len(),
        folded: laid.folded,
        steps: followed.steps.len(),
    }
}
