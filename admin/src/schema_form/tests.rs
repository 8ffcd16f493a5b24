use serde_json::json;

use super::*;

fn posted(pairs: &[(&str, &str)]) -> Fields {
    Fields::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn form() -> SchemaForm {
    SchemaForm::of(
        "in",
        &json!({
            "type": "object",
            "required": ["host", "on", "level"],
            "properties": {
                "host": { "type": "string", "minLength": 2 },
                "port": { "type": ["integer", "null"], "minimum": 1, "maximum": 65535 },
                "on": { "type": "boolean" },
                "level": { "$ref": "#/$defs/Level" },
                "tags": { "type": "array", "items": { "type": "string" } },
                "days": { "type": "array", "items": { "enum": ["mon", "tue"] } },
                "tls": { "type": "object", "properties": { "ca": { "anyOf": [{ "type": "string" }, { "type": "null" }] } } },
                "extra": { "type": "object" },
                "token": { "type": "string", "writeOnly": true }
            },
            "$defs": { "Level": { "oneOf": [{ "const": "low" }, { "const": "high" }] } }
        }),
    )
}

#[test]
fn what_is_posted_becomes_the_value_that_it_means() {
    let value = form()
        .read(&posted(&[
            ("in.host", "db.example"),
            ("in.port", "5432"),
            ("in.level", "high"),
            ("in.tags", "a\r\n\r\n b "),
            ("in.days", "tue"),
            ("in.tls.ca", "x"),
            ("in.extra", "{\"n\": 1}"),
        ]))
        .unwrap();
    let expected = json!({
        "host": "db.example", "port": 5432, "on": false, "level": "high", "tags": ["a", "b"], "days": ["tue"],
        "tls": { "ca": "x" }, "extra": { "n": 1 }
    });
    assert_eq!(value, expected);
}

#[test]
fn what_is_wrong_is_told_at_its_field() {
    let errors = form()
        .read(&posted(&[("in.host", "x"), ("in.port", "70000"), ("in.level", "middle"), ("in.extra", "{")]))
        .unwrap_err();
    for name in ["in.host", "in.port", "in.level", "in.extra"] {
        assert_eq!(errors.of(name).count(), 1, "{name}");
    }
    assert!(form().read(&posted(&[])).unwrap_err().of("in.host").any(|message| message == "is needed"));
}

#[test]
fn a_secret_is_never_filled_in() {
    let fields = form().fields(&json!({ "host": "h", "token": "s3cret" }), &FieldErrors::default());
    let token = fields.iter().find(|field| field.name == "in.token").unwrap();
    assert_eq!(token.control, Control::Line { kind: "password", value: String::new(), max: None, step: "" });
    assert!(!format!("{fields:?}").contains("s3cret"));
}

#[test]
fn a_value_goes_through_its_form_unchanged() {
    let value = json!({ "host": "db", "port": 1, "on": true, "level": "low", "tags": ["x", "y"], "days": ["mon"] });
    let mut pairs = Vec::new();
    for field in form().fields(&value, &FieldErrors::default()) {
        match field.control {
            Control::Line { value, .. } | Control::Lines { value, .. } => pairs.push((field.name, value)),
            Control::Check { on: true } => pairs.push((field.name, "true".to_owned())),
            Control::Select { choices, .. } => {
                let chosen = choices.into_iter().find(|choice| choice.selected).unwrap();
                pairs.push((field.name, chosen.value));
            }
            Control::Checks(groups) => {
                let chosen = groups.into_iter().flat_map(|(_, choices)| choices).filter(|choice| choice.selected);
                pairs.extend(chosen.map(|choice| (field.name.clone(), choice.value)));
            }
            _ => {}
        }
    }
    assert_eq!(form().read(&Fields::of(pairs)).unwrap(), value);
}

#[test]
fn a_schema_that_names_itself_ends() {
    let schema = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "$ref": "#/$defs/A" } } });
    assert_eq!(SchemaForm::of("in", &schema).fields(&Value::Null, &FieldErrors::default()).len(), 1);
    let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
    let form = SchemaForm::of("in", &schema);
    assert_eq!(form.inputs[0].name, "in.next.next.next");
    assert_eq!(form.field_at("/next/next/next/x"), Some("in.next.next.next"));
}

#[test]
fn a_schema_of_no_object_is_one_field() {
    let form = SchemaForm::of("input", &json!({ "type": "integer" }));
    assert_eq!(form.read(&posted(&[("input", "3")])).unwrap(), json!(3));
    let form = SchemaForm::of("input", &json!(true));
    assert_eq!(form.read(&posted(&[("input", "[1]")])).unwrap(), json!([1]));
}
