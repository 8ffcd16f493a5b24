//! What operators do: cancel in each state, retry, resolve.

use automate_core::clock;
use automate_core::ids::ExecutionId;
use automate_core::outbox::{Claim, ClaimRequest};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{CancelOutcome, Checkpoint, Resolution, Store, StoreError, Then};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::store_conformance::*;

async fn claim(store: &dyn Store, id: ExecutionId) -> Claim {
    let request = ClaimRequest {
        owner: "worker-2".to_owned(),
        limit: 10,
        lease: std::time::Duration::from_secs(30),
        kinds: Vec::new(),
    };
    let claimed = store.claim_batch(&request).await.unwrap();
    claimed.into_iter().find(|item| item.item.key == id.to_string()).expect("it is in the queue").claim
}

async fn failed(store: &dyn Store) -> ExecutionId {
    let (id, claim) = running(store).await;
    let mut broken = step("enrich", 2, StepStatus::Failed);
    broken.error = Some(automate_core::error::StepError::new(automate_core::error::ErrorCode::Timeout, "too slow"));
    let ending = Checkpoint {
        steps: vec![
            step("fetch", 1, StepStatus::Completed),
            broken,
            step("enrich/on_error/tell", 3, StepStatus::Completed),
            step("enrich2/on_error/tell", 4, StepStatus::Completed),
            step("on_failure/tell", 5, StepStatus::Completed),
            step("onXfailure/tell", 6, StepStatus::Completed),
        ],
        execution: Some(update(ExecutionStatus::Failed)),
        ..checkpoint(id, claim, Then::Finish)
    };
    store.checkpoint(ending).await.unwrap();
    id
}

async fn unknown(store: &dyn Store) -> ExecutionId {
    let (id, claim) = running(store).await;
    let waiting = Checkpoint {
        steps: vec![step("pay", 1, StepStatus::OutcomeUnknown)],
        execution: Some(update(ExecutionStatus::Waiting)),
        ..checkpoint(id, claim, Then::Finish)
    };
    store.checkpoint(waiting).await.unwrap();
    id
}

