//! The queue: dead letters, and who may do what with them.

use automate_core::ids::{OutboxId, TenantId};
use automate_core::outbox::NewOutboxItem;
use automate_tests::both_databases;
use automate_tests::store_conformance::change;
use serde_json::{Value, json};

use super::site::{OTHER, Site, TENANT};

/// Dead letters of an embedder's own kind.
async fn dead(site: &Site, tenant: TenantId, code: &str, count: usize) -> Vec<OutboxId> {
    let items: Vec<NewOutboxItem> = (0..count)
        .map(|n| NewOutboxItem {
            tenant_id: tenant,
            ..NewOutboxItem::new("mail", n.to_string(), json!({ "to": "ada" }))
        })
        .collect();
    site.engine.ports().store.enqueue_all(&items).await.unwrap();
    let ids: Vec<OutboxId> = items.iter().map(|item| item.id).collect();
    for id in &ids {
        let sql = "UPDATE outbox SET status = 'FAILED', last_error_code = $2, last_error = 'no' WHERE id = $1";
        change(&site.db, sql, vec![id.0.into(), code.into()]).await;
    }
    ids
}

both_databases! {
    async fn the_queue_is_listed_and_counted_by_tenant(db: TestDatabase) {
        let site = Site::idle(db).await;
        let ids = dead(&site, TENANT, "SMTP", 2).await;
        dead(&site, OTHER, "SMTP", 3).await;
        site.engine.ports().store.enqueue_all(&[NewOutboxItem::new("mail", "x", Value::Null)]).await.unwrap();
        let list = site.show("/outbox?status=FAILED&last_error_code=SMTP&count=true").await;
        assert_eq!((&list["count"], list["results"][0].get("payload")), (&json!(2), None));
        let one = site.show(&format!("/outbox/{}", ids[0])).await;
        assert_eq!((&one["payload"], &one["status"], one.get("lease_token")), (&json!({ "to": "ada" }), &json!("FAILED"), None));
        assert_eq!(site.ask("viewer", "GET", &format!("/outbox/{}", ids[0])).send().await.json()["payload"], Value::Null);
        let stats = site.show("/outbox/stats").await;
        assert_eq!((&stats["dead_letters"], &stats["ready"]), (&json!(2), &json!(1)), "others' are not counted");
    }

    async fn a_dead_letter_goes_back_or_goes(db: TestDatabase) {
        let site = Site::idle(db).await;
        let ids = dead(&site, TENANT, "SMTP", 2).await;
        let back = site.ask("operator", "POST", &format!("/outbox/{}/requeue", ids[0])).send().await;
        assert_eq!((back.status, &back.json()["status"]), (200, &json!("PENDING")), "{back:?}");
        let again = site.ask("operator", "POST", &format!("/outbox/{}/requeue", ids[0])).send().await;
        assert_eq!((again.status, again.code().as_str()), (409, "NOT_A_DEAD_LETTER"));
        let alive = site.ask("admin", "DELETE", &format!("/outbox/{}", ids[0])).send().await;
        assert_eq!((alive.status, alive.code().as_str()), (409, "NOT_A_DEAD_LETTER"));
        assert_eq!(site.ask("operator", "DELETE", &format!("/outbox/{}", ids[1])).send().await.code(), "PERMISSION_REQUIRED");
        assert_eq!(site.ask("admin", "DELETE", &format!("/outbox/{}", ids[1])).send().await.status, 204);
        assert_eq!(site.get(&format!("/outbox/{}", ids[1])).await.status, 404);
    }

    async fn dead_letters_of_one_cause_go_back_together_and_others_stay(db: TestDatabase) {
        let site = Site::idle(db).await;
        dead(&site, TENANT, "SMTP", 3).await;
        dead(&site, TENANT, "DISK", 1).await;
        let foreign = dead(&site, OTHER, "SMTP", 1).await;
        let dry = site.post("/outbox/requeue", &json!({ "error_code": "SMTP", "dry_run": true })).await.json();
        assert_eq!(dry, json!({ "requeued": 3, "more": false, "dry_run": true }));
        assert_eq!(site.show("/outbox/stats").await["dead_letters"], 4, "nothing was changed");
        let done = site.post("/outbox/requeue", &json!({ "error_code": "SMTP", "kind": "mail" })).await.json();
        assert_eq!(done["requeued"], 3);
        assert_eq!(site.show("/outbox/stats").await["dead_letters"], 1);
        let theirs = site.ask("other", "GET", &format!("/outbox/{}", foreign[0])).send().await.json();
        assert_eq!(theirs["status"], "FAILED", "another tenant's are not touched");
        let none = site.post("/outbox/requeue", &json!({ "before": "2000-01-01T00:00:00Z" })).await.json();
        assert_eq!(none["requeued"], 0);
        assert_eq!(site.post("/outbox/requeue", &json!({ "before": "yesterday" })).await.status, 422);
    }
}
