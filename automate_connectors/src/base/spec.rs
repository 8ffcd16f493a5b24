//! What a connector says of its actions and triggers.

use std::time::Duration;

use automate_core::document::definition::VerifyScheme;
use automate_core::status::Effect;
use serde_json::{Value, json};

/// One action.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ActionSpec {
    /// Its name within the connector: lower-case letters, digits and `_`.
    pub name: String,
    /// What people see.
    pub title: String,
    /// One or more sentences for people.
    pub description: String,
    /// JSON Schema (draft 2020-12) of the input.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
    /// What it does to the world.
    pub effect: Effect,
    /// The timeout of one attempt where the step names none.
    pub timeout: Option<Duration>,
    /// An input that the schema accepts; shown in documentation and checked by the conformance kit.
    pub example: Option<Value>,
}

impl ActionSpec {
    /// An action that takes an object and gives anything.
    #[must_use]
    pub fn new(name: &str, title: &str, effect: Effect) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            description: String::new(),
            input_schema: json!({ "type": "object" }),
            output_schema: json!(true),
            effect,
            timeout: None,
            example: None,
        }
    }

    /// The same, with the schemas of input and output.
    #[must_use]
    pub fn schemas(mut self, input: Value, output: Value) -> Self {
        self.input_schema = input;
        self.output_schema = output;
        self
    }

    /// The same, with a description.
    #[must_use]
    pub fn description(mut self, text: &str) -> Self {
        self.description = text.to_owned();
        self
    }

    /// The same, with the timeout of one attempt.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same, with an example of its input.
    #[must_use]
    pub fn example(mut self, input: Value) -> Self {
        self.example = Some(input);
        self
    }
}

/// How a trigger learns of what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerKind {
    /// The other side calls.
    Webhook,
    /// We ask, with a durable cursor.
    Polling,
}

/// One trigger.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TriggerSpec {
    /// Its name within the connector.
    pub name: String,
    /// What people see.
    pub title: String,
    /// Webhook or polling.
    pub kind: TriggerKind,
    /// JSON Schema of the payload.
    pub payload_schema: Value,
    /// How deliveries are verified, for webhooks.
    pub verification: Option<VerifyScheme>,
}

impl TriggerSpec {
    /// A webhook whose deliveries are verified by a scheme.
    #[must_use]
    pub fn webhook(name: &str, title: &str, scheme: VerifyScheme) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            kind: TriggerKind::Webhook,
            payload_schema: json!(true),
            verification: Some(scheme),
        }
    }

    /// A trigger that polls.
    #[must_use]
    pub fn polling(name: &str, title: &str) -> Self {
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            kind: TriggerKind::Polling,
            payload_schema: json!(true),
            verification: None,
        }
    }

    /// The same, with the schema of the payload.
    #[must_use]
    pub fn payload_schema(mut self, schema: Value) -> Self {
        self.payload_schema = schema;
        self
    }
}
