//! What the resource service says, as the client is told.

use automate_store::resource::{FieldProblem, ResourceError, codes};
use http::{HeaderValue, StatusCode, header};

use crate::{FieldError, Problem};

impl From<ResourceError> for Problem {
    /// The one mapping from why a row was not read or written to what the client is told.
    fn from(error: ResourceError) -> Self {
        match error {
            ResourceError::NotFound(noun) => {
                Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("there is no such {}", noun.replace('_', " ")))
            }
            ResourceError::Query(faults) => {
                Self::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", "the query is not valid")
                    .with_errors(told(faults))
            }
            // What is not taken at all is a mistake about the interface, not about a value.
            ResourceError::Invalid(faults)
                if faults.iter().any(|fault| matches!(fault.code, codes::UNKNOWN_FIELD | codes::READ_ONLY)) =>
            {
                Self::new(StatusCode::BAD_REQUEST, "UNKNOWN_FIELD", "the body has a member that is not taken")
                    .with_errors(within(faults))
            }
            ResourceError::Invalid(faults) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input is not valid")
                    .with_errors(within(faults))
            }
            ResourceError::Conflict(message) => Self::new(StatusCode::CONFLICT, "CONFLICT", message),
            ResourceError::Refused(message) => Self::new(StatusCode::CONFLICT, "REFUSED", message),
            ResourceError::Changed { current } => {
                let problem = Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "CHANGED",
                    "the row has changed since you read it; read it again and decide anew",
                );
                match HeaderValue::from_str(&format!("\"{current}\"")) {
                    Ok(tag) => problem.with_header(header::ETAG, tag),
                    Err(_) => problem,
                }
            }
            ResourceError::Store(error) => error.into(),
        }
    }
}

/// Faults of a body: where, as a JSON pointer (RFC 6901).
fn within(faults: Vec<FieldProblem>) -> Vec<FieldError> {
    let mut errors = told(faults);
    for error in errors.iter_mut().filter(|error| !error.path.is_empty() && !error.path.starts_with('/')) {
        error.path.insert(0, '/');
    }
    errors
}

fn told(faults: Vec<FieldProblem>) -> Vec<FieldError> {
    let tell =
        |fault: FieldProblem| FieldError { path: fault.path, code: fault.code.to_owned(), message: fault.message };
    faults.into_iter().map(tell).collect()
}
