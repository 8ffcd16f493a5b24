//! What a workflow document says, after parsing: plain data, no behaviour.

use std::time::Duration;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde_json::Value;

/// A parsed workflow document.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    /// The slug, unique in its tenant.
    pub slug: String,
    /// What people see; the slug where absent.
    pub title: String,
    /// More for people.
    pub description: String,
    /// For finding.
    pub labels: IndexMap<String, String>,
    /// What starts it, in the order of the document.
    pub triggers: Vec<Trigger>,
    /// JSON Schema of the input of manual, API and sub-workflow runs.
    pub inputs: Option<Value>,
    /// How long an execution may take in all.
    pub timeout: Option<Duration>,
    /// The retry policy of steps that name none.
    pub retry: Retry,
    /// The steps.
    pub steps: Vec<Step>,
    /// The steps that run when the execution has failed.
    pub on_failure: Vec<Step>,
    /// The template of the output; `null` where absent.
    pub output: Option<Value>,
}

impl Workflow {
    /// The actions that its steps call, each as `connector.action`, with those of nested blocks.
    #[must_use]
    pub fn actions(&self) -> Vec<&str> {
        fn collect<'w>(steps: &'w [Step], into: &mut Vec<&'w str>) {
            for step in steps {
                if let StepKind::Uses { action, .. } = &step.kind {
                    into.push(action);
                }
                collect(&step.on_error, into);
            }
        }
        let mut actions = Vec::new();
        collect(&self.steps, &mut actions);
        collect(&self.on_failure, &mut actions);
        actions
    }
}

/// What starts a workflow.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// `POST /hooks/{tenant}/{path}`.
    Webhook(WebhookTrigger),
    /// An event published inside the system.
    Event(EventTrigger),
    /// Run by a person, the API or the CLI.
    Manual,
}

/// A webhook that starts a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookTrigger {
    /// The path under `/hooks/{tenant}/`.
    pub path: String,
    /// How a delivery is verified.
    pub verify: Verify,
    /// Only deliveries for which this expression is true start an execution.
    pub filter: Option<String>,
    /// One execution per rendered key.
    pub dedupe: Option<String>,
}

/// How a webhook delivery is verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Verify {
    /// The scheme.
    pub scheme: VerifyScheme,
    /// The references of the secrets, as what follows `$secret:`; any one may match, so that
    /// secrets can be rotated.
    pub secrets: Vec<String>,
    /// The header of the plain `hmac` scheme; `x-signature` where absent.
    pub header: Option<String>,
    /// How far the timestamp may be from now; five minutes where absent.
    pub tolerance: Option<Duration>,
}

/// A way to sign a webhook delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerifyScheme {
    /// Unsigned; must be asked for by name.
    None,
    /// HMAC-SHA256 of the raw body, hex, in one header.
    Hmac,
    /// Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`).
    Standard,
    /// Stripe (`Stripe-Signature: t=…,v1=…`).
    Stripe,
    /// GitHub (`X-Hub-Signature-256`).
    Github,
    /// Slack (`X-Slack-Signature: v0=…`).
    Slack,
}

impl VerifyScheme {
    /// Every scheme.
    pub const ALL: &'static [Self] = &[Self::None, Self::Hmac, Self::Standard, Self::Stripe, Self::Github, Self::Slack];

    /// The word in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hmac => "hmac",
            Self::Standard => "standard",
            Self::Stripe => "stripe",
            Self::Github => "github",
            Self::Slack => "slack",
        }
    }
}

/// An event that starts a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct EventTrigger {
    /// The event's type; `*` stands for any characters but a dot, `**` for any.
    pub pattern: String,
    /// Only events for which this expression is true start an execution.
    pub filter: Option<String>,
    /// One execution per rendered key.
    pub dedupe: Option<String>,
}

/// How often and when a failed attempt is repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Attempts in all, the first included.
    pub max_attempts: u32,
    /// The delay before the second attempt.
    pub initial: Duration,
    /// What the delay is multiplied by for each further attempt.
    pub factor: f64,
    /// The longest delay.
    pub max: Duration,
    /// Whether the delay is drawn between half of it and the whole.
    pub jitter: bool,
    /// The error codes that are retried; every retryable one where empty. `TRANSIENT` stands for
    /// `TRANSIENT_NETWORK`, `TIMEOUT` and `UPSTREAM_5XX`.
    pub on: Vec<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial: Duration::from_secs(1),
            factor: 2.0,
            max: Duration::from_secs(300),
            jitter: true,
            on: Vec::new(),
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Unique in its block.
    pub id: String,
    /// Its place in the document as a JSON pointer, for errors (`/steps/3`).
    pub pointer: String,
    /// The step is skipped where this is false.
    pub condition: Option<String>,
    /// The ids it waits for; `None` means the step before it.
    pub needs: Option<Vec<String>>,
    /// What it does.
    pub kind: StepKind,
    /// How failed attempts are repeated; the workflow's policy where absent.
    pub retry: Option<Retry>,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// A failure does not end the execution.
    pub continue_on_error: bool,
    /// Steps that run when this one has failed; the execution goes on after them.
    pub on_error: Vec<Step>,
    /// What to do when a `once` action's outcome is not known.
    pub on_unknown: OnUnknown,
}

/// What a step does; exactly one of these. The rest of the language (`for_each`, `parallel`,
/// `switch`, `workflow`, `while`, and waits for approvals and events) is further variants.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Calls an action of a connector.
    Uses {
        /// `connector.action`.
        action: String,
        /// Named credentials.
        connection: Option<String>,
        /// The template of the input.
        with: Value,
    },
    /// Sets variables; the rendered map is its output too.
    Set(IndexMap<String, Value>),
    /// Fails the execution with a rendered message.
    Fail(String),
    /// Waits.
    Wait(Wait),
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// A length of time, as a literal.
    For(Duration),
    /// A length of time that a template renders (`30s`, or a number of seconds).
    ForTemplate(String),
    /// An instant, as a literal.
    Until(DateTime<Utc>),
    /// An instant that a template renders (RFC 3339).
    UntilTemplate(String),
    /// A signal that somebody sends to the execution.
    Signal {
        /// Its name.
        name: String,
        /// How long it is waited for; `limits::MAX_WAIT` where absent.
        timeout: Option<Duration>,
    },
}

/// What to do when a `once` action's outcome is not known after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// An operator decides.
    #[default]
    Ask,
    /// Call again, with the same idempotency key.
    Retry,
    /// The step fails with `OUTCOME_UNKNOWN`.
    Fail,
}
