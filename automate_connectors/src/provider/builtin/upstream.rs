//! What the wire formats have in common: addresses, errors, and arguments that come as text.

use automate_core::error::{ErrorCode, StepError};
use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use url::Url;

use crate::base::http::HttpResponse;
use crate::base::{ConnectorError, Result, retry_after};
use crate::provider::{FinishReason, ProviderContext};

/// Characters of an upstream's message that are shown.
const MESSAGE_CHARS: usize = 300;
/// Characters of a word that names an error.
const WORD_CHARS: usize = 64;

/// The address of a method under the entry's `base_url`.
pub(super) fn method_url(ctx: &ProviderContext, default: &str, method: &str) -> Result<Url> {
    let base = ctx.credentials().get("base_url").unwrap_or(default);
    Url::parse(&format!("{}/{method}", base.trim_end_matches('/'))).map_err(|_| {
        ConnectorError::config_invalid(format!(
            "`base_url` of the provider `{}` is not a URL, as {default} is",
            ctx.provider()
        ))
    })
}

/// Whether the body is a stream of events.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/event-stream"))
}

/// The error for a status outside 2xx. `error` is the `error` object of the body, `special` what
/// its words say beyond the status: a code, and whether another attempt may go better.
pub(super) fn status_error(
    what: &str,
    response: &HttpResponse,
    now: DateTime<Utc>,
    special: impl Fn(&str) -> Option<(ErrorCode, bool)>,
) -> ConnectorError {
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let said = Said::of(&body["error"]);
    let by_status = StepError::code_of_http_status(response.status.as_u16());
    let (code, retryable) = said.words().find_map(special).unwrap_or_else(|| (by_status, by_status.is_retryable()));
    let mut details = said.details(code);
    details.insert("status".to_owned(), response.status.as_u16().into());
    let reason = response.status.canonical_reason().unwrap_or("an unregistered status");
    let hint = if response.status.is_redirection() { "; redirects are not followed" } else { "" };
    let message = format!("{what} answered {} {reason}{hint}{}", response.status.as_u16(), said.shown(code));
    ConnectorError::new(code, message)
        .with_retryable(retryable)
        .with_retry_after(retry_after(&response.headers, now).filter(|_| retryable))
        .with_details(Value::Object(details))
}

/// The error that came in the middle of a stream.
pub(super) fn stream_error(
    what: &str,
    error: &Value,
    special: impl Fn(&str) -> Option<(ErrorCode, bool)>,
) -> ConnectorError {
    let said = Said::of(error);
    let (code, retryable) = said.words().find_map(special).unwrap_or((ErrorCode::Upstream5xx, true));
    ConnectorError::new(code, format!("{what} broke off its answer{}", said.shown(code)))
        .with_retryable(retryable)
        .with_details(Value::Object(said.details(code)))
}

/// The stream ended before the answer did.
pub(super) fn cut(what: &str) -> ConnectorError {
    ConnectorError::new(ErrorCode::TransientNetwork, format!("{what}: the stream ended before the answer did"))
}

/// The other side answered something that is not its wire format.
pub(super) fn nonsense(what: &str) -> ConnectorError {
    ConnectorError::new(
        ErrorCode::InvalidOutput,
        format!("{what} answered something that is not the wire format of this provider; is `base_url` right?"),
    )
}

/// What an error object says.
struct Said {
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Said {
    fn of(error: &Value) -> Self {
        // They come from outside; only the usual alphabet of such words is shown.
        let word = |field: &str| {
            let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let text: String = error[field].as_str()?.chars().filter(fits).take(WORD_CHARS).collect();
            (!text.is_empty()).then_some(text)
        };
        let message = error["message"].as_str().or_else(|| error.as_str());
        Self { kind: word("type"), code: word("code"), message: message.map(without_keys) }
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        self.code.iter().chain(&self.kind).map(String::as_str)
    }

    /// What a person may see. Messages about credentials quote them, if in part, so that only the
    /// words are shown then.
    fn message(&self, code: ErrorCode) -> Option<&str> {
        self.message.as_deref().filter(|_| !matches!(code, ErrorCode::AuthFailed | ErrorCode::Forbidden))
    }

    fn shown(&self, code: ErrorCode) -> String {
        match (self.message(code), self.words().next()) {
            (Some(message), _) => format!(": {message}"),
            (None, Some(word)) => format!(": {word}"),
            (None, None) => String::new(),
        }
    }

    fn details(&self, code: ErrorCode) -> Map<String, Value> {
        let pairs = [("type", self.kind.as_deref()), ("code", self.code.as_deref()), ("message", self.message(code))];
        pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?)))).collect()
    }
}

/// A message without what looks like a key, on one line and not too long.
fn without_keys(message: &str) -> String {
    let masked = |word: &str| {
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let prefixed = ["sk-", "sk_", "pk-", "key-", "api-"].iter().any(|prefix| core.starts_with(prefix));
        let digits = core.bytes().any(|b| b.is_ascii_digit()) && core.bytes().any(|b| b.is_ascii_alphabetic());
        let long =
            core.len() >= 24 && digits && core.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        prefixed || long || core.contains("***")
    };
    let words: Vec<&str> = message.split_whitespace().map(|word| if masked(word) { "***" } else { word }).collect();
    words.join(" ").chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS).collect()
}

/// The arguments of a tool, which come as text.
///
/// # Errors
/// `INVALID_OUTPUT`, which another attempt may mend unless the answer was cut at its bound.
pub(super) fn arguments(tool: &str, text: &str, finish: FinishReason) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_str(text).map_err(|_| {
        let shown: String = tool.chars().filter(|c| !c.is_control()).take(WORD_CHARS).collect();
        match finish {
            FinishReason::Length => ConnectorError::new(
                ErrorCode::LimitExceeded,
                format!("the answer was cut at the bound on tokens, within a call of `{shown}`; raise `max_tokens`"),
            ),
            _ => ConnectorError::new(
                ErrorCode::InvalidOutput,
                format!("the model called `{shown}` with arguments that are not JSON"),
            )
            .with_retryable(true),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_key_is_taken_out_of_messages() {
        let said = "Incorrect API key provided: sk-proj-abc***xyz. Use `key-1234`, not\nA1b2C3d4E5f6G7h8I9j0K1l2M3n4.";
        assert_eq!(without_keys(said), "Incorrect API key provided: *** Use *** not ***");
        assert_eq!(without_keys("the model `gpt-9` does not exist"), "the model `gpt-9` does not exist");
        assert_eq!(without_keys(&"a ".repeat(1_000)).chars().count(), MESSAGE_CHARS);
    }
}
