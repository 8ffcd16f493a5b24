//! Every reason of `explain`, provoked for real.

use std::time::Duration;

use automate_core::clock;
use automate_core::explain::{Explanation, Hold};
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::outbox::{Claim, ClaimRequest, ReapRequest};
use automate_core::runtime::{Engine, Settings};
use automate_core::status::ExecutionStatus;
use automate_core::store::Resolution;
use automate_tests::both_databases;
use automate_tests::store_conformance::{change, document, manual, start_of};
use serde_json::json;

use crate::engine::bed::{Bed, ended, publish, reaches, start, step};

const TENANT: TenantId = TenantId::DEFAULT;
const ONE: &str = "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: idem.do, with: {gate: true}}]";

async fn told(engine: &Engine, id: ExecutionId) -> Explanation {
    engine.explain(TENANT, id).await.expect("an explanation")
}

/// Looks until the reason is this one.
async fn becomes(engine: &Engine, id: ExecutionId, code: Hold) -> Explanation {
    for _ in 0..250 {
        let explanation = told(engine, id).await;
        if explanation.code == code {
            return explanation;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is never {code}: {:?}", told(engine, id).await);
}

fn idle() -> Settings {
    Settings { concurrency: 0, ..Bed::settings() }
}

async fn claim(engine: &Engine, owner: &str, lease: Duration) -> Claim {
    let request = ClaimRequest { owner: owner.to_owned(), limit: 1, lease, kinds: vec![] };
    engine.ports().store.claim_batch(&request).await.expect("a claim").remove(0).claim
}

const REAP: ReapRequest = ReapRequest {
    stale_threshold: Duration::ZERO,
    max_batch: 10,
    retry_delay: Duration::from_secs(60),
    max_lost_leases: 3,
    max_lost_in_company: 6,
    dry_run: false,
};

both_databases! {
    async fn what_waits_in_the_queue_knows_its_place_and_when_the_queue_is_full(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(idle()).await;
        publish(&engine, ONE).await;
        start(&engine, "w", json!({})).await;
        let second = start(&engine, "w", json!({})).await;
        let queued = told(&engine, second).await;
        assert_eq!((queued.code, queued.reasons[0].ahead, queued.moving), (Hold::Queued, Some(1), true));
        assert!(queued.summary.contains("no worker is at work"), "{}", queued.summary);
        let full = bed.engine(Settings { max_depth: 2, ..idle() }).await;
        assert_eq!(told(&full, second).await.code, Hold::Overloaded);
    }

    async fn what_a_worker_holds_names_it_and_what_is_cancelled_says_so(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process_with(Settings { owner: "host-1".to_owned(), ..Bed::settings() }).await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: once.do, with: {gate: true}}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        bed.world.called("a").await;
        let held = told(&process.engine, id).await;
        assert_eq!((held.code, held.reasons[0].step.as_deref()), (Hold::Held, Some("a")));
        let holder = held.holder.expect("a holder");
        assert_eq!(holder.owner, "host-1");
        assert!(holder.since <= held.at && holder.lease_until.is_some_and(|until| until > held.at));
        // Not told in this process, so that it goes on for the moment.
        process.engine.ports().store.cancel(TENANT, id).await.expect("asked");
        assert_eq!(told(&process.engine, id).await.code, Hold::Cancelling);
        assert_eq!(ended(&process.engine, id).await.status, ExecutionStatus::Cancelled);
        assert_eq!(told(&process.engine, id).await.code, Hold::Cancelled);
        process.drain().await;
    }

    async fn what_a_dead_worker_held_is_stale_then_given_back_then_quarantined(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(idle()).await;
        publish(&engine, ONE).await;
        let id = start(&engine, "w", json!({})).await;
        let store = &engine.ports().store;
        claim(&engine, "dies", Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let stale = told(&engine, id).await;
        assert_eq!((stale.code, stale.holder.map(|holder| holder.owner)), (Hold::LeaseExpired, Some("dies".to_owned())));
        assert!(stale.expected_at.is_some());
        store.reap_stale(&REAP).await.expect("reaped");
        let back = told(&engine, id).await;
        assert_eq!(back.code, Hold::GivenBack);
        assert!(back.expected_at.is_some_and(|at| at > back.at), "{back:?}");
        for _ in 0..2 {
            change(&bed.db.db, "UPDATE outbox SET next_attempt_at = created_at", vec![]).await;
            claim(&engine, "dies", Duration::from_millis(1)).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
            store.reap_stale(&REAP).await.expect("reaped");
        }
        let poison = told(&engine, id).await;
        assert_eq!((poison.code, poison.status), (Hold::Quarantined, ExecutionStatus::Failed));
        let requeue = format!("automate outbox requeue {}", poison.outbox_id.expect("an item"));
        assert_eq!(poison.remedies[0].command, requeue);
    }

    async fn what_waits_says_for_what_and_until_when(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: pause, needs: [], wait: {for: 1h}}\n  - {id: ok, needs: [], wait: {signal: approved, timeout: 2h}}\n  - {id: call, needs: [], uses: idem.do, with: {fail: UPSTREAM_5XX}, retry: {initial: 3h, jitter: false, max: 4h}}").await;
        let id = start(&process.engine, "w", json!({})).await;
        reaches(&process.engine, id, ExecutionStatus::Waiting).await;
        let waits = becomes(&process.engine, id, Hold::Timer).await;
        let reasons: Vec<_> = waits.reasons.iter().map(|r| (r.code, r.step.as_deref().unwrap_or_default())).collect();
        assert_eq!(reasons, [(Hold::Timer, "pause"), (Hold::Signal, "ok"), (Hold::Retry, "call")]);
        assert_eq!(waits.reasons[1].signal.as_deref(), Some("approved"));
        assert_eq!(waits.reasons[2].error.as_ref().map(|error| error.code.as_str()), Some("UPSTREAM_5XX"));
        assert_eq!(waits.expected_at, waits.reasons[0].until);
        let hour = (waits.expected_at.expect("a time") - waits.at).num_minutes();
        assert!((58..=60).contains(&hour), "{hour}");
        process.engine.cancel(TENANT, id).await.expect("cancelled");
        process.drain().await;
    }

    async fn what_waits_for_a_person_says_how_to_decide_and_ends_when_it_is_decided(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: a, uses: once.do, with: {fail: TIMEOUT}}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        let unknown = becomes(&process.engine, id, Hold::OutcomeUnknown).await;
        assert_eq!((unknown.reasons[0].step.as_deref(), unknown.expected_at), (Some("a"), None));
        let key = step(&process.engine, id, "a").await.idempotency_key;
        assert!(unknown.summary.contains(&key), "{}", unknown.summary);
        process.engine.resolve(TENANT, id, "a", Resolution::Completed(None)).await.expect("decided");
        ended(&process.engine, id).await;
        let done = told(&process.engine, id).await;
        assert_eq!((done.code, done.moving, done.holder), (Hold::Completed, false, None));
        process.drain().await;
    }

    async fn what_this_program_cannot_run_says_what_it_lacks(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        let store = &process.engine.ports().store;
        // As a program with another connector publishes it.
        let mut version = document("acme", "1");
        version.source = "workflow: acme\non: [{manual: true}]\nsteps: [{id: a, uses: acme.do}]".to_owned();
        store.publish(TENANT, version).await.expect("published");
        let trigger = store.triggers().await.expect("triggers").remove(0);
        let new = start_of(&trigger);
        let id = new.id;
        store.accept(manual(vec![new])).await.expect("accepted");
        let lacks = becomes(&process.engine, id, Hold::NotRunnable).await;
        let error = lacks.reasons[0].error.clone().expect("an error");
        assert!(error.code == "CONFIG_INVALID" && error.message.contains("acme.do"), "{error:?}");
        process.drain().await;
    }

    async fn a_dead_letter_and_what_nothing_holds_are_called_so(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(idle()).await;
        publish(&engine, ONE).await;
        let id = start(&engine, "w", json!({})).await;
        let claim = claim(&engine, "worker", Duration::from_secs(60)).await;
        engine.ports().store.mark_failed(claim, "INTERNAL", "the store refused it").await.expect("marked");
        let dead = told(&engine, id).await;
        assert_eq!(dead.code, Hold::DeadLetter);
        assert!(dead.summary.contains("the store refused it"), "{}", dead.summary);
        change(&bed.db.db, "DELETE FROM outbox", vec![]).await;
        assert_eq!(told(&engine, id).await.code, Hold::Orphaned);
    }

    async fn what_failed_says_where_and_another_tenants_execution_is_not_found(db: TestDatabase) {
        let bed = Bed::new(db);
        let process = bed.process().await;
        publish(&process.engine, "workflow: w\non: [{manual: true}]\nsteps: [{id: why, fail: 'no tea'}]").await;
        let id = start(&process.engine, "w", json!({})).await;
        ended(&process.engine, id).await;
        let failed = told(&process.engine, id).await;
        assert_eq!((failed.code, failed.reasons[0].step.as_deref()), (Hold::Failed, Some("why")));
        assert!(failed.at >= clock::now() - chrono::TimeDelta::minutes(5));
        assert_eq!(process.engine.explain(TenantId::new(), id).await.unwrap_err().code(), "NOT_FOUND");
        process.drain().await;
    }
}
