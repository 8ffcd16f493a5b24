//! Waiting, retrying, cancelling, deciding.

use std::time::Duration;

use automate_core::ids::TenantId;
use automate_core::runtime::Settings;
use automate_core::status::{ExecutionStatus, OutboxStatus, StepStatus};
use automate_core::store::{CancelOutcome, Resolution};
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Bed, ended, publish, reaches, start, step};

both_databases! {
    async fn g11_a_wait_gives_its_lease_back_and_does_not_end_early(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: w, wait: {for: 1500ms}}\n  - {id: a, uses: idem.do}").await;
        let begun = std::time::Instant::now();
        let id = start(&process.engine, "w", json!({})).await;
        let waiting = reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        assert!(waiting.finished_at.is_none());
        let items = process.engine.ports().store.list(&Default::default()).await.expect("items");
        assert_eq!((items.len(), items[0].status), (1, OutboxStatus::Pending));
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Completed);
        assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
        process.drain().await;
    }

    async fn g26_a_cancel_of_a_running_execution_reaches_its_action_and_starts_nothing_new(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {gate: true}}\n  - {id: b, uses: idem.do}").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        let outcome = process.engine.ports().store.cancel(TenantId::DEFAULT, id).await.expect("an answer");
        assert_eq!(outcome, CancelOutcome::Requested);
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Cancelled);
        assert_eq!(step(&process.engine, id, "a").await.status, StepStatus::Cancelled);
        assert!(bed.world.calls_of("b").is_empty());
        process.drain().await;
    }

    async fn g26_a_cancel_between_two_steps_keeps_the_second_from_beginning(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {sleep_ms: 300}}\n  - {id: b, uses: idem.do}").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        process.engine.ports().store.cancel(TenantId::DEFAULT, id).await.expect("an answer");
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Cancelled);
        assert_eq!(step(&process.engine, id, "a").await.status, StepStatus::Completed);
        assert!(bed.world.calls_of("b").is_empty(), "after the answer no new step starts");
        process.drain().await;
    }

    async fn a_cancel_of_a_waiting_execution_ends_it_at_once(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: w, wait: {for: 1h}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        let outcome = process.engine.ports().store.cancel(TenantId::DEFAULT, id).await.expect("an answer");
        assert_eq!(outcome, CancelOutcome::Cancelled);
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Cancelled);
        assert_eq!(step(&process.engine, id, "w").await.status, StepStatus::Cancelled);
        process.drain().await;
    }

    async fn a_failed_execution_is_retried_in_place_with_a_new_key_and_finished_steps_stay(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\ntimeout: 1h\nsteps:\n  - {id: a, uses: idem.do, with: {value: 1}}\n  - {id: b, uses: idem.do, with: {fail: NOT_FOUND, fail_times: 1}}\non_failure:\n  - {id: tell, uses: idem.do}").await;
        let id = start(&process.engine, "w", json!({})).await;
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Failed);
        let first = bed.world.calls_of("b")[0].clone();
        // The second time it is let through under its new key, because the world counts by key.
        publish(&process.engine, "workflow: other\non: [{manual: true}]\nsteps: [{id: x, uses: pure.do}]").await;
        process.engine.ports().store.retry_execution(TenantId::DEFAULT, id).await.expect("it is put back");
        let record = ended(&process.engine, id).await;
        assert_eq!(record.attempt, 2);
        assert_eq!(bed.world.calls_of("a").len(), 1, "what had finished stays");
        let second = bed.world.calls_of("b").last().cloned().expect("a call");
        assert_ne!(first.key, second.key, "a manual re-run carries a new key");
        process.drain().await;
    }

    async fn g7_a_once_action_cut_short_waits_for_a_decision_and_follows_it(db: TestDatabase) {
        let bed = Bed::new(db);
        let doomed = bed.process_with(Settings { drain: Duration::from_millis(100), ..Bed::settings() }).await;
        publish(&doomed.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: once.do, with: {gate: true, value: 1}}\n  - {id: b, uses: idem.do}\noutput: '{{ steps.a.output }}'").await;
        let id = start(&doomed.engine, "w", json!({})).await;
        bed.world.called("a").await;
        doomed.drain().await;
        let process = bed.process().await;
        let waiting = reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        assert!(waiting.error.is_none());
        assert_eq!(step(&process.engine, id, "a").await.status, StepStatus::OutcomeUnknown);
        assert_eq!(bed.world.calls_of("a").len(), 1, "it is never silently repeated");
        let store = &process.engine.ports().store;
        store.resolve_unknown(TenantId::DEFAULT, id, "a", Resolution::Completed(Some("42".into()))).await.expect("it is decided");
        let record = ended(&process.engine, id).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("42")));
        process.drain().await;
    }

    async fn g2_the_intent_of_a_once_action_is_on_record_before_its_effect(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: once.do, with: {gate: true}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        let intent = step(&process.engine, id, "a").await;
        assert_eq!((intent.status, intent.attempt), (StepStatus::Running, 1));
        bed.world.gate.add_permits(1);
        ended(&process.engine, id).await;
        process.drain().await;
    }

    async fn a_long_action_is_shown_as_running(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {gate: true}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(step(&process.engine, id, "a").await.status, StepStatus::Running);
        bed.world.gate.add_permits(1);
        ended(&process.engine, id).await;
        process.drain().await;
    }
}
