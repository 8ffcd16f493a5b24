//! Holds answers against the OpenAPI document.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use automate_api::v1::{document, system_views};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::webhooks::site::Answer;

/// The document.
pub(super) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(document(&system_views())).unwrap());

/// The schemas that were compiled, by path, method and status.
static COMPILED: LazyLock<Mutex<HashMap<String, Option<Validator>>>> = LazyLock::new(Mutex::default);

/// The path of the document that a target is.
fn path_of(target: &str) -> Option<&'static str> {
    let path = target.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (ours, theirs): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| ours.starts_with('{') || *ours == theirs)
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    // An address without parameters goes before one with them.
    let mut found: Vec<&String> = paths.keys().filter(|template| fits(template)).collect();
    found.sort_by_key(|template| template.matches('{').count());
    found.first().map(|template| template.as_str())
}

fn resolved(value: &Value) -> &Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Fails where an answer has a status, a type or a shape that the document does not have.
#[track_caller]
pub(super) fn check(method: &str, target: &str, answer: &Answer) {
    let Some(path) = path_of(target) else { return };
    let operation = &DOCUMENT["paths"][path][method.to_lowercase()];
    if operation.is_null() {
        return;
    }
    let response = resolved(&operation["responses"][answer.status.to_string()]);
    assert!(response.is_object(), "{method} {target} answered an undeclared status: {answer:?}");
    let Some(of) = answer.headers.get("content-type") else {
        assert!(response["content"].is_null() && answer.text.is_empty(), "{method} {target}: {answer:?}");
        return;
    };
    let content = &response["content"][of];
    assert!(content.is_object(), "{method} {target} answered an undeclared type: {answer:?}");
    if !of.ends_with("json") {
        return;
    }
    let key = format!("{method} {path} {}", answer.status);
    let mut compiled = COMPILED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let validator = compiled.entry(key).or_insert_with(|| {
        let mut schema = content["schema"].clone();
        if !schema.is_object() {
            schema = json!({});
        }
        schema["components"] = DOCUMENT["components"].clone();
        Some(jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap())
    });
    let body = answer.json();
    let faults: Vec<String> = validator
        .iter()
        .flat_map(|validator| validator.iter_errors(&body))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{method} {target} answered what it does not declare: {faults:#?}\n{answer:?}");
}
