//! The connector of the benchmark: an action that does nothing and must be recorded.

use async_trait::async_trait;
use automate_connectors::base::{ActionContext, ActionSpec, Connector, ConnectorError};
use automate_core::status::Effect;
use serde_json::Value;

/// Registered by the benchmark alone.
#[derive(Debug)]
pub(crate) struct Bench;

#[async_trait]
impl Connector for Bench {
    fn key(&self) -> &'static str {
        "bench"
    }

    fn display_name(&self) -> &'static str {
        "Benchmark"
    }

    fn actions(&self) -> Vec<ActionSpec> {
        vec![ActionSpec::new("noop", "Answers with its input", Effect::Idempotent)]
    }

    async fn execute_action(&self, _ctx: &ActionContext, _action: &str, input: Value) -> Result<Value, ConnectorError> {
        Ok(input)
    }
}
