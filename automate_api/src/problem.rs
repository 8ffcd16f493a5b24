//! The one form of an error answer: `application/problem+json` (RFC 9457).

use std::time::Duration;

use automate_core::policy::PolicyRefusal;
use automate_core::runtime::IntakeError;
use automate_core::store::StoreError;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::correlation::CorrelationId;

/// An error as the client sees it. Holds nothing that a stranger may not read: internals go to the
/// log, together with the correlation id.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// One fault of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer.
    pub path: String,
    /// A stable code, upper snake.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

impl Problem {
    /// An error with a status, a stable code (upper snake) and a sentence for people.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing at this address")
    }

    /// 500, for faults of ours. What it was is in the log.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "something went wrong here; the log has more under this correlation id",
        )
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with `Retry-After`, in whole seconds, 1 at least.
    #[must_use]
    pub fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs().max(1);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The same with faults of the input.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// The same with `Connection: close`, for requests whose body is not read to its end.
    #[must_use]
    pub fn closing(self) -> Self {
        self.with_header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The body, with the correlation id where one is known.
    pub(crate) fn body(&self, correlation: Option<&CorrelationId>) -> Vec<u8> {
        let wire = Wire {
            r#type: format!("urn:automate:error:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            correlation_id: correlation.map(CorrelationId::as_str),
            errors: &self.errors,
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    /// The answer. The layer around all routes writes the body again with the correlation id.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body(None)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    /// The one mapping from what the store says to what the client is told.
    fn from(error: StoreError) -> Self {
        let code = error.code();
        match &error {
            StoreError::NotFound(_) => Self::not_found(),
            StoreError::Conflict(_) => Self::new(StatusCode::CONFLICT, code, "this was changed by somebody else"),
            StoreError::Busy(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, code, "too much is under way; try again shortly")
                    .with_retry_after(Duration::from_secs(1))
            }
            StoreError::Full(_) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                code,
                "the disk of the database is full; nothing was stored, try again later",
            )
            .with_retry_after(Duration::from_secs(60)),
            StoreError::Unavailable(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code,
                "the database does not answer; try again, with the same delivery id",
            )
            .with_retry_after(Duration::from_secs(5)),
            StoreError::LeaseLost | StoreError::Corrupt(_) | StoreError::Internal(_) => {
                tracing::error!(%error, "the database did not do it");
                Self::internal()
            }
        }
    }
}

impl From<PolicyRefusal> for Problem {
    /// What the policy says no to may be told: it is the tenant's own.
    fn from(refusal: PolicyRefusal) -> Self {
        let status = match (refusal.rule, refusal.retry_after) {
            ("max_payload_bytes", _) => StatusCode::PAYLOAD_TOO_LARGE,
            (_, Some(_)) => StatusCode::TOO_MANY_REQUESTS,
            (_, None) => StatusCode::FORBIDDEN,
        };
        let problem = Self::new(status, refusal.code(), refusal.to_string());
        match refusal.retry_after {
            Some(after) => problem.with_retry_after(after),
            None => problem,
        }
    }
}

impl From<IntakeError> for Problem {
    /// The one mapping from why something was not accepted to what the client is told.
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::NotFound(_) => Self::not_found(),
            IntakeError::InvalidInput(diagnostics) => {
                let errors = diagnostics
                    .into_iter()
                    .map(|found| FieldError {
                        path: found.path,
                        code: "INVALID_INPUT".to_owned(),
                        message: found.message,
                    })
                    .collect();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input does not fit the workflow")
                    .with_errors(errors)
            }
            IntakeError::Overloaded { retry_after, .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "OVERLOADED",
                "too much is queued already; nothing was stored, try again later",
            )
            .with_retry_after(retry_after),
            IntakeError::Trigger { what, .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "TRIGGER_FAILED",
                format!("the {what} of a trigger cannot be evaluated for this delivery; nothing was stored"),
            ),
            // What is wrong with the stored version is for operators; they see it in the log.
            IntakeError::NotRunnable(_) => Self::new(
                StatusCode::CONFLICT,
                "NOT_RUNNABLE",
                "the workflow cannot be run as it is stored; nothing was stored",
            ),
            IntakeError::Refused(refusal) => refusal.into(),
            IntakeError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_body_has_the_members_of_rfc_9457_and_ours() {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-correlation-id", HeaderValue::from_static("abc"));
        let id = CorrelationId::taken_or_made(&headers);
        let problem =
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "no").with_errors(vec![FieldError {
                path: "/a".to_owned(),
                code: "REQUIRED".to_owned(),
                message: "missing".to_owned(),
            }]);
        let body: Value = serde_json::from_slice(&problem.body(Some(&id))).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "urn:automate:error:INVALID_INPUT",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "no",
                "code": "INVALID_INPUT",
                "correlation_id": "abc",
                "errors": [{"path": "/a", "code": "REQUIRED", "message": "missing"}],
            })
        );
    }

    #[test]
    fn r15_what_the_store_says_stays_inside() {
        let secret = "SELECT * FROM events /var/lib/automate.db";
        for error in [
            StoreError::Conflict(secret.into()),
            StoreError::NotFound(secret.into()),
            StoreError::Busy(secret.into()),
            StoreError::Full(secret.into()),
            StoreError::Unavailable(secret.into()),
            StoreError::Corrupt(secret.into()),
            StoreError::Internal(secret.into()),
        ] {
            let transient = error.is_transient();
            let problem = Problem::from(error);
            assert!(!String::from_utf8(problem.body(None)).unwrap().contains("SELECT"), "{problem:?}");
            let retry = problem.headers.iter().any(|(name, _)| name == header::RETRY_AFTER);
            assert_eq!(retry, transient, "{problem:?}");
        }
        assert_eq!(Problem::from(StoreError::Full(String::new())).status(), StatusCode::INSUFFICIENT_STORAGE);
    }

    #[test]
    fn overload_is_503_with_a_time_to_come_back() {
        let error = IntakeError::Overloaded { reason: "queue".into(), retry_after: Duration::from_secs(7) };
        let response = Problem::from(error).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "7");
    }
}
