//! One connector in the registry, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_core::actions::ActionMeta;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::base::{ActionSpec, ConnectionSpec, Connector, ConnectorError, TriggerSpec};
use crate::schema::Schema;

/// Characters of a key or an action's name.
const NAME_CHARS: usize = 64;

pub(super) struct Entry {
    pub(super) connector: Arc<dyn Connector>,
    pub(super) origin: String,
    pub(super) actions: BTreeMap<String, Action>,
    pub(super) triggers: Vec<TriggerSpec>,
    pub(super) connection: Option<ConnectionSpec>,
    /// Bounds how many of its actions run at the same time.
    pub(super) permits: Option<Semaphore>,
}

pub(super) struct Action {
    pub(super) name: String,
    pub(super) meta: Arc<ActionMeta>,
    pub(super) example: Option<Value>,
    input: Schema,
    output: Schema,
}

impl Entry {
    /// Describes and checks a connector.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) fn check(connector: Arc<dyn Connector>, origin: &str) -> Result<Self, String> {
        let key = connector.key();
        if !is_name(key) {
            return Err(format!("`{key}` is not a valid key; {NAME_RULE}"));
        }
        let connection = connector.connection();
        let mut actions = BTreeMap::new();
        for spec in connector.actions() {
            let name = spec.name.clone();
            let action = Action::check(key, spec, connection.is_some())?;
            if actions.insert(name.clone(), action).is_some() {
                return Err(format!("it has two actions `{name}`"));
            }
        }
        let triggers = connector.triggers();
        for trigger in &triggers {
            if !is_name(&trigger.name) {
                return Err(format!("the trigger `{}` has no valid name; {NAME_RULE}", trigger.name));
            }
            Schema::compile(&trigger.payload_schema).map_err(|reason| {
                format!("the payload schema of the trigger `{}` is not valid: {reason}", trigger.name)
            })?;
        }
        let permits = connector.max_concurrency().map(|most| Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        Ok(Self { connector, origin: origin.to_owned(), actions, triggers, connection, permits })
    }
}

impl Action {
    fn check(connector: &str, spec: ActionSpec, takes_connection: bool) -> Result<Self, String> {
        let name = spec.name;
        if !is_name(&name) {
            return Err(format!("the action `{name}` has no valid name; {NAME_RULE}"));
        }
        let compile = |what: &str, schema: &Value| {
            Schema::compile(schema)
                .map_err(|reason| format!("the {what} schema of the action `{name}` is not valid: {reason}"))
        };
        let input = compile("input", &spec.input_schema)?;
        let output = compile("output", &spec.output_schema)?;
        if let Some(example) = &spec.example
            && let Err(errors) = input.check(example)
        {
            return Err(format!("the example of the action `{name}` is not a valid input: {}", errors.text()));
        }
        let meta = Arc::new(ActionMeta {
            uses: format!("{connector}.{name}"),
            title: spec.title,
            input_schema: spec.input_schema,
            output_schema: spec.output_schema,
            effect: spec.effect,
            timeout: spec.timeout,
            takes_connection,
        });
        Ok(Self { name, meta, example: spec.example, input, output })
    }

    /// Whether the input is what the action takes.
    ///
    /// # Errors
    /// `INVALID_INPUT` with the places.
    pub(super) fn check_input(&self, input: &Value) -> Result<(), ConnectorError> {
        self.input.check(input).map_err(|errors| {
            ConnectorError::invalid_input(format!("the input of `{}` is not valid: {}", self.meta.uses, errors.text()))
                .with_details(errors.details())
        })
    }

    /// Whether the output is what the action declares.
    ///
    /// # Errors
    /// `INVALID_OUTPUT` with the places.
    pub(super) fn check_output(&self, output: &Value) -> Result<(), ConnectorError> {
        self.output.check(output).map_err(|errors| {
            ConnectorError::new(
                automate_core::error::ErrorCode::InvalidOutput,
                format!("the output of `{}` is not what it declares: {}", self.meta.uses, errors.text()),
            )
            .with_details(errors.details())
        })
    }
}

/// What a key and a name may be, for messages.
pub(crate) const NAME_RULE: &str =
    "use a lower-case letter first, then lower-case letters, digits, `_` and `-`, 64 at most";

/// Whether it may be a key or a name.
pub(crate) fn is_name(name: &str) -> bool {
    name.len() <= NAME_CHARS
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
}
