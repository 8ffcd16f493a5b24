//! An operation over five hundred executions whose worker is killed in the middle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use automate_core::ids::ExecutionId;
use automate_core::status::{BulkItemStatus, BulkStatus};
use automate_core::store::{BulkItemQuery, Store};
use automate_tests::binary::Project;
use automate_tests::both_databases;
use automate_tests::effects::Effects;
use automate_tests::processes::Process;
use automate_tests::store_conformance::{TENANT, count, manual, start_of};

const EXECUTIONS: usize = 500;
const WITHIN: Duration = Duration::from_secs(120);

const ORDERS: &str = r#"workflow: orders
on: [{ manual: true }]
retry: { max_attempts: 10, initial: 100ms, max: 1s }
steps:
  - { id: before, uses: http.request, with: { method: POST, url: "http://{address}/charge", json: { step: before } } }
  - { id: charge, uses: http.request, with: { method: POST, url: "http://{address}/charge", json: { step: charge } } }
"#;

async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !so().await {
        assert!(begun.elapsed() < WITHIN, "not within {WITHIN:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn all_items(store: &dyn Store, id: automate_core::ids::BulkId) -> Vec<automate_core::store::BulkItem> {
    let mut all: Vec<automate_core::store::BulkItem> = Vec::new();
    loop {
        let after = all.last().map_or(0, |item| item.position);
        let page = store.bulk_items(TENANT, id, &BulkItemQuery { status: None, after, limit: 200 }).await.unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

both_databases! {
    async fn g6_a_bulk_replay_whose_worker_is_killed_ends_with_an_exact_report(test: TestDatabase) {
        let project = Arc::new(Project::new(&test.url));
        let effects = Effects::start().await;
        let file = project.write("orders.yaml", &ORDERS.replace("{address}", &effects.address().to_string()));
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let store = automate_store::open(&test.open_again().await).unwrap();
        let trigger = store.triggers().await.unwrap().remove(0);
        let starts = (0..EXECUTIONS).map(|_| start_of(&trigger)).collect();
        store.accept(manual(starts)).await.unwrap();
        let env = [
            ("AUTOMATE_EGRESS__ALLOW", effects.address().to_string()),
            ("AUTOMATE_OUTBOX__LEASE_SECONDS", "2".to_owned()),
            ("AUTOMATE_OUTBOX__REAP_INTERVAL_SECONDS", "1".to_owned()),
            ("AUTOMATE_WORKER__CONCURRENCY", "16".to_owned()),
        ];
        let mut worker = Process::new(&project, "worker", &["worker"], &env);
        worker.start().await;
        let completed = "SELECT count(*) FROM executions WHERE status = 'completed'";
        until("all executions completed", async || count(&test.db, completed).await == 500).await;
        assert_eq!(effects.calls().len(), 2 * EXECUTIONS);

        let args = ["executions", "bulk", "replay", "--workflow", "orders", "--from", "charge", "--rate", "250", "--yes", "--json"];
        let bulk = project.run(&args).exits(0).json();
        assert_eq!(bulk["total"], 500);
        let id = bulk["id"].as_str().unwrap().parse().unwrap();
        let mut kills = 0;
        for gone in [60, 260] {
            until("a part of it is done", async || store.bulk(TENANT, id).await.unwrap().done > gone).await;
            worker.kill();
            kills += 1;
            assert_eq!(store.bulk(TENANT, id).await.unwrap().status, BulkStatus::Running);
            worker.start().await;
        }
        assert_eq!(kills, 2);
        until("the operation has ended", async || store.bulk(TENANT, id).await.unwrap().status == BulkStatus::Completed).await;
        until("all of them ended", async || count(&test.db, completed).await == 1_000).await;
        worker.kill();

        let report = store.bulk(TENANT, id).await.unwrap();
        assert_eq!((report.total, report.done, report.failed, report.skipped, report.pending), (500, 500, 0, 0, 0));
        let items = all_items(&*store, id).await;
        assert!(items.iter().all(|item| item.status == BulkItemStatus::Done));
        let made: BTreeSet<ExecutionId> = items.iter().filter_map(|item| item.result_id).collect();
        let chosen: BTreeSet<ExecutionId> = items.iter().map(|item| item.execution_id).collect();
        assert_eq!((made.len(), chosen.len()), (500, 500));
        assert_eq!(count(&test.db, "SELECT count(*) FROM executions").await, 1_000, "none was made twice");
        assert_eq!(count(&test.db, "SELECT count(DISTINCT replay_of) FROM executions").await, 500);
        // Each key is one effect; a call that a kill cut short comes again with its key.
        let keys = effects.calls();
        let (before, charged): (Vec<_>, Vec<_>) = keys.keys().partition(|key| key.contains(":before:"));
        assert_eq!((before.len(), charged.len()), (500, 1_000), "what came before the step was not repeated");
        store.close().await;
    }
}
