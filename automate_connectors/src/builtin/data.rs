//! `data.transform` and `data.filter`: values from values, nothing else.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::jmes::Jmes;
use crate::base::{ActionContext, Connector, ConnectorError, Result, TypedAction};

/// Computes values from values.
pub struct Data;

impl Connector for Data {
    fn key(&self) -> &'static str {
        "data"
    }

    fn display_name(&self) -> &'static str {
        "Data"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[transform::ACTION, filter::ACTION]
    }
}

/// The input of `data.transform`.
#[derive(Deserialize, JsonSchema)]
struct Transform {
    /// Any value; templates inside it have been rendered.
    value: Value,
    /// A JMESPath expression that is applied to the value.
    expression: Option<String>,
}

/// Gives the value back, after applying the JMESPath expression where there is one. The output is
/// the value itself.
#[crate::action(
    title = "Transform a value",
    effect = pure,
    example = json!({ "value": { "items": [{ "sku": "a" }] }, "expression": "items[].sku" })
)]
async fn transform(_ctx: &ActionContext, input: Transform) -> Result<Value> {
    match input.expression {
        Some(expression) => Jmes::compile(&expression)?.value(&input.value),
        None => Ok(input.value),
    }
}

/// The input of `data.filter`. With both `expression` and `equals`, an item must satisfy both.
#[derive(Deserialize, JsonSchema)]
struct Filter {
    /// The items.
    list: Vec<Value>,
    /// A JMESPath expression over one item; items for which it is true stay.
    expression: Option<String>,
    /// Fields that an item must have with exactly these values.
    equals: Option<Map<String, Value>>,
}

/// Gives the items of a list that satisfy a condition, in their order.
#[crate::action(
    title = "Filter a list",
    effect = pure,
    example = json!({ "list": [{ "price": 5 }, { "price": 15 }], "expression": "price > `10`" })
)]
async fn filter(_ctx: &ActionContext, input: Filter) -> Result<Vec<Value>> {
    if input.expression.is_none() && input.equals.is_none() {
        return Err(ConnectorError::invalid_input("say which items stay, with `expression` or with `equals`"));
    }
    let expression = input.expression.as_deref().map(Jmes::compile).transpose()?;
    let mut kept = Vec::new();
    for item in input.list {
        let equal = input.equals.iter().flatten().all(|(key, value)| item.get(key) == Some(value));
        let holds = match &expression {
            Some(expression) if equal => expression.is_true(&item)?,
            _ => equal,
        };
        if holds {
            kept.push(item);
        }
    }
    Ok(kept)
}
