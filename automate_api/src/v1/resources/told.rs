//! What the engine says, as the client is told.

use automate_core::document::Diagnostic;
use automate_core::limits;
use automate_core::runtime::{OperateError, PublishError};
use http::StatusCode;

use crate::{FieldError, Problem};

impl From<PublishError> for Problem {
    /// The one mapping from why a document was not stored to what the client is told.
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Invalid(findings) => {
                let detail = "the document is not valid; `errors` says where";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_DOCUMENT", detail).with_errors(told(&findings))
            }
            PublishError::Refused(refusal) => refusal.into(),
            PublishError::Store(error) => error.into(),
        }
    }
}

/// Findings as faults; errors before warnings.
fn told(findings: &[Diagnostic]) -> Vec<FieldError> {
    let mut findings: Vec<&Diagnostic> = findings.iter().collect();
    findings.sort_by_key(|finding| finding.severity != automate_core::document::Severity::Error);
    let tell = |finding: &Diagnostic| {
        let Diagnostic { path, line, column, code, message, suggestion, .. } = finding;
        let mut text = format!("line {line}, column {column}: {message}");
        if let Some(suggestion) = suggestion {
            text.push_str(&format!(" ({suggestion})"));
        }
        FieldError { path: path.clone(), code: code.clone(), message: text }
    };
    findings.into_iter().take(limits::FIELD_PROBLEMS).map(tell).collect()
}

impl From<OperateError> for Problem {
    /// The one mapping from why something was not done to executions to what the client is told.
    fn from(error: OperateError) -> Self {
        let status = match &error {
            OperateError::NotEnded { .. } | OperateError::Ended { .. } | OperateError::SignalsFull(_) => {
                StatusCode::CONFLICT
            }
            OperateError::Step(_) | OperateError::InvalidSignal(_) | OperateError::InvalidBulk(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            OperateError::Intake(_) | OperateError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let code = error.code();
        match error {
            OperateError::Intake(error) => error.into(),
            OperateError::Store(error) => error.into(),
            error => Self::new(status, code, error.to_string()),
        }
    }
}
