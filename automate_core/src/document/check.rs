//! Holding a document against what is installed: connectors and their actions, the template
//! engine, and JSON Schema. Reads nothing but its arguments.

mod actions;
pub mod compile;
mod input;
mod names;
mod templates;

use serde_json::Value;

use super::findings::Findings;
use super::source::Position;
use super::{Diagnostic, Document, Severity, codes};
use crate::actions::Catalog;
pub use compile::Compile;

/// What is wrong or doubtful about a parsed document, in the order of the source: unknown
/// connectors, actions and fields, templates that do not compile, references to steps that do not
/// exist or need not have run, an `inputs` that is no JSON Schema. Does not repeat what parsing found.
#[must_use]
pub fn check(document: &Document, catalog: &dyn Catalog, expressions: &dyn Compile) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    check_into(document, catalog, expressions, &mut findings);
    findings.finish()
}

pub(super) fn check_into(
    document: &Document,
    catalog: &dyn Catalog,
    expressions: &dyn Compile,
    findings: &mut Findings,
) {
    inputs(document, findings);
    actions::check(document, catalog, findings);
    templates::check(document, expressions, findings);
}

/// `inputs` must be a JSON Schema that needs nothing from elsewhere.
fn inputs(document: &Document, findings: &mut Findings) {
    let Some(schema) = &document.workflow.inputs else { return };
    let problem = match jsonschema::meta::validator_for(schema) {
        Err(error) => Some((String::new(), error.masked().to_string())),
        Ok(meta) => match meta.validate(schema) {
            Err(error) => Some((error.instance_path().as_str().to_owned(), error.masked().to_string())),
            Ok(()) => match jsonschema::validator_for(schema) {
                Err(error) => Some((error.instance_path().as_str().to_owned(), error.masked().to_string())),
                Ok(_) => None,
            },
        },
    };
    if let Some((path, message)) = problem {
        let path = format!("/inputs{path}");
        let at = document.positions.value(&path);
        let message = format!("`inputs` is not a JSON Schema that can be used: {message}");
        findings.push(finding(at, path, codes::INVALID_SCHEMA, message, None, Severity::Error));
    }
}

fn finding(
    at: Position,
    path: String,
    code: &str,
    message: String,
    suggestion: Option<String>,
    severity: Severity,
) -> Diagnostic {
    Diagnostic { path, line: at.line, column: at.column, code: code.to_owned(), message, suggestion, severity }
}

/// Whether a value holds text that is rendered, on any level.
fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => super::templated::is_templated(text),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(map) => map.values().any(holds_template),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
