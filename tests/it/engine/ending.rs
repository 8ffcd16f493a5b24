//! How executions end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use automate_core::ids::TenantId;
use automate_core::signals::Signal;
use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Bed, ended, publish, start, steps};

both_databases! {
    async fn signals_are_sent_after_the_commit(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let heard: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let hearing = heard.clone();
        process.engine.ports().signals.connect(None, "test", move |signal: &Signal| {
            hearing.lock().expect("heard").push(signal.name());
        });
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: idem.do}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        ended(&process.engine, id).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let heard = heard.lock().expect("heard").clone();
        assert_eq!(heard, ["workflow_started", "step_started", "step_completed", "workflow_completed"]);
        process.drain().await;
    }

    async fn a_workflow_of_pure_steps_takes_two_commits_and_leaves_an_empty_queue(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: pure.do, with: {value: 1}}\n  - {id: b, set: {n: '{{ steps.a.output + 1 }}'}}\noutput: '{{ vars.n }}'").await;
        let id = start(&process.engine, "w", json!({})).await;
        let record = ended(&process.engine, id).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("2")));
        assert_eq!(steps(&process.engine, id).await.len(), 2);
        assert!(process.engine.ports().store.list(&Default::default()).await.expect("items").is_empty());
        process.drain().await;
    }

    async fn an_execution_that_takes_too_long_fails_and_says_so(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\ntimeout: 500ms\nsteps: [{id: a, uses: idem.do, with: {gate: true}}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        let record = ended(&process.engine, id).await;
        assert_eq!(record.error.as_ref().map(|error| error.code.as_str()), Some("EXECUTION_TIMEOUT"));
        process.drain().await;
    }

    async fn a_step_that_takes_too_long_is_repeated_and_then_fails(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: idem.do, with: {gate: true}, timeout: 200ms, retry: {max_attempts: 2, initial: 10ms}}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        let record = ended(&process.engine, id).await;
        let error = record.error.expect("an error");
        assert_eq!((error.code.as_str(), error.step.as_deref()), ("TIMEOUT", Some("a")));
        assert_eq!(bed.world.calls_of("a").len(), 2);
        process.drain().await;
    }

    async fn a_replay_is_a_new_execution_linked_to_the_old_one(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: idem.do, with: {value: '{{ inputs.n }}'}}]\noutput: '{{ steps.a.output }}'").await;
        let first = start(&process.engine, "w", json!({"n": 1})).await;
        ended(&process.engine, first).await;
        let same = process.engine.replay(TenantId::DEFAULT, first, None, false).await.expect("it starts");
        let other = process.engine.replay(TenantId::DEFAULT, first, Some(json!({"n": 2})), false).await.expect("it starts");
        let (same, other) = (ended(&process.engine, same).await, ended(&process.engine, other).await);
        assert_eq!((same.output.as_deref(), same.replay_of), (Some("1"), Some(first)));
        assert_eq!((other.output.as_deref(), other.replay_of), (Some("2"), Some(first)));
        process.drain().await;
    }

    async fn five_hundred_executions_at_once_all_end_with_each_step_once(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do}\n  - {id: b, uses: once.do}\n  - {id: c, uses: pure.do}").await;
        let mut tasks = Vec::new();
        for _ in 0..500 {
            let engine = process.engine.clone();
            tasks.push(tokio::spawn(async move { start(&engine, "w", json!({})).await }));
        }
        let mut ids = Vec::new();
        for task in tasks {
            ids.push(task.await.expect("started"));
        }
        for id in ids {
            assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Completed);
            assert_eq!(steps(&process.engine, id).await.len(), 3);
        }
        assert_eq!(bed.world.calls_of("b").len(), 500);
        process.drain().await;
    }
}
