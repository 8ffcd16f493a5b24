//! An action's input against its JSON Schema, as far as it is known before it is rendered: text
//! that holds a template may become anything, and is not held against the schema.

use std::borrow::Cow;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError, Validator};
use serde_json::Value;

use super::holds_template;
use crate::document::codes;
use crate::document::findings::{did_you_mean, shown};
use crate::document::read::type_of;
use crate::document::source::pointer_to;
use crate::document::templated;

/// One thing that is wrong with an input.
#[derive(Debug)]
pub(super) struct Problem {
    /// A JSON pointer into the input.
    pub(super) path: String,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

/// Everything that is wrong with an input, whatever its templates render to.
pub(super) fn problems(validator: &Validator, schema: &Value, input: &Value) -> Vec<Problem> {
    if validator.is_valid(input) {
        return Vec::new();
    }
    validator.iter_errors(input).flat_map(|error| problems_of(&error, schema)).collect()
}

fn problems_of(error: &ValidationError<'_>, schema: &Value) -> Vec<Problem> {
    let path = error.instance_path().as_str().to_owned();
    let one = |code, message, suggestion| vec![Problem { path: path.clone(), code, message, suggestion }];
    let instance: &Value = error.instance();
    if matches!(instance, Value::String(text) if templated::is_templated(text)) {
        return Vec::new();
    }
    match error.kind() {
        Kind::Required { property } => {
            let field = property.as_str().map_or_else(|| Cow::Owned(property.to_string()), Cow::Borrowed);
            let suggestion = instance.as_object().and_then(|map| did_you_mean_to_give(&field, map, schema, error));
            one(codes::MISSING_FIELD, format!("`{field}` is missing"), suggestion)
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_fields(schema, error);
            unexpected
                .iter()
                .map(|name| {
                    let suggestion = did_you_mean(name, known.iter().copied())
                        .or_else(|| (!known.is_empty()).then(|| format!("known: {}", known.join(", "))));
                    let message = format!("there is no field {}", shown(name));
                    Problem { path: pointer_to(&path, name), code: codes::UNKNOWN_FIELD, message, suggestion }
                })
                .collect()
        }
        Kind::Type { kind } => {
            let quoted = matches!(kind, TypeKind::Single(JsonType::String))
                && matches!(instance, Value::Number(_) | Value::Bool(_));
            let message = format!("expected {}, found {}", type_words(kind), type_of(instance));
            one(codes::WRONG_TYPE, message, quoted.then(|| "put it in quotes".to_owned()))
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            alternatives(context, schema).unwrap_or_else(|| {
                one(codes::INVALID_VALUE, "this fits none of the forms that are taken here".to_owned(), None)
            })
        }
        // What is left is about the value as a whole, which its templates may still change.
        _ if holds_template(instance) => Vec::new(),
        Kind::Enum { options } => {
            let options: Vec<Cow<'_, str>> = options.as_array().map_or_else(Vec::new, |all| {
                all.iter().map(|o| o.as_str().map_or_else(|| Cow::Owned(o.to_string()), Cow::Borrowed)).collect()
            });
            let suggestion = instance
                .as_str()
                .and_then(|given| did_you_mean(given, options.iter().map(AsRef::as_ref)))
                .unwrap_or_else(|| format!("use one of: {}", options.join(", ")));
            one(codes::INVALID_VALUE, "this value is not taken here".to_owned(), Some(suggestion))
        }
        // Masked, as the value may be a secret that was written into the document.
        _ => one(codes::INVALID_VALUE, error.masked_with("this value").to_string(), None),
    }
}

/// What is wrong where one of several forms must fit: nothing where one of them may; the
/// problems of the form that was meant where that can be told; `None` where it cannot.
fn alternatives(context: &[Vec<ValidationError<'static>>], schema: &Value) -> Option<Vec<Problem>> {
    let mut meant = Vec::new();
    for branch in context {
        let problems: Vec<Problem> = branch.iter().flat_map(|error| problems_of(error, schema)).collect();
        if problems.is_empty() {
            return Some(problems);
        }
        let top = branch.first().map(|e| e.instance_path().as_str().len());
        let wrong_at_the_top = branch.iter().any(|error| {
            Some(error.instance_path().as_str().len()) == top
                && matches!(error.kind(), Kind::Type { .. } | Kind::Constant { .. } | Kind::Enum { .. })
        });
        if !wrong_at_the_top {
            meant.push(problems);
        }
    }
    if meant.len() == 1 { meant.pop() } else { None }
}

/// The fields that the schema has where it refused another one.
fn known_fields<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Vec<&'a str> {
    properties(schema, error).map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn properties<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a serde_json::Map<String, Value>> {
    let (above, _) = error.schema_path().as_str().rsplit_once('/')?;
    schema.pointer(above)?.get("properties")?.as_object()
}

/// Where a field is missing and one that is not known looks like it, that one was meant.
fn did_you_mean_to_give(
    missing: &str,
    given: &serde_json::Map<String, Value>,
    schema: &Value,
    error: &ValidationError<'_>,
) -> Option<String> {
    let known = properties(schema, error)?;
    let strangers = given.keys().map(String::as_str).filter(|name| !known.contains_key(*name));
    crate::document::findings::nearest(missing, strangers)
        .map(|name| format!("`{name}` may be meant to be `{missing}`"))
}

fn type_words(kind: &TypeKind) -> String {
    let word = |kind: JsonType| match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "text",
    };
    match kind {
        TypeKind::Single(kind) => word(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(word).collect::<Vec<_>>().join(" or "),
    }
}
