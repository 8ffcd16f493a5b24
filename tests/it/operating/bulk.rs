//! Operations over many executions, in one process.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use automate_core::ids::{BulkId, ExecutionId, TenantId};
use automate_core::outbox::OutboxFilter;
use automate_core::runtime::{BulkRequest, Engine, RerunVersion, Settings};
use automate_core::status::{BulkItemStatus, BulkOperation, BulkStatus, Effect, ExecutionStatus};
use automate_core::store::{BulkItem, BulkItemQuery, BulkPage, BulkRecord, Selection};
use automate_tests::both_databases;
use automate_tests::store_conformance::change;
use serde_json::json;

use crate::engine::bed::{Bed, ended, publish, reaches, start};

const TENANT: TenantId = TenantId::DEFAULT;
const FAILS: &str = "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: once.do, with: {value: 1}}\n  - {id: b, uses: once.do, with: {fail: '{{ inputs.code }}', fail_times: 1}}";

fn request(operation: BulkOperation) -> BulkRequest {
    BulkRequest {
        operation,
        selection: Selection { workflow: Some("w".to_owned()), ..Selection::default() },
        rate: Some(500),
        from: None,
        version: RerunVersion::Pinned,
        created_by: "test".to_owned(),
    }
}

async fn finished(engine: &Engine, id: BulkId) -> BulkRecord {
    for _ in 0..500 {
        let bulk = engine.bulk_status(TENANT, id).await.expect("an operation");
        if matches!(bulk.status, BulkStatus::Completed | BulkStatus::Cancelled) {
            return bulk;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not end: {:?}", engine.bulk_status(TENANT, id).await);
}

async fn items(engine: &Engine, id: BulkId) -> Vec<BulkItem> {
    let query = BulkItemQuery { limit: 200, ..BulkItemQuery::default() };
    engine.bulk_items(TENANT, id, &query).await.expect("items")
}

async fn started(engine: &Engine, count: usize, code: &str) -> Vec<ExecutionId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(start(engine, "w", json!({ "code": code })).await);
    }
    ids
}

