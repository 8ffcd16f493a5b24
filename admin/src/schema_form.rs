//! Forms made of JSON schemas: connections, inputs of workflows, policies.
//!
//! A fixed part of JSON Schema becomes fields: objects in objects, texts with their formats, numbers,
//! yes and no, words to choose, and arrays of those. What is anything else is typed as JSON. The
//! server checks what fields can break; whoever stores the value checks it against the schema.

mod kind;
mod read;

use serde_json::{Map, Value};

use crate::column::label_of;
use crate::control::{Choice, Control, Field};
use crate::form::FieldErrors;
use crate::http::Fields;
use kind::{Kind, resolve};
pub(crate) use read::json;

/// Objects in objects, at most; what lies deeper is typed as JSON.
const DEPTH: usize = 3;
/// Fields of a form, at most; what comes after is not shown.
const FIELDS: usize = 500;

/// A form made of a schema. Every field's name begins with `prefix` and a dot; the path through the
/// objects follows.
#[derive(Debug, Clone)]
pub struct SchemaForm {
    prefix: String,
    inputs: Vec<Input>,
    /// Whether the schema is no object: the one field holds the value itself then.
    whole: bool,
}

/// One field and the place of its value.
#[derive(Debug, Clone)]
struct Input {
    name: String,
    path: Vec<String>,
    label: String,
    help: String,
    required: bool,
    nullable: bool,
    secret: bool,
    default: Option<Value>,
    kind: Kind,
}

impl SchemaForm {
    /// The form of a schema. `prefix` is a name such as `fields`.
    #[must_use]
    pub fn of(prefix: &str, schema: &Value) -> Self {
        let mut form = Self { prefix: prefix.to_owned(), inputs: Vec::new(), whole: false };
        let (kind, ..) = resolve(schema, schema);
        if matches!(kind, Kind::Object) {
            form.object(schema, schema, &[], "", true, 0);
        } else {
            form.whole = true;
            form.push(schema, schema, Vec::new(), String::new(), label_of(prefix), true);
        }
        form
    }

    fn object(&mut self, root: &Value, schema: &Value, path: &[String], above: &str, needed: bool, depth: usize) {
        let (_, schema, _) = resolve(root, schema);
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in properties {
            let path = [path, std::slice::from_ref(name)].concat();
            let (kind, of, _) = resolve(root, property);
            let title = of.get("title").or_else(|| property.get("title")).and_then(Value::as_str);
            let label = title.map_or_else(|| label_of(name), str::to_owned);
            let label = if above.is_empty() { label } else { format!("{above}: {label}") };
            let needed = needed && required.contains(&name.as_str());
            let has_fields = of.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty());
            if matches!(kind, Kind::Object) && has_fields && depth + 1 < DEPTH {
                self.object(root, property, &path, &label, needed, depth + 1);
            } else {
                let name = path.join(".");
                self.push(root, property, path, name, label, needed);
            }
        }
    }

    fn push(&mut self, root: &Value, schema: &Value, path: Vec<String>, name: String, label: String, required: bool) {
        if self.inputs.len() == FIELDS {
            return;
        }
        let (kind, of, nullable) = resolve(root, schema);
        let text = |key: &str| schema.get(key).or_else(|| of.get(key)).and_then(Value::as_str).unwrap_or_default();
        let flag = |key: &str| schema.get(key).or_else(|| of.get(key)).and_then(Value::as_bool).unwrap_or(false);
        let name = if name.is_empty() { self.prefix.clone() } else { format!("{}.{name}", self.prefix) };
        self.inputs.push(Input {
            help: text("description").to_owned(),
            secret: flag("writeOnly") || text("format") == "password",
            default: schema.get("default").or_else(|| of.get("default")).cloned(),
            kind: if matches!(kind, Kind::Object) { Kind::Json } else { kind },
            name,
            path,
            label,
            required,
            nullable,
        });
    }

    /// The fields, filled with a value; where it is null, with what the schema says is there by
    /// itself. `errors` are told at their fields.
    #[must_use]
    pub fn fields(&self, value: &Value, errors: &FieldErrors) -> Vec<Field> {
        let fill = |input: &Input| {
            let held = input.path.iter().try_fold(value, |at, key| at.get(key)).filter(|held| !held.is_null());
            let held = held.or(input.default.as_ref().filter(|_| value.is_null())).unwrap_or(&Value::Null);
            input.field(held).with_errors(errors)
        };
        self.inputs.iter().map(fill).collect()
    }

    /// The fields as they were posted.
    #[must_use]
    pub fn posted(&self, posted: &Fields, errors: &FieldErrors) -> Vec<Field> {
        self.inputs.iter().map(|input| input.again(posted).with_errors(errors)).collect()
    }

    /// The value of what was posted. What was left empty is left out.
    ///
    /// # Errors
    /// What is wrong, by the fields' names.
    pub fn read(&self, posted: &Fields) -> Result<Value, FieldErrors> {
        let mut errors = FieldErrors::default();
        let mut value = Value::Object(Map::new());
        for input in &self.inputs {
            match input.read(posted) {
                Ok(Some(read)) if self.whole => value = read,
                Ok(Some(read)) => put(&mut value, &input.path, read),
                Ok(None) if self.whole => value = Value::Null,
                Ok(None) => {}
                Err(message) => errors.add_named(&input.name, message),
            }
        }
        if errors.is_empty() { Ok(value) } else { Err(errors) }
    }

    /// The name of the field for a place in the value: a JSON pointer (RFC 6901) such as
    /// `/server/port`. What lies below a field is the field's.
    #[must_use]
    pub fn field_at(&self, pointer: &str) -> Option<&str> {
        let path: Vec<String> =
            pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
        let input = self.inputs.iter().find(|input| path.starts_with(&input.path))?;
        Some(&input.name)
    }

    /// Whether a name of what is posted is one of the form's.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
    }
}

