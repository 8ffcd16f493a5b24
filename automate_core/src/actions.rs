//! The port to connectors: what the engine knows of an action, and how it has one performed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::error::StepError;
use crate::ids::{ExecutionId, TenantId};
use crate::status::Effect;

/// What the engine and the document checks know of an action.
#[derive(Debug, Clone)]
pub struct ActionMeta {
    /// `connector.action`.
    pub uses: String,
    /// What people see.
    pub title: String,
    /// JSON Schema of the input.
    pub input_schema: Value,
    /// JSON Schema of the output.
    pub output_schema: Value,
    /// What it does to the world.
    pub effect: Effect,
    /// The timeout of one attempt where the step names none.
    pub timeout: Option<Duration>,
    /// Whether the connector takes a connection.
    pub takes_connection: bool,
}

/// What actions there are.
pub trait Catalog: Send + Sync + 'static {
    /// The action of that name, as `connector.action`.
    fn action(&self, uses: &str) -> Option<Arc<ActionMeta>>;
    /// The keys of all connectors, sorted.
    fn connectors(&self) -> Vec<String>;
    /// The names of a connector's actions, sorted; empty where there is no such connector.
    fn actions(&self, connector: &str) -> Vec<String>;
}

/// A line that an action wrote, or that the engine wrote for it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When.
    pub at: DateTime<Utc>,
    /// `debug`, `info`, `warn` or `error`.
    pub level: LogLevel,
    /// What it says, scrubbed of secrets by the driver before it is stored.
    pub message: String,
    /// Fields, scrubbed likewise.
    pub fields: Option<Value>,
}

/// How loud a log line is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// What is odd.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Takes the log lines of a running action.
pub trait LogSink: Send + Sync {
    /// Takes one line; never blocks and never fails. Past the bound, lines are counted and dropped.
    fn log(&self, level: LogLevel, message: String, fields: Option<Value>);
}

/// One attempt of one step, ready to be performed. `input` holds bound secrets, so this type has
/// no `Debug` and is never stored.
pub struct ActionCall {
    /// `connector.action`.
    pub uses: String,
    /// The rendered input with secrets bound.
    pub input: Value,
    /// The named connection, where the step has one.
    pub connection: Option<String>,
    /// Whose.
    pub tenant_id: TenantId,
    /// Which execution.
    pub execution_id: ExecutionId,
    /// Which step, by its path.
    pub step_path: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The same over all attempts of the step.
    pub idempotency_key: String,
    /// Goes out as `X-Correlation-ID`.
    pub correlation_id: String,
    /// When the attempt must have ended.
    pub deadline: DateTime<Utc>,
    /// Fires when the execution is cancelled, times out, or the lease is lost.
    pub cancel: CancellationToken,
    /// Takes log lines.
    pub log: Arc<dyn LogSink>,
}

/// Performs actions.
#[async_trait]
pub trait ActionRunner: Catalog {
    /// Validates the input, performs the action, validates the output. Errors hold no secrets
    /// beyond what the caller scrubs. A panic of the connector comes back as `INTERNAL`.
    async fn run(&self, call: ActionCall) -> Result<Value, StepError>;
}
