//! The workflow document: parsing, checking, comparing and drawing it.

pub mod definition;

use serde::Serialize;
use serde_json::Value;

/// One finding about a document. Findings of severity `error` refuse publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Where, as a JSON pointer (`/steps/2/with/url`).
    pub path: String,
    /// The line in the source, from 1.
    pub line: usize,
    /// The column in the source, from 1.
    pub column: usize,
    /// A stable code, upper snake.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do, where something can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Whether it refuses publication.
    pub severity: Severity,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Refuses publication.
    Error,
    /// Worth a look.
    Warning,
}

/// A parsed document with what its definition says.
#[derive(Debug, Clone)]
pub struct Document {
    /// The document as data; keys in the order of the source.
    pub value: Value,
    /// What it says.
    pub workflow: definition::Workflow,
}
