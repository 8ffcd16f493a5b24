//! Signals: before, after, twice, never, and with processes that die in between.

use std::time::Duration;

use automate_core::ids::{ExecutionId, TenantId};
use automate_core::outbox::ClaimRequest;
use automate_core::runtime::{Engine, OperateError, Settings, SignalRequest, Signalled};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::CancelOutcome;
use automate_tests::both_databases;
use serde_json::{Value, json};

use crate::engine::bed::{Bed, ended, publish, reaches, start, step, steps};

const TENANT: TenantId = TenantId::DEFAULT;

const ONE: &str = "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: ok, wait: {signal: approved, timeout: 1h}}\n  - {id: after, uses: idem.do, with: {value: '{{ steps.ok.output.by }}'}}\noutput: '{{ steps.after.output }}'";

fn request(id: ExecutionId, name: &str, payload: Value) -> SignalRequest {
    SignalRequest {
        tenant_id: TENANT,
        execution_id: id,
        name: name.to_owned(),
        payload,
        dedupe_key: None,
        source: "test".to_owned(),
    }
}

pub(super) async fn send(engine: &Engine, id: ExecutionId, name: &str, payload: Value) -> Signalled {
    engine.signal(request(id, name, payload)).await.expect("it is taken")
}

/// The name under which a dead process held things.
fn dead(lease: Duration) -> ClaimRequest {
    ClaimRequest { owner: "dead".to_owned(), limit: 10, lease, kinds: vec![] }
}

