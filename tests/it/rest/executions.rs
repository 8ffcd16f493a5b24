//! Executions as they are listed and shown.

use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::site::Site;

const WORK: &str = "workflow: work\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: idem.do, with: { value: { n: \"{{ inputs.n }}\" } } }\n  - { id: b, set: { x: 1 } }\noutput: \"{{ steps.a.output }}\"";
const FAILS: &str =
    "workflow: fails\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: idem.do, with: { fail: FORBIDDEN } }";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

both_databases! {
    async fn an_execution_has_the_published_shape(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        let id = site.run_to("work", &json!({ "n": 5 }), ExecutionStatus::Completed).await;
        let shown = site.show(&format!("/executions/{id}?expand=steps")).await;
        assert_eq!(
            keys(&shown),
            [
                "id", "workflow", "version", "status", "trigger", "event_id", "input", "output", "error", "attempt", "created_at",
                "started_at", "finished_at", "parent_id", "replay_of", "correlation_id", "steps",
            ]
        );
        assert_eq!(
            keys(&shown["steps"][0]),
            [
                "id", "path", "uses", "status", "attempt", "idempotency_key", "input", "output", "error", "started_at", "finished_at",
            ]
        );
        assert_eq!((&shown["input"], &shown["output"]), (&json!({ "n": 5 }), &json!({ "n": 5 })));
        let told: Vec<_> = shown["steps"].as_array().unwrap().iter().map(|s| (s["id"].as_str(), s["status"].as_str())).collect();
        assert_eq!(told, [(Some("a"), Some("completed")), (Some("b"), Some("completed"))]);
        let listed = site.show("/executions").await["results"][0].clone();
        assert_eq!((listed.get("input"), listed.get("output"), &listed["id"]), (None, None, &json!(id)), "lists leave payloads out");
        let named = site.show("/executions?fields=id,input").await["results"][0].clone();
        assert_eq!(named, json!({ "id": id, "input": { "n": 5 } }));
    }

    async fn payloads_are_for_those_with_the_permission_and_each_look_is_on_record(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        let id = site.run_to("work", &json!({ "n": 5 }), ExecutionStatus::Completed).await;
        let before = site.audited().await.len();
        for target in [format!("/executions/{id}?expand=steps"), format!("/executions/{id}/steps"), format!("/executions/{id}/logs")] {
            let masked = site.ask("viewer", "GET", &target).send().await;
            assert!(!masked.text.contains("\"n\":5"), "{masked:?}");
            assert_eq!(masked.status, 200);
        }
        assert_eq!(site.audited().await.len(), before, "nothing was shown");
        let seen = site.ask("operator", "GET", &format!("/executions/{id}?expand=steps")).send().await.json();
        assert_eq!((&seen["input"], &seen["steps"][0]["output"]), (&json!({ "n": 5 }), &json!({ "n": 5 })));
        assert_eq!(site.audited().await[before..], ["execution.view done"]);
        let by_payload = site.ask("viewer", "GET", "/executions?fields=input").send().await;
        assert_eq!(by_payload.json()["results"][0]["input"], json!(null));
    }

    async fn executions_are_filtered_by_what_an_index_knows(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        site.publish(FAILS).await;
        let good = site.run_to("work", &json!({ "n": 1 }), ExecutionStatus::Completed).await;
        let bad = site.run_to("fails", &json!({}), ExecutionStatus::Failed).await;
        let ids = async |query: &str| {
            let page = site.show(&format!("/executions?{query}")).await;
            page["results"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (good, bad) = (good.to_string(), bad.to_string());
        assert_eq!(ids("").await, [bad.clone(), good.clone()], "the newest first");
        assert_eq!(ids("ordering=created_at").await, [good.clone(), bad.clone()]);
        assert_eq!(ids("status=failed").await, std::slice::from_ref(&bad));
        assert_eq!(ids("status__in=completed,running").await, std::slice::from_ref(&good));
        assert_eq!(ids("workflow=work&version=1").await, std::slice::from_ref(&good));
        let at = site.show(&format!("/executions/{bad}")).await["created_at"].as_str().unwrap().to_owned();
        assert_eq!(ids(&format!("created_at__gte={at}")).await, std::slice::from_ref(&bad));
        assert_eq!(ids(&format!("created_at__lt={at}")).await, std::slice::from_ref(&good));
        assert!(ids("created_at__gte=2099-01-01T00:00:00Z").await.is_empty());
        assert!(ids("created_at__lt=1970-01-01T00:00:00Z").await.is_empty());
        let error = site.show(&format!("/executions/{bad}")).await["error"].clone();
        assert_eq!((error["code"].as_str(), error["step"].as_str()), (Some("FORBIDDEN"), Some("a")));
        for query in ["status=done", "search=x", "ordering=workflow", "input=1", "tenant_id=1", "created_at__gte=yesterday", "version=x"] {
            assert_eq!(site.get(&format!("/executions?{query}")).await.status, 400, "{query}");
        }
    }

    async fn steps_and_logs_are_listed_in_their_order(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        let id = site.run_to("work", &json!({ "n": 5 }), ExecutionStatus::Completed).await;
        let steps = site.show(&format!("/executions/{id}/steps?count=true")).await;
        assert_eq!((&steps["count"], &steps["results"][0]["id"], &steps["results"][1]["id"]), (&json!(2), &json!("a"), &json!("b")));
        let first = site.show(&format!("/executions/{id}/steps?limit=1")).await;
        let second = site.show(&format!("/executions/{id}/steps?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
        assert_eq!((&second["results"][0]["id"], &second["next"]), (&json!("b"), &json!(null)));
        let logs = site.show(&format!("/executions/{id}/logs")).await;
        assert_eq!((&logs["results"][0]["path"], &logs["results"][0]["level"]), (&json!("a"), &json!("info")));
        let nowhere = uuid::Uuid::nil();
        assert_eq!(site.get(&format!("/executions/{nowhere}/steps")).await.status, 404);
        assert_eq!(site.ask("other", "GET", &format!("/executions/{id}/steps")).send().await.status, 404);
    }
}
