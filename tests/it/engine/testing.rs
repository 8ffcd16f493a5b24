//! Tests of workflows: nothing outside is reached, and nothing follows from them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use automate_core::engine::{Effects, Reach};
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::runtime::{Engine, StartRequest, TestAbout};
use automate_core::signals::Signal;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_tests::both_databases;
use serde_json::{Map, Value, json};

use super::bed::{Bed, deliver, ended, publish, step};

const EFFECTS: &str = "\
workflow: w
on: [ { manual: true }, { webhook: w, verify: none } ]
steps:
  - { id: computed, uses: pure.do, with: { value: 2 } }
  - { id: charged, uses: once.do, with: { value: '{{ steps.computed.output }}', token: '{{ secrets.TOKEN }}' } }
  - { id: told, uses: idem.do, with: { value: '{{ steps.charged.output.dry_run }}' }, retry: { max_attempts: 3 } }
output: { charged: '{{ steps.charged.output.amount | default(0) }}' }
";
const FOLLOWS: &str =
    "workflow: follows\non: [ { event: 'core.workflow.**' } ]\nsteps: [ { id: after, uses: idem.do } ]";

fn request(version: Option<i32>) -> StartRequest {
    StartRequest {
        tenant_id: TenantId::DEFAULT,
        workflow: "w".to_owned(),
        version,
        input: Some(json!({})),
        source: "test".to_owned(),
        correlation_id: "corr-3".to_owned(),
        run_here: false,
    }
}

async fn tested(engine: &Engine, answers: Value) -> ExecutionId {
    let Value::Object(answers) = answers else { panic!("answers are by step") };
    let effects = Effects { reach: Reach::Nothing, answers };
    engine.start_test(request(None), &effects, TestAbout::Input).await.expect("it starts")
}

both_databases! {
    async fn a_test_calls_nothing_that_has_an_effect_and_says_what_it_would_have_called(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, EFFECTS).await;
        publish(&process.engine, FOLLOWS).await;
        let id = tested(&process.engine, json!({ "charged": { "amount": 7 } })).await;
        let record = ended(&process.engine, id).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("{\"charged\":7}")));
        // What computes was performed; what reaches the world was not, and nothing listened to the end.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        let called: Vec<String> = bed.world.calls().into_iter().map(|call| call.path).collect();
        assert_eq!(called, ["computed"]);
        let charged = step(&process.engine, id, "charged").await;
        assert_eq!(charged.status, StepStatus::Completed);
        let output: Value = serde_json::from_str(charged.output.as_deref().expect("an output")).expect("JSON");
        assert_eq!((&output["dry_run"], &output["amount"]), (&json!(true), &json!(7)));
        let would = json!({ "action": "once.do", "input": { "value": 2, "token": "$secret:TOKEN" } });
        assert_eq!(output["would_have_called"], would);
        process.drain().await;
    }

    async fn receivers_of_signals_hear_of_runs_and_never_of_tests(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let heard: Arc<Mutex<BTreeSet<ExecutionId>>> = Arc::default();
        let hearing = heard.clone();
        process.engine.ports().signals.connect(None, "mails", move |signal: &Signal| {
            let of = match signal {
                Signal::WorkflowStarted(of) | Signal::WorkflowCompleted(of) | Signal::WorkflowFailed(of) => vec![of.execution_id],
                Signal::StepStarted(of) | Signal::StepCompleted(of) | Signal::StepFailed(of) => vec![of.execution_id],
                Signal::EventReceived(of) => of.executions.clone(),
            };
            hearing.lock().expect("heard").extend(of);
        });
        let fails = EFFECTS.replace("output:", "  - { id: fails, fail: 'no' }\noutput:");
        process.engine.save_draft(TenantId::DEFAULT, &fails).await.expect("it is saved");
        let of_draft = process.engine.test_draft(request(None), &Effects::off(), TestAbout::Payload, "ada", None).await;
        assert_eq!(ended(&process.engine, of_draft.expect("it starts")).await.status, ExecutionStatus::Failed);
        publish(&process.engine, EFFECTS).await;
        ended(&process.engine, tested(&process.engine, json!({})).await).await;
        let real = deliver(&process.engine, "w", None, json!({})).await.execution_ids[0];
        ended(&process.engine, real).await;
        assert_eq!(*heard.lock().expect("heard"), BTreeSet::from([real]));
        process.drain().await;
    }

    async fn a_test_that_is_repeated_is_a_test_and_one_that_is_started_by_a_delivery_is_none(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, EFFECTS).await;
        let id = tested(&process.engine, json!({})).await;
        ended(&process.engine, id).await;
        let again = process.engine.replay(TenantId::DEFAULT, id, Some(json!({})), false).await.expect("it is repeated");
        let record = ended(&process.engine, again).await;
        assert!(Effects::of_trigger(&record.trigger).is_test(), "{}", record.trigger);
        assert!(bed.world.calls().iter().all(|call| call.path == "computed"));
        let real = deliver(&process.engine, "w", Some("d-1"), json!({})).await.execution_ids[0];
        ended(&process.engine, real).await;
        assert_eq!(bed.world.calls_of("charged").len(), 1);
        process.drain().await;
    }

    async fn a_test_goes_on_as_a_test_in_another_process(db: TestDatabase) {
        let bed = Bed::new(db);
        let first = bed.process().await;
        let waits = EFFECTS.replace("steps:\n", "steps:\n  - { id: pause, wait: { for: 1s } }\n");
        publish(&first.engine, &waits).await;
        let id = tested(&first.engine, json!({})).await;
        first.drain().await;
        let second = bed.process().await;
        assert_eq!(ended(&second.engine, id).await.status, ExecutionStatus::Completed);
        assert!(bed.world.calls().iter().all(|call| call.path == "computed"));
        second.drain().await;
    }

    async fn effects_that_nobody_switched_off_are_off_in_a_test(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, EFFECTS).await;
        let effects = Effects { reach: Reach::Everything, answers: Map::new() };
        let id = process.engine.start_test(request(Some(1)), &effects, TestAbout::Input).await.expect("it starts");
        ended(&process.engine, id).await;
        assert!(bed.world.calls_of("charged").is_empty());
        process.drain().await;
    }
}
