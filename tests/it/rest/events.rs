//! Publishing events, and the triggers that listen.

use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::site::{Site, faults};
use crate::engine::bed::reaches;

const LISTENS: &str = "workflow: listens\non: [{ event: \"order.*\" }, { webhook: orders, verify: none }]\nsteps: [{ id: see, set: { x: \"{{ event.payload.n }}\" } }]\noutput: \"{{ vars.x }}\"";

both_databases! {
    async fn an_event_is_stored_with_what_it_starts(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(LISTENS).await;
        let published = site.post("/events", &json!({ "type": "order.paid", "payload": { "n": 7 }, "source": "shop" })).await;
        let answer = published.json();
        assert_eq!((published.status, answer["execution_ids"].as_array().map(Vec::len)), (202, Some(1)), "{published:?}");
        let execution = answer["execution_ids"][0].as_str().unwrap().to_owned();
        let id = automate_core::ids::ExecutionId(execution.parse().unwrap());
        reaches(&site.engine, id, ExecutionStatus::Completed).await;
        let event = site.show(&format!("/events/{}", answer["event_id"].as_str().unwrap())).await;
        assert_eq!((&event["event_type"], &event["source"], &event["payload"]), (&json!("order.paid"), &json!("shop"), &json!({ "n": 7 })));
        let of_event = site.show(&format!("/executions?event_id={}", answer["event_id"].as_str().unwrap())).await;
        assert_eq!(of_event["results"][0]["id"], json!(execution));
        let masked = site.ask("viewer", "GET", &format!("/events/{}", answer["event_id"].as_str().unwrap())).send().await.json();
        assert_eq!(masked["payload"], Value::Null);
        let nobody = site.post("/events", &json!({ "type": "nobody.listens" })).await.json();
        assert_eq!((&nobody["execution_ids"], &nobody["duplicate"]), (&json!([]), &json!(false)));
        let list = site.show("/events?event_type__startswith=order.&ordering=-received_at").await;
        assert_eq!((list["results"].as_array().map(Vec::len), list["results"][0].get("payload")), (Some(1), None));
        assert_eq!(site.ask("other", "GET", "/events").send().await.json()["results"], json!([]));
    }

    async fn r14_an_event_with_a_key_is_published_once_even_past_a_crash(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(LISTENS).await;
        let publish = || site.ask("admin", "POST", "/events").header("idempotency-key", "e-1").json(&json!({ "type": "order.paid", "payload": { "n": 1 } }));
        let first = publish().send().await.json();
        assert_eq!(publish().send().await.json(), first);
        automate_tests::store_conformance::change(&site.db, "DELETE FROM idempotency_keys", vec![]).await;
        let after = publish().send().await.json();
        assert_eq!((&after["event_id"], &after["duplicate"], &after["execution_ids"]), (&first["event_id"], &json!(true), &first["execution_ids"]));
    }

    async fn r12_types_that_are_the_systems_own_or_none_are_refused(db: TestDatabase) {
        let site = Site::idle(db).await;
        for (body, path, code) in [
            (json!({ "type": "core.workflow.failed" }), "/type", "RESERVED"),
            (json!({ "type": "webhook.orders" }), "/type", "RESERVED"),
            (json!({ "type": "order..paid" }), "/type", "INVALID_VALUE"),
            (json!({ "type": "order paid" }), "/type", "INVALID_VALUE"),
            (json!({ "type": "x".repeat(201) }), "/type", "TOO_LONG"),
            (json!({ "type": "a", "source": "" }), "/source", "INVALID_VALUE"),
        ] {
            let refused = site.post("/events", &body).await;
            assert_eq!((refused.status, faults(&refused)[path].as_str()), (422, code), "{body}");
        }
        assert_eq!(site.post("/events", &json!({ "payload": 1 })).await.status, 422);
        assert_eq!(site.post("/events", &json!({ "type": "a", "payload": "\u{0}" })).await.status, 400);
        assert_eq!(site.post("/events", &json!({ "type": "a", "tenant": "b" })).await.status, 400);
    }

    async fn publishing_takes_a_scope_of_its_own(db: TestDatabase) {
        let site = Site::idle(db).await;
        let publish = |who: &str| site.ask(who, "POST", "/events").json(&json!({ "type": "a" }));
        assert_eq!(publish("scope:events:publish").send().await.status, 202);
        assert_eq!(publish("scope:events:write").send().await.code(), "SCOPE_REQUIRED");
        assert_eq!(publish("viewer").send().await.code(), "PERMISSION_REQUIRED");
        assert_eq!(publish("operator").send().await.status, 202);
    }

    async fn the_live_triggers_are_listed(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(LISTENS).await;
        let list = site.show("/triggers").await;
        let mut told: Vec<_> = list["results"].as_array().unwrap().iter().map(|t| format!("{} {}", t["kind"].as_str().unwrap(), t["key"].as_str().unwrap())).collect();
        told.sort();
        assert_eq!(told, ["event order.*", "webhook orders"]);
        let id = list["results"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(site.show(&format!("/triggers/{id}")).await["workflow"], "listens");
        assert_eq!(site.ask("other", "GET", &format!("/triggers/{id}")).send().await.status, 404);
        assert_eq!(site.show("/triggers?kind=webhook&workflow=listens").await["results"].as_array().map(Vec::len), Some(1));
    }
}
