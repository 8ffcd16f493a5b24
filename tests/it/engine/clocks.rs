//! What processes know by their clock and by the database's hints may be wrong, and nothing breaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use automate_core::clock::{Clock, now};
use automate_core::ids::ExecutionId;
use automate_core::runtime::{Engine, Settings};
use automate_core::status::ExecutionStatus;
use automate_tests::postgres::TestDatabase;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::bed::{Bed, Process, ended, publish, start, steps};

const WORK: &str = "workflow: work\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {fail: TRANSIENT_NETWORK, fail_times: 1}, retry: {max_attempts: 3, initial: 100ms}}\n  - {id: rest, wait: {for: 1s}}\n  - {id: b, uses: idem.do, with: {value: 1}}\n";

/// A clock that is wrong by so many seconds, and jumps there and back with each look where it is told to.
struct Wrong {
    seconds: i64,
    jumps: bool,
    looks: AtomicI64,
}

impl Clock for Wrong {
    fn now(&self) -> DateTime<Utc> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let seconds = if self.jumps && look % 2 == 1 { -self.seconds } else { self.seconds };
        now() + TimeDelta::seconds(seconds)
    }
}

async fn engine_that_is_off_by(bed: &Bed, seconds: i64, jumps: bool) -> Engine {
    let clock = Arc::new(Wrong { seconds, jumps, looks: AtomicI64::new(0) });
    bed.engine_with(Bed::settings(), |_, ports| ports.clock = clock).await
}

/// Longer than a lease, so that it must be held on to.
const LONG: &str = "workflow: long\non: [{manual: true}]\nsteps:\n  - {id: a, uses: idem.do, with: {gate: true, value: 1}}\n  - {id: b, uses: once.do, with: {value: 1}}\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g12_workers_whose_clocks_are_wrong_by_minutes_take_no_work_from_each_other() {
    let Some(db) = TestDatabase::postgres().await else { return };
    let bed = Bed::new(db);
    let mut workers: Vec<Process> = Vec::new();
    for (seconds, jumps) in [(600, false), (-600, false), (3_600, true)] {
        workers.push(Bed::working(engine_that_is_off_by(&bed, seconds, jumps).await));
    }
    publish(&workers[0].engine, LONG).await;
    let mut ids: Vec<ExecutionId> = Vec::new();
    for n in 0..24 {
        ids.push(start(&workers[n % 3].engine, "long", json!({})).await);
    }
    // Three leases long.
    tokio::time::sleep(Duration::from_secs(6)).await;
    bed.world.gate.add_permits(100);
    for id in ids {
        let record = ended(&workers[0].engine, id).await;
        assert_eq!(record.status, ExecutionStatus::Completed, "{:?}", record.error);
        let attempts: Vec<i32> = steps(&workers[0].engine, id).await.iter().map(|step| step.attempt).collect();
        assert_eq!(attempts, [1, 1]);
    }
    for path in ["a", "b"] {
        let calls = bed.world.calls_of(path);
        let keys: BTreeSet<&str> = calls.iter().map(|call| call.key.as_str()).collect();
        assert_eq!((calls.len(), keys.len()), (24, 24), "nothing of {path} was done twice");
    }
    for worker in workers {
        worker.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g20_losing_the_hints_costs_seconds_and_never_work() {
    let Some(db) = TestDatabase::postgres().await else { return };
    let bed = Bed::new(db);
    let worker = bed.process().await;
    let starter = bed.engine(Settings { concurrency: 0, ..Bed::settings() }).await;
    publish(&starter, WORK).await;
    // Whoever listens is thrown out, again and again.
    let pool = bed.db.db.postgres().unwrap().clone();
    let thrown_out = Arc::new(AtomicI64::new(0));
    let count = Arc::clone(&thrown_out);
    let thrower = tokio::spawn(async move {
        const SQL: &str = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE datname = current_database() AND query ILIKE 'LISTEN %' AND pid <> pg_backend_pid()";
        loop {
            let gone: i64 = sqlx::query_scalar(SQL).fetch_one(&pool).await.unwrap();
            count.fetch_add(gone, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    for n in 0..10 {
        let begun = Instant::now();
        let id = start(&starter, "work", json!({})).await;
        let record = ended(&starter, id).await;
        assert_eq!(record.status, ExecutionStatus::Completed, "{:?}", record.error);
        // A second for its pause, and five for what a hint would have spared; machines are busy.
        assert!(begun.elapsed() < Duration::from_secs(15), "execution {n} took {:?}", begun.elapsed());
    }
    thrower.abort();
    assert!(thrown_out.load(Ordering::Relaxed) > 2, "nobody was listening");
    worker.drain().await;
}
