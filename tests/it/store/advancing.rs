//! Checkpoints: fenced, grouped, with what they publish.

use std::sync::Arc;

use automate_core::actions::LogLevel;
use automate_core::clock;
use automate_core::error::{ErrorCode, StepError};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{
    Accepted, Checkpoint, ExecutionError, ExecutionUpdate, FailedAttempt, StepLog, Store, StoreError, Then,
};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::store_conformance::*;

both_databases! {
    async fn a_checkpoint_records_steps_logs_execution_and_ends_the_item(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        let now = clock::now();
        let mut failed = step("fetch", 1, StepStatus::Waiting);
        failed.error = Some(StepError::new(ErrorCode::Upstream5xx, "503 from the other side"));
        failed.attempts = vec![FailedAttempt {
            attempt: 1,
            started_at: now,
            finished_at: now,
            error: StepError::new(ErrorCode::Upstream5xx, "503"),
            retry_at: Some(now),
        }];
        failed.wake_at = Some(now);
        let log = |message: &str| StepLog {
            path: "fetch".to_owned(),
            attempt: 1,
            at: now,
            level: LogLevel::Warn,
            message: message.to_owned(),
            fields: Some(r#"{"n":1}"#.into()),
        };
        let ack = store
            .checkpoint(Checkpoint {
                steps: vec![failed.clone()],
                logs: vec![log("one"), log("two")],
                execution: Some(update(ExecutionStatus::Running)),
                ..checkpoint(id, claim, Then::Hold)
            })
            .await
            .unwrap();
        assert!(!ack.cancel_requested);
        assert_eq!(store.steps(TENANT, id).await.unwrap(), [failed]);
        assert_eq!(store.execution(TENANT, id).await.unwrap().status, ExecutionStatus::Running);

        let error = ExecutionError { code: "FAILED".into(), message: "as asked".into(), step: Some("fetch".into()) };
        let ended = ExecutionUpdate {
            output: Some(r#"{"total":1}"#.into()),
            error: Some(error.clone()),
            ..update(ExecutionStatus::Failed)
        };
        let done = step("fetch", 1, StepStatus::Failed);
        store
            .checkpoint(Checkpoint {
                steps: vec![done.clone()],
                logs: vec![log("three")],
                execution: Some(ended.clone()),
                ..checkpoint(id, claim, Then::Finish)
            })
            .await
            .unwrap();
        assert_eq!(store.steps(TENANT, id).await.unwrap(), [done]);
        let logs: Vec<String> = store.logs(TENANT, id).await.unwrap().into_iter().map(|log| log.message).collect();
        assert_eq!(logs, ["one", "two", "three"]);
        let execution = store.execution(TENANT, id).await.unwrap();
        assert_eq!((execution.status, execution.error), (ExecutionStatus::Failed, Some(error)));
        assert_eq!((execution.output, execution.finished_at), (ended.output, ended.finished_at));
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 0);
        store.close().await;
    }

    async fn a_stale_fence_records_nothing(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        take_over(&t.db, claim).await;
        let mut zombie = end(id, claim);
        zombie.publish = vec![delivery("by-zombie", vec![start()])];
        assert!(matches!(store.checkpoint(zombie).await, Err(StoreError::LeaseLost)));
        assert!(matches!(store.checkpoint(end(id, claim)).await, Err(StoreError::LeaseLost)));
        assert_eq!(store.execution(TENANT, id).await.unwrap().status, ExecutionStatus::Pending);
        assert_eq!(store.steps(TENANT, id).await.unwrap(), []);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 0);
        store.close().await;
    }

    async fn a_claim_on_another_execution_records_nothing(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let ((one, _), (two, claim_of_two)) = (running(&*store).await, running(&*store).await);
        assert!(matches!(store.checkpoint(end(one, claim_of_two)).await, Err(StoreError::LeaseLost)));
        store.checkpoint(end(two, claim_of_two)).await.unwrap();
        store.close().await;
    }

    async fn after_the_end_a_checkpoint_finds_its_lease_lost(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        store.checkpoint(end(id, claim)).await.unwrap();
        assert!(matches!(store.checkpoint(end(id, claim)).await, Err(StoreError::LeaseLost)));
        store.close().await;
    }

    async fn waiting_gives_the_lease_back_until_its_time(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        change(&t.db, "UPDATE outbox SET lost_leases = 2 WHERE id = $1", vec![claim.id.0.into()]).await;
        let wake = clock::now() + std::time::Duration::from_secs(3600);
        let waiting = Checkpoint {
            execution: Some(update(ExecutionStatus::Waiting)),
            ..checkpoint(id, claim, Then::WakeAt(wake))
        };
        store.checkpoint(waiting.clone()).await.unwrap();
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox WHERE status = 'PENDING' AND lease_owner IS NULL
            AND lease_expires_at IS NULL AND lost_leases = 0 AND lease_token = 1").await, 1);
        assert!(matches!(store.checkpoint(waiting).await, Err(StoreError::LeaseLost)));
        let due = store.next_due_in().await.unwrap().unwrap();
        assert!(due > std::time::Duration::from_secs(3500) && due <= std::time::Duration::from_secs(3600));
        store.close().await;
    }

    async fn progress_forgives_lost_leases(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        change(&t.db, "UPDATE outbox SET lost_leases = 2 WHERE id = $1", vec![claim.id.0.into()]).await;
        store.checkpoint(checkpoint(id, claim, Then::Hold)).await.unwrap();
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox WHERE status = 'RUNNING' AND lost_leases = 0").await, 1);
        store.close().await;
    }

    async fn five_hundred_executions_at_once_are_all_recorded_once(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let calls: Vec<_> = (0..500)
            .map(|n| {
                move |store: Arc<dyn Store>| async move {
                    let accept = delivery(&format!("d-{n}"), vec![leased_start()]);
                    let execution = stored(store.accept(accept).await.unwrap()).remove(0);
                    let (id, claim) = (execution.id, execution.claim.unwrap());
                    let first = Checkpoint {
                        steps: vec![step("fetch", 1, StepStatus::Running)],
                        ..checkpoint(id, claim, Then::Hold)
                    };
                    store.checkpoint(first).await.unwrap();
                    store.checkpoint(end(id, claim)).await.unwrap();
                    id
                }
            })
            .collect();
        let ids = together(&store, calls).await;
        assert_eq!(ids.len(), 500);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions WHERE status = 'completed'").await, 500);
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 500);
        assert_eq!(count(&t.db, "SELECT count(*) FROM steps WHERE status = 'completed'").await, 1500);
        assert_eq!(count(&t.db, "SELECT count(*) FROM steps").await, 1500);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 0);
        store.close().await;
    }

    async fn a_lost_lease_among_many_checkpoints_is_the_only_one_refused(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let mut claims = Vec::new();
        for _ in 0..20 {
            claims.push(running(&*store).await);
        }
        take_over(&t.db, claims[7].1).await;
        let calls: Vec<_> = claims
            .iter()
            .map(|&(id, claim)| move |store: Arc<dyn Store>| async move { store.checkpoint(end(id, claim)).await })
            .collect();
        for (place, answer) in together(&store, calls).await.into_iter().enumerate() {
            assert_eq!(answer.is_err(), place == 7, "{answer:?}");
        }
        store.close().await;
    }

    async fn what_a_checkpoint_publishes_is_accepted_with_it(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        let mut ending = end(id, claim);
        let keyed = automate_core::store::NewExecution { dedupe_key: Some("k".to_owned()), ..start() };
        ending.publish = vec![
            delivery("completed-1", vec![start()]),
            manual(vec![keyed]),
            delivery("completed-1", vec![start()]),
        ];
        let first = ending.publish[0].starts[0].id;
        let ack = store.checkpoint(ending).await.unwrap();
        assert_eq!(ack.published.len(), 3);
        assert!(matches!(&ack.published[0], Accepted::Stored { executions, .. } if executions[0].id == first));
        assert!(matches!(&ack.published[1], Accepted::Stored { executions, .. } if !executions[0].duplicate));
        assert!(matches!(&ack.published[2], Accepted::Duplicate { executions, .. } if *executions == [first]));
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 3);
        assert_eq!(store.execution(TENANT, id).await.unwrap().status, ExecutionStatus::Completed);
        store.close().await;
    }

    async fn a_checkpoint_goes_through_when_what_it_publishes_is_stale(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let old = published(&*store, "orders").await;
        published(&*store, "orders").await;
        let (id, claim) = running(&*store).await;
        let mut ending = end(id, claim);
        ending.publish = vec![delivery("completed-1", vec![start_of(&old)])];
        assert_eq!(store.checkpoint(ending).await.unwrap().published, [Accepted::StaleTriggers]);
        assert_eq!(store.execution(TENANT, id).await.unwrap().status, ExecutionStatus::Completed);
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 0);
        store.close().await;
    }

    async fn a_step_named_twice_in_one_checkpoint_keeps_its_last_state(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        let twice = Checkpoint {
            steps: vec![step("fetch", 1, StepStatus::Running), step("fetch", 1, StepStatus::Completed)],
            ..checkpoint(id, claim, Then::Hold)
        };
        store.checkpoint(twice).await.unwrap();
        let steps = store.steps(TENANT, id).await.unwrap();
        assert_eq!((steps.len(), steps[0].status), (1, StepStatus::Completed));
        store.close().await;
    }
}
