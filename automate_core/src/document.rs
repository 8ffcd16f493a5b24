//! The workflow document: parsing, checking, comparing and drawing it.
//!
//! [`parse`] goes from text to a [`Document`] by way of `source` (text to data with places) and
//! `read` (data to [`definition`]); [`check`](check::check) holds it against the connectors and
//! compiles its templates; [`validate`] does both and answers with all errors at once. A field of
//! the language is added in `shapes`, `read` and `workflow.schema.json`, which a test holds
//! together.
//!
//! Nothing here runs a workflow, reaches a database, or reads a clock.

pub mod canonical;
pub mod check;
pub mod codes;
pub mod definition;
pub mod diff;
pub mod duration;
mod findings;
pub mod graph;
pub mod order;
pub mod pattern;
mod read;
mod scalar;
mod schema;
mod shapes;
pub mod source;
pub mod templated;

use serde::Serialize;
use serde_json::Value;

use crate::actions::Catalog;
use crate::limits;
pub use canonical::{canonical_json, sha256};
pub use check::check;
pub use diff::{Change, ChangeKind, diff, diff_text};
use findings::Findings;
pub use graph::Graph;
pub use schema::{schema, schema_text};

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

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, column, code, message, .. } = self;
        let path = if path.is_empty() { "/" } else { path };
        write!(f, "{line}:{column} {path} {code}: {message}")?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, " ({suggestion})")?;
        }
        Ok(())
    }
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
    /// Where each part stands in the source.
    pub positions: source::Positions,
    /// What parsing found worth a look. Never errors.
    pub warnings: Vec<Diagnostic>,
}

/// Parses a YAML or JSON source. Every bound is checked before what it bounds is built.
///
/// # Errors
/// All findings, in the order of the source, where at least one of them is an error.
pub fn parse(source: &str) -> Result<Document, Vec<Diagnostic>> {
    let (document, findings) = draft(source);
    let refused = findings.has_errors();
    let findings = findings.finish();
    match document {
        Some(document) if !refused => Ok(Document { warnings: findings, ..document }),
        _ => Err(findings),
    }
}

/// What [`validate`] says of a source.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The document; `None` where a finding is an error.
    pub document: Option<Document>,
    /// Everything that was found, in the order of the source.
    pub findings: Vec<Diagnostic>,
}

/// Parses and checks a source in one go, so that one answer has every error: also a document that
/// cannot be read in one place is checked in all others.
#[must_use]
pub fn validate(source: &str, catalog: &dyn Catalog, expressions: &dyn check::Compile) -> Validation {
    let (document, mut findings) = draft(source);
    if let Some(document) = &document {
        check::check_into(document, catalog, expressions, &mut findings);
    }
    let document = document.filter(|_| !findings.has_errors());
    let findings = findings.finish();
    Validation { document, findings }
}

/// What can be made of a source, errors or not.
fn draft(source: &str) -> (Option<Document>, Findings) {
    let mut findings = Findings::default();
    let document = source::load(source, &mut findings).and_then(|(value, positions)| {
        // Versions are stored in their canonical form, which must be readable again.
        let bytes = canonical::canonical_value(&value).len();
        if bytes > limits::DOCUMENT_BYTES {
            findings.push_first(Diagnostic {
                path: String::new(),
                line: 1,
                column: 1,
                code: codes::LIMIT_EXCEEDED.to_owned(),
                message: format!(
                    "as JSON, with aliases written out, the document has {bytes} bytes; at most {} are taken",
                    limits::DOCUMENT_BYTES
                ),
                suggestion: None,
                severity: Severity::Error,
            });
        }
        let workflow = read::read(&value, &positions, &mut findings)?;
        Some(Document { value, workflow, positions, warnings: Vec::new() })
    });
    (document, findings)
}

#[cfg(test)]
mod tests;
