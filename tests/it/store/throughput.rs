//! How many executions a second the store takes, and how long one takes when there is nothing
//! else. Run it alone, in release: `cargo test --release -p automate_tests --test it -- --ignored
//! --nocapture store::throughput`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use automate_core::status::StepStatus;
use automate_core::store::{Checkpoint, Store, Then};
use automate_store::open;
use automate_tests::postgres::{PgServer, TestDatabase};
use automate_tests::store_conformance::*;

/// Executions that are under way at the same time.
const CLIENTS: usize = 400;
const TIME: Duration = Duration::from_secs(8);

static KEY: AtomicU64 = AtomicU64::new(0);

async fn execution(store: &dyn Store, checkpoints: usize) {
    let key = format!("d-{}", KEY.fetch_add(1, Ordering::Relaxed));
    let accepted = stored(store.accept(delivery(&key, vec![leased_start()])).await.unwrap()).remove(0);
    let claim = accepted.claim.unwrap();
    for n in 1..checkpoints {
        let seq = i32::try_from(n).unwrap();
        let progress = Checkpoint {
            steps: vec![step(&format!("step-{n}"), seq, StepStatus::Completed)],
            ..checkpoint(accepted.id, claim, Then::Hold)
        };
        store.checkpoint(progress).await.unwrap();
    }
    let mut ending = end(accepted.id, claim);
    if checkpoints > 1 {
        ending.steps.truncate(1);
    }
    store.checkpoint(ending).await.unwrap();
}

async fn saturated(store: &Arc<dyn Store>, checkpoints: usize) -> f64 {
    let begun = Instant::now();
    let done = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (store, done) = (Arc::clone(store), Arc::clone(&done));
            tokio::spawn(async move {
                while begun.elapsed() < TIME {
                    execution(&*store, checkpoints).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

async fn alone(store: &Arc<dyn Store>) -> (Duration, Duration) {
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        execution(&**store, 1).await;
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

async fn measure(name: &str, store: Arc<dyn Store>) {
    alone(&store).await;
    let (p50, p99) = alone(&store).await;
    println!("{name}: alone p50 {p50:?}, p99 {p99:?}");
    for checkpoints in [1, 5] {
        let rate = saturated(&store, checkpoints).await;
        println!("{name}: {checkpoints} checkpoint(s) an execution: {rate:.0} executions/s");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn sqlite() {
    let t = TestDatabase::sqlite().await;
    measure("sqlite", open(&t.db).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn postgres() {
    let server = tokio::task::spawn_blocking(|| PgServer::private(true)).await.unwrap().unwrap();
    let t = TestDatabase::on(&server).await;
    measure("postgres", open(&t.db).unwrap()).await;
}
