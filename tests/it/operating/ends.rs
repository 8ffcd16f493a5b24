//! Ends without a worker are events like others.

use std::time::Duration;

use automate_core::ids::{ExecutionId, TenantId};
use automate_core::outbox::{ClaimRequest, ReapRequest};
use automate_core::runtime::{Engine, Settings};
use automate_core::status::ExecutionStatus;
use automate_core::store::{ExecutionQuery, ExecutionRecord};
use automate_tests::both_databases;
use serde_json::json;

use crate::engine::bed::{Bed, ended, publish, reaches, start};

const TENANT: TenantId = TenantId::DEFAULT;
const LISTENS: &str = "workflow: listens\non: [{event: 'core.workflow.*', filter: \"event.payload.workflow == 'w'\"}]\nsteps: [{id: a, uses: pure.do}]\noutput: ['{{ event.type }}', '{{ event.payload.execution_id }}', '{{ event.payload.error.code }}']";

/// The executions that listened, once there is one.
async fn heard(engine: &Engine) -> Vec<ExecutionRecord> {
    let query = ExecutionQuery { workflow: Some("listens".to_owned()), limit: 10, ..ExecutionQuery::default() };
    for _ in 0..250 {
        let found = engine.ports().store.executions(TENANT, &query).await.expect("executions");
        if !found.is_empty() && found.iter().all(|execution| execution.status.is_terminal()) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody heard of it");
}

fn says(record: &ExecutionRecord, event: &str, id: ExecutionId, code: &str) {
    let output: serde_json::Value = serde_json::from_str(record.output.as_deref().expect("an output")).expect("JSON");
    assert_eq!(output, json!([event, id, code]));
}

both_databases! {
    async fn a_cancel_of_what_nobody_holds_is_told_to_those_who_listen_once(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, LISTENS).await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: pause, wait: {for: 1h}}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        process.engine.cancel(TENANT, id).await.expect("cancelled");
        ended(&process.engine, id).await;
        let found = heard(&process.engine).await;
        assert_eq!(found.len(), 1);
        says(&found[0], "core.workflow.cancelled", id, "CANCELLED");
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(process.engine.ports().store.list(&Default::default()).await.expect("items").is_empty());
        process.drain().await;
    }

    async fn where_nobody_listens_a_cancel_leaves_nothing_in_the_queue(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: pure.do}]").await;
        let id = start(&engine, "w", json!({})).await;
        engine.cancel(TENANT, id).await.expect("cancelled");
        assert!(engine.ports().store.list(&Default::default()).await.expect("items").is_empty());
    }

    async fn a_quarantine_is_told_to_those_who_listen(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, LISTENS).await;
        publish(&engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: idem.do}]").await;
        let id = start(&engine, "w", json!({})).await;
        let store = &engine.ports().store;
        let request = ClaimRequest { owner: "dies".to_owned(), limit: 1, lease: Duration::from_millis(1), kinds: vec![] };
        let reap = ReapRequest {
            stale_threshold: Duration::ZERO,
            max_batch: 10,
            retry_delay: Duration::ZERO,
            max_lost_leases: 3,
            max_lost_in_company: 6,
            dry_run: false,
        };
        for _ in 0..3 {
            assert_eq!(store.claim_batch(&request).await.expect("a claim").len(), 1);
            tokio::time::sleep(Duration::from_millis(30)).await;
            store.reap_stale(&reap).await.expect("reaped");
        }
        let process = bed.process().await;
        let found = heard(&process.engine).await;
        assert_eq!(found.len(), 1);
        says(&found[0], "core.workflow.failed", id, "QUARANTINED");
        process.drain().await;
    }

    async fn g6_an_end_that_a_dying_worker_told_of_already_is_not_told_twice(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, LISTENS).await;
        publish(&engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: idem.do}]").await;
        let id = start(&engine, "w", json!({})).await;
        engine.cancel(TENANT, id).await.expect("cancelled");
        // A second item for the same end, as after a death between the event and the mark.
        engine.ports().store.enqueue_all(&[automate_core::outbox::ended_item(TENANT, id)]).await.expect("queued");
        let process = bed.process().await;
        heard(&process.engine).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(heard(&process.engine).await.len(), 1);
        process.drain().await;
    }
}
