//! Tests of drafts: before anything is published, and never anything else than tests.

use automate_core::engine::{Effects, Reach};
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::runtime::{
    Engine, IntakeError, PublishError, RerunRequest, RerunVersion, StartRequest, TestAbout, TestError,
};
use automate_core::status::ExecutionStatus;
use automate_core::store::{DRAFT, StoreError};
use automate_tests::both_databases;
use serde_json::{Map, Value, json};

use super::bed::{Bed, deliver, ended, publish, step};

const DRAFTED: &str = "\
workflow: w
on: [ { webhook: w, verify: none } ]
steps:
  - { id: computed, uses: pure.do, with: { value: '{{ event.payload.n }}' } }
  - { id: hidden, uses: pure.do, with: { value: '{{ secrets.TOKEN }}' } }
  - { id: charged, uses: once.do, with: { value: '{{ steps.computed.output }}' } }
output: { n: '{{ event.payload.n }}' }
";
const TENANT: TenantId = TenantId::DEFAULT;

fn request(version: Option<i32>, input: Value) -> StartRequest {
    StartRequest {
        tenant_id: TENANT,
        workflow: "w".to_owned(),
        version,
        input: Some(input),
        source: "test".to_owned(),
        correlation_id: "corr-5".to_owned(),
        run_here: false,
    }
}

async fn tested(engine: &Engine, reach: Reach) -> Result<ExecutionId, TestError> {
    let effects = Effects { reach, answers: Map::new() };
    engine.test_draft(request(None, json!({ "n": 7 })), &effects, TestAbout::Payload, "ada", None).await
}

both_databases! {
    async fn a_draft_is_tested_before_anything_is_published(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        process.engine.save_draft(TENANT, DRAFTED).await.expect("it is saved");
        // Whatever was asked for, effects are off.
        let id = tested(&process.engine, Reach::Everything).await.expect("it starts");
        let record = ended(&process.engine, id).await;
        assert_eq!((record.status, record.version), (ExecutionStatus::Completed, DRAFT));
        assert_eq!(record.output.as_deref(), Some("{\"n\":7}"));
        // What has a secret is left out too, though it reaches nothing: who writes drafts may not publish.
        let called: Vec<String> = bed.world.calls().into_iter().map(|call| call.path).collect();
        assert_eq!(called, ["computed"]);
        let hidden = step(&process.engine, id, "hidden").await.output.expect("an output");
        assert!(hidden.contains("$secret:TOKEN") && !hidden.contains("canary"), "{hidden}");
        let workflow = process.engine.ports().store.workflow(TENANT, "w").await.expect("it is there");
        assert_eq!((workflow.live_version, workflow.draft.as_deref()), (None, Some(DRAFTED)));
        assert!(process.engine.webhook_endpoint("default", "w").await.expect("a lookup").is_none());
        // Published, it is version 1, and real.
        publish(&process.engine, DRAFTED).await;
        let versions = process.engine.ports().store.versions(TENANT, "w").await.expect("versions");
        assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [1]);
        let real = deliver(&process.engine, "w", None, json!({ "n": 8 })).await.execution_ids[0];
        assert_eq!(ended(&process.engine, real).await.version, 1);
        assert_eq!(bed.world.calls_of("charged").len(), 1);
        process.drain().await;
    }

    async fn a_draft_with_errors_is_not_tested(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Bed::settings()).await;
        engine.save_draft(TENANT, &DRAFTED.replace("once.do", "once.undo")).await.expect("it is saved");
        let Err(TestError::Invalid(findings)) = tested(&engine, Reach::Nothing).await else { panic!("it is refused") };
        assert!(findings.iter().any(|finding| finding.message.contains("`undo`")), "{findings:?}");
        assert_eq!(engine.ports().store.count_executions(TENANT, &Default::default()).await.expect("a count"), 0);
    }

    async fn a_draft_that_has_changed_since_it_was_looked_at_is_not_tested(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Bed::settings()).await;
        let seen = engine.save_draft(TENANT, DRAFTED).await.expect("it is saved").row_version;
        engine.save_draft(TENANT, DRAFTED).await.expect("it is saved");
        let effects = Effects { reach: Reach::Reads, answers: Map::new() };
        let late = engine.test_draft(request(None, json!({})), &effects, TestAbout::Payload, "ada", Some(seen)).await;
        assert!(matches!(late, Err(TestError::Intake(IntakeError::Store(StoreError::Conflict(_))))));
    }

    async fn only_a_draft_that_is_there_is_tested(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Bed::settings()).await;
        let of_nothing = tested(&engine, Reach::Nothing).await;
        assert!(matches!(of_nothing, Err(TestError::Intake(IntakeError::NotFound(_)))));
        publish(&engine, DRAFTED).await;
        let published = tested(&engine, Reach::Nothing).await;
        assert!(matches!(published, Err(TestError::Intake(IntakeError::NotFound(_)))));
    }

    async fn a_tested_draft_cannot_be_started_or_published_by_its_number(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        process.engine.save_draft(TENANT, DRAFTED).await.expect("it is saved");
        ended(&process.engine, tested(&process.engine, Reach::Nothing).await.expect("it starts")).await;
        for number in [DRAFT, -1] {
            let started = process.engine.start(request(Some(number), json!({}))).await;
            assert!(matches!(started, Err(IntakeError::NotFound(_))));
            let effects = Effects::off();
            let started = process.engine.start_test(request(Some(number), json!({})), &effects, TestAbout::Input).await;
            assert!(matches!(started, Err(IntakeError::NotFound(_))));
            let back = process.engine.rollback(TENANT, "w", number, "test", "").await;
            assert!(matches!(back, Err(PublishError::Store(StoreError::NotFound(_)))));
        }
        process.drain().await;
    }

    async fn a_tested_draft_that_is_repeated_or_published_since_stays_a_test(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        process.engine.save_draft(TENANT, DRAFTED).await.expect("it is saved");
        let id = tested(&process.engine, Reach::Nothing).await.expect("it starts");
        ended(&process.engine, id).await;
        let again = process.engine.replay(TENANT, id, None, false).await.expect("it is repeated");
        let record = ended(&process.engine, again).await;
        assert_eq!((record.version, record.output.as_deref()), (DRAFT, Some("{\"n\":7}")));
        assert!(Effects::of_trigger(&record.trigger).is_test());
        publish(&process.engine, DRAFTED).await;
        let request = RerunRequest { version: RerunVersion::Live, ..RerunRequest::default() };
        let live = process.engine.rerun(TENANT, id, &request, false).await.expect("it is repeated");
        let record = ended(&process.engine, live).await;
        assert_eq!(record.version, 1);
        assert!(Effects::of_trigger(&record.trigger).is_test());
        assert!(bed.world.calls_of("charged").is_empty());
        process.drain().await;
    }

    async fn a_draft_goes_on_in_another_process_as_it_was_when_its_test_began(db: TestDatabase) {
        let bed = Bed::new(db);
        let first = bed.process().await;
        let waits = DRAFTED.replace("steps:\n", "steps:\n  - { id: pause, wait: { for: 1s } }\n");
        first.engine.save_draft(TENANT, &waits).await.expect("it is saved");
        let id = tested(&first.engine, Reach::Nothing).await.expect("it starts");
        first.engine.save_draft(TENANT, &waits.replace("output: { n:", "output: { other:")).await.expect("it is saved");
        first.drain().await;
        let second = bed.process().await;
        let record = ended(&second.engine, id).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("{\"n\":7}")));
        assert!(bed.world.calls_of("charged").is_empty());
        second.drain().await;
    }
}
