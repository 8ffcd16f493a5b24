//! The input of a start by hand, as a form of the workflow's `inputs`, or as JSON where they say nothing that
//! a form could be made of.

use automate_core::runtime::InputProblem;
use serde_json::{Value, json};

use crate::control::Field;
use crate::form::FieldErrors;
use crate::http::Fields;
use crate::schema_form::{SchemaForm, json as read_json, pretty};

/// What the fields' names begin with, and the name of the one with JSON.
const NAME: &str = "input";

/// The form of an input.
#[derive(Debug, Clone)]
pub(in crate::operations) struct InputForm {
    /// The fields; none where the input is typed as JSON.
    pub(in crate::operations) fields: Vec<Field>,
    /// The JSON that is typed; none where there are fields.
    pub(in crate::operations) json: Option<String>,
    /// A token of this form: two starts with it are one.
    pub(in crate::operations) once: String,
}

impl InputForm {
    /// Nothing is typed yet.
    pub(in crate::operations) fn empty(schema: Option<&Value>) -> Self {
        Self::of(schema, &Value::Null)
    }

    /// A value to begin with.
    pub(in crate::operations) fn of(schema: Option<&Value>, value: &Value) -> Self {
        let fields = form_of(schema).map(|form| form.fields(value, &FieldErrors::default()));
        let text = if value.is_null() { "{}".to_owned() } else { pretty(value) };
        Self::with(fields, text)
    }

    /// What was typed, with what is wrong with it.
    pub(in crate::operations) fn posted(schema: Option<&Value>, posted: &Fields, errors: &FieldErrors) -> Self {
        let fields = form_of(schema).map(|form| form.posted(posted, errors));
        Self::with(fields, posted.get(NAME).unwrap_or_default().to_owned())
    }

    fn with(fields: Option<Vec<Field>>, text: String) -> Self {
        let json = if fields.is_some() { None } else { Some(text) };
        Self { fields: fields.unwrap_or_default(), json, once: automate_core::ids::new_v7().to_string() }
    }
}

/// The form of a schema; none where it names no properties.
fn form_of(schema: Option<&Value>) -> Option<SchemaForm> {
    let schema = schema?;
    let named = schema.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty());
    named.then(|| SchemaForm::of(NAME, schema))
}

/// The input that was typed.
///
/// # Errors
/// What is wrong, by field.
pub(in crate::operations) fn read(schema: Option<&Value>, posted: &Fields) -> Result<Value, FieldErrors> {
    if let Some(form) = form_of(schema) {
        return form.read(posted);
    }
    let text = posted.text(NAME);
    if text.is_empty() {
        return Ok(json!({}));
    }
    read_json(text).map_err(|message| {
        let mut errors = FieldErrors::default();
        errors.add_named(NAME, message);
        errors
    })
}

/// What the engine found wrong with an input, at the fields it is about.
pub(in crate::operations) fn problems(schema: Option<&Value>, problems: &[InputProblem]) -> FieldErrors {
    let form = form_of(schema);
    let mut errors = FieldErrors::default();
    for problem in problems {
        let field = form.as_ref().and_then(|form| form.field_at(&problem.path));
        match (field, problem.path.is_empty()) {
            (Some(field), _) => errors.add_named(field, problem.message.clone()),
            (None, true) => errors.add_named(NAME, problem.message.clone()),
            (None, false) => errors.add_named(NAME, format!("at {}: {}", problem.path, problem.message)),
        }
    }
    errors
}
