//! Whether the connectors and actions that steps use exist, and take what they are given.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::finding;
use super::input;
use crate::actions::{ActionMeta, Catalog};
use crate::document::definition::{Step, StepKind};
use crate::document::findings::{self, Findings, did_you_mean, shown};
use crate::document::source::Position;
use crate::document::{Document, Severity, codes, templated};

pub(super) fn check(document: &Document, catalog: &dyn Catalog, findings: &mut Findings) {
    let mut checker = Checker { document, catalog, findings, known: HashMap::new() };
    checker.block(&document.workflow.steps);
    checker.block(&document.workflow.on_failure);
}

/// What is known of a `uses`; looked up once however often it is used.
enum Known {
    Action { meta: Arc<ActionMeta>, input: Option<jsonschema::Validator> },
    Missing { code: &'static str, message: String, suggestion: Option<String> },
}

struct Checker<'a> {
    document: &'a Document,
    catalog: &'a dyn Catalog,
    findings: &'a mut Findings,
    known: HashMap<&'a str, Known>,
}

impl<'a> Checker<'a> {
    fn block(&mut self, block: &'a [Step]) {
        for step in block {
            if let StepKind::Uses { action, connection, with } = &step.kind {
                self.uses(step, action, connection.as_deref(), with);
            }
            self.block(&step.on_error);
        }
    }

    fn uses(&mut self, step: &Step, action: &'a str, connection: Option<&str>, with: &Value) {
        let known = self.known.entry(action).or_insert_with(|| look_up(self.catalog, action));
        let positions = &self.document.positions;
        let mut report = |at: Position, path: String, code: &str, message: String, suggestion: Option<String>| {
            self.findings.push(finding(at, path, code, message, suggestion, Severity::Error));
        };
        let (meta, validator) = match known {
            Known::Missing { code, message, suggestion } => {
                let path = format!("{}/uses", step.pointer);
                report(positions.value(&path), path, code, message.clone(), suggestion.clone());
                return;
            }
            Known::Action { meta, input } => (meta, input),
        };
        if connection.is_some() && !meta.takes_connection {
            let path = format!("{}/connection", step.pointer);
            let message = format!("`{action}` takes no connection");
            report(positions.key(&path), path, codes::UNKNOWN_FIELD, message, Some("leave it out".to_owned()));
        }
        // A template that renders the whole input is known only when it runs.
        if let Value::String(text) = with
            && templated::is_templated(text)
        {
            return;
        }
        let Some(validator) = validator else { return };
        for problem in input::problems(validator, &meta.input_schema, with) {
            let path = format!("{}/with{}", step.pointer, problem.path);
            let at = if problem.code == codes::UNKNOWN_FIELD { positions.key(&path) } else { positions.value(&path) };
            let message = format!("`{action}`: {}", problem.message);
            report(at, path, problem.code, message, problem.suggestion);
        }
    }
}

fn look_up(catalog: &dyn Catalog, uses: &str) -> Known {
    if let Some(meta) = catalog.action(uses) {
        // A schema that does not compile is the connector's fault, and its own checks say so.
        let input = jsonschema::validator_for(&meta.input_schema).ok();
        return Known::Action { meta, input };
    }
    let (connector, action) = uses.split_once('.').unwrap_or((uses, ""));
    let connectors = catalog.connectors();
    if !connectors.iter().any(|known| known == connector) {
        let suggestion = findings::nearest(connector, connectors.iter().map(String::as_str)).map_or_else(
            || format!("installed: {}", connectors.join(", ")),
            |near| {
                let actions = catalog.actions(near);
                let action = findings::nearest(action, actions.iter().map(String::as_str)).unwrap_or(action);
                format!("did you mean `{near}.{action}`?")
            },
        );
        let message = format!("there is no connector {}", shown(connector));
        return Known::Missing { code: codes::UNKNOWN_CONNECTOR, message, suggestion: Some(suggestion) };
    }
    let actions = catalog.actions(connector);
    let suggestion = did_you_mean(action, actions.iter().map(String::as_str))
        .unwrap_or_else(|| format!("it has: {}", actions.join(", ")));
    let message = format!("the connector `{connector}` has no action {}", shown(action));
    Known::Missing { code: codes::UNKNOWN_ACTION, message, suggestion: Some(suggestion) }
}
