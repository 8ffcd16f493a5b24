//! What can go wrong in a step, in one vocabulary, with the mapping from HTTP written once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, retryable: $retry:literal;)*) => {
        /// A stable error code of a step. The words are stored, shown and matched in `retry.on`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stored and shown word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Whether another attempt may go better.
            #[must_use]
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retry,)* }
            }

            /// The code of a word, where it is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// The other side did not accept the credentials.
    AuthFailed = "AUTH_FAILED", retryable: false;
    /// The credentials are fine and do not allow this.
    Forbidden = "FORBIDDEN", retryable: false;
    /// The thing asked for is not there.
    NotFound = "NOT_FOUND", retryable: false;
    /// The input of the step is not what the action takes.
    InvalidInput = "INVALID_INPUT", retryable: false;
    /// The output of the action is not what it declares.
    InvalidOutput = "INVALID_OUTPUT", retryable: false;
    /// The connector, the connection or the workflow is set up wrongly.
    ConfigInvalid = "CONFIG_INVALID", retryable: false;
    /// The other side asked to slow down.
    RateLimited = "RATE_LIMITED", retryable: true;
    /// It took too long.
    Timeout = "TIMEOUT", retryable: true;
    /// The other side answered 5xx.
    Upstream5xx = "UPSTREAM_5XX", retryable: true;
    /// The connection failed or was cut.
    TransientNetwork = "TRANSIENT_NETWORK", retryable: true;
    /// The effect may or may not have happened.
    OutcomeUnknown = "OUTCOME_UNKNOWN", retryable: false;
    /// A template failed to render.
    TemplateError = "TEMPLATE_ERROR", retryable: false;
    /// A secret could not be found or read.
    SecretUnavailable = "SECRET_UNAVAILABLE", retryable: false;
    /// The egress guard refused the address.
    EgressDenied = "EGRESS_DENIED", retryable: false;
    /// The tenant's policy does not allow it.
    PolicyDenied = "POLICY_DENIED", retryable: false;
    /// A size or count passed its bound.
    LimitExceeded = "LIMIT_EXCEEDED", retryable: false;
    /// The tenant's budget does not allow it.
    BudgetExceeded = "BUDGET_EXCEEDED", retryable: false;
    /// The workflow said so with a `fail` step.
    Failed = "FAILED", retryable: false;
    /// The execution was cancelled.
    Cancelled = "CANCELLED", retryable: false;
    /// The execution passed its `timeout`.
    ExecutionTimeout = "EXECUTION_TIMEOUT", retryable: false;
    /// Workers died holding it too often; it is set aside.
    Quarantined = "QUARANTINED", retryable: false;
    /// A fault of ours.
    Internal = "INTERNAL", retryable: false;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an attempt of a step failed. Holds no secret: it is stored, logged and shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct StepError {
    /// The stable code.
    pub code: ErrorCode,
    /// A sentence for people, without secrets.
    pub message: String,
    /// Whether another attempt may go better.
    pub retryable: bool,
    /// How long the other side asked to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// More for people, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl StepError {
    /// An error that is retryable as its code says.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.is_retryable(), retry_after: None, details: None }
    }

    /// The same, with how long to wait before the next attempt.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The same, with details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The code for an HTTP status outside 2xx (RFC 9110, section 15).
    #[must_use]
    pub fn code_of_http_status(status: u16) -> ErrorCode {
        match status {
            401 => ErrorCode::AuthFailed,
            403 => ErrorCode::Forbidden,
            404 | 410 => ErrorCode::NotFound,
            408 => ErrorCode::Timeout,
            425 | 429 => ErrorCode::RateLimited,
            500..=599 => ErrorCode::Upstream5xx,
            _ => ErrorCode::InvalidInput,
        }
    }
}
