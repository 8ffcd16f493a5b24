//! What a schema is, as far as forms know.

use serde_json::Value;

/// References that are followed one after the other; a schema may name itself.
const HOPS: usize = 8;

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// An object.
    Object,
    /// A text.
    Text { kind: &'static str, min: usize, max: Option<usize>, lines: bool, secret: bool },
    /// A number.
    Number { whole: bool, least: Option<f64>, most: Option<f64> },
    /// Yes or no.
    Boolean,
    /// One of some words.
    Enum(Vec<Value>),
    /// Several of some words.
    Words(Vec<Value>),
    /// Several texts or numbers.
    List { of: Box<Kind> },
    /// Anything else.
    Json,
}

/// What a schema is, the schema that says so, and whether null is allowed.
pub(super) fn resolve<'s>(root: &'s Value, schema: &'s Value) -> (Kind, &'s Value, bool) {
    let mut at = schema;
    let mut nullable = false;
    for _ in 0..HOPS {
        if let Some(target) = at.get("$ref").and_then(Value::as_str) {
            let Some(found) = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) else {
                return (Kind::Json, at, nullable);
            };
            at = found;
            continue;
        }
        let one_of = at.get("anyOf").or_else(|| at.get("oneOf")).or_else(|| at.get("allOf")).and_then(Value::as_array);
        let Some(alternatives) = one_of.filter(|_| at.get("properties").is_none()) else { break };
        let constants: Option<Vec<Value>> = alternatives.iter().map(constant).collect();
        if let Some(words) = constants.filter(|words| !words.is_empty()) {
            return (Kind::Enum(words), at, nullable);
        }
        let is_null = |schema: &&Value| schema.get("type").and_then(Value::as_str) == Some("null");
        nullable |= alternatives.iter().any(|schema| is_null(&schema));
        let mut others = alternatives.iter().filter(|schema| !is_null(schema));
        match (others.next(), others.next()) {
            (Some(only), None) => at = only,
            _ => return (Kind::Json, at, nullable),
        }
    }
    let (kind, null) = plain(root, at);
    (kind, at, nullable || null)
}

/// The one word that a schema allows, or a list of one.
fn constant(schema: &Value) -> Option<Value> {
    let only = |words: &Value| words.as_array().filter(|words| words.len() == 1).map(|words| words[0].clone());
    let word = schema.get("const").cloned().or_else(|| schema.get("enum").and_then(only))?;
    (!word.is_object() && !word.is_array()).then_some(word)
}

fn plain(root: &Value, schema: &Value) -> (Kind, bool) {
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let nullable = types.contains(&"null");
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<Value> = words.iter().filter(|word| !word.is_null()).cloned().collect();
        let scalar = words.iter().all(|word| !word.is_object() && !word.is_array());
        return (if scalar && !words.is_empty() { Kind::Enum(words) } else { Kind::Json }, nullable);
    }
    let mut others = types.into_iter().filter(|name| *name != "null");
    let kind = match (others.next(), others.next()) {
        (Some("object"), None) => Kind::Object,
        (None, None) if schema.get("properties").is_some() => Kind::Object,
        (Some("string"), None) => text(schema),
        (Some("integer"), None) => number(schema, true),
        (Some("number"), None) => number(schema, false),
        (Some("boolean"), None) => Kind::Boolean,
        (Some("array"), None) => list(root, schema),
        _ => Kind::Json,
    };
    (kind, nullable)
}

fn text(schema: &Value) -> Kind {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    let length = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|length| usize::try_from(length).ok());
    let max = length("maxLength");
    let kind = match format {
        "email" => "email",
        "uri" | "url" => "url",
        "date" => "date",
        _ => "text",
    };
    let secret = format == "password" || schema.get("writeOnly").and_then(Value::as_bool) == Some(true);
    let lines = !secret && kind == "text" && (max.is_some_and(|max| max > 500) || format == "multiline");
    Kind::Text { kind, min: length("minLength").unwrap_or(0), max, lines, secret }
}

fn number(schema: &Value, whole: bool) -> Kind {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    Kind::Number { whole, least: bound("minimum"), most: bound("maximum") }
}

fn list(root: &Value, schema: &Value) -> Kind {
    let Some(items) = schema.get("items") else { return Kind::Json };
    match resolve(root, items) {
        (Kind::Enum(words), _, false) => Kind::Words(words),
        (of @ (Kind::Text { secret: false, .. } | Kind::Number { .. }), _, false) => Kind::List { of: Box::new(of) },
        _ => Kind::Json,
    }
}
