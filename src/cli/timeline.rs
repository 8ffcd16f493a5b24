//! An execution told as a story: what happened, when, how often it was tried, what came of it.

use automate_core::actions::LogLevel;
use automate_core::engine::signal_of;
use automate_core::ids::ExecutionId;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{DRAFT, EventRecord, ExecutionRecord, Json, StepLog, StepRecord, Store, StoreError};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::output::{between, cut, length, time};

/// How much of an input or output is shown.
const SHOWN: usize = 110;

/// What is known of an execution.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    /// The execution.
    pub(crate) execution: ExecutionRecord,
    /// The event that started it.
    pub(crate) event: Option<EventRecord>,
    /// Its steps, in the order they began.
    pub(crate) steps: Vec<StepRecord>,
    /// What its steps wrote, oldest first.
    pub(crate) logs: Vec<StepLog>,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Tells entries apart between two readings of the same execution.
    pub(crate) key: String,
    /// The lines to print.
    pub(crate) text: String,
}

impl Story {
    /// Reads everything about an execution of a tenant.
    pub(crate) async fn load(
        store: &dyn Store,
        tenant: automate_core::ids::TenantId,
        id: ExecutionId,
    ) -> Result<Self, StoreError> {
        let execution = store.execution(tenant, id).await?;
        let event = match execution.event_id {
            // An event that retention has removed does not hide the execution.
            Some(event) => store.event(tenant, event).await.ok(),
            None => None,
        };
        let steps = store.steps(tenant, id).await?;
        let logs = store.logs(tenant, id).await?;
        Ok(Self { execution, event, steps, logs })
    }

    /// The heading: which execution of what, and why it ran.
    #[must_use]
    pub(crate) fn heading(&self) -> String {
        let e = &self.execution;
        format!(
            "{} ({}), execution {}\n{} at {} UTC",
            e.workflow,
            if e.version == DRAFT { "draft".to_owned() } else { format!("version {}", e.version) },
            e.id,
            self.cause(),
            e.created_at.format("%Y-%m-%d %H:%M:%S%.3f"),
        )
    }

    fn cause(&self) -> String {
        let trigger: Value = serde_json::from_str(&self.execution.trigger).unwrap_or(Value::Null);
        let word = |name: &str| trigger.get(name).and_then(Value::as_str).map(str::to_owned);
        let event = self.event.as_ref().map(|e| e.event_type.clone());
        match word("kind").as_deref() {
            Some("webhook") => {
                let path = word("path")
                    .or_else(|| word("key"))
                    .or_else(|| event.and_then(|t| t.strip_prefix("webhook.").map(str::to_owned)));
                format!("started by a webhook{}", path.map(|p| format!(" to /hooks/…/{p}")).unwrap_or_default())
            }
            Some("event") => format!("started by the event {}", event.unwrap_or_else(|| "(gone)".into())),
            Some("manual") => {
                format!("started by hand{}", word("source").map(|s| format!(" ({s})")).unwrap_or_default())
            }
            Some("replay") => match self.execution.replay_of {
                Some(of) => {
                    let from = word("from").map(|step| format!(" from step `{step}`")).unwrap_or_default();
                    format!("a replay of {of}{from}")
                }
                None => "a replay".into(),
            },
            Some(other) => format!("started by {other}"),
            None => "started".into(),
        }
    }

