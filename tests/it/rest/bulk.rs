//! One operation over many executions.

use std::time::Duration;

use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::site::{Site, all_refused};

const FAILS: &str = "workflow: fails\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: once.do, with: { fail: FORBIDDEN, fail_times: 1 } }";

async fn finished(site: &Site, id: &str) -> Value {
    for _ in 0..500 {
        let now = site.show(&format!("/bulk-operations/{id}/status")).await;
        if now["finished_at"].is_string() {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not end");
}

both_databases! {
    async fn failed_executions_are_looked_at_and_retried_together(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(FAILS).await;
        for _ in 0..3 {
            site.run_to("fails", &json!({}), ExecutionStatus::Failed).await;
        }
        let what = json!({ "operation": "retry", "selection": { "workflow": "fails" }, "rate": 500 });
        let preview = site.post("/bulk-operations/preview", &what).await;
        assert_eq!((preview.status, &preview.json()["count"]), (200, &json!(3)), "{preview:?}");
        assert_eq!(preview.json()["effects"][0]["path"], "a");
        assert_eq!(site.show("/bulk-operations").await["results"], json!([]), "a preview is nothing yet");
        let started = site.ask("operator", "POST", "/bulk-operations").json(&what).send().await;
        let id = started.json()["id"].as_str().unwrap().to_owned();
        assert_eq!((started.status, &started.json()["total"]), (202, &json!(3)), "{started:?}");
        let done = finished(&site, &id).await;
        assert_eq!((&done["status"], &done["done"], &done["created_by"]), (&json!("completed"), &json!(3), &json!("operator")));
        let first = site.show(&format!("/bulk-operations/{id}/items?limit=2&status=done")).await;
        let rest = site.show(&format!("/bulk-operations/{id}/items?limit=2&cursor={}", first["next"].as_str().unwrap())).await;
        let codes: Vec<_> = [&first, &rest].iter().flat_map(|page| page["results"].as_array().unwrap()).map(|item| item["code"].clone()).collect();
        assert_eq!((codes, &rest["next"]), (vec![json!("RETRIED"); 3], &Value::Null));
        assert_eq!(site.show(&format!("/bulk-operations/{id}")).await["operation"], "retry");
        assert_eq!(site.show("/bulk-operations?operation=retry").await["results"].as_array().map(Vec::len), Some(1));
        for target in [format!("/bulk-operations/{id}"), format!("/bulk-operations/{id}/status"), format!("/bulk-operations/{id}/items")] {
            assert_eq!(site.refusals("GET", &target, None).await, all_refused(), "{target}");
        }
        assert_eq!(site.refusals("POST", &format!("/bulk-operations/{id}/cancel"), None).await, all_refused());
    }

    async fn an_operation_is_ended_before_it_is_through(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(FAILS).await;
        site.run("fails", &json!({})).await;
        let started = site.post("/bulk-operations", &json!({ "operation": "cancel" })).await;
        let id = started.json()["id"].as_str().unwrap().to_owned();
        let ended = site.ask("admin", "POST", &format!("/bulk-operations/{id}/cancel")).send().await;
        assert_eq!((ended.status, &ended.json()["status"]), (200, &json!("cancelled")), "{ended:?}");
    }

    async fn what_one_may_not_do_to_one_one_may_not_do_to_many(db: TestDatabase) {
        let site = Site::idle(db).await;
        let only = site.ask("permission:executions.add_bulkoperation", "POST", "/bulk-operations").json(&json!({ "operation": "cancel" }));
        let refused = only.send().await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "PERMISSION_REQUIRED"));
        assert!(refused.json()["detail"].as_str().unwrap().contains("execution.cancel"));
        for (body, code) in [
            (json!({ "operation": "delete" }), "INVALID_INPUT"),
            (json!({ "operation": "cancel", "selection": { "statuses": ["failed"] } }), "INVALID_BULK"),
            (json!({ "operation": "retry", "rate": 0 }), "INVALID_BULK"),
            (json!({ "operation": "retry", "from": "a" }), "INVALID_BULK"),
        ] {
            let refused = site.post("/bulk-operations", &body).await;
            assert_eq!((refused.status, refused.code().as_str()), (422, code), "{body}");
        }
        let unknown = site.post("/bulk-operations", &json!({ "operation": "retry", "selection": { "tenant": "x" } })).await;
        assert_eq!(unknown.status, 400, "{unknown:?}");
    }
}
