//! What an action may fail with, and the mapping from HTTP, written once.

use std::time::Duration;

use automate_core::error::{ErrorCode, StepError};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::http::{HttpError, HttpResponse};
use super::retry_after::retry_after;

/// The result of an action.
pub type Result<T, E = ConnectorError> = std::result::Result<T, E>;

/// Characters of an upstream's error body that are kept in the details.
const BODY_EXCERPT_CHARS: usize = 512;

/// Why an action failed: a stable code, a sentence without secrets, and whether another attempt
/// may go better. It is stored and shown, so nothing secret may enter it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(transparent)]
pub struct ConnectorError(StepError);

impl ConnectorError {
    /// An error that is retryable as its code says.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(StepError::new(code, message))
    }

    /// `INVALID_INPUT`: the step's input is not what the action takes.
    #[must_use]
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidInput, message)
    }

    /// `CONFIG_INVALID`: the connector or its connection is set up wrongly; says what to do.
    #[must_use]
    pub fn config_invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ConfigInvalid, message)
    }

    /// `INTERNAL`: a fault of the connector.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Internal, message)
    }

    /// `INVALID_INPUT` for an action that the connector does not have.
    #[must_use]
    pub fn unknown_action(connector: &str, action: &str) -> Self {
        Self::invalid_input(format!("the connector `{connector}` has no action `{action}`"))
    }

    /// The same, with whether another attempt may go better, where the code's word is not right.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// The same, with how long the other side asked to wait.
    #[must_use]
    pub fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    /// The same, with details for people, without secrets.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// The error for a response that the caller did not expect. `what` names the call, as in
    /// `POST https://api.example/x`; the status decides the code (see
    /// [`StepError::code_of_http_status`]), `Retry-After` the wait.
    #[must_use]
    pub fn from_response(what: &str, response: &HttpResponse, now: DateTime<Utc>) -> Self {
        let status = response.status.as_u16();
        let reason = response.status.canonical_reason().unwrap_or("an unregistered status");
        let code = StepError::code_of_http_status(status);
        let hint = if response.status.is_redirection() { "; redirects are not followed" } else { "" };
        let mut details = json!({ "status": status });
        if let Some(text) = excerpt(&response.body) {
            details["body"] = Value::String(text);
        }
        Self::new(code, format!("{what} answered {status} {reason}{hint}"))
            .with_retry_after(retry_after(&response.headers, now).filter(|_| code.is_retryable()))
            .with_details(details)
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether another attempt may go better.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// How long the other side asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The details.
    #[must_use]
    pub fn details(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// Whether the other side, or the way to it, is at fault: what a circuit breaker counts.
    #[must_use]
    pub fn is_upstream_failure(&self) -> bool {
        matches!(
            self.0.code,
            ErrorCode::Upstream5xx | ErrorCode::Timeout | ErrorCode::TransientNetwork | ErrorCode::OutcomeUnknown
        )
    }
}

impl From<HttpError> for ConnectorError {
    fn from(error: HttpError) -> Self {
        let code = match &error {
            HttpError::Timeout { .. } => ErrorCode::Timeout,
            HttpError::Connect { .. } | HttpError::Cut { .. } => ErrorCode::TransientNetwork,
            HttpError::TooLarge { .. } => ErrorCode::LimitExceeded,
            HttpError::Denied { .. } => ErrorCode::EgressDenied,
            HttpError::Invalid { .. } => ErrorCode::InvalidInput,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StepError> for ConnectorError {
    fn from(error: StepError) -> Self {
        Self(error)
    }
}

impl From<ConnectorError> for StepError {
    fn from(error: ConnectorError) -> Self {
        error.0
    }
}

/// The beginning of a body that is text, as one can show it.
fn excerpt(body: &[u8]) -> Option<String> {
    let cut = &body[..body.len().min(BODY_EXCERPT_CHARS * 4)];
    let text = match std::str::from_utf8(cut) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&cut[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let shown: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(BODY_EXCERPT_CHARS).collect();
    (!shown.is_empty()).then_some(shown)
}

#[cfg(test)]
mod tests {
    use ::http::{HeaderMap, StatusCode};
    use bytes::Bytes;

    use super::*;

    #[test]
    fn the_status_decides_the_code_and_retry_after_the_wait() {
        let now = automate_core::clock::now();
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        for (status, code, retryable) in [
            (401, ErrorCode::AuthFailed, false),
            (403, ErrorCode::Forbidden, false),
            (404, ErrorCode::NotFound, false),
            (408, ErrorCode::Timeout, true),
            (409, ErrorCode::InvalidInput, false),
            (429, ErrorCode::RateLimited, true),
            (500, ErrorCode::Upstream5xx, true),
            (503, ErrorCode::Upstream5xx, true),
            (302, ErrorCode::InvalidInput, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let response = HttpResponse::new(status, headers.clone(), Bytes::from_static(b"no"));
            let error = ConnectorError::from_response("GET https://x.example/", &response, now);
            assert_eq!((error.code(), error.is_retryable()), (code, retryable), "{status}");
            assert_eq!(error.retry_after(), retryable.then_some(Duration::from_secs(7)), "{status}");
            assert_eq!(error.details().unwrap()["body"], "no");
        }
    }

    #[test]
    fn an_excerpt_is_bounded_and_never_splits_a_character() {
        let long = "ä".repeat(5_000);
        assert_eq!(excerpt(long.as_bytes()).unwrap().chars().count(), BODY_EXCERPT_CHARS);
        let odd = format!("a{long}");
        assert!(excerpt(odd.as_bytes()).is_some());
        assert_eq!(excerpt(b"\xff\xfe"), None);
        assert_eq!(excerpt(b""), None);
    }
}