both_databases! {
    async fn failed_executions_are_retried_and_what_came_later_is_not_touched(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let engine = &process.engine;
        publish(engine, FAILS).await;
        let mut chosen = started(engine, 5, "NOT_FOUND").await;
        let others = started(engine, 2, "FORBIDDEN").await;
        for id in chosen.iter().chain(&others) {
            assert_eq!(ended(engine, *id).await.status, ExecutionStatus::Failed);
        }
        let mut retry = request(BulkOperation::Retry);
        retry.selection.error_code = Some("NOT_FOUND".to_owned());
        let preview = engine.bulk_preview(TENANT, &retry).await.expect("a preview");
        assert_eq!((preview.count, preview.sample.len(), preview.too_many), (5, 5, false));
        let effects: Vec<_> = preview.effects.iter().map(|e| (e.path.as_str(), e.effect, e.executions)).collect();
        assert_eq!(effects, [("b", Effect::Once, 5)], "what had finished is not repeated");
        assert_eq!(bed.world.calls().len(), 14, "a preview does nothing");
        let bulk = engine.bulk_start(TENANT, &retry).await.expect("it starts");
        assert_eq!((bulk.total, bulk.selection.statuses.as_slice()), (5, &[ExecutionStatus::Failed][..]));
        let late = started(engine, 1, "NOT_FOUND").await;
        let bulk = finished(engine, bulk.id).await;
        assert_eq!((bulk.status, bulk.done, bulk.failed, bulk.skipped, bulk.pending), (BulkStatus::Completed, 5, 0, 0, 0));
        assert!(bulk.started_at.is_some() && bulk.finished_at.is_some());
        let gone = items(engine, bulk.id).await;
        chosen.sort_unstable();
        assert_eq!(gone.iter().map(|item| item.execution_id).collect::<Vec<_>>(), chosen);
        assert!(gone.iter().all(|item| item.code.as_deref() == Some("RETRIED")));
        for id in chosen {
            assert_eq!(ended(engine, id).await.attempt, 2);
        }
        for id in others.into_iter().chain(late) {
            assert_eq!(ended(engine, id).await.attempt, 1, "it was not selected");
        }
        let queue = engine.ports().store.list(&OutboxFilter::default()).await.expect("items");
        assert!(queue.is_empty(), "{queue:?}");
        process.drain().await;
    }

    async fn what_is_not_in_a_state_for_it_any_more_is_skipped_with_its_reason(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, FAILS).await;
        let ids = started(&engine, 3, "NOT_FOUND").await;
        let bulk = engine.bulk_start(TENANT, &request(BulkOperation::Cancel)).await.expect("it starts");
        assert_eq!(bulk.status, BulkStatus::Pending);
        engine.cancel(TENANT, ids[1]).await.expect("cancelled");
        change(&bed.db.db, "DELETE FROM executions WHERE id = $1", vec![ids[2].0.into()]).await;
        change(&bed.db.db, "DELETE FROM outbox WHERE kind = 'execution' AND key = $1", vec![ids[2].to_string().into()]).await;
        // Held elsewhere, so that the worker below runs only the operation.
        change(&bed.db.db, "UPDATE outbox SET next_attempt_at = '2990-01-01T00:00:00+00:00' WHERE kind = 'execution'", vec![]).await;
        let process = bed.process().await;
        let bulk = finished(&process.engine, bulk.id).await;
        assert_eq!((bulk.done, bulk.skipped, bulk.failed), (1, 2, 0));
        let codes: Vec<_> = items(&process.engine, bulk.id).await.into_iter().filter_map(|item| item.code).collect();
        assert_eq!(codes, ["CANCELLED", "EXECUTION_ENDED", "NOT_FOUND"]);
        process.drain().await;
    }

    async fn a_cancel_reaches_what_runs_and_ends_what_waits(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, if: inputs.now, uses: idem.do, with: {gate: true}}\n  - {id: pause, wait: {for: 1h}}").await;
        let runs = start(&process.engine, "w", json!({"now": true})).await;
        let waits = start(&process.engine, "w", json!({"now": false})).await;
        bed.world.called("a").await;
        reaches(&process.engine, waits, ExecutionStatus::Waiting).await;
        let bulk = process.engine.bulk_start(TENANT, &request(BulkOperation::Cancel)).await.expect("it starts");
        let bulk = finished(&process.engine, bulk.id).await;
        assert_eq!(bulk.done, 2);
        for id in [runs, waits] {
            assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Cancelled);
        }
        let codes: BTreeSet<_> = items(&process.engine, bulk.id).await.into_iter().filter_map(|item| item.code).collect();
        assert_eq!(codes, BTreeSet::from(["CANCELLED".to_owned(), "CANCEL_REQUESTED".to_owned()]));
        process.drain().await;
    }

    async fn replays_begin_at_a_step_and_name_the_executions_that_they_made(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let engine = &process.engine;
        publish(engine, FAILS).await;
        for id in started(engine, 3, "").await {
            assert_eq!(ended(engine, id).await.status, ExecutionStatus::Completed);
        }
        let replay = BulkRequest { from: Some("b".to_owned()), ..request(BulkOperation::Replay) };
        let bulk = engine.bulk_start(TENANT, &replay).await.expect("it starts");
        let bulk = finished(engine, bulk.id).await;
        assert_eq!((bulk.done, bulk.failed), (3, 0));
        let made: BTreeSet<_> = items(engine, bulk.id).await.into_iter().filter_map(|item| item.result_id).collect();
        assert_eq!(made.len(), 3);
        for id in made {
            assert!(ended(engine, id).await.replay_of.is_some());
        }
        assert_eq!((bed.world.calls_of("a").len(), bed.world.calls_of("b").len()), (3, 6));
        let unknown = BulkRequest { from: Some("z".to_owned()), ..request(BulkOperation::Replay) };
        let bulk = engine.bulk_start(TENANT, &unknown).await.expect("it starts");
        let bulk = finished(engine, bulk.id).await;
        assert_eq!((bulk.done, bulk.failed), (0, 6));
        assert!(items(engine, bulk.id).await.iter().all(|item| item.code.as_deref() == Some("UNKNOWN_STEP")));
        process.drain().await;
    }

    async fn dead_letters_are_requeued_with_their_executions(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, FAILS).await;
        let ids = started(&engine, 2, "").await;
        let store = &engine.ports().store;
        let claims = automate_core::outbox::ClaimRequest { owner: "w".to_owned(), limit: 10, lease: Duration::from_secs(60), kinds: vec![] };
        for item in store.claim_batch(&claims).await.expect("claims") {
            store.mark_failed(item.claim, "INTERNAL", "refused").await.expect("marked");
        }
        let preview = engine.bulk_preview(TENANT, &request(BulkOperation::Requeue)).await.expect("a preview");
        assert_eq!(preview.count, 2);
        let bulk = engine.bulk_start(TENANT, &request(BulkOperation::Requeue)).await.expect("it starts");
        let process = bed.process().await;
        assert_eq!(finished(&process.engine, bulk.id).await.done, 2);
        for id in ids {
            assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Completed);
        }
        process.drain().await;
    }

    async fn it_keeps_to_its_rate_and_can_be_ended_before_it_is_through(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let engine = &process.engine;
        publish(engine, FAILS).await;
        for id in started(engine, 30, "").await {
            ended(engine, id).await;
        }
        let slow = BulkRequest { rate: Some(10), ..request(BulkOperation::Replay) };
        let begun = Instant::now();
        let bulk = engine.bulk_start(TENANT, &slow).await.expect("it starts");
        tokio::time::sleep(Duration::from_millis(1000)).await;
        let at = engine.bulk_status(TENANT, bulk.id).await.expect("an operation");
        let most = begun.elapsed().as_millis() / 100 + 1;
        assert!(at.done >= 1 && u128::from(at.done) <= most, "{} done, {most} at most", at.done);
        engine.bulk_cancel(TENANT, bulk.id).await.expect("ended");
        let bulk = finished(engine, bulk.id).await;
        assert_eq!((bulk.status, bulk.done + bulk.pending), (BulkStatus::Cancelled, 30));
        assert!(bulk.pending > 0);
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(engine.bulk_status(TENANT, bulk.id).await.expect("an operation").done, bulk.done);
        let again = engine.bulk_cancel(TENANT, bulk.id).await.expect("nothing to end");
        assert_eq!(again, engine.bulk_status(TENANT, bulk.id).await.expect("an operation"));
        process.drain().await;
    }

    async fn what_no_worker_has_begun_is_ended_at_once(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, FAILS).await;
        started(&engine, 2, "").await;
        let bulk = engine.bulk_start(TENANT, &request(BulkOperation::Cancel)).await.expect("it starts");
        let bulk = engine.bulk_cancel(TENANT, bulk.id).await.expect("ended");
        assert_eq!((bulk.status, bulk.pending), (BulkStatus::Cancelled, 2));
        let queued = OutboxFilter { kind: Some("execution.bulk".to_owned()), ..OutboxFilter::default() };
        assert!(engine.ports().store.list(&queued).await.expect("items").is_empty());
    }

    async fn a_drain_gives_it_to_another_worker_without_doing_anything_twice(db: TestDatabase) {
        let bed = Bed::new(db);
        let one = bed.process().await;
        publish(&one.engine, FAILS).await;
        for id in started(&one.engine, 20, "").await {
            ended(&one.engine, id).await;
        }
        let bulk = one.engine.bulk_start(TENANT, &BulkRequest { rate: Some(20), ..request(BulkOperation::Replay) }).await.expect("it starts");
        tokio::time::sleep(Duration::from_millis(300)).await;
        one.drain().await;
        let two = bed.process().await;
        let bulk = finished(&two.engine, bulk.id).await;
        assert_eq!((bulk.status, bulk.done), (BulkStatus::Completed, 20));
        let all = two.engine.ports().store.count_executions(TENANT, &Default::default()).await.expect("a count");
        assert_eq!(all, 40);
        two.drain().await;
    }

    async fn a_selection_narrows_by_everything_that_it_names(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, FAILS).await;
        publish(&engine, &FAILS.replace("workflow: w", "workflow: other")).await;
        let ids = started(&engine, 3, "").await;
        start(&engine, "other", json!({"code": ""})).await;
        let second = engine.ports().store.execution(TENANT, ids[1]).await.expect("a row").created_at;
        let count = async |selection: Selection| {
            let request = BulkRequest { selection, ..request(BulkOperation::Cancel) };
            engine.bulk_preview(TENANT, &request).await.expect("a preview").count
        };
        let all = Selection::default();
        assert_eq!(count(all.clone()).await, 4);
        assert_eq!(count(Selection { workflow: Some("w".to_owned()), ..all.clone() }).await, 3);
        assert_eq!(count(Selection { created_from: Some(second), ..all.clone() }).await, 3);
        assert_eq!(count(Selection { created_before: Some(second), ..all.clone() }).await, 1);
        assert_eq!(count(Selection { statuses: vec![ExecutionStatus::Waiting], ..all.clone() }).await, 0);
        assert_eq!(count(Selection { error_code: Some("NOT_FOUND".to_owned()), ..all.clone() }).await, 0);
        assert_eq!(count(Selection { dead_letters: true, ..all.clone() }).await, 0);
        assert_eq!(count(Selection { ids: ids[..2].to_vec(), created_from: Some(second), ..all }).await, 1);
    }

    async fn another_tenants_operations_and_executions_are_not_there(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, FAILS).await;
        let ids = started(&engine, 2, "").await;
        let stranger = TenantId::new();
        let mut named = request(BulkOperation::Cancel);
        named.selection = Selection { ids, ..Selection::default() };
        assert_eq!(engine.bulk_preview(stranger, &named).await.expect("a preview").count, 0);
        let empty = engine.bulk_start(stranger, &named).await.expect("an empty one");
        assert_eq!(empty.total, 0);
        assert_eq!(engine.bulk_preview(TENANT, &named).await.expect("a preview").count, 2);
        let bulk = engine.bulk_start(TENANT, &named).await.expect("it starts");
        assert_eq!(engine.bulk_status(stranger, bulk.id).await.unwrap_err().code(), "NOT_FOUND");
        assert_eq!(engine.bulk_cancel(stranger, bulk.id).await.unwrap_err().code(), "NOT_FOUND");
        let query = BulkItemQuery { status: Some(BulkItemStatus::Pending), after: 1, limit: 10 };
        assert_eq!(engine.bulk_items(stranger, bulk.id, &query).await.unwrap_err().code(), "NOT_FOUND");
        assert_eq!(engine.bulk_items(TENANT, bulk.id, &query).await.expect("items").len(), 1);
        let page = BulkPage { before: None, limit: 10 };
        assert_eq!(engine.bulk_list(TENANT, &page).await.expect("a page").len(), 1);
        assert_eq!(engine.bulk_list(stranger, &page).await.expect("a page").len(), 1);
    }
}