/// Puts a value at its place, with the objects around it.
fn put(value: &mut Value, path: &[String], read: Value) {
    match path {
        [] => *value = read,
        [key, below @ ..] => {
            if !value.is_object() {
                *value = Value::Object(Map::new());
            }
            if let Some(object) = value.as_object_mut() {
                put(object.entry(key.clone()).or_insert(Value::Null), below, read);
            }
        }
    }
}

impl Input {
    fn field(&self, held: &Value) -> Field {
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let control = match &self.kind {
            Kind::Text { secret: true, .. } => {
                Control::Line { kind: "password", value: String::new(), max: None, step: "" }
            }
            Kind::Text { lines: true, .. } => Control::Lines { value: text(held), rows: 6, code: false },
            Kind::Text { kind, max, .. } => Control::Line { kind, value: text(held), max: *max, step: "" },
            Kind::Number { whole, .. } => {
                Control::Line { kind: "number", value: text(held), max: None, step: if *whole { "1" } else { "any" } }
            }
            Kind::Boolean if self.required && !self.nullable => Control::Check { on: held.as_bool() == Some(true) },
            Kind::Boolean => Control::Select {
                choices: vec![
                    Choice::new("", "Not set", held.is_null()),
                    Choice::new("true", "Yes", *held == Value::Bool(true)),
                    Choice::new("false", "No", *held == Value::Bool(false)),
                ],
                more: String::new(),
                multiple: false,
                cut: false,
            },
            Kind::Enum(words) => self.choice(words, |word| word == held, held.is_null()),
            Kind::Words(words) => {
                let held = held.as_array().cloned().unwrap_or_default();
                let choices = words.iter().map(|word| Choice::new(text(word), text(word), held.contains(word)));
                Control::Checks(vec![("Choices".to_owned(), choices.collect())])
            }
            Kind::List { .. } => {
                let lines: Vec<String> = held.as_array().into_iter().flatten().map(text).collect();
                Control::Lines { value: lines.join("\n"), rows: lines.len().clamp(3, 12), code: false }
            }
            Kind::Object | Kind::Json => {
                let value = if held.is_null() { String::new() } else { pretty(held) };
                Control::Lines { rows: value.lines().count().clamp(4, 20), value, code: true }
            }
        };
        self.with(control)
    }

    /// The field as it was posted.
    fn again(&self, posted: &Fields) -> Field {
        let text = posted.get(&self.name).unwrap_or_default().to_owned();
        let mut field = match &self.kind {
            Kind::Enum(words) => {
                let mut chosen = false;
                let control = self.choice(words, |word| word_of(word) == text, text.is_empty());
                if let Control::Select { choices, .. } = &control {
                    chosen = choices.iter().any(|choice| choice.selected);
                }
                if chosen { self.with(control) } else { self.field(&Value::Null) }
            }
            Kind::Words(words) => {
                let chosen: Vec<&str> = posted.all(&self.name).collect();
                let held = words.iter().filter(|word| chosen.contains(&word_of(word).as_str())).cloned().collect();
                self.field(&Value::Array(held))
            }
            Kind::Boolean => self.field(&text.parse::<bool>().map_or(Value::Null, Value::Bool)),
            _ => self.field(&Value::Null),
        };
        match &mut field.control {
            Control::Line { value, .. } | Control::Lines { value, .. } => *value = text,
            _ => {}
        }
        field
    }

    fn choice(&self, words: &[Value], is: impl Fn(&Value) -> bool, none: bool) -> Control {
        let mut choices = Vec::with_capacity(words.len() + 1);
        if !self.required || self.nullable || none {
            choices.push(Choice::new("", if self.required { "Choose one" } else { "Not set" }, none));
        }
        choices.extend(words.iter().map(|word| Choice::new(word_of(word), word_of(word), is(word))));
        Control::Select { choices, more: String::new(), multiple: false, cut: false }
    }

    fn with(&self, control: Control) -> Field {
        let mut help = self.help.clone();
        let note = match &self.kind {
            Kind::List { .. } => "One on each line.",
            Kind::Json | Kind::Object => "As JSON.",
            Kind::Text { .. } if self.secret => "Never shown; leave it empty to keep what is stored.",
            _ => "",
        };
        if !note.is_empty() {
            help = if help.is_empty() { note.to_owned() } else { format!("{help} {note}") };
        }
        // A box that is not checked says no: it cannot be asked for.
        let required = self.required && !matches!(control, Control::Check { .. } | Control::Checks(_));
        Field::new(&self.name, &self.label, control).help(help).required(required)
    }
}

/// A word as forms send it.
fn word_of(word: &Value) -> String {
    word.as_str().map_or_else(|| word.to_string(), str::to_owned)
}

/// JSON with line breaks.
pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
