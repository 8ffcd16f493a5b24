//! What changed, as the audit log tells it.

use automate_core::config::MASK;
use automate_core::limits;
use automate_core::redaction::process_scrubber;
use serde_json::{Map, Value, json};

use super::{Column, Model};

/// What hooks were given that the table has no column for: only its names are told.
#[derive(Debug, Default)]
pub(super) struct Inputs(Vec<String>);

impl Inputs {
    /// Takes them out of the fields.
    pub(super) fn taken(model: &Model, fields: &mut Map<String, Value>) -> Self {
        let inputs = model.columns.iter().filter(|column| !column.stored);
        Self(inputs.filter_map(|input| fields.shift_remove(input.name).map(|_| input.name.to_owned())).collect())
    }

    /// Whether there were none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Each field of a new row that is not null.
pub(super) fn created(model: &Model, new: &Map<String, Value>, inputs: &Inputs) -> Value {
    changes(model, &Map::new(), new, inputs)
}

/// Each field that differs.
pub(super) fn updated(model: &Model, old: &Map<String, Value>, new: &Map<String, Value>, inputs: &Inputs) -> Value {
    changes(model, old, new, inputs)
}

/// Each field of a row that is no more.
pub(super) fn deleted(model: &Model, old: &Map<String, Value>) -> Value {
    changes(model, old, &Map::new(), &Inputs::default())
}

fn changes(model: &Model, old: &Map<String, Value>, new: &Map<String, Value>, inputs: &Inputs) -> Value {
    let told = |column: &&Column| {
        // The entry tells these by itself, or they follow from each change.
        let implied = [Some(model.key), model.tenant, model.version, model.created_at, model.updated_at];
        column.stored && !implied.contains(&Some(column.name))
    };
    let mut changes = Map::new();
    for column in model.columns.iter().filter(told) {
        let (from, to) = (old.get(column.name), new.get(column.name));
        let (from, to) = (from.unwrap_or(&Value::Null), to.unwrap_or(&Value::Null));
        if from != to {
            let change = json!({ "from": seen(column, from), "to": seen(column, to) });
            changes.insert(column.name.to_owned(), change);
        }
    }
    for input in &inputs.0 {
        changes.insert(input.clone(), json!({ "to": MASK }));
    }
    Value::Object(changes)
}

/// A value as whoever reads the log may see it.
fn seen(column: &Column, value: &Value) -> Value {
    if value.is_null() {
        return Value::Null;
    }
    if !column.shown || column.needs.is_some() {
        return Value::String(MASK.to_owned());
    }
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.len() <= limits::AUDIT_VALUE_CHARS {
        return value.clone();
    }
    // Secrets are taken out before the cut: half of one would not be recognized any more.
    let clean = process_scrubber().scrub_str(&text);
    let start: String = clean.chars().take(limits::AUDIT_VALUE_CHARS).collect();
    Value::String(format!("{start}… ({} characters)", text.chars().count()))
}