both_databases! {
    async fn cancelling_what_nobody_holds_ends_it_at_once(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let id = pending(&*store).await;
        assert_eq!(store.cancel(TENANT, id).await.unwrap(), CancelOutcome::Cancelled);
        let execution = store.execution(TENANT, id).await.unwrap();
        assert_eq!(execution.status, ExecutionStatus::Cancelled);
        assert_eq!(execution.error.unwrap().code, "CANCELLED");
        assert!(execution.finished_at.is_some());
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 0);
        assert_eq!(
            store.cancel(TENANT, id).await.unwrap(),
            CancelOutcome::AlreadyEnded(ExecutionStatus::Cancelled)
        );
        store.close().await;
    }

    async fn cancelling_what_waits_cancels_its_unfinished_steps(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        let waiting = Checkpoint {
            steps: vec![step("fetch", 1, StepStatus::Completed), step("pause", 2, StepStatus::Waiting)],
            execution: Some(update(ExecutionStatus::Waiting)),
            ..checkpoint(id, claim, Then::WakeAt(clock::now() + std::time::Duration::from_secs(60)))
        };
        store.checkpoint(waiting).await.unwrap();
        assert_eq!(store.cancel(TENANT, id).await.unwrap(), CancelOutcome::Cancelled);
        let states: Vec<_> = store.steps(TENANT, id).await.unwrap().into_iter().map(|step| step.status).collect();
        assert_eq!(states, [StepStatus::Completed, StepStatus::Cancelled]);
        store.close().await;
    }

    async fn cancelling_what_waits_for_a_person_ends_it_and_keeps_the_unknown_outcome(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let id = unknown(&*store).await;
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 0);
        assert_eq!(store.cancel(TENANT, id).await.unwrap(), CancelOutcome::Cancelled);
        assert_eq!(store.steps(TENANT, id).await.unwrap()[0].status, StepStatus::OutcomeUnknown);
        store.close().await;
    }

    async fn cancelling_what_a_worker_holds_is_a_request_that_its_checkpoints_see(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        assert_eq!(store.cancel(TENANT, id).await.unwrap(), CancelOutcome::Requested);
        assert_eq!(store.cancel_requests(&[id, ExecutionId::new()]).await.unwrap(), [id]);
        assert_eq!(store.execution(TENANT, id).await.unwrap().status, ExecutionStatus::Pending);
        let since = store.execution(TENANT, id).await.unwrap().cancel_requested_at;
        assert!(since.is_some());
        assert!(store.checkpoint(checkpoint(id, claim, Then::Hold)).await.unwrap().cancel_requested);
        let changed = Checkpoint {
            execution: Some(update(ExecutionStatus::Running)),
            ..checkpoint(id, claim, Then::Hold)
        };
        assert!(store.checkpoint(changed).await.unwrap().cancel_requested);
        assert_eq!(store.cancel(TENANT, id).await.unwrap(), CancelOutcome::Requested);
        assert_eq!(store.execution(TENANT, id).await.unwrap().cancel_requested_at, since);
        store.close().await;
    }

    async fn another_tenants_execution_is_not_found(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let id = pending(&*store).await;
        let stranger = automate_core::ids::TenantId::new();
        assert!(matches!(store.cancel(stranger, id).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.execution(stranger, id).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.retry_execution(stranger, id).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.cancel(TENANT, ExecutionId::new()).await, Err(StoreError::NotFound(_))));
        store.close().await;
    }

    async fn retrying_runs_failed_steps_again_and_keeps_finished_ones(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let id = failed(&*store).await;
        store.retry_execution(TENANT, id).await.unwrap();
        let execution = store.execution(TENANT, id).await.unwrap();
        assert_eq!((execution.status, execution.attempt), (ExecutionStatus::Running, 2));
        assert_eq!((execution.error, execution.finished_at), (None, None));
        let steps = store.steps(TENANT, id).await.unwrap();
        let paths: Vec<_> = steps.iter().map(|step| (step.path.as_str(), step.status, step.rerun)).collect();
        assert_eq!(
            paths,
            [
                ("fetch", StepStatus::Completed, 0),
                ("enrich", StepStatus::Pending, 1),
                ("enrich2/on_error/tell", StepStatus::Completed, 0),
                ("onXfailure/tell", StepStatus::Completed, 0),
            ]
        );
        assert_eq!((steps[1].attempt, &steps[1].error, &steps[1].output), (0, &None, &None));
        let claim = claim(&*store, id).await;
        store.checkpoint(end(id, claim)).await.unwrap();
        store.close().await;
    }

    async fn only_a_failed_execution_can_be_retried(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        let refused = store.retry_execution(TENANT, id).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Conflict(text) if text.contains("pending")), "{refused}");
        store.checkpoint(end(id, claim)).await.unwrap();
        assert!(matches!(store.retry_execution(TENANT, id).await, Err(StoreError::Conflict(_))));
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 0);
        store.close().await;
    }

    async fn retrying_twice_at_once_queues_it_once(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let id = failed(&*store).await;
        let (one, two) = tokio::join!(store.retry_execution(TENANT, id), store.retry_execution(TENANT, id));
        assert_eq!([one.is_ok(), two.is_ok()].into_iter().filter(|ok| *ok).count(), 1);
        assert_eq!(count(&t.db, "SELECT count(*) FROM outbox").await, 1);
        store.close().await;
    }

    async fn an_unknown_outcome_is_resolved_as_the_operator_says(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        for resolution in [Resolution::Completed(Some(r#"{"paid":true}"#.into())), Resolution::Repeat, Resolution::Failed] {
            let id = unknown(&*store).await;
            store.resolve_unknown(TENANT, id, "pay", resolution.clone()).await.unwrap();
            let step = store.steps(TENANT, id).await.unwrap().remove(0);
            match resolution {
                Resolution::Completed(output) => {
                    assert_eq!((step.status, step.output), (StepStatus::Completed, output));
                    assert!(step.finished_at.is_some());
                }
                Resolution::Repeat => {
                    assert_eq!((step.status, step.rerun), (StepStatus::Pending, 0));
                    assert_eq!(step.idempotency_key, "key-pay");
                }
                Resolution::Failed => {
                    assert_eq!(step.status, StepStatus::Failed);
                    assert_eq!(step.error.unwrap().code, automate_core::error::ErrorCode::OutcomeUnknown);
                }
            }
            assert_eq!(store.execution(TENANT, id).await.unwrap().status, ExecutionStatus::Running);
            claim(&*store, id).await;
            // A second resolution finds nothing to resolve.
            let again = store.resolve_unknown(TENANT, id, "pay", Resolution::Failed).await;
            assert!(matches!(again, Err(StoreError::Conflict(_))));
            assert!(matches!(
                store.resolve_unknown(TENANT, id, "nowhere", Resolution::Failed).await,
                Err(StoreError::NotFound(_))
            ));
        }
        store.close().await;
    }
}