both_databases! {
    async fn a_signal_wakes_the_step_that_waits_for_it(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, ONE).await;
        let id = start(&process.engine, "w", json!({})).await;
        reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        let begun = std::time::Instant::now();
        let sent = send(&process.engine, id, "approved", json!({"by": "Ada"})).await;
        assert_eq!((sent.seq, sent.duplicate), (1, false));
        let record = ended(&process.engine, id).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("\"Ada\"")));
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
        let waited = step(&process.engine, id, "ok").await;
        assert_eq!((waited.status, waited.output.as_deref()), (StepStatus::Completed, Some(r#"{"by":"Ada"}"#)));
        process.drain().await;
    }

    async fn a_signal_of_another_process_wakes_it_too(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let other = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&process.engine, ONE).await;
        let id = start(&process.engine, "w", json!({})).await;
        reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        send(&other, id, "approved", json!({"by": "Bo"})).await;
        assert_eq!(ended(&process.engine, id).await.output.as_deref(), Some("\"Bo\""));
        process.drain().await;
    }

    async fn a_signal_that_comes_before_its_wait_is_kept_and_taken_in_order(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {gate: true}}\n  - {id: one, wait: {signal: go}}\n  - {id: two, wait: {signal: go}}\noutput: ['{{ steps.one.output }}', '{{ steps.two.output }}']").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        for n in 1..=2 {
            send(&process.engine, id, "go", json!(n)).await;
        }
        bed.world.gate.add_permits(1);
        assert_eq!(ended(&process.engine, id).await.output.as_deref(), Some("[1,2]"));
        let kept = process.engine.signals(TENANT, id).await.expect("signals");
        assert_eq!(kept.iter().map(|signal| (signal.seq, &*signal.payload)).collect::<Vec<_>>(), [(1, "1"), (2, "2")]);
        process.drain().await;
    }

    async fn a_signal_sent_twice_with_one_key_is_taken_once(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: one, wait: {signal: go}}\n  - {id: two, wait: {signal: go}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        let keyed = || SignalRequest { dedupe_key: Some("delivery-1".to_owned()), ..request(id, "go", json!(1)) };
        let (first, second) = tokio::join!(process.engine.signal(keyed()), process.engine.signal(keyed()));
        let (first, second) = (first.expect("taken"), second.expect("taken"));
        assert_eq!((first.id, first.seq), (second.id, second.seq));
        assert!(first.duplicate != second.duplicate, "one of them was the first");
        for _ in 0..100 {
            let steps = steps(&process.engine, id).await;
            if steps.iter().any(|step| step.path == "one" && step.status == StepStatus::Completed) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(step(&process.engine, id, "two").await.status, StepStatus::Waiting);
        send(&process.engine, id, "go", json!(2)).await;
        ended(&process.engine, id).await;
        assert!(process.engine.signal(keyed()).await.expect("the first answer").duplicate, "also after the end");
        process.drain().await;
    }

    async fn a_signal_that_never_comes_fails_its_step_which_on_error_handles(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - id: ok\n    wait: {signal: approved, timeout: 400ms}\n    on_error: [{id: tell, uses: idem.do, with: {value: '{{ error.code }}'}}]\noutput: '{{ steps.ok.error.message }}'").await;
        let id = start(&process.engine, "w", json!({})).await;
        let record = ended(&process.engine, id).await;
        assert_eq!(record.status, ExecutionStatus::Completed);
        assert_eq!(record.output.as_deref(), Some("\"no signal `approved` came within 400ms\""));
        assert_eq!(bed.world.calls_of("ok/on_error/tell").len(), 1);
        let refused = process.engine.signal(request(id, "approved", json!(null))).await.unwrap_err();
        assert!(matches!(refused, OperateError::Ended { status: ExecutionStatus::Completed, .. }), "{refused}");
        process.drain().await;
    }

    async fn a_signal_reaches_a_step_beside_a_running_action(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let other = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: long, needs: [], uses: idem.do, with: {gate: true}}\n  - {id: ok, needs: [], wait: {signal: go}}\n  - {id: after, needs: [ok], uses: idem.do}").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("long").await;
        send(&other, id, "go", json!(1)).await;
        bed.world.called("after").await;
        assert!(bed.world.calls_of("after").len() == 1, "the other action still runs");
        bed.world.gate.add_permits(1);
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Completed);
        process.drain().await;
    }

    async fn g6_a_signal_that_comes_while_a_worker_lets_go_is_not_lost(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {sleep_ms: 3}}\n  - {id: ok, wait: {signal: go}}").await;
        let mut ids = Vec::new();
        for n in 0..40_u64 {
            let id = start(&process.engine, "w", json!({})).await;
            tokio::time::sleep(Duration::from_millis(n % 12)).await;
            send(&process.engine, id, "go", json!(n)).await;
            ids.push(id);
        }
        for id in ids {
            assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Completed);
        }
        process.drain().await;
    }

    async fn g6_a_signal_to_what_a_dead_process_held_is_taken_after_it(db: TestDatabase) {
        let bed = Bed::new(db);
        let idle = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&idle, ONE).await;
        let id = start(&idle, "w", json!({})).await;
        let store = &idle.ports().store;
        assert_eq!(store.claim_batch(&dead(Duration::from_millis(300))).await.expect("a claim").len(), 1);
        send(&idle, id, "approved", json!({"by": "Cy"})).await;
        let process = bed.process().await;
        assert_eq!(ended(&process.engine, id).await.output.as_deref(), Some("\"Cy\""));
        process.drain().await;
    }

    async fn g6_a_worker_that_dies_after_a_signal_was_taken_does_not_take_the_next_for_it(db: TestDatabase) {
        let bed = Bed::new(db);
        let doomed = bed.process_with(Settings { drain: Duration::from_millis(50), ..Bed::settings() }).await;
        publish(&doomed.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: one, wait: {signal: go}}\n  - {id: act, uses: idem.do, with: {gate: true}}\n  - {id: two, wait: {signal: go}}\noutput: ['{{ steps.one.output }}', '{{ steps.two.output }}']").await;
        let id = start(&doomed.engine, "w", json!({})).await;
        send(&doomed.engine, id, "go", json!(1)).await;
        bed.world.called("act").await;
        doomed.drain().await;
        let process = bed.process().await;
        bed.world.gate.add_permits(2);
        send(&process.engine, id, "go", json!(2)).await;
        assert_eq!(ended(&process.engine, id).await.output.as_deref(), Some("[1,2]"));
        process.drain().await;
    }

    async fn g26_a_cancel_that_comes_while_a_worker_lets_go_is_not_forgotten(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {sleep_ms: 40}}\n  - {id: pause, wait: {for: 1h}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        // The store's verb, so that this process is not told: only the record is.
        let outcome = process.engine.ports().store.cancel(TENANT, id).await.expect("an answer");
        assert_eq!(outcome, CancelOutcome::Requested);
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Cancelled);
        process.drain().await;
    }

    async fn what_cannot_be_a_signal_is_refused_and_a_strangers_execution_is_not_found(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, ONE).await;
        let id = start(&engine, "w", json!({})).await;
        for name in ["", "a b", "a..b", "ä", &"x".repeat(64)] {
            let refused = engine.signal(request(id, name, json!(null))).await.unwrap_err();
            assert_eq!(refused.code(), "INVALID_SIGNAL", "{name}");
        }
        let large = request(id, "go", json!("x".repeat(300 * 1024)));
        assert_eq!(engine.signal(large).await.unwrap_err().code(), "INVALID_SIGNAL");
        let stranger = SignalRequest { tenant_id: TenantId::new(), ..request(id, "go", json!(1)) };
        assert_eq!(engine.signal(stranger).await.unwrap_err().code(), "NOT_FOUND");
        assert_eq!(engine.signals(TenantId::new(), id).await.unwrap_err().code(), "NOT_FOUND");
        assert!(engine.signals(TENANT, id).await.expect("none").is_empty());
    }

    async fn an_execution_takes_a_bounded_number_of_signals(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, ONE).await;
        let id = start(&engine, "w", json!({})).await;
        for n in 0..automate_core::limits::SIGNALS_PER_EXECUTION {
            send(&engine, id, "go", json!(n)).await;
        }
        assert_eq!(engine.signal(request(id, "go", json!(0))).await.unwrap_err().code(), "TOO_MANY_SIGNALS");
    }
}
