//! `log.write`: a line in the step's log.

use automate_core::actions::LogLevel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::base::{ActionContext, Connector, Result, TypedAction};

/// Writes to the log of the execution.
pub struct Log;

impl Connector for Log {
    fn key(&self) -> &'static str {
        "log"
    }

    fn display_name(&self) -> &'static str {
        "Log"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[write::ACTION]
    }
}

/// The input of `log.write`.
#[derive(Deserialize, JsonSchema)]
struct Write {
    /// What to write. Anything but text is written as JSON.
    message: Value,
    /// How loud: `debug`, `info`, `warn` or `error`.
    #[serde(default = "info")]
    level: LogLevel,
    /// Fields beside the message.
    #[serde(default)]
    fields: Map<String, Value>,
}

fn info() -> LogLevel {
    LogLevel::Info
}

/// The output of `log.write`.
#[derive(Serialize, JsonSchema)]
struct Written {
    /// The message as text.
    message: String,
}

/// Writes a line to the log of the execution.
#[crate::action(title = "Write a log line", effect = pure, example = json!({ "message": "order 17 handled" }))]
async fn write(ctx: &ActionContext, input: Write) -> Result<Written> {
    let message = match input.message {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let fields = (!input.fields.is_empty()).then_some(Value::Object(input.fields));
    ctx.log(input.level, message.clone(), fields);
    Ok(Written { message })
}
