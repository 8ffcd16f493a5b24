//! One test per row of the table of bad inputs that concerns templates, and what templates promise.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

mod bounds;
mod filters;
mod scrubbing;
mod secrets;
mod speed;
mod types;

/// A secret with characters that every encoding writes otherwise.
const CANARY: &str = "c4n4ry/+&\"<é>value";

fn engine() -> Expressions {
    use std::sync::OnceLock;
    static ENGINE: OnceLock<Expressions> = OnceLock::new();
    ENGINE.get_or_init(|| Expressions::new(&FilterRegistry::link_time().0)).clone()
}

fn context() -> Context {
    let env = BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]);
    let mut context = Context::new(Arc::new(env));
    context.set_event(
        &json!({
            "id": "evt_1", "n": 41, "big": 9_007_199_254_740_993_i64, "half": 0.5, "none": null, "yes": true,
            "name": "Zoë", "text": "{{ 7*7 }} $secret:KEY", "items": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 1}],
            "with-dash": 1, "__typename": "Order", "empty": {}, "list": [3, 1, 2],
        }),
        "order.created",
        "webhook",
        "0192",
        "2026-07-01T22:30:00Z",
        &json!({"content-type": "application/json"}),
    );
    context.set_execution("0193", "order-alert-7", "order-alert", 3, "2026-07-01T22:30:01Z", 1);
    context.set_tenant("default");
    context.set_inputs(&json!({"order_id": "o-1"}));
    context.set_step("a", &json!({"n": 1, "body": {"total": 1234.5}}), "succeeded", None, Some("2026-07-01T22:30:02Z"));
    context.set_step("skipped", &Value::Null, "skipped", None, None);
    context.set_var("v", &json!([1, {"x": "y"}]));
    context
}

fn render(source: &str) -> Result<Value, ExprError> {
    engine().template(source)?.render(&context())
}

#[track_caller]
fn ok(source: &str) -> Value {
    render(source).unwrap_or_else(|e| panic!("{source}: {e}"))
}

#[track_caller]
fn fails(source: &str) -> ExprError {
    match render(source) {
        Ok(value) => panic!("{source}: rendered to {}", error::cut(&value.to_string(), 200)),
        Err(error) => error,
    }
}

#[track_caller]
fn fails_with(source: &str, code: &str) -> String {
    let error = fails(source);
    assert_eq!(error.code, code, "{source}: {error}");
    error.message
}

#[test]
fn everything_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Expressions>();
    shared::<Template>();
    shared::<Condition>();
    shared::<ValueTemplate>();
    shared::<Context>();
    shared::<secret::SecretBinder>();
    shared::<secret::Scrubber>();
}
