//! Dying, stalling, draining.

use std::time::Duration;

use automate_core::ids::TenantId;
use automate_core::outbox::ReapRequest;
use automate_core::runtime::Settings;
use automate_core::status::ExecutionStatus;
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Bed, ended, publish, reaches, start, step, steps};

const TWO: &str = "workflow: w\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {gate: true, value: 1}}\n  - {id: b, uses: idem.do, with: {value: '{{ steps.a.output + 1 }}'}}\noutput: '{{ steps.b.output }}'";

both_databases! {
    async fn g16_a_drain_waits_for_the_running_action_and_leaves_the_rest_to_others(db: TestDatabase) {
        let bed = Bed::new(db);
        let one = bed.process().await;
        publish(&one.engine, TWO).await;
        let id = start(&one.engine, "w", json!({})).await;
        bed.world.called("a").await;
        let draining = tokio::spawn(one.drain());
        tokio::time::sleep(Duration::from_millis(200)).await;
        bed.world.gate.add_permits(1);
        draining.await.expect("it ends in order");
        assert!(bed.world.calls_of("b").is_empty(), "a drain begins nothing new");
        let two = bed.process().await;
        let record = ended(&two.engine, id).await;
        assert_eq!(record.output.as_deref(), Some("2"));
        assert_eq!(bed.world.calls_of("a").len(), 1, "what had ended was recorded");
        two.drain().await;
    }

    async fn g16_what_outlives_the_grace_period_is_released_without_charging_an_attempt(db: TestDatabase) {
        let bed = Bed::new(db);
        let one = bed.process_with(Settings { drain: Duration::from_millis(100), lease: Duration::from_secs(60), ..Bed::settings() }).await;
        publish(&one.engine, TWO).await;
        let id = start(&one.engine, "w", json!({})).await;
        bed.world.called("a").await;
        one.drain().await;
        let two = bed.process().await;
        bed.world.gate.add_permits(2);
        let record = ended(&two.engine, id).await;
        assert_eq!(record.status, ExecutionStatus::Completed);
        let a = step(&two.engine, id, "a").await;
        assert_eq!((a.attempt, a.attempts.len()), (1, 0));
        let keys: std::collections::BTreeSet<_> = bed.world.calls_of("a").into_iter().map(|call| call.key).collect();
        assert_eq!(keys.len(), 1);
        two.drain().await;
    }

    async fn g4_a_stalled_worker_that_wakes_up_overwrites_nothing(db: TestDatabase) {
        let bed = Bed::new(db);
        let stalled = bed.process_with(Settings { lease: Duration::from_secs(600), reap_interval: Duration::from_secs(600), ..Bed::settings() }).await;
        publish(&stalled.engine, TWO).await;
        let id = start(&stalled.engine, "w", json!({})).await;
        bed.world.called("a").await;
        // As the reaper does with a lease that has run out; the stalled worker does not know.
        let store = &stalled.engine.ports().store;
        let item = store.list(&Default::default()).await.expect("items").remove(0);
        let stolen = automate_core::outbox::Claim { id: item.id, token: item.lease_token };
        store.release(&[stolen]).await.expect("released");
        let thief = bed.process().await;
        bed.world.gate.add_permits(1);
        tokio::time::sleep(Duration::from_millis(300)).await;
        bed.world.gate.add_permits(1);
        let record = ended(&thief.engine, id).await;
        assert_eq!((record.status, record.output.as_deref()), (ExecutionStatus::Completed, Some("2")));
        tokio::time::sleep(Duration::from_millis(500)).await;
        let all = steps(&thief.engine, id).await;
        assert_eq!(all.len(), 2);
        let after = thief.engine.ports().store.execution(TenantId::DEFAULT, id).await.expect("a row");
        assert_eq!(after, record, "nothing was written after the end");
        thief.drain().await;
        stalled.drain().await;
    }

    async fn g6_what_a_dead_process_held_is_taken_back_and_ends(db: TestDatabase) {
        let bed = Bed::new(db);
        // It takes the item and never works on it: what a process does that dies right after its claim.
        let dead = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&dead, TWO).await;
        let id = start(&dead, "w", json!({})).await;
        let request = automate_core::outbox::ClaimRequest {
            owner: "dead".to_owned(),
            limit: 10,
            lease: Duration::from_millis(300),
            kinds: vec![],
        };
        assert_eq!(dead.ports().store.claim_batch(&request).await.expect("a claim").len(), 1);
        bed.world.gate.add_permits(1);
        let alive = bed.process().await;
        assert_eq!(ended(&alive.engine, id).await.output.as_deref(), Some("2"));
        alive.drain().await;
    }

    async fn g15_poison_is_set_aside_with_its_reason_and_does_not_stop_the_rest(db: TestDatabase) {
        let bed = Bed::new(db);
        let engine = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
        publish(&engine, TWO).await;
        let id = start(&engine, "w", json!({})).await;
        let store = &engine.ports().store;
        let request = automate_core::outbox::ClaimRequest {
            owner: "dies".to_owned(),
            limit: 1,
            lease: Duration::from_millis(1),
            kinds: vec![],
        };
        let reap = ReapRequest {
            stale_threshold: Duration::ZERO,
            max_batch: 10,
            retry_delay: Duration::ZERO,
            max_lost_leases: 3,
            max_lost_in_company: 6,
            dry_run: false,
        };
        for _ in 0..3 {
            assert_eq!(store.claim_batch(&request).await.expect("a claim").len(), 1);
            tokio::time::sleep(Duration::from_millis(30)).await;
            store.reap_stale(&reap).await.expect("reaped");
        }
        let record = reaches(&engine, id, ExecutionStatus::Failed).await;
        assert_eq!(record.error.as_ref().map(|error| error.code.as_str()), Some("QUARANTINED"));
        let process = bed.process().await;
        bed.world.gate.add_permits(5);
        let good = start(&process.engine, "w", json!({})).await;
        assert_eq!(ended(&process.engine, good).await.status, ExecutionStatus::Completed);
        process.drain().await;
    }
}
