//! The top of a workflow document.

use indexmap::IndexMap;
use serde_json::Value;

use super::step::Ids;
use super::{Node, Object, Reader, Zero};
use crate::document::definition::{Retry, Workflow};
use crate::document::findings::{self, shown};
use crate::document::pattern;
use crate::document::shapes::{RETRY, WORKFLOW};
use crate::document::{Diagnostic, Severity, codes};
use crate::error::ErrorCode;
use crate::limits;

impl Reader<'_> {
    pub(super) fn workflow(&mut self, node: &Node<'_>) -> Option<Workflow> {
        let top = self.object(node, &WORKFLOW)?;
        let slug = self.slug(&top);
        let title = top.field("title").and_then(|n| self.some_text(&n)).map(str::to_owned);
        let description = top.field("description").and_then(|n| self.text(&n)).map(str::to_owned);
        let labels = top.field("labels").map(|n| self.labels(&n)).unwrap_or_default();
        let triggers = top.field("on").map(|n| self.triggers(&n)).unwrap_or_default();
        let inputs = top.field("inputs").and_then(|n| self.inputs(&n));
        let timeout = top.field("timeout").and_then(|n| self.duration(&n, Zero::Refused));
        let retry = top.field("retry").map_or_else(Retry::default, |n| self.retry(&n, &Retry::default()));
        let mut ids = Ids::default();
        let steps = match top.field("steps") {
            Some(steps) => self.block(&steps, &retry, &mut ids),
            None => {
                self.missing(&top, WORKFLOW.title, "steps", "add `steps:` with at least one step");
                Vec::new()
            }
        };
        // The steps of `on_failure` see those of the workflow, so they share its names.
        let on_failure = match top.field("on_failure") {
            Some(block) => {
                ids.enter(&steps);
                self.block(&block, &retry, &mut ids)
            }
            None => Vec::new(),
        };
        if let Some((at, pointer)) = self.first_step_too_many.take() {
            let message =
                format!("the workflow has {} steps; at most {} are taken", self.steps, limits::STEPS_PER_WORKFLOW);
            self.findings.push_first(Diagnostic {
                path: pointer,
                line: at.line,
                column: at.column,
                code: codes::LIMIT_EXCEEDED.to_owned(),
                message,
                suggestion: Some("split it into several workflows".to_owned()),
                severity: Severity::Error,
            });
        }
        Some(Workflow {
            title: title.unwrap_or_else(|| slug.clone()),
            slug,
            description: description.unwrap_or_default(),
            labels,
            triggers,
            inputs,
            timeout,
            retry,
            steps,
            on_failure,
            output: top.map.get("output").cloned(),
        })
    }

    fn slug(&mut self, top: &Object<'_>) -> String {
        let Some(node) = top.field("workflow") else {
            self.missing(top, WORKFLOW.title, "workflow", "name it: `workflow: my-workflow`");
            return String::new();
        };
        let Some(text) = self.text(&node) else { return String::new() };
        if !pattern::is_slug(text) {
            let message = format!("{} cannot be the name of a workflow", shown(text));
            let rule = "small letters, digits and `-`, 63 characters at most, beginning with a letter or digit";
            let made = as_slug(text);
            let suggestion = if pattern::is_slug(&made) { format!("write `{made}`; {rule}") } else { rule.to_owned() };
            self.error(&node, codes::INVALID_VALUE, message, suggestion);
        }
        text.to_owned()
    }

    fn labels(&mut self, node: &Node<'_>) -> IndexMap<String, String> {
        let mut labels = IndexMap::new();
        if let Some(object) = self.mapping(node, "`labels`") {
            for (name, value) in object.fields() {
                if let Some(text) = self.text(&value) {
                    labels.insert(name.clone(), text.to_owned());
                }
            }
        }
        labels
    }

    /// Whether it is a JSON Schema is for the checks to say.
    fn inputs(&mut self, node: &Node<'_>) -> Option<Value> {
        match node.value {
            Value::Object(_) | Value::Bool(_) => Some(node.value.clone()),
            _ => {
                self.wrong_type(node, "a JSON Schema", None);
                None
            }
        }
    }

    /// A retry policy; what it does not say is as in `base`.
    pub(super) fn retry(&mut self, node: &Node<'_>, base: &Retry) -> Retry {
        let mut retry = base.clone();
        let Some(object) = self.object(node, &RETRY) else { return retry };
        if let Some(n) = object.field("max_attempts") {
            match n
                .value
                .as_u64()
                .and_then(|v| u32::try_from(v).ok())
                .filter(|v| (1..=limits::MAX_ATTEMPTS).contains(v))
            {
                Some(attempts) => retry.max_attempts = attempts,
                None if n.value.is_number() => {
                    let message = format!("this must be a whole number from 1 to {}", limits::MAX_ATTEMPTS);
                    self.error(&n, codes::INVALID_VALUE, message, None);
                }
                None => self.wrong_type(&n, "a whole number", None),
            }
        }
        if let Some(length) = object.field("initial").and_then(|n| self.duration(&n, Zero::Allowed)) {
            retry.initial = length;
        }
        if let Some(n) = object.field("factor") {
            match n.value.as_f64() {
                Some(factor) if (1.0..=100.0).contains(&factor) => retry.factor = factor,
                Some(_) => self.error(&n, codes::INVALID_VALUE, "this must be a number from 1 to 100", None),
                None => self.wrong_type(&n, "a number", None),
            }
        }
        match object.field("max") {
            Some(n) => {
                if let Some(length) = self.duration(&n, Zero::Allowed) {
                    if length < retry.initial {
                        let message = "the longest delay is shorter than the first one";
                        self.error(&n, codes::INVALID_VALUE, message, "make `max` at least as long as `initial`");
                    }
                    retry.max = length;
                }
            }
            // A first delay beyond the default's longest is meant as said.
            None => retry.max = retry.max.max(retry.initial),
        }
        if let Some(jitter) = object.field("jitter").and_then(|n| self.boolean(&n)) {
            retry.jitter = jitter;
        }
        if let Some(n) = object.field("on")
            && let Some(items) = self.list(&n, "error codes")
        {
            retry.on.clear();
            for (i, item) in items.iter().enumerate() {
                self.retry_code(&n.item(i, item), &mut retry.on);
            }
        }
        retry
    }

    fn retry_code(&mut self, node: &Node<'_>, on: &mut Vec<String>) {
        let Some(text) = self.text(node) else { return };
        if text == "TRANSIENT" || ErrorCode::from_word(text).is_some() {
            if !on.iter().any(|known| known == text) {
                on.push(text.to_owned());
            }
            return;
        }
        let words = || ErrorCode::ALL.iter().map(|c| c.as_str()).chain(["TRANSIENT"]);
        let suggestion = findings::did_you_mean(text, words())
            .unwrap_or_else(|| format!("use one of: {}", words().collect::<Vec<_>>().join(", ")));
        self.error(node, codes::INVALID_VALUE, format!("{} is not an error code", shown(text)), suggestion);
    }
}

/// A slug made of a name that is none.
fn as_slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().take(63) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}
