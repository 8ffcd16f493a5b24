//! The actions that steps can use, each with a step to copy.

use std::fmt::Write as _;

use automate_core::actions::{ActionMeta, Catalog};
use automate_core::status::Effect;
use serde_json::Value;

/// Actions that are listed.
const ACTIONS: usize = 300;

/// An action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Action {
    /// `connector.action`.
    pub(super) uses: String,
    /// What people see.
    pub(super) title: String,
    /// What it does to the world, in words.
    pub(super) effect: &'static str,
    /// A step that uses it.
    pub(super) snippet: String,
    /// What it takes: the name, the type, whether it must be there, what it means.
    pub(super) inputs: Vec<Input>,
}

/// A field of an action's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) help: String,
}

/// All actions of all connectors, by name.
pub(super) fn all(catalog: &dyn Catalog) -> Vec<Action> {
    let mut actions = Vec::new();
    for connector in catalog.connectors() {
        for name in catalog.actions(&connector) {
            if actions.len() == ACTIONS {
                return actions;
            }
            if let Some(meta) = catalog.action(&format!("{connector}.{name}")) {
                actions.push(of(&meta));
            }
        }
    }
    actions
}

fn of(meta: &ActionMeta) -> Action {
    let schema = &meta.input_schema;
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let inputs: Vec<Input> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| Input {
            name: name.clone(),
            kind: kind_of(property),
            required: required.contains(&name.as_str()),
            help: property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        })
        .collect();
    Action {
        uses: meta.uses.clone(),
        title: meta.title.clone(),
        effect: match meta.effect {
            Effect::Pure => "does nothing outside",
            Effect::Idempotent => "may be repeated",
            Effect::Once => "is never repeated by itself",
        },
        snippet: snippet(&meta.uses, &inputs),
        inputs,
    }
}

fn kind_of(property: &Value) -> String {
    match property.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" or ")
        }
        _ => "any".to_owned(),
    }
}

/// A step with what it must be given.
fn snippet(uses: &str, inputs: &[Input]) -> String {
    let id = uses.rsplit('.').next().unwrap_or(uses).replace('-', "_");
    let mut out = format!("  - id: {id}\n    uses: {uses}\n");
    let required: Vec<&Input> = inputs.iter().filter(|input| input.required).collect();
    if required.is_empty() {
        return out;
    }
    out += "    with:\n";
    for input in required {
        let value = match input.kind.as_str() {
            "object" => "{}",
            "array" => "[]",
            "integer" | "number" => "1",
            "boolean" => "true",
            _ => "\"\"",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "      {}: {value}", input.name);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_to_copy_has_what_must_be_there() {
        let meta = ActionMeta {
            uses: "http.request".to_owned(),
            title: "Call an address".to_owned(),
            input_schema: json!({
                "type": "object",
                "required": ["url"],
                "properties": { "url": { "type": "string" }, "headers": { "type": ["object", "null"] } },
            }),
            output_schema: json!({}),
            effect: Effect::Idempotent,
            timeout: None,
            takes_connection: false,
        };
        let action = of(&meta);
        assert_eq!(action.snippet, "  - id: request\n    uses: http.request\n    with:\n      url: \"\"\n");
        assert_eq!(action.inputs.iter().map(|input| input.kind.as_str()).collect::<Vec<_>>(), ["string", "object"]);
    }
}
