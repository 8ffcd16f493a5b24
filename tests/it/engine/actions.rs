//! Actions whose effects can be counted and held up: `idem`, `once` and `pure`, each with `do`.
//!
//! Input: `{"sleep_ms": n, "fail": "CODE", "fail_times": n, "value": …, "gate": true}`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use automate_core::actions::{ActionCall, ActionMeta, ActionRunner, Catalog, LogLevel};
use automate_core::error::{ErrorCode, StepError};
use automate_core::status::Effect;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// One call that was made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) execution: String,
    pub(crate) path: String,
    pub(crate) attempt: u32,
    pub(crate) key: String,
    pub(crate) input: Value,
}

/// The outside world of the tests.
pub(crate) struct World {
    pub(crate) calls: Mutex<Vec<Call>>,
    /// Calls with `gate` wait for a permit.
    pub(crate) gate: Semaphore,
    failures: Mutex<BTreeMap<String, u32>>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { calls: Mutex::default(), gate: Semaphore::new(0), failures: Mutex::default() })
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("calls").clone()
    }

    pub(crate) fn calls_of(&self, path: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.path == path).collect()
    }

    /// Waits until a step has been called.
    pub(crate) async fn called(&self, path: &str) {
        for _ in 0..500 {
            if !self.calls_of(path).is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("step {path} was not called within ten seconds");
    }
}

/// Performs the actions in a world.
pub(crate) struct Actions(pub(crate) Arc<World>);

impl Catalog for Actions {
    fn action(&self, uses: &str) -> Option<Arc<ActionMeta>> {
        let effect = match uses {
            "pure.do" => Effect::Pure,
            "idem.do" => Effect::Idempotent,
            "once.do" => Effect::Once,
            _ => return None,
        };
        Some(Arc::new(ActionMeta {
            uses: uses.to_owned(),
            title: uses.to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: json!({}),
            effect,
            timeout: None,
            takes_connection: false,
        }))
    }
    fn connectors(&self) -> Vec<String> {
        ["idem", "once", "pure"].map(str::to_owned).to_vec()
    }
    fn actions(&self, _connector: &str) -> Vec<String> {
        vec!["do".to_owned()]
    }
}

#[async_trait]
impl ActionRunner for Actions {
    async fn run(&self, call: ActionCall) -> Result<Value, StepError> {
        let world = &self.0;
        world.calls.lock().expect("calls").push(Call {
            execution: call.execution_id.to_string(),
            path: call.step_path.clone(),
            attempt: call.attempt,
            key: call.idempotency_key.clone(),
            input: call.input.clone(),
        });
        call.log.log(LogLevel::Info, format!("attempt {} with {}", call.attempt, call.input), None);
        if call.input["gate"] == json!(true) {
            tokio::select! {
                permit = world.gate.acquire() => permit.expect("the gate is open").forget(),
                () = call.cancel.cancelled() => return Err(StepError::new(ErrorCode::Cancelled, "told to stop")),
            }
        }
        if let Some(sleep) = call.input["sleep_ms"].as_u64() {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(sleep)) => {}
                () = call.cancel.cancelled() => return Err(StepError::new(ErrorCode::Cancelled, "told to stop")),
            }
        }
        if let Some(code) = call.input["fail"].as_str().and_then(ErrorCode::from_word) {
            let times =
                u32::try_from(call.input["fail_times"].as_u64().unwrap_or(u64::from(u32::MAX))).unwrap_or(u32::MAX);
            let mut failures = world.failures.lock().expect("failures");
            let count = failures.entry(call.idempotency_key.clone()).or_default();
            if *count < times {
                *count += 1;
                return Err(StepError::new(code, format!("refused with {}", call.input)));
            }
        }
        Ok(call.input.get("value").cloned().unwrap_or(Value::Null))
    }
}
