//! The ways in.

use automate_core::ids::TenantId;
use automate_core::runtime::{IntakeError, PublishEvent, Settings};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Bed, deliver, ended, publish, reaches, start, step, steps};

const ORDER: &str = r#"
workflow: order
on:
  - { webhook: orders, verify: none, filter: "event.payload.total > 10", dedupe: "{{ event.payload.id }}" }
  - { manual: true }
inputs: { type: object, properties: { total: { type: number } } }
steps:
  - { id: sum, set: { total: "{{ event.payload.total * 2 }}" } }
  - { id: call, uses: idem.do, with: { value: { seen: "{{ vars.total }}" }, fail: UPSTREAM_5XX, fail_times: 1, token: "Bearer {{ secrets.TOKEN }}" }, retry: { initial: 10ms, jitter: false } }
  - { id: large, if: "steps.call.output.seen >= 100", uses: once.do, with: { value: big } }
  - { id: end, uses: pure.do, with: { value: "{{ steps.large.status }}" } }
output: { large: "{{ steps.end.output }}", seen: "{{ steps.call.output.seen }}" }
"#;

both_databases! {
    async fn a_webhook_runs_a_workflow_with_a_branch_and_a_retry_to_its_end(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, ORDER).await;
        let received = deliver(&process.engine, "orders", Some("d1"), json!({"id": "o1", "total": 60})).await;
        assert_eq!(received.execution_ids.len(), 1);
        let id = received.execution_ids[0];
        let record = ended(&process.engine, id).await;
        assert_eq!(record.status, ExecutionStatus::Completed, "{:?}", record.error);
        assert_eq!(record.output.as_deref(), Some(r#"{"large":"completed","seen":120}"#));
        let call = step(&process.engine, id, "call").await;
        assert_eq!((call.attempt, call.attempts.len()), (2, 1));
        assert!(call.input.as_deref().is_some_and(|input| input.contains("Bearer $secret:TOKEN")), "{:?}", call.input);
        let calls = bed.world.calls_of("call");
        assert_eq!(calls[0].key, calls[1].key, "every attempt carries the same key");
        assert_eq!(calls[1].input["token"], "Bearer canary-5f0a7c9e11", "the action gets the value");
        for record in steps(&process.engine, id).await {
            assert!(!format!("{record:?}").contains("canary"), "no row holds it: {record:?}");
        }
        let logs = process.engine.ports().store.logs(TenantId::DEFAULT, id).await.expect("logs");
        assert!(!logs.is_empty() && logs.iter().all(|line| !line.message.contains("canary")));
        process.drain().await;
    }

    async fn g13_a_delivery_that_comes_again_starts_nothing_and_names_the_first(db: TestDatabase) {
        let bed = Bed::new(db);
        let (one, two) = (bed.process().await, bed.process().await);
        publish(&one.engine, ORDER).await;
        let first = deliver(&one.engine, "orders", Some("d1"), json!({"id": "o1", "total": 60})).await;
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        let again = deliver(&two.engine, "orders", Some("d1"), json!({"id": "o1", "total": 60})).await;
        assert!(again.duplicate);
        assert_eq!(again.event_id, first.event_id);
        assert_eq!(again.execution_ids, first.execution_ids);
        ended(&one.engine, first.execution_ids[0]).await;
        one.drain().await;
        two.drain().await;
    }

    async fn g13_two_hundred_deliveries_at_once_on_two_processes_start_one_execution(db: TestDatabase) {
        let bed = Bed::new(db);
        let (one, two) = (bed.process().await, bed.process().await);
        publish(&one.engine, ORDER).await;
        let mut tasks = Vec::new();
        for n in 0..200 {
            let engine = if n % 2 == 0 { one.engine.clone() } else { two.engine.clone() };
            tasks.push(tokio::spawn(async move { deliver(&engine, "orders", Some("d1"), json!({"id": "o1", "total": 60})).await }));
        }
        let mut ids = std::collections::BTreeSet::new();
        let mut firsts = 0;
        for task in tasks {
            let received = task.await.expect("an answer");
            firsts += usize::from(!received.duplicate);
            ids.extend(received.execution_ids);
        }
        assert_eq!((firsts, ids.len()), (1, 1));
        ended(&one.engine, *ids.first().expect("one")).await;
        assert_eq!(bed.world.calls_of("large").len(), 1);
        one.drain().await;
        two.drain().await;
    }

    async fn a_dedupe_key_starts_one_execution_over_different_deliveries(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, ORDER).await;
        let first = deliver(&process.engine, "orders", Some("d1"), json!({"id": "o1", "total": 60})).await;
        let again = deliver(&process.engine, "orders", Some("d2"), json!({"id": "o1", "total": 60})).await;
        assert_eq!(again.execution_ids, first.execution_ids);
        let other = deliver(&process.engine, "orders", Some("d3"), json!({"id": "o2", "total": 60})).await;
        assert_ne!(other.execution_ids, first.execution_ids);
        process.drain().await;
    }

    async fn an_event_that_does_not_pass_the_filter_is_stored_and_starts_nothing(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, ORDER).await;
        let small = deliver(&process.engine, "orders", Some("d1"), json!({"id": "o1", "total": 1})).await;
        let odd = deliver(&process.engine, "orders", Some("d2"), json!({"no": "total"})).await;
        for received in [small, odd] {
            assert!(received.execution_ids.is_empty() && received.event_id.is_some());
            let id = received.event_id.expect("an event");
            assert!(process.engine.ports().store.event(TenantId::DEFAULT, id).await.is_ok());
        }
        process.drain().await;
    }

    async fn an_input_that_does_not_fit_is_refused_with_its_place(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, ORDER).await;
        let request = automate_core::runtime::StartRequest {
            tenant_id: TenantId::DEFAULT,
            workflow: "order".to_owned(),
            version: None,
            input: Some(json!({"total": "many"})),
            source: "test".to_owned(),
            correlation_id: "c".to_owned(),
            run_here: false,
        };
        let Err(IntakeError::InvalidInput(problems)) = process.engine.start(request).await else { panic!("it is refused") };
        assert_eq!(problems[0].path, "/total");
        process.drain().await;
    }

    async fn an_event_starts_the_workflows_that_listen_and_so_does_the_end_of_an_execution(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: a\non: [{event: 'order.*'}]\nsteps: [{id: bad, fail: 'no {{ event.payload.n }}'}]").await;
        publish(&process.engine, "workflow: b\non: [{event: core.workflow.failed}]\nsteps: [{id: see, uses: idem.do, with: {value: '{{ event.payload.error.message }}'}}]").await;
        let event = PublishEvent {
            tenant_id: TenantId::DEFAULT,
            event_type: "order.paid".to_owned(),
            source: "test".to_owned(),
            payload: json!({"n": 7}),
            correlation_id: "c".to_owned(),
        };
        let received = process.engine.publish_event(event).await.expect("it is accepted");
        let failed = ended(&process.engine, received.execution_ids[0]).await;
        assert_eq!(failed.status, ExecutionStatus::Failed);
        bed.world.called("see").await;
        assert_eq!(bed.world.calls_of("see")[0].input["value"], "no 7");
        process.drain().await;
    }

    async fn a_publication_switches_the_triggers_and_running_executions_keep_their_version(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let version = |n: i32| format!("workflow: v\non: [{{webhook: 'v{n}', verify: none}}]\nsteps: [{{id: a, uses: idem.do, with: {{gate: true, value: {n}}}}}]\noutput: '{{{{ steps.a.output }}}}'");
        publish(&process.engine, &version(1)).await;
        let first = deliver(&process.engine, "v1", None, json!({})).await;
        bed.world.called("a").await;
        publish(&process.engine, &version(2)).await;
        assert!(process.engine.webhook_endpoint("default", "v1").await.expect("a lookup").is_none());
        let second = deliver(&process.engine, "v2", None, json!({})).await;
        bed.world.gate.add_permits(2);
        assert_eq!(ended(&process.engine, first.execution_ids[0]).await.output.as_deref(), Some("1"));
        assert_eq!(ended(&process.engine, second.execution_ids[0]).await.output.as_deref(), Some("2"));
        let back = process.engine.rollback(TenantId::DEFAULT, "v", 1, "test", "back").await.expect("it is published");
        assert_eq!(back.version.number, 3);
        assert!(process.engine.webhook_endpoint("default", "v1").await.expect("a lookup").is_some());
        process.drain().await;
    }

    async fn a_process_without_slots_leaves_the_work_to_a_worker(db: TestDatabase) {
        let bed = Bed::new(db);
        let accepting = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&accepting, ORDER).await;
        let id = start(&accepting, "order", json!({"id": "o", "total": 60})).await;
        reaches(&accepting, id, ExecutionStatus::Pending).await;
        let worker = bed.process().await;
        assert_eq!(ended(&accepting, id).await.status, ExecutionStatus::Completed);
        assert_eq!(step(&accepting, id, "large").await.status, StepStatus::Completed);
        worker.drain().await;
    }

    async fn g17_a_full_queue_is_refused_before_it_is_accepted(db: TestDatabase) {
        let bed = Bed::new(db);
        let filling = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&filling, ORDER).await;
        for _ in 0..5 {
            start(&filling, "order", json!({"total": 1})).await;
        }
        let settings = Settings { concurrency: 1, max_depth: 1, ..Bed::settings() };
        bed.world.gate.close();
        let process = bed.process_with(settings).await;
        // The depth is counted by the worker's own rounds; until then it is not known to be full.
        let request = || automate_core::runtime::StartRequest {
            tenant_id: TenantId::DEFAULT,
            workflow: "order".to_owned(),
            version: None,
            input: Some(json!({"total": 1})),
            source: "test".to_owned(),
            correlation_id: "c".to_owned(),
            run_here: false,
        };
        let refused = process.engine.start(request()).await;
        if let Err(error) = refused {
            assert!(matches!(error, IntakeError::Overloaded { .. }), "{error}");
        }
        process.drain().await;
    }
}
