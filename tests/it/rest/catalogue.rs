//! Connectors, and counts.

use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;

const FAILS: &str = "workflow: fails\non: [{ manual: true }]\nsteps: [{ id: a, fail: no }]";
const WAITS: &str = "workflow: waits\non: [{ manual: true }]\nsteps: [{ id: a, wait: { for: 1h } }]";

both_databases! {
    async fn the_connectors_are_listed_and_shown_with_their_schemas(db: TestDatabase) {
        let site = Site::idle(db).await;
        let list = site.show("/connectors").await;
        let keys: Vec<_> = list["results"].as_array().unwrap().iter().map(|c| c["key"].as_str().unwrap().to_owned()).collect();
        assert!(keys.contains(&"http".to_owned()) && keys.is_sorted(), "{keys:?}");
        for key in keys {
            let shown = site.show(&format!("/connectors/{key}")).await;
            for action in shown["actions"].as_array().unwrap() {
                assert!(action["uses"].as_str().unwrap().starts_with(&format!("{key}.")));
                assert!(action["input_schema"].is_object() || action["input_schema"].is_boolean());
            }
        }
        assert_eq!(site.get("/connectors/nothing").await.status, 404);
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
