//! A payload and answers to begin with: what the templates of a document read of them, each with a value that
//! says least.

use automate_core::actions::Catalog;
use automate_core::document::Document;
use automate_core::document::definition::StepKind;
use automate_core::status::Effect;
use serde_json::{Map, Value, json};

/// Values of one sample.
const VALUES: usize = 200;
/// Steps that answers are made for.
const STEPS: usize = 50;
/// Names on the way to a value.
const DEPTH: usize = 16;

/// What a document reads of `event.payload` or of `inputs`, whichever `roots` say.
pub(super) fn sample_of(document: &Value, roots: &[&str]) -> Value {
    let mut sample = Sample { root: Value::Object(Map::new()), values: 0 };
    sample.read(document, roots);
    sample.root
}

/// What a document reads of the outputs of steps that a test does not perform, by the steps' names: what their
/// actions declare about their outputs says too little for those that build on them.
pub(super) fn answers_of(document: &Document, actions: &dyn Catalog) -> Value {
    let mut answers = Map::new();
    for step in document.workflow.steps.iter().take(STEPS) {
        let StepKind::Uses { action, .. } = &step.kind else { continue };
        if actions.action(action).is_none_or(|action| action.effect == Effect::Pure) {
            continue;
        }
        let answer = sample_of(&document.value, &[&format!("steps.{}.output", step.id)]);
        if answer.as_object().is_some_and(|answer| !answer.is_empty()) {
            answers.insert(step.id.clone(), answer);
        }
    }
    Value::Object(answers)
}

struct Sample {
    root: Value,
    values: usize,
}

impl Sample {
    fn read(&mut self, value: &Value, roots: &[&str]) {
        match value {
            Value::String(text) => roots.iter().for_each(|root| self.read_text(text, root)),
            Value::Array(items) => items.iter().for_each(|item| self.read(item, roots)),
            Value::Object(fields) => fields.values().for_each(|field| self.read(field, roots)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn read_text(&mut self, text: &str, root: &str) {
        for (at, _) in text.match_indices(root) {
            let (before, after) = (&text[..at], &text[at + root.len()..]);
            let part_of_a_name = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.'));
            let (path, rest) = path_of(after);
            if part_of_a_name || path.is_empty() || path.len() > DEPTH || self.values == VALUES {
                continue;
            }
            self.values += 1;
            put(&mut self.root, &path, value_of(before, rest));
        }
    }
}

/// The names that follow, and what comes behind them.
fn path_of(mut rest: &str) -> (Vec<&str>, &str) {
    let mut path = Vec::new();
    loop {
        let Some(name) = rest.strip_prefix('.') else { return (path, rest) };
        let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        // A method is no field.
        if end == 0 || name[end..].starts_with('(') {
            return (path, &name[end..]);
        }
        path.push(&name[..end]);
        rest = &name[end..];
    }
}

/// A value that what stands around it can work with.
fn value_of(before: &str, rest: &str) -> Value {
    let rest = rest.trim_start();
    if let Some(other) = rest.strip_prefix("==") {
        return literal(other.trim_start()).unwrap_or(json!("sample"));
    }
    let before = before.trim_end();
    if before.ends_with(" in") || rest.starts_with('[') {
        return json!([]);
    }
    let filter = rest.strip_prefix('|').map(str::trim_start).unwrap_or_default();
    let name = filter.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    match name {
        "length" | "map" | "select" | "reject" | "join" | "first" | "last" | "sort" => return json!([]),
        "int" | "float" | "round" | "abs" | "format_currency" => return json!(100),
        _ => {}
    }
    let sign = |text: &str, from: fn(&str, char) -> bool| ['<', '>', '*', '/', '-'].into_iter().any(|c| from(text, c));
    // `-%}` and `-}}` end a template, `{{-` begins one.
    let ends = rest.starts_with("-}") || rest.starts_with("-%") || before.ends_with("{-") || before.ends_with("%-");
    match !ends && (sign(rest, |text, c| text.starts_with(c)) || sign(before, |text, c| text.ends_with(c))) {
        true => json!(100),
        false => json!("sample"),
    }
}

/// A text in quotes or a number.
fn literal(text: &str) -> Option<Value> {
    for quote in ['\'', '"'] {
        if let Some(inner) = text.strip_prefix(quote) {
            return inner.split_once(quote).map(|(inner, _)| json!(inner));
        }
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse::<u32>().ok().map(Value::from)
}

/// Puts a value at a place, where there is nothing that says more.
fn put(root: &mut Value, path: &[&str], value: Value) {
    let mut place = root;
    for name in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(fields) = place else { return };
        place = fields.entry(*name).or_insert(Value::Null);
    }
    if place.is_null() || *place == json!("sample") {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_what_the_templates_read_of_it() {
        let document = json!({
            "on": [{ "filter": "event.payload.type == 'paid' and event.payload.count == 3", "dedupe": "{{ event.payload.id }}" }],
            "steps": [
                { "set": { "total": "{{ event.payload.order.amount / 100 }}", "who": "{{- event.payload.order.by.name -}}" } },
                { "each": "{% for item in event.payload.order.lines %}{{ item }}{% endfor %}" },
                { "n": "{{ event.payload.tags | length }} {{ event.payload.name.upper() }} {{ my_event.payload.no }}" },
                { "whole": "{{ event.payload }} {{ inputs.n * 2 }}" },
            ],
        });
        let sample = json!({
            "type": "paid", "count": 3, "id": "sample", "tags": [], "name": "sample",
            "order": { "amount": 100, "by": { "name": "sample" }, "lines": [] },
        });
        assert_eq!(sample_of(&document, &["event.payload"]), sample);
        assert_eq!(sample_of(&document, &["inputs"]), json!({ "n": 100 }));
    }

    #[test]
    fn the_output_of_a_step_is_told_from_that_of_another() {
        let document =
            json!(["{{ steps.a.output.body.name }}", "{{ steps.ab.output.n }}", "{{ steps.a.output.status == 200 }}"]);
        let sample = json!({ "body": { "name": "sample" }, "status": 200 });
        assert_eq!(sample_of(&document, &["steps.a.output"]), sample);
    }

    #[test]
    fn what_says_more_stays() {
        let document = json!([
            "{{ event.payload.a.b }}",
            "{{ event.payload.a }}",
            "{{ event.payload.c }}",
            "{{ event.payload.c.d }}"
        ]);
        assert_eq!(sample_of(&document, &["event.payload"]), json!({ "a": { "b": "sample" }, "c": { "d": "sample" } }));
    }

    #[test]
    fn a_document_without_templates_has_an_empty_sample() {
        assert_eq!(sample_of(&json!({ "steps": [{ "set": { "n": 1 } }] }), &["event.payload"]), json!({}));
        let many: Vec<Value> = (0..1_000).map(|n| json!(format!("event.payload.f{n}"))).collect();
        assert_eq!(sample_of(&json!(many), &["event.payload"]).as_object().map(Map::len), Some(VALUES));
    }
}
