//! The typed layer: what `#[action]` makes of a function, and how schemas come from Rust types.

use std::future::Future;
use std::pin::Pin;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::context::ActionContext;
use super::error::{ConnectorError, Result};
use super::spec::ActionSpec;

/// What a running action is.
pub type ActionFuture<'a> = Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>>;

/// An action made from a function by `#[action]`; its `ACTION` constant is one of these.
#[derive(Clone, Copy)]
pub struct TypedAction {
    name: &'static str,
    spec: fn() -> ActionSpec,
    run: for<'a> fn(&'a ActionContext, Value) -> ActionFuture<'a>,
}

impl TypedAction {
    /// Used by `#[action]`.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        name: &'static str,
        spec: fn() -> ActionSpec,
        run: for<'a> fn(&'a ActionContext, Value) -> ActionFuture<'a>,
    ) -> Self {
        Self { name, spec, run }
    }

    /// Its name within the connector.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its description, with the schemas of its types.
    #[must_use]
    pub fn spec(&self) -> ActionSpec {
        (self.spec)()
    }

    /// Performs it.
    #[must_use]
    pub fn run<'a>(&self, ctx: &'a ActionContext, input: Value) -> ActionFuture<'a> {
        (self.run)(ctx, input)
    }
}

/// The JSON Schema of an input type: draft 2020-12, everything inline. An object takes no unknown
/// fields, so that a misspelt one is found when the workflow is saved.
#[must_use]
pub fn input_schema<T: JsonSchema>() -> Value {
    let mut schema = settings().for_deserialize().into_generator().into_root_schema_for::<T>().to_value();
    close(&mut schema);
    schema
}

/// The JSON Schema of an output type.
#[must_use]
pub fn output_schema<T: JsonSchema>() -> Value {
    settings().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    })
}

/// Refuses unknown fields, where the schema is a plain object and does not say otherwise.
fn close(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    let composed = ["allOf", "anyOf", "oneOf", "$ref", "additionalProperties", "unevaluatedProperties"]
        .iter()
        .any(|keyword| map.contains_key(*keyword));
    if map.get("type").is_some_and(|kind| kind == "object") && !composed {
        map.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
}

/// Reads the input as its type, runs the function, and writes its output. Used by `#[action]`.
///
/// # Errors
/// `INVALID_INPUT` where the input is not of the type, `INVALID_OUTPUT` where the output is not
/// JSON, and what the function fails with.
pub async fn run_typed<I, O, F>(input: Value, run: impl FnOnce(I) -> F) -> Result<Value>
where
    I: DeserializeOwned,
    O: Serialize,
    F: Future<Output = Result<O>>,
{
    // serde's messages quote the offending value, which may be a secret; its schema check has
    // already named the place.
    let input = serde_json::from_value(input)
        .map_err(|_| ConnectorError::invalid_input("the input is not what the action takes"))?;
    let output = run(input).await?;
    serde_json::to_value(output).map_err(|error| {
        ConnectorError::new(automate_core::error::ErrorCode::InvalidOutput, format!("the output is not JSON: {error}"))
    })
}