    /// Everything that has happened so far, in the order it happened.
    #[must_use]
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for step in &self.steps {
            self.step_entries(step, &mut entries);
        }
        for (n, log) in self.logs.iter().enumerate() {
            let level = match log.level {
                LogLevel::Info => String::new(),
                LogLevel::Debug | LogLevel::Warn | LogLevel::Error => format!("{}: ", log.level.as_str()),
            };
            let fields = log.fields.as_ref().map(|f| format!(" {f}")).unwrap_or_default();
            let text = format!("{level}“{}”{}", cut(&log.message, SHOWN), cut(&fields, SHOWN));
            entries.push(self.entry(
                log.at,
                format!("log/{}/{}/{n}", log.path, log.attempt),
                ' ',
                &log.path,
                "says",
                &text,
            ));
        }
        entries.sort_by_key(|e| e.at);
        entries
    }

    fn entry(&self, at: DateTime<Utc>, key: String, mark: char, path: &str, uses: &str, text: &str) -> Entry {
        let offset = format!("+{}", length(between(self.execution.created_at, at)));
        Entry { at, key, text: format!("{offset:>10}  {mark} {path:<12} {uses:<18} {text}") }
    }

    fn step_entries(&self, step: &StepRecord, entries: &mut Vec<Entry>) {
        for failed in &step.attempts {
            let again = failed
                .retry_at
                .map(|at| format!("; next attempt due after {}", length(between(failed.finished_at, at))))
                .unwrap_or_default();
            let text = format!(
                "attempt {} failed after {}: {} {}{again}",
                failed.attempt,
                length(between(failed.started_at, failed.finished_at)),
                failed.error.code,
                cut(&failed.error.message, SHOWN),
            );
            let key = format!("{}/{}/{}/failed", step.path, step.rerun, failed.attempt);
            entries.push(self.entry(failed.finished_at, key, '↻', &step.path, &step.uses, &text));
        }
        let Some((mark, at, mut text)) = self.now(step) else { return };
        let more = |label: &str, value: Option<&Json>, text: &mut String| {
            if let Some(value) = value.filter(|v| !matches!(v.as_ref(), "null" | "{}")) {
                text.push_str(&format!("\n{:>14} {:<12} {label} {}", "", "", cut(value, SHOWN)));
            }
        };
        // `set` and `wait` record as output what they were given.
        if step.uses.contains('.') {
            more("sent", step.input.as_ref(), &mut text);
        }
        if step.status == StepStatus::Completed {
            more("got ", step.output.as_ref(), &mut text);
        }
        let key = format!("{}/{}/{}/{}", step.path, step.rerun, step.attempt, step.status);
        entries.push(self.entry(at, key, mark, &step.path, &step.uses, &text));
    }

    /// Where a step stands now, since when, and in words; nothing where it has not begun.
    fn now(&self, step: &StepRecord) -> Option<(char, DateTime<Utc>, String)> {
        let ended = step.finished_at.or(self.execution.finished_at).unwrap_or(self.execution.created_at);
        let began = step.started_at.unwrap_or(self.execution.created_at);
        let took = length(between(began, ended));
        let last = step.attempts.last();
        let why =
            || step.error.as_ref().map_or_else(String::new, |e| format!(": {} {}", e.code, cut(&e.message, SHOWN)));
        // Taken over from the execution that this one repeats, whose key its effect carried.
        let kept = self.execution.replay_of.is_some_and(|of| step.idempotency_key.starts_with(&of.to_string()));
        if kept && step.finished_at.is_some_and(|at| at <= self.execution.created_at) {
            return Some(('=', self.execution.created_at, format!("kept: {} before", step.status)));
        }
        Some(match step.status {
            StepStatus::Pending => return None,
            StepStatus::Completed if step.uses == "wait" => ('✓', ended, format!("waited {took}")),
            StepStatus::Completed if step.attempt > 1 => {
                ('✓', ended, format!("done on attempt {} ({took} in all)", step.attempt))
            }
            StepStatus::Completed => ('✓', ended, format!("done in {took}")),
            StepStatus::Failed => ('✗', ended, format!("failed on attempt {}{}", step.attempt.max(1), why())),
            StepStatus::Skipped if self.execution.status == ExecutionStatus::Failed => {
                ('–', ended, "skipped: not needed any more, or its condition was false".into())
            }
            StepStatus::Skipped => ('–', ended, "skipped: its condition was false".into()),
            StepStatus::Cancelled => ('■', ended, "cancelled while it ran".into()),
            StepStatus::Running => {
                ('▶', last.map_or(began, |a| a.finished_at), format!("running, attempt {}", step.attempt.max(1)))
            }
            StepStatus::Waiting => {
                let until = step.wake_at.map(|at| format!(" until {} UTC", time(at))).unwrap_or_default();
                let signal = step.input.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
                let what = match signal.as_ref().and_then(signal_of) {
                    Some(name) if step.uses == "wait" => format!("waiting for the signal `{name}`"),
                    _ if last.is_some() => "waiting for its next attempt".to_owned(),
                    _ => "waiting".to_owned(),
                };
                ('…', last.map_or(began, |a| a.finished_at), format!("{what}{until}"))
            }
            StepStatus::OutcomeUnknown => (
                '?',
                ended.max(began),
                format!(
                    "the worker died during the call: whether it happened is not known\n{:>14} {:<12} decide with `automate executions resolve {} {} --completed|--repeat|--failed`",
                    "", "", self.execution.id, step.path
                ),
            ),
        })
    }

    /// How it stands, in a line or two: the end, or what it waits for.
    #[must_use]
    pub(crate) fn ending(&self) -> String {
        let e = &self.execution;
        let took = e.finished_at.map(|at| length(between(e.created_at, at))).unwrap_or_default();
        match e.status {
            ExecutionStatus::Completed => match &e.output {
                Some(output) if output.as_ref() != "null" => format!("Completed in {took}. Output: {output}"),
                Some(_) | None => format!("Completed in {took}."),
            },
            ExecutionStatus::Failed => match &e.error {
                Some(error) => format!(
                    "Failed after {took}{}: {} {}\nAfter mending the cause: automate executions retry {}",
                    error.step.as_ref().map(|s| format!(" in step `{s}`")).unwrap_or_default(),
                    error.code,
                    error.message,
                    e.id
                ),
                None => format!("Failed after {took}."),
            },
            ExecutionStatus::Cancelled => format!("Cancelled after {took}."),
            ExecutionStatus::Pending => "Accepted; no worker has begun it yet.".into(),
            ExecutionStatus::Running if e.cancel_requested_at.is_some() => "Running; asked to cancel.".into(),
            ExecutionStatus::Running => "Running.".into(),
            ExecutionStatus::Waiting => format!("Waiting. What for: automate executions explain {}", e.id),
        }
    }

    /// The whole story.
    #[must_use]
    pub(crate) fn tell(&self) -> String {
        let mut text = self.heading();
        text.push_str("\n\n");
        for entry in self.entries() {
            text.push_str(&entry.text);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.ending());
        text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use automate_core::error::{ErrorCode, StepError};
    use automate_core::ids::{EventId, TenantId, VersionId, WorkflowId};
    use automate_core::store::{ExecutionError, FailedAttempt};
    use chrono::TimeDelta;

    use super::*;

    fn start() -> DateTime<Utc> {
        "2026-03-01T09:00:00Z".parse().unwrap()
    }

    fn after(ms: i64) -> DateTime<Utc> {
        start() + TimeDelta::milliseconds(ms)
    }

    pub(crate) fn completed_execution() -> ExecutionRecord {
        ExecutionRecord {
            id: ExecutionId::new(),
            tenant_id: TenantId::DEFAULT,
            workflow_id: WorkflowId::new(),
            workflow: "order-demo".into(),
            version_id: VersionId::new(),
            version: 1,
            status: ExecutionStatus::Completed,
            trigger: Arc::from(r#"{"kind":"webhook","path":"orders"}"#),
            event_id: Some(EventId::new()),
            input: None,
            output: Some(Arc::from(r#"{"ok":true}"#)),
            error: None,
            attempt: 1,
            created_at: start(),
            started_at: Some(after(2)),
            finished_at: Some(after(240)),
            parent_id: None,
            replay_of: None,
            correlation_id: "c-1".into(),
            cancel_requested_at: None,
        }
    }

    pub(crate) fn steps_with_a_retry() -> Vec<StepRecord> {
        let step = |path: &str, uses: &str, status, attempt| StepRecord {
            path: path.into(),
            step_id: path.into(),
            seq: 0,
            uses: uses.into(),
            status,
            attempt,
            rerun: 0,
            idempotency_key: "k".into(),
            input: None,
            output: Some(Arc::from(r#"{"status":200}"#)),
            error: None,
            attempts: Vec::new(),
            wake_at: None,
            started_at: Some(after(3)),
            finished_at: Some(after(230)),
        };
        let mut fetch = step("fetch", "http.request", StepStatus::Completed, 2);
        fetch.input = Some(Arc::from(r#"{"headers":{"authorization":"Bearer $secret:TOKEN"}}"#));
        fetch.attempts = vec![FailedAttempt {
            attempt: 1,
            started_at: after(3),
            finished_at: after(9),
            error: StepError::new(ErrorCode::Upstream5xx, "the server answered 503"),
            retry_at: Some(after(209)),
        }];
        let mut skipped = step("tell", "slack.post_message", StepStatus::Skipped, 0);
        skipped.output = None;
        skipped.finished_at = Some(after(231));
        vec![fetch, skipped]
    }

    fn story() -> Story {
        Story { execution: completed_execution(), event: None, steps: steps_with_a_retry(), logs: Vec::new() }
    }

    #[test]
    fn a_timeline_tells_the_failed_attempt_the_retry_and_the_branch_not_taken() {
        let text = story().tell();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(lines[1].starts_with("started by a webhook to /hooks/…/orders"), "{text}");
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("`{part}` is missing in\n{text}"));
        let failed =
            place("attempt 1 failed after 6 ms: UPSTREAM_5XX the server answered 503; next attempt due after 200 ms");
        let done = place("done on attempt 2 (227 ms in all)");
        let skipped = place("skipped: its condition was false");
        assert!(failed < done && done < skipped, "{text}");
        assert!(text.contains("$secret:TOKEN"), "{text}");
        assert!(text.ends_with(r#"Completed in 240 ms. Output: {"ok":true}"#), "{text}");
    }

    #[test]
    fn a_failure_names_the_step_and_what_to_do() {
        let mut story = story();
        story.execution.status = ExecutionStatus::Failed;
        story.execution.error = Some(ExecutionError {
            code: "NOT_FOUND".into(),
            message: "the server answered 404".into(),
            step: Some("fetch".into()),
        });
        let ending = story.ending();
        assert!(ending.starts_with("Failed after 240 ms in step `fetch`: NOT_FOUND"), "{ending}");
        assert!(ending.contains("automate executions retry"), "{ending}");
    }

    #[test]
    fn entries_keep_their_keys_between_two_readings() {
        let keys = |s: &Story| s.entries().into_iter().map(|e| e.key).collect::<Vec<_>>();
        assert_eq!(keys(&story()), ["fetch/0/1/failed", "fetch/0/2/completed", "tell/0/0/skipped"]);
    }
}
