//! Accepting: durable, once per delivery, against live triggers, leased from birth.

use std::sync::Arc;

use automate_core::ids::EventId;
use automate_core::outbox::{Claim, ClaimRequest};
use automate_core::status::ExecutionStatus;
use automate_core::store::{Accepted, NewExecution};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::store_conformance::*;

both_databases! {
    async fn an_accept_stores_event_request_key_execution_and_item(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let accept = delivery("d-1", vec![start()]);
        let event = accept.event.clone().unwrap();
        let id = accept.starts[0].id;
        let accepted = store.accept(accept).await.unwrap();
        assert!(matches!(&accepted, Accepted::Stored { event_id, executions }
            if *event_id == Some(event.id) && executions[0].id == id && executions[0].claim.is_none()));

        let found = store.event(TENANT, event.id).await.unwrap();
        assert_eq!(found.payload, event.payload);
        assert_eq!(found.headers, event.headers);
        assert_eq!(found.received_at, event.received_at);
        let execution = store.execution(TENANT, id).await.unwrap();
        assert_eq!(execution.status, ExecutionStatus::Pending);
        assert_eq!(execution.event_id, Some(event.id));
        assert_eq!(execution.attempt, 1);
        assert_eq!(execution.input, None);
        assert_eq!(count(&t.db, "SELECT count(*) FROM webhook_requests").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM dedupe_keys").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox WHERE status = 'PENDING' AND kind = 'execution'").await, 1);
        store.close().await;
    }

    async fn a_second_delivery_stores_nothing_and_answers_with_the_first(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let first = delivery("d-1", vec![start(), start()]);
        let (event, executions) = (first.event.clone().unwrap().id, first.starts.iter().map(|s| s.id).collect::<Vec<_>>());
        stored(store.accept(first).await.unwrap());
        let second = store.accept(delivery("d-1", vec![start()])).await.unwrap();
        assert_eq!(second, Accepted::Duplicate { event_id: Some(event), executions });
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 2);
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM webhook_requests").await, 1);
        store.close().await;
    }

    async fn of_two_hundred_deliveries_at_once_through_two_stores_one_is_stored(t: TestDatabase) {
        let (here, there) = (open(&t.db).unwrap(), open(&t.open_again().await).unwrap());
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let store = if n % 2 == 0 { Arc::clone(&here) } else { Arc::clone(&there) };
                tokio::spawn(async move { store.accept(delivery("d-1", vec![leased_start()])).await })
            })
            .collect();
        let (mut firsts, mut duplicates): (Vec<Option<EventId>>, Vec<Option<EventId>>) = (Vec::new(), Vec::new());
        for task in tasks {
            match task.await.unwrap().unwrap() {
                Accepted::Stored { event_id, .. } => firsts.push(event_id),
                Accepted::Duplicate { event_id, executions } => {
                    assert_eq!(executions.len(), 1);
                    duplicates.push(event_id);
                }
                Accepted::StaleTriggers => panic!("no trigger was named"),
            }
        }
        assert_eq!((firsts.len(), duplicates.len()), (1, 199));
        assert!(duplicates.iter().all(|event| *event == firsts[0]));
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 1);
        here.close().await;
        there.close().await;
    }

    async fn keys_are_of_one_tenant_and_scope(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        stored(store.accept(delivery("d-1", vec![start()])).await.unwrap());
        let mut other_scope = delivery("d-1", vec![start()]);
        other_scope.delivery.as_mut().unwrap().scope = "hook:returns".to_owned();
        stored(store.accept(other_scope).await.unwrap());
        let mut other_tenant = delivery("d-1", vec![start()]);
        other_tenant.tenant_id = automate_core::ids::TenantId::new();
        stored(store.accept(other_tenant).await.unwrap());
        store.close().await;
    }

    async fn an_accept_for_a_trigger_that_is_gone_is_stale_and_stores_nothing(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let old = published(&*store, "orders").await;
        stored(store.accept(delivery("d-1", vec![start_of(&old)])).await.unwrap());
        let new = published(&*store, "orders").await;
        assert_ne!(old.id, new.id);
        let stale = delivery("d-2", vec![start_of(&new), start_of(&old)]);
        assert_eq!(store.accept(stale).await.unwrap(), Accepted::StaleTriggers);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM dedupe_keys").await, 1);
        // The key of the stale one is free: the same delivery goes through with fresh triggers.
        stored(store.accept(delivery("d-2", vec![start_of(&new)])).await.unwrap());
        store.close().await;
    }

    async fn stale_and_live_accepts_with_one_key_at_once_store_one(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let old = published(&*store, "orders").await;
        let new = published(&*store, "orders").await;
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let accept = delivery("d-1", vec![start_of(if n % 2 == 0 { &old } else { &new })]);
                move |store: Arc<dyn automate_core::store::Store>| async move { store.accept(accept).await.unwrap() }
            })
            .collect();
        let answers = together(&store, calls).await;
        assert_eq!(answers.iter().filter(|a| matches!(a, Accepted::Stored { .. })).count(), 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 1);
        store.close().await;
    }

    async fn a_start_with_a_used_dedupe_key_is_not_made(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = start();
        let keyed = |key: &str| NewExecution {
            workflow_id: workflow.workflow_id,
            dedupe_key: Some(key.to_owned()),
            ..leased_start()
        };
        let first = stored(store.accept(manual(vec![keyed("order-1")])).await.unwrap()).remove(0);
        assert!(!first.duplicate && first.claim.is_some());

        let again = stored(store.accept(delivery("d-1", vec![keyed("order-1"), keyed("order-2")])).await.unwrap());
        assert_eq!((again[0].id, again[0].duplicate, again[0].claim), (first.id, true, None));
        assert!(!again[1].duplicate);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 2);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 2);

        // The delivery answers with what it really led to.
        let second = store.accept(delivery("d-1", vec![start()])).await.unwrap();
        assert!(matches!(second, Accepted::Duplicate { executions, .. }
            if executions == [first.id, again[1].id]));

        // The same key of another workflow is another key.
        let other = NewExecution { dedupe_key: Some("order-1".to_owned()), ..start() };
        assert!(!stored(store.accept(manual(vec![other])).await.unwrap())[0].duplicate);
        store.close().await;
    }

    async fn two_starts_with_one_dedupe_key_in_one_accept_make_one(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let one = NewExecution { dedupe_key: Some("k".to_owned()), ..start() };
        let two = NewExecution { workflow_id: one.workflow_id, dedupe_key: Some("k".to_owned()), ..start() };
        let made = stored(store.accept(manual(vec![one, two])).await.unwrap());
        assert_eq!(made[0].id, made[1].id);
        assert!(!made[0].duplicate && made[1].duplicate);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 1);
        store.close().await;
    }

    async fn a_hundred_starts_with_one_dedupe_key_at_once_make_one(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = start().workflow_id;
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let start = NewExecution { workflow_id: workflow, dedupe_key: Some("k".to_owned()), ..start() };
                let accept = manual(vec![start]);
                move |store: Arc<dyn automate_core::store::Store>| async move {
                    stored(store.accept(accept).await.unwrap()).remove(0)
                }
            })
            .collect();
        let made = together(&store, calls).await;
        assert_eq!(made.iter().filter(|execution| !execution.duplicate).count(), 1);
        assert!(made.iter().all(|execution| execution.id == made[0].id));
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 1);
        store.close().await;
    }

    async fn deliveries_with_start_keys_at_once_start_one_execution_per_key(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let old = published(&*store, "orders").await;
        let live = published(&*store, "orders").await;
        // Ten orders, each delivered six times over under three delivery ids; some see old triggers.
        let calls: Vec<_> = (0..60)
            .map(|n| {
                let trigger = if n % 7 == 0 { &old } else { &live };
                let start = NewExecution { dedupe_key: Some(format!("order-{}", n % 10)), ..start_of(trigger) };
                let accept = delivery(&format!("d-{}", n % 30), vec![start]);
                move |store: Arc<dyn automate_core::store::Store>| async move { store.accept(accept).await.unwrap() }
            })
            .collect();
        let answers = together(&store, calls).await;
        let fresh = |answer: &Accepted| match answer {
            Accepted::Stored { executions, .. } => executions.iter().filter(|execution| !execution.duplicate).count(),
            Accepted::Duplicate { .. } | Accepted::StaleTriggers => 0,
        };
        assert_eq!(answers.iter().map(fresh).sum::<usize>(), 10);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 10);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 10);
        assert_eq!(count(&t.db, "SELECT count(*) FROM dedupe_keys WHERE scope LIKE 'start:%'").await, 10);
        // Every answer leads to an execution that is there.
        for answer in answers {
            let ids = match answer {
                Accepted::Stored { executions, .. } => executions.into_iter().map(|execution| execution.id).collect(),
                Accepted::Duplicate { executions, .. } => executions,
                Accepted::StaleTriggers => Vec::new(),
            };
            for id in ids {
                store.execution(TENANT, id).await.unwrap();
            }
        }
        store.close().await;
    }

    async fn a_born_leased_execution_is_claimed_by_nobody_else(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        assert_eq!(claim.token, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox WHERE status = 'RUNNING' AND lease_owner = 'worker-1'
            AND lease_token = 1 AND lease_expires_at > next_attempt_at").await, 1);
        let request = ClaimRequest {
            owner: "worker-2".to_owned(),
            limit: 10,
            lease: std::time::Duration::from_secs(30),
            kinds: Vec::new(),
        };
        assert_eq!(store.claim_batch(&request).await.unwrap(), []);
        let waiting = pending(&*store).await;
        let claimed = store.claim_batch(&request).await.unwrap();
        assert_eq!(claimed.len(), 1);
        assert_eq!(claimed[0].item.key, waiting.to_string());
        assert_ne!(claimed[0].item.key, id.to_string());
        // A claimed item checkpoints like a born leased one.
        let claim: Claim = claimed[0].claim;
        store.checkpoint(end(waiting, claim)).await.unwrap();
        store.close().await;
    }

    async fn a_refused_request_is_recorded(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let mut request = delivery("x", Vec::new()).request.unwrap();
        request.body = Some(vec![0, 255, 10]);
        request.signature = "SIGNATURE_INVALID".to_owned();
        store.record_request(TENANT, request).await.unwrap();
        assert_eq!(count(&t.db, "SELECT count(*) FROM webhook_requests WHERE body IS NOT NULL").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 0);
        store.close().await;
    }

    async fn pending_work_gives_a_hint_at_once(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        // Take what the start may have left.
        store.wait_for_hint(std::time::Duration::from_millis(300)).await;
        store.wait_for_hint(std::time::Duration::from_millis(300)).await;
        let waiting = {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let begun = std::time::Instant::now();
                store.wait_for_hint(std::time::Duration::from_secs(20)).await;
                begun.elapsed()
            })
        };
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        pending(&*store).await;
        assert!(waiting.await.unwrap() < std::time::Duration::from_secs(5));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_gives_a_hint_to_other_processes_on_postgres() {
    let Some(t) = automate_tests::postgres::TestDatabase::postgres().await else { return };
    let (here, there) = (open(&t.db).unwrap(), open(&t.open_again().await).unwrap());
    // The hints of the start: those that the listeners give when they are connected.
    for _ in 0..3 {
        there.wait_for_hint(std::time::Duration::from_millis(300)).await;
    }
    let waiting = {
        let there = Arc::clone(&there);
        tokio::spawn(async move {
            let begun = std::time::Instant::now();
            there.wait_for_hint(std::time::Duration::from_secs(20)).await;
            begun.elapsed()
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    pending(&*here).await;
    assert!(waiting.await.unwrap() < std::time::Duration::from_secs(5));
    here.close().await;
    there.close().await;
}
