//! Why a row was not read or written.

use automate_core::store::StoreError;
use serde::Serialize;

/// One fault of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldProblem {
    /// Which field or parameter; a JSON pointer below a field.
    pub path: String,
    /// A stable code, upper snake.
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldProblem {
    /// A fault.
    pub fn new(path: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { path: path.into(), code, message: message.into() }
    }
}

/// Why the service did not do it. Nothing of it was stored, except where the database itself does
/// not know.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResourceError {
    /// No such row, or none that the caller may know of: the two are not told apart.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A parameter of a list is wrong.
    #[error("the query is not valid")]
    Query(Vec<FieldProblem>),
    /// A field is wrong.
    #[error("the input is not valid")]
    Invalid(Vec<FieldProblem>),
    /// Another row has it, or the row is in use.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The row has changed since the caller read it.
    #[error("the row has changed: it is at version {current}")]
    Changed {
        /// The version that it is at.
        current: i64,
    },
    /// A hook refused.
    #[error("{0}")]
    Refused(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}
