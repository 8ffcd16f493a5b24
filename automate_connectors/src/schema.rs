//! JSON Schemas of actions and answers.

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// Errors of a value that are listed; more are counted.
const LISTED_ERRORS: usize = 10;

/// A compiled schema; `None` where it accepts everything.
pub(crate) struct Schema(Option<Validator>);

/// Where and how a value breaks a schema, without the value itself: it may hold secrets.
pub(crate) struct Breaches {
    listed: Vec<(String, String)>,
    more: usize,
}

impl Schema {
    /// Compiles a schema of draft 2020-12; what stands elsewhere cannot be referred to.
    ///
    /// # Errors
    /// Why it is no schema.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let accepts_everything = match schema {
            Value::Bool(accepts) => *accepts,
            Value::Object(map) => {
                map.keys().all(|k| matches!(k.as_str(), "title" | "description" | "examples" | "default" | "$schema"))
            }
            _ => return Err("a schema is an object or a boolean".to_owned()),
        };
        if accepts_everything {
            return Ok(Self(None));
        }
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(schema)
            .map(|validator| Self(Some(validator)))
            .map_err(|error| error.to_string())
    }

    /// Whether a value satisfies it.
    ///
    /// # Errors
    /// Where it does not.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Breaches> {
        let Some(validator) = &self.0 else { return Ok(()) };
        if validator.is_valid(value) {
            return Ok(());
        }
        let mut errors = validator.iter_errors(value);
        let listed = errors
            .by_ref()
            .take(LISTED_ERRORS)
            .map(|error| (error.instance_path().to_string(), error.masked().to_string()))
            .collect();
        Err(Breaches { listed, more: errors.count() })
    }
}

impl Breaches {
    /// In one line.
    pub(crate) fn text(&self) -> String {
        let mut parts: Vec<String> = self
            .listed
            .iter()
            .map(|(path, message)| match path.is_empty() {
                true => message.clone(),
                false => format!("at {path}: {message}"),
            })
            .collect();
        if self.more > 0 {
            parts.push(format!("and {} more", self.more));
        }
        parts.join("; ")
    }

    /// For the details of an error.
    pub(crate) fn details(&self) -> Value {
        let errors: Vec<Value> =
            self.listed.iter().map(|(path, message)| json!({ "path": path, "message": message })).collect();
        json!({ "errors": errors, "more": self.more })
    }
}
