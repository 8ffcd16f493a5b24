//! Who may: every operation, with nobody, another tenant's, a scope that is another's, and no
//! permission.

use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::json;

use super::site::{Site, all_refused};
use crate::engine::bed::deliver;

const WORK: &str = "workflow: work\non: [{ webhook: orders, verify: none }]\nsteps: [{ id: see, set: { x: 1 } }, { id: nap, wait: { for: 1h } }]";

both_databases! {
    async fn r2_every_operation_is_refused_to_whoever_lacks_something(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        let received = deliver(&site.engine, "orders", None, json!({})).await;
        let (event, execution) = (received.event_id.unwrap(), received.execution_ids[0]);
        crate::engine::bed::reaches(&site.engine, execution, ExecutionStatus::Waiting).await;
        let workflow = site.show("/workflows/work").await["id"].as_str().unwrap().to_owned();
        let trigger = site.show("/triggers").await["results"][0]["id"].as_str().unwrap().to_owned();
        let item = site.show("/outbox").await["results"][0]["id"].as_str().unwrap().to_owned();
        let source = json!({ "source": WORK });
        let of_rows = [
            ("GET", format!("/workflows/{workflow}"), None),
            ("GET", "/workflows/work".to_owned(), None),
            ("PATCH", format!("/workflows/{workflow}"), Some(source.clone())),
            ("DELETE", format!("/workflows/{workflow}"), None),
            ("POST", format!("/workflows/{workflow}/publish"), None),
            ("POST", format!("/workflows/{workflow}/rollback"), Some(json!({ "version": 1 }))),
            ("POST", format!("/workflows/{workflow}/run"), None),
            ("GET", format!("/workflows/{workflow}/versions"), None),
            ("GET", format!("/workflows/{workflow}/versions/1"), None),
            ("GET", format!("/workflows/{workflow}/diff"), None),
            ("GET", format!("/workflows/{workflow}/graph"), None),
            ("GET", format!("/workflows/{workflow}/graph.svg"), None),
            ("GET", format!("/executions/{execution}"), None),
            ("GET", format!("/executions/{execution}/steps"), None),
            ("GET", format!("/executions/{execution}/logs"), None),
            ("GET", format!("/executions/{execution}/events"), None),
            ("GET", format!("/executions/{execution}/explain"), None),
            ("POST", format!("/executions/{execution}/cancel"), None),
            ("POST", format!("/executions/{execution}/retry"), None),
            ("POST", format!("/executions/{execution}/replay"), None),
            ("POST", format!("/executions/{execution}/signal"), Some(json!({ "name": "go" }))),
            ("POST", format!("/executions/{execution}/resolve"), Some(json!({ "step": "nap", "outcome": "failed" }))),
            ("GET", format!("/events/{event}"), None),
            ("GET", format!("/triggers/{trigger}"), None),
            ("GET", format!("/webhooks/{event}"), None),
            ("POST", format!("/webhooks/{event}/redeliver"), None),
            ("GET", format!("/outbox/{item}"), None),
            ("POST", format!("/outbox/{item}/requeue"), None),
            ("DELETE", format!("/outbox/{item}"), None),
        ];
        let before = site.show(&format!("/executions/{execution}")).await;
        for (method, target, body) in of_rows {
            assert_eq!(site.refusals(method, &target, body.as_ref()).await, all_refused(), "{method} {target}");
        }
        for (method, target, body) in [
            ("GET", "/workflows", None),
            ("POST", "/workflows", Some(source.clone())),
            ("POST", "/workflows/validate", Some(source)),
            ("GET", "/workflows/schema", None),
            ("GET", "/executions", None),
            ("GET", "/bulk-operations", None),
            ("POST", "/bulk-operations", Some(json!({ "operation": "cancel" }))),
            ("POST", "/bulk-operations/preview", Some(json!({ "operation": "cancel" }))),
            ("GET", "/events", None),
            ("POST", "/events", Some(json!({ "type": "a" }))),
            ("GET", "/triggers", None),
            ("GET", "/webhooks", None),
            ("GET", "/outbox", None),
            ("GET", "/outbox/stats", None),
            ("POST", "/outbox/requeue", None),
            ("GET", "/connectors", None),
            ("GET", "/connectors/parrot", None),
            ("GET", "/stats", None),
        ] {
            let mut refusals = site.refusals(method, target, body.as_ref()).await;
            refusals.remove("other");
            let mut expected = all_refused();
            expected.remove("other");
            assert_eq!(refusals, expected, "{method} {target}");
        }
        assert_eq!(site.show(&format!("/executions/{execution}")).await, before, "nothing was done to it");
    }
}
