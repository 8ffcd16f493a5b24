//! The published JSON Schema of the document.

use serde_json::Value;

/// The JSON Schema (2020-12) of a workflow document, for editors and other programs. It says what
/// the shape is; what a schema cannot say (cycles, templates, connectors) is for
/// [`validate`](super::validate).
#[must_use]
pub fn schema() -> Value {
    // The text is part of the program and a test parses it.
    serde_json::from_str(schema_text()).unwrap_or_default()
}

/// The same as text, with its comments in order.
#[must_use]
pub const fn schema_text() -> &'static str {
    include_str!("workflow.schema.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::document::definition::VerifyScheme;
    use crate::document::{parse, shapes};
    use crate::error::ErrorCode;

    const EXAMPLES: [&str; 3] = [
        include_str!("../../../examples/workflows/fan-out.yaml"),
        include_str!("../../../examples/workflows/order-alert.yaml"),
        include_str!("../../../examples/workflows/three-steps.yaml"),
    ];

    fn validator() -> jsonschema::Validator {
        jsonschema::draft202012::new(&schema()).unwrap()
    }

    fn words(value: &Value) -> BTreeSet<String> {
        value.as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_schema_is_a_schema() {
        assert!(jsonschema::meta::is_valid(&schema()));
    }

    #[test]
    fn the_schema_and_the_reader_know_the_same_fields() {
        let schema = schema();
        for shape in shapes::ALL {
            let definition = if shape.name.is_empty() { &schema } else { &schema["$defs"][shape.name] };
            assert_eq!(definition["additionalProperties"], false, "{}", shape.name);
            let known: BTreeSet<&str> =
                definition["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let fields: BTreeSet<&str> = shape.fields.iter().copied().collect();
            assert_eq!(known, fields, "{}", shape.name);
        }
    }

    #[test]
    fn the_schema_and_the_reader_know_the_same_words() {
        let schema = schema();
        let codes = words(&schema["$defs"]["retry"]["properties"]["on"]["items"]["enum"]);
        let expected = ErrorCode::ALL.iter().map(|c| c.as_str()).chain(["TRANSIENT"]).map(str::to_owned).collect();
        assert_eq!(codes, expected);
        let schemes = words(&schema["$defs"]["verify"]["properties"]["scheme"]["enum"]);
        assert_eq!(schemes, VerifyScheme::ALL.iter().map(|s| s.as_str().to_owned()).collect());
    }

    #[test]
    fn the_examples_fit_the_schema_and_parse_without_findings() {
        let validator = validator();
        for source in EXAMPLES {
            let document = parse(source).unwrap();
            assert!(document.warnings.is_empty());
            let errors: Vec<String> = validator.iter_errors(&document.value).map(|e| e.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    #[test]
    fn what_the_schema_refuses_the_reader_refuses_and_the_other_way_round() {
        let validator = validator();
        let step = "steps: [ { id: a, set: {} } ]";
        for (body, fits) in [
            (format!("workflow: x\n{step}"), true),
            (format!("workflow: X\n{step}"), false),
            (format!("workflow: x\non: [ {{ webhook: a }} ]\n{step}"), false),
            (format!("workflow: x\non: [ {{ webhook: a, verify: none }} ]\n{step}"), true),
            (format!("workflow: x\non: [ {{ webhook: a, verify: stripe }} ]\n{step}"), false),
            (format!("workflow: x\non: [ {{ webhook: a, verify: {{ scheme: stripe }} }} ]\n{step}"), false),
            (
                format!(
                    "workflow: x\non: [ {{ webhook: a, verify: {{ scheme: slack, secret: $secret:A }} }} ]\n{step}"
                ),
                true,
            ),
            (
                format!("workflow: x\non: [ {{ webhook: a, verify: {{ scheme: slack, secret: whsec }} }} ]\n{step}"),
                false,
            ),
            (format!("workflow: x\non: [ {{ webhook: a/../b, verify: none }} ]\n{step}"), false),
            (format!("workflow: x\non: [ {{ webhook: /a, verify: none }} ]\n{step}"), false),
            (format!("workflow: x\non: [ {{ event: 'a..b' }} ]\n{step}"), false),
            (format!("workflow: x\non: [ {{ event: 'a.**' }} ]\n{step}"), true),
            (format!("workflow: x\non: [ {{ manual: false }} ]\n{step}"), false),
            (format!("workflow: x\ntimeout: 1h30m\n{step}"), true),
            (format!("workflow: x\ntimeout: ''\n{step}"), false),
            (format!("workflow: x\ntimeout: 30\n{step}"), false),
            (format!("workflow: x\nretry: {{ max_attempts: 0 }}\n{step}"), false),
            ("workflow: x\nsteps: []".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a, set: {}, fail: x } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a, set: {}, with: {} } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a-b, set: {} } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a, wait: { for: 1s } } ]".to_owned(), true),
            ("workflow: x\nsteps: [ { id: a, wait: {} } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a, wait: { signal: order.paid } } ]".to_owned(), true),
            ("workflow: x\nsteps: [ { id: a, wait: { signal: go, timeout: 1h } } ]".to_owned(), true),
            ("workflow: x\nsteps: [ { id: a, wait: { signal: 'a b' } } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a, wait: { signal: go, for: 1s } } ]".to_owned(), false),
            ("workflow: x\nsteps: [ { id: a, wait: { for: 1s, timeout: 1h } } ]".to_owned(), false),
        ] {
            let value: Value = {
                let mut findings = crate::document::findings::Findings::default();
                crate::document::source::load(&body, &mut findings).unwrap().0
            };
            assert_eq!(validator.is_valid(&value), fits, "schema: {body}");
            assert_eq!(parse(&body).is_ok(), fits, "reader: {body}");
        }
    }
}
