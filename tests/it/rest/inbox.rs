//! The inbox of received requests, and delivering them again.

use automate_core::ids::ExecutionId;
use automate_core::status::ExecutionStatus;
use automate_core::store::NewWebhookRequest;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::site::{Answer, Site, TENANT};
use crate::engine::bed::{deliver, reaches};

const LISTENS: &str = "workflow: listens\non: [{ webhook: orders, verify: none }]\nsteps: [{ id: see, set: { x: \"{{ event.payload.n }}\" } }]\noutput: \"{{ vars.x }}\"";

/// A request that was refused, as the edge records it.
fn refused(body: &[u8], body_bytes: i64) -> NewWebhookRequest {
    NewWebhookRequest {
        id: automate_core::ids::EventId::new(),
        path: "orders".to_owned(),
        method: "POST".to_owned(),
        headers: r#"{"content-type":"application/json","x-signature":"***"}"#.into(),
        body: Some(body.to_vec()),
        body_bytes,
        remote_addr: Some("192.0.2.7".to_owned()),
        signature: "SIGNATURE_INVALID".to_owned(),
        http_status: 401,
        received_at: automate_core::clock::now(),
    }
}

async fn record(site: &Site, request: NewWebhookRequest) -> String {
    let id = request.id.to_string();
    site.engine.ports().store.record_request(TENANT, request).await.unwrap();
    id
}

async fn redeliver(site: &Site, id: &str, body: &Value) -> Answer {
    site.post(&format!("/webhooks/{id}/redeliver"), body).await
}

both_databases! {
    async fn a_request_is_shown_with_its_body_and_what_became_of_it(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(LISTENS).await;
        let received = deliver(&site.engine, "orders", Some("d-1"), json!({ "n": 5 })).await;
        let id = received.event_id.unwrap().to_string();
        let shown = site.show(&format!("/webhooks/{id}")).await;
        assert_eq!((&shown["body"], &shown["body_encoding"]), (&json!("{\"n\":5}"), &json!("text")));
        assert_eq!((&shown["signature"], &shown["dedupe"], &shown["http_status"]), (&json!("ok"), &json!("first"), &json!(202)));
        let looks: Vec<_> = site.audited().await.into_iter().filter(|line| line.ends_with(".view done")).collect();
        assert!(looks.contains(&"event.view done".to_owned()), "{looks:?}");
        let masked = site.ask("viewer", "GET", &format!("/webhooks/{id}")).send().await.json();
        assert_eq!((&masked["body"], &masked["headers"]), (&Value::Null, &Value::Null));
        let odd = record(&site, refused(b"\xff\xfe", 2)).await;
        let shown = site.show(&format!("/webhooks/{odd}")).await;
        assert_eq!((&shown["body"], &shown["body_encoding"], &shown["dedupe"]), (&json!("//4="), &json!("base64"), &Value::Null));
        assert_eq!(shown["headers"]["x-signature"], "***");
        let list = site.show("/webhooks?signature=SIGNATURE_INVALID").await;
        assert_eq!((&list["results"][0]["id"], list["results"][0].get("body")), (&json!(odd), None));
        assert_eq!(site.ask("other", "GET", &format!("/webhooks/{id}")).send().await.status, 404);
    }

    async fn a_request_is_delivered_again_as_a_new_delivery(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(LISTENS).await;
        let received = deliver(&site.engine, "orders", Some("d-1"), json!({ "n": 5 })).await;
        let id = received.event_id.unwrap().to_string();
        let again = site.ask("operator", "POST", &format!("/webhooks/{id}/redeliver")).send().await;
        let answer = again.json();
        assert_eq!((again.status, &answer["duplicate"]), (202, &json!(false)), "{again:?}");
        assert_ne!(answer["event_id"], json!(id));
        let execution = ExecutionId(answer["execution_ids"][0].as_str().unwrap().parse().unwrap());
        assert_eq!(reaches(&site.engine, execution, ExecutionStatus::Completed).await.output.as_deref(), Some("5"));
        let new = site.show(&format!("/webhooks/{}", answer["event_id"].as_str().unwrap())).await;
        assert_eq!((&new["body"], &new["headers"]["x-automate-redelivery-of"]), (&json!("{\"n\":5}"), &json!(id)));
    }

    async fn w2_a_refused_request_is_delivered_only_where_somebody_answers_for_it(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(LISTENS).await;
        let id = record(&site, refused(br#"{"n":6}"#, 7)).await;
        let unsure = redeliver(&site, &id, &json!({})).await;
        assert_eq!((unsure.status, unsure.code().as_str()), (409, "NOT_VERIFIED"));
        let sure = redeliver(&site, &id, &json!({ "accept_unverified": true })).await;
        assert_eq!(sure.status, 202, "{sure:?}");
        assert_eq!(site.show("/executions?count=true").await["count"], 1);
    }

    async fn a_body_that_was_not_kept_whole_or_cannot_be_read_is_not_delivered(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(LISTENS).await;
        for (request, code) in [
            (refused(br#"{"n":"#, 100_000), "BODY_NOT_KEPT"),
            (refused(br#"{"n":"#, 5), "BODY_NOT_READABLE"),
            (NewWebhookRequest { path: "elsewhere".to_owned(), ..refused(b"{}", 2) }, "NOBODY_LISTENS"),
        ] {
            let id = record(&site, request).await;
            let answer = redeliver(&site, &id, &json!({ "accept_unverified": true })).await;
            assert_eq!((answer.status, answer.code().as_str()), (409, code), "{answer:?}");
        }
        assert_eq!(site.show("/executions?count=true").await["count"], 0);
    }

    async fn w8_a_redelivery_with_a_key_is_made_once(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(LISTENS).await;
        let id = record(&site, refused(br#"{"n":6}"#, 7)).await;
        let again = || site.ask("admin", "POST", &format!("/webhooks/{id}/redeliver")).header("idempotency-key", "r").json(&json!({ "accept_unverified": true }));
        let first = again().send().await.json();
        automate_tests::store_conformance::change(&site.db, "DELETE FROM idempotency_keys", vec![]).await;
        let second = again().send().await.json();
        assert_eq!((&second["event_id"], &second["duplicate"]), (&first["event_id"], &json!(true)));
    }
}
