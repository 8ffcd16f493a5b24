//! Starting workflows.

use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;
use crate::engine::bed::reaches;

const ECHO: &str = "workflow: echo\non: [{ manual: true }]\ninputs: { type: object, required: [n], properties: { n: { type: integer } } }\nsteps: [{ id: see, set: { x: \"{{ inputs.n }}\" } }]\noutput: { x: \"{{ vars.x }}\" }";
const SLOW: &str = "workflow: slow\non: [{ manual: true }]\nsteps: [{ id: nap, wait: { for: 1h } }]";

both_databases! {
    async fn a_run_is_accepted_and_a_run_that_is_waited_for_has_ended(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(ECHO).await;
        site.publish(SLOW).await;
        let accepted = site.post("/workflows/echo/run", &json!({ "input": { "n": 5 } })).await;
        let id = accepted.json()["id"].as_str().unwrap().to_owned();
        assert_eq!((accepted.status, accepted.headers["location"].as_str()), (202, format!("/api/v1/executions/{id}").as_str()));
        let ended = site.post("/workflows/echo/run?wait=true&timeout=30", &json!({ "input": { "n": 5 } })).await;
        assert_eq!((ended.status, &ended.json()["status"], &ended.json()["output"]), (201, &json!("completed"), &json!({ "x": 5 })));
        let open = site.ask("admin", "POST", "/workflows/slow/run?wait=true&timeout=1").send().await;
        assert_eq!((open.status, open.json()["status"].as_str()), (202, Some("waiting")), "{open:?}");
        let of_api = open.json()["trigger"].clone();
        assert_eq!(of_api, json!({ "kind": "manual", "source": "api" }));
        let blind = site.ask("permission:workflow.run", "POST", "/workflows/echo/run").json(&json!({ "input": { "n": 1 } })).send().await;
        assert_eq!((blind.status, &blind.json()["input"]), (202, &json!(null)), "what was sent is not for everybody to see");
    }

    async fn what_cannot_run_is_said(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(ECHO).await;
        let bad = site.post("/workflows/echo/run", &json!({ "input": { "n": "five" } })).await;
        assert_eq!((bad.status, bad.code().as_str()), (422, "INVALID_INPUT"));
        assert_eq!(bad.json()["errors"][0]["path"], "/n");
        assert_eq!(site.post("/workflows/nothing/run", &json!({})).await.status, 404);
        assert_eq!(site.post("/workflows/echo/run", &json!({ "input": { "n": 1 }, "version": 9 })).await.status, 404);
        assert_eq!(site.post("/workflows/echo/run", &json!({ "inputs": {} })).await.status, 400);
        assert_eq!(site.post("/workflows/echo/run?timeout=0", &json!({})).await.status, 400);
        site.post("/workflows", &json!({ "source": SLOW })).await;
        let unpublished = site.post("/workflows/slow/run", &json!({})).await;
        assert_eq!((unpublished.status, unpublished.code().as_str()), (409, "NOT_PUBLISHED"));
    }

    async fn r14_a_run_with_a_key_is_made_once(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(ECHO).await;
        let run = |n: i64| site.ask("admin", "POST", "/workflows/echo/run").header("idempotency-key", "k-1").json(&json!({ "input": { "n": n } }));
        let first = run(1).send().await;
        let again = run(1).send().await;
        assert_eq!((first.status, again.status, first.json()["id"].clone()), (202, 202, again.json()["id"].clone()));
        assert_eq!(run(2).send().await.status, 422);
        assert_eq!(site.show("/executions?count=true").await["count"], 1);
        // As if the process had died after the start, before the answer was kept.
        automate_tests::store_conformance::change(&site.db, "DELETE FROM idempotency_keys", vec![]).await;
        let after = run(1).send().await;
        assert_eq!((after.status, after.json()["id"].clone()), (202, first.json()["id"].clone()), "{after:?}");
    }

    async fn an_earlier_version_can_be_run(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(ECHO).await;
        site.publish(&ECHO.replace("inputs.n }}", "inputs.n + 1 }}")).await;
        let old = site.post("/workflows/echo/run?wait=true", &json!({ "input": { "n": 1 }, "version": 1 })).await.json();
        let new = site.post("/workflows/echo/run?wait=true", &json!({ "input": { "n": 1 } })).await.json();
        assert_eq!((&old["version"], &old["output"]), (&json!(1), &json!({ "x": 1 })));
        assert_eq!((&new["version"], &new["output"]), (&json!(2), &json!({ "x": 2 })));
    }

    async fn the_correlation_id_of_the_request_is_carried(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(ECHO).await;
        let ask = site.ask("admin", "POST", "/workflows/echo/run").header("x-correlation-id", "mine-7").json(&json!({ "input": { "n": 1 } }));
        let id = ask.send().await.json()["id"].as_str().unwrap().to_owned();
        let found = site.show("/executions?correlation_id=mine-7").await;
        assert_eq!(found["results"][0]["id"], json!(id));
        reaches(&site.engine, automate_core::ids::ExecutionId(id.parse().unwrap()), ExecutionStatus::Completed).await;
    }
}
