//! A JSON Schema as a table: the members of an object, with what each of them is.

use serde_json::Value;

/// Members that are shown; the schema itself has all of them.
const MEMBERS: usize = 100;
/// How deep objects in objects are looked into.
const DEPTH: usize = 3;

/// A member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name, with the names of the objects that it is in: `customer.email`, `lines[].price`.
    pub(super) name: String,
    /// What it is: `text (date-time)`, `list of numbers`, `one of: a, b`.
    pub(super) kind: String,
    pub(super) required: bool,
    pub(super) description: String,
}

/// The members of the object that a schema describes.
pub(super) fn members(schema: &Value) -> Vec<Member> {
    let mut found = Vec::new();
    collect(schema, schema, "", DEPTH, &mut found);
    found
}

fn collect(root: &Value, schema: &Value, prefix: &str, depth: usize, found: &mut Vec<Member>) {
    let schema = resolved(root, schema);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in properties {
        if found.len() == MEMBERS {
            return;
        }
        let property = resolved(root, property);
        let name_here = format!("{prefix}{name}");
        found.push(Member {
            kind: kind(root, property),
            required: required.is_some_and(|names| names.iter().any(|one| one == name)),
            description: property.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
            name: name_here.clone(),
        });
        if depth > 1 {
            collect(root, property, &format!("{name_here}."), depth - 1, found);
            if let Some(items) = property.get("items") {
                collect(root, items, &format!("{name_here}[]."), depth - 1, found);
            }
        }
    }
}

/// The schema that a local `$ref` points to, or that an `allOf` of one is about.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let mut schema = schema;
    // A reference may lead to another; one that leads back to itself ends here.
    for _ in 0..8 {
        let next = match schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#')) {
            Some(pointer) => root.pointer(pointer),
            None => {
                schema.get("allOf").and_then(Value::as_array).filter(|all| all.len() == 1).and_then(|all| all.first())
            }
        };
        match next {
            Some(next) => schema = next,
            None => return schema,
        }
    }
    schema
}

fn kind(root: &Value, schema: &Value) -> String {
    if let Some(constant) = schema.get("const") {
        return format!("always {constant}");
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> =
            choices.iter().map(|c| c.as_str().map_or_else(|| c.to_string(), str::to_owned)).collect();
        return format!("one of: {}", words.join(", "));
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(any).and_then(Value::as_array) {
            let mut kinds: Vec<String> = choices.iter().map(|choice| kind(root, resolved(root, choice))).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
    }
    let word = |name: &str| match name {
        "string" => match schema.get("format").and_then(Value::as_str) {
            Some(format) => format!("text ({format})"),
            None => "text".to_owned(),
        },
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "boolean" => "yes or no".to_owned(),
        "array" => match schema.get("items") {
            Some(items) if items.is_object() => format!("list of {}", kind(root, resolved(root, items))),
            _ => "list".to_owned(),
        },
        "object" => "object".to_owned(),
        "null" => "null".to_owned(),
        other => other.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(name)) => word(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(word).collect::<Vec<String>>().join(" or ")
        }
        _ if schema.get("properties").is_some() => "object".to_owned(),
        _ => "anything".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_told_in_words() {
        let schema = json!({
            "$defs": {"Line": {"type": "object", "properties": {"price": {"type": "number"}}}},
            "type": "object",
            "required": ["to"],
            "properties": {
                "at": {"type": ["string", "null"], "format": "date-time"},
                "how": {"enum": ["soon", "later"]},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
                "to": {"type": "string", "description": "Who."},
                "what": {}
            }
        });
        let told: Vec<(String, String, bool)> =
            members(&schema).into_iter().map(|member| (member.name, member.kind, member.required)).collect();
        let of = |name: &str, kind: &str, required| (name.to_owned(), kind.to_owned(), required);
        assert_eq!(
            told,
            [
                of("at", "text (date-time) or null", false),
                of("how", "one of: soon, later", false),
                of("lines", "list of object", false),
                of("lines[].price", "number", false),
                of("to", "text", true),
                of("what", "anything", false),
            ]
        );
    }

    #[test]
    fn schemas_that_lead_back_to_themselves_end() {
        let schema = json!({"$ref": "#"});
        assert!(members(&schema).is_empty());
        let schema = json!({"properties": {"again": {"$ref": "#"}}});
        assert_eq!(members(&schema).len(), DEPTH);
        assert!(members(&json!(true)).is_empty());
    }
}
