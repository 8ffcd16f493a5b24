//! Connectors, and counts.

use std::time::Duration;

use async_trait::async_trait;
use automate_connectors::base::{ActionSpec, Connector, TriggerSpec};
use automate_core::document::definition::VerifyScheme;
use automate_core::status::{Effect, ExecutionStatus};
use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;

const FAILS: &str = "workflow: fails\non: [{ manual: true }]\nsteps: [{ id: a, fail: no }]";
const WAITS: &str = "workflow: waits\non: [{ manual: true }]\nsteps: [{ id: a, wait: { for: 1h } }]";

/// A connector that repeats what it is told.
pub(super) struct Parrot;

#[async_trait]
impl Connector for Parrot {
    fn key(&self) -> &'static str {
        "parrot"
    }

    fn display_name(&self) -> &'static str {
        "Parrot"
    }

    fn actions(&self) -> Vec<ActionSpec> {
        let repeat = ActionSpec::new("repeat", "Repeats", Effect::Idempotent);
        vec![repeat.timeout(Duration::from_millis(1_500)).example(json!({ "text": "hello" }))]
    }

    fn triggers(&self) -> Vec<TriggerSpec> {
        vec![TriggerSpec::webhook("heard", "Heard", VerifyScheme::Github)]
    }
}

both_databases! {
    async fn the_connectors_are_listed_and_shown_with_their_schemas(db: TestDatabase) {
        let site = Site::idle(db).await;
        let list = site.show("/connectors").await["results"].clone();
        let told: Vec<_> = list.as_array().unwrap().iter().map(|c| (c["key"].clone(), c["refused"].is_string(), c["actions"].clone())).collect();
        assert_eq!(told, [(json!("parrot"), false, json!(["repeat"])), (json!("parrot"), true, json!([]))], "{list}");
        let shown = site.show("/connectors/parrot").await;
        assert_eq!((&shown["title"], &shown["origin"], &shown["refused"]), (&json!("Parrot"), &json!("app"), &json!(null)));
        assert_eq!(
            shown["actions"],
            json!([{
                "uses": "parrot.repeat",
                "title": "Repeats",
                "effect": "idempotent",
                "timeout_seconds": 1.5,
                "takes_connection": false,
                "input_schema": { "type": "object" },
                "output_schema": true,
                "example": { "text": "hello" },
            }])
        );
        assert_eq!(
            shown["triggers"],
            json!([{ "name": "heard", "title": "Heard", "kind": "webhook", "payload_schema": true, "verification": "github" }])
        );
        for key in ["nothing", "parrot.repeat", "PARROT"] {
            assert_eq!(site.get(&format!("/connectors/{key}")).await.status, 404);
        }
    }

    async fn executions_and_the_queue_are_counted(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(FAILS).await;
        site.publish(WAITS).await;
        for _ in 0..2 {
            site.run_to("fails", &json!({}), ExecutionStatus::Failed).await;
        }
        site.run_to("waits", &json!({}), ExecutionStatus::Waiting).await;
        let stats = site.show("/stats").await;
        assert_eq!((&stats["executions"]["failed"], &stats["executions"]["waiting"]), (&json!(2), &json!(1)), "{stats}");
        assert_eq!((&stats["last_hour"]["accepted"], &stats["last_hour"]["failed"], &stats["last_hour"]["open"]), (&json!(3), &json!(2), &json!(1)));
        assert_eq!(stats["queue"]["scheduled"], 1);
        let others = site.ask("other", "GET", "/stats").send().await.json();
        assert_eq!((&others["last_hour"]["accepted"], &others["queue"]["scheduled"]), (&json!(0), &json!(0)));
    }
}
