//! Ended executions again: from a step, with another input, on another version.

use automate_core::engine::Will;
use automate_core::ids::TenantId;
use automate_core::runtime::{OperateError, RerunRequest, RerunVersion, Settings};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_tests::both_databases;
use serde_json::{Value, json};

use crate::engine::bed::{Bed, deliver, ended, publish, reaches, start, step, steps};

const TENANT: TenantId = TenantId::DEFAULT;

const FOUR: &str = "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {value: '{{ inputs.n }}'}}\n  - {id: v, set: {twice: '{{ steps.a.output * 2 }}'}}\n  - {id: b, uses: once.do, with: {value: '{{ vars.twice + 1 }}'}}\n  - {id: c, uses: idem.do, with: {value: '{{ steps.b.output + steps.a.output }}'}}\noutput: '{{ steps.c.output }}'";

fn from(step: &str) -> RerunRequest {
    RerunRequest { from: Some(step.to_owned()), ..RerunRequest::default() }
}

both_databases! {
    async fn from_the_middle_earlier_outputs_are_kept_and_their_effects_are_not_repeated(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, FOUR).await;
        let old = start(&process.engine, "w", json!({"n": 3})).await;
        assert_eq!(ended(&process.engine, old).await.output.as_deref(), Some("10"));
        let new = process.engine.rerun(TENANT, old, &from("b"), false).await.expect("it starts");
        let record = ended(&process.engine, new).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("10")));
        assert_eq!(record.replay_of, Some(old));
        let trigger: Value = serde_json::from_str(&record.trigger).expect("JSON");
        assert_eq!(trigger, json!({"kind": "replay", "of": old, "from": "b"}));
        assert_eq!(bed.world.calls_of("a").len(), 1, "its effect is not repeated");
        let (b, c) = (bed.world.calls_of("b"), bed.world.calls_of("c"));
        assert_eq!((b.len(), c.len()), (2, 2));
        assert_ne!(b[0].key, b[1].key, "g5: a re-run carries a new key");
        let kept = step(&process.engine, new, "a").await;
        assert_eq!(kept, step(&process.engine, old, "a").await, "as it ended, with the key that its effect carried");
        assert_eq!(steps(&process.engine, new).await.len(), 4);
        process.drain().await;
    }

    async fn the_plan_says_before_what_is_kept_and_which_effects_are_repeated(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, FOUR).await;
        let old = start(&process.engine, "w", json!({"n": 3})).await;
        ended(&process.engine, old).await;
        let plan = process.engine.rerun_plan(TENANT, old, &from("b")).await.expect("a plan");
        let told: Vec<_> = plan.steps.iter().map(|step| (step.path.as_str(), step.will)).collect();
        assert_eq!(told, [("a", Will::Keep), ("v", Will::Keep), ("b", Will::Run), ("c", Will::Run)]);
        let repeated: Vec<_> = plan.repeated_effects.iter().map(|effect| effect.path.as_str()).collect();
        assert_eq!(repeated, ["b", "c"]);
        assert_eq!(bed.world.calls().len(), 3, "a plan does nothing");
        let shape = serde_json::to_value(&plan).expect("it serialises");
        assert_eq!((&shape["steps"][0]["will"], &shape["steps"][2]["effect"]), (&json!("keep"), &json!("once")));
        process.drain().await;
    }

    async fn a_process_that_only_accepts_leaves_a_partial_rerun_to_a_worker(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, FOUR).await;
        let old = start(&process.engine, "w", json!({"n": 3})).await;
        ended(&process.engine, old).await;
        process.drain().await;
        let api = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        let new = api.rerun(TENANT, old, &from("c"), false).await.expect("it starts");
        assert_eq!(steps(&api, new).await.len(), 3, "what is kept is stored with it");
        assert_eq!(api.ports().store.execution(TENANT, new).await.expect("a row").status, ExecutionStatus::Pending);
        let worker = bed.process().await;
        assert_eq!(ended(&worker.engine, new).await.output.as_deref(), Some("10"));
        assert_eq!(bed.world.calls_of("b").len(), 1);
        worker.drain().await;
    }

    async fn a_failed_execution_goes_on_from_its_failed_step_as_a_new_one(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: once.do, with: {value: 1}}\n  - {id: b, uses: idem.do, with: {fail: '{{ inputs.fail }}'}}\non_failure: [{id: tell, uses: idem.do}]").await;
        let old = start(&process.engine, "w", json!({"fail": "NOT_FOUND"})).await;
        let failed = ended(&process.engine, old).await;
        assert_eq!(failed.error.as_ref().and_then(|error| error.step.as_deref()), Some("b"));
        let edited = RerunRequest { input: Some(json!({"fail": ""})), ..from("b") };
        let plan = process.engine.rerun_plan(TENANT, old, &edited).await.expect("a plan");
        assert!(plan.edited_input && plan.warnings.iter().any(|warning| warning.code == "KEPT_WITH_OTHER_INPUT"));
        let new = process.engine.rerun(TENANT, old, &edited, true).await.expect("it starts");
        assert_eq!(ended(&process.engine, new).await.status, ExecutionStatus::Completed);
        assert_eq!((bed.world.calls_of("a").len(), bed.world.calls_of("b").len()), (1, 2));
        assert_eq!(process.engine.ports().store.execution(TENANT, old).await.expect("a row"), failed, "the old one stays");
        process.drain().await;
    }

    async fn the_live_version_can_take_over_where_paths_and_actions_match(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, FOUR).await;
        let old = start(&process.engine, "w", json!({"n": 3})).await;
        ended(&process.engine, old).await;
        publish(&process.engine, &FOUR.replace("vars.twice + 1", "vars.twice + 100")).await;
        let pinned = process.engine.rerun(TENANT, old, &from("b"), false).await.expect("it starts");
        let live = RerunRequest { version: RerunVersion::Live, ..from("b") };
        let live = process.engine.rerun(TENANT, old, &live, false).await.expect("it starts");
        let (pinned, live) = (ended(&process.engine, pinned).await, ended(&process.engine, live).await);
        assert_eq!((pinned.version, pinned.output.as_deref()), (1, Some("10")));
        assert_eq!((live.version, live.output.as_deref()), (2, Some("109")));
        assert_eq!(bed.world.calls_of("a").len(), 1);
        let none = RerunRequest { version: RerunVersion::Number(9), ..from("b") };
        assert_eq!(process.engine.rerun_plan(TENANT, old, &none).await.unwrap_err().code(), "NOT_FOUND");
        process.drain().await;
    }

    async fn it_is_about_the_same_event_unless_the_input_is_another(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{webhook: orders, verify: none}]\nsteps:\n  - {id: a, uses: idem.do, with: {value: '{{ event.payload.n }}'}}\n  - {id: b, uses: idem.do, with: {value: '{{ event.payload.n }}'}}\noutput: ['{{ steps.a.output }}', '{{ steps.b.output }}']").await;
        let old = deliver(&process.engine, "orders", Some("1"), json!({"n": 5})).await.execution_ids[0];
        ended(&process.engine, old).await;
        let same = process.engine.rerun(TENANT, old, &from("b"), false).await.expect("it starts");
        let other = RerunRequest { input: Some(json!({"n": 7})), ..from("b") };
        let other = process.engine.rerun(TENANT, old, &other, false).await.expect("it starts");
        let (same, other) = (ended(&process.engine, same).await, ended(&process.engine, other).await);
        assert_eq!((same.output.as_deref(), other.output.as_deref()), (Some("[5,5]"), Some("[5,7]")));
        assert!(same.event_id.is_some() && other.event_id.is_none());
        process.drain().await;
    }

    async fn what_cannot_be_run_again_is_refused_and_stores_nothing(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\ninputs: {type: object, required: [n]}\nsteps:\n  - {id: a, uses: idem.do, with: {gate: true}}").await;
        let id = start(&process.engine, "w", json!({"n": 1})).await;
        let engine = &process.engine;
        bed.world.called("a").await;
        let running = engine.rerun(TENANT, id, &RerunRequest::default(), false).await.unwrap_err();
        assert!(matches!(running, OperateError::NotEnded { .. }), "{running}");
        bed.world.gate.add_permits(1);
        ended(engine, id).await;
        let unknown = engine.rerun(TENANT, id, &from("z"), false).await.unwrap_err();
        assert_eq!(unknown.code(), "UNKNOWN_STEP", "{unknown}");
        let unfit = RerunRequest { input: Some(json!({})), ..RerunRequest::default() };
        assert_eq!(engine.rerun(TENANT, id, &unfit, false).await.unwrap_err().code(), "INVALID_INPUT");
        let stranger = engine.rerun(TenantId::new(), id, &RerunRequest::default(), false).await.unwrap_err();
        assert_eq!(stranger.code(), "NOT_FOUND");
        let all = engine.ports().store.count_executions(TENANT, &Default::default()).await.expect("a count");
        assert_eq!(all, 1);
        process.drain().await;
    }

    async fn g5_a_retry_in_place_runs_the_failed_step_with_a_new_key_and_gives_it_time_again(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\ntimeout: 600ms\nsteps:\n  - {id: a, uses: once.do, with: {value: 1}}\n  - {id: b, uses: idem.do, with: {gate: true}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        let record = ended(&process.engine, id).await;
        assert_eq!(record.error.as_ref().map(|error| error.code.as_str()), Some("EXECUTION_TIMEOUT"));
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        bed.world.gate.add_permits(1);
        process.engine.retry(TENANT, id).await.expect("it goes on");
        let record = reaches(&process.engine, id, ExecutionStatus::Completed).await;
        assert_eq!(record.attempt, 2);
        assert_eq!(bed.world.calls_of("a").len(), 1, "what had finished stays");
        let keys: std::collections::BTreeSet<_> = bed.world.calls_of("b").into_iter().map(|call| call.key).collect();
        assert_eq!(keys.len(), 2);
        assert_eq!(step(&process.engine, id, "b").await.status, StepStatus::Completed);
        process.drain().await;
    }
}
