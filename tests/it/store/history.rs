//! Reading history, corrupt rows, and upkeep.

use std::time::Duration;

use automate_core::clock;
use automate_core::ids::ExecutionId;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{Checkpoint, ExecutionQuery, StoreError, Then};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::store_conformance::*;

both_databases! {
    async fn loading_gives_execution_event_and_steps_in_the_order_asked(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let with_event = delivery("d-1", vec![leased_start()]);
        let event = with_event.event.clone().unwrap();
        let made = stored(store.accept(with_event).await.unwrap()).remove(0);
        let progress = Checkpoint {
            steps: vec![step("second", 2, StepStatus::Running), step("first", 1, StepStatus::Completed)],
            ..checkpoint(made.id, made.claim.unwrap(), Then::Hold)
        };
        store.checkpoint(progress).await.unwrap();
        let without = pending(&*store).await;
        let nowhere = ExecutionId::new();
        let loaded = store.load_executions(&[without, nowhere, made.id]).await.unwrap();
        assert_eq!(loaded.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [without, nowhere, made.id]);
        let first = loaded[0].1.as_ref().unwrap();
        assert!(first.event.is_none() && first.steps.is_empty());
        assert!(matches!(loaded[1].1, Err(StoreError::NotFound(_))));
        let third = loaded[2].1.as_ref().unwrap();
        assert_eq!(third.event.as_ref().unwrap().payload, event.payload);
        assert_eq!(third.steps.iter().map(|step| step.path.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert!(store.load_executions(&[]).await.unwrap().is_empty());
        store.close().await;
    }

    async fn a_corrupt_row_is_an_error_of_its_own(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let good = pending(&*store).await;
        let word = pending(&*store).await;
        let json = pending(&*store).await;
        let (in_step, claim) = running(&*store).await;
        let progress = Checkpoint {
            steps: vec![step("fetch", 1, StepStatus::Running)],
            ..checkpoint(in_step, claim, Then::Hold)
        };
        store.checkpoint(progress).await.unwrap();
        change(&t.db, "UPDATE executions SET status = 'confused' WHERE id = $1", vec![word.0.into()]).await;
        change(&t.db, "UPDATE executions SET error = '{' WHERE id = $1", vec![json.0.into()]).await;
        change(&t.db, "UPDATE steps SET attempts = '[1' WHERE execution_id = $1", vec![in_step.0.into()]).await;
        let loaded = store.load_executions(&[good, word, json, in_step]).await.unwrap();
        assert!(loaded[0].1.is_ok());
        for (id, corrupt) in &loaded[1..] {
            let error = corrupt.as_ref().unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(text) if text.contains(&id.to_string())), "{error}");
        }
        store.close().await;
    }

    async fn pages_follow_each_other_newest_first(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let mut ids = Vec::new();
        for _ in 0..7 {
            ids.push(pending(&*store).await);
        }
        ids.reverse();
        let mut query = ExecutionQuery { limit: 3, ..ExecutionQuery::default() };
        let mut seen = Vec::new();
        loop {
            let page = store.executions(TENANT, &query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.before = Some(last.id);
            seen.extend(page.into_iter().map(|execution| execution.id));
        }
        assert_eq!(seen, ids);
        assert_eq!(store.count_executions(TENANT, &query).await.unwrap(), 7);

        store.cancel(TENANT, ids[2]).await.unwrap();
        let cancelled = ExecutionQuery { status: Some(ExecutionStatus::Cancelled), limit: 10, ..ExecutionQuery::default() };
        let page = store.executions(TENANT, &cancelled).await.unwrap();
        assert_eq!(page.iter().map(|execution| execution.id).collect::<Vec<_>>(), [ids[2]]);
        assert_eq!(store.count_executions(TENANT, &cancelled).await.unwrap(), 1);
        let other = ExecutionQuery { workflow: Some("other".to_owned()), limit: 10, ..ExecutionQuery::default() };
        assert_eq!(store.executions(TENANT, &other).await.unwrap(), []);
        let same = ExecutionQuery { workflow: Some("orders".to_owned()), limit: 1_000, ..ExecutionQuery::default() };
        assert_eq!(store.executions(TENANT, &same).await.unwrap().len(), 7);
        assert_eq!(store.executions(automate_core::ids::TenantId::new(), &same).await.unwrap(), []);
        store.close().await;
    }

    async fn health_names_the_database_and_nothing_is_pending(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let health = store.health().await.unwrap();
        assert_eq!(health.backend, t.db.backend().as_str());
        assert!(!health.version.is_empty());
        assert!(health.pending_migrations.is_empty());
        assert!(health.clock_skew_seconds.abs() < 5.0);
        assert!(health.facts.contains_key("size_bytes"));
        if health.backend == "sqlite" {
            assert!(health.disk_free_bytes.is_some());
        }
        store.close().await;
    }

    async fn upkeep_deletes_old_keys_and_keeps_young_ones(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        stored(store.accept(delivery("old", vec![start()])).await.unwrap());
        stored(store.accept(delivery("young", vec![start()])).await.unwrap());
        let eight_days_ago = clock::now() - Duration::from_secs(8 * 24 * 3600);
        change(&t.db, "UPDATE dedupe_keys SET created_at = $1 WHERE key = 'old'", vec![eight_days_ago.into()]).await;
        store.maintain(None).await.unwrap();
        assert_eq!(count(&t.db, "SELECT count(*) FROM dedupe_keys WHERE key = 'young'").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM dedupe_keys").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 2);
        store.close().await;
    }

    async fn retention_deletes_what_has_ended_long_ago_and_keeps_what_lives(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        // Ids of an hour of the year 2020.
        let old = |place: u128| uuid::Uuid::from_u128((1_577_880_000_000_u128 << 80) | (0x7 << 76) | (0x2 << 62) | place);
        let accept = |key: &str, place: u128| {
            let mut accept = delivery(key, vec![leased_start()]);
            accept.starts[0].id = ExecutionId(old(place));
            accept.event.as_mut().unwrap().id = automate_core::ids::EventId(old(place));
            accept.request.as_mut().unwrap().id = automate_core::ids::EventId(old(place));
            accept
        };
        let ended = stored(store.accept(accept("ended", 1)).await.unwrap()).remove(0);
        store.checkpoint(end(ended.id, ended.claim.unwrap())).await.unwrap();
        let young = stored(store.accept(delivery("young", vec![leased_start()])).await.unwrap()).remove(0);
        store.checkpoint(end(young.id, young.claim.unwrap())).await.unwrap();
        store.maintain(Some(Duration::from_secs(24 * 3600))).await.unwrap();
        assert!(matches!(store.execution(TENANT, ended.id).await, Err(StoreError::NotFound(_))));
        assert_eq!(store.steps(TENANT, ended.id).await.unwrap(), []);
        assert!(store.execution(TENANT, young.id).await.is_ok());
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM webhook_requests").await, 1);

        // What has not ended stays with its event, however old.
        let alive = stored(store.accept(accept("alive", 2)).await.unwrap()).remove(0);
        store.maintain(Some(Duration::from_secs(24 * 3600))).await.unwrap();
        let loaded = store.load_executions(&[alive.id]).await.unwrap().remove(0).1.unwrap();
        assert!(loaded.event.is_some());
        store.close().await;
    }
}
