//! Scenario (c): queued work through the public trait of the outbox, in batches, against the limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use automate_core::outbox::{ClaimRequest, ClaimState, NewOutboxItem};
use automate_core::store::Store;
use automate_store::db::Database;
use serde::Serialize;
use serde_json::json;

use super::{BenchError, limit, per_second};

/// The kind of the measured items; nothing handles it.
const KIND: &str = "bench";
/// Callers at once.
const CALLERS: usize = 4;

/// Items per second.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct QueueRates {
    /// How many went through.
    pub(crate) items: usize,
    /// Queued per second.
    pub(crate) enqueued_per_second: f64,
    /// Claimed and completed per second.
    pub(crate) drained_per_second: f64,
    /// Through all three per second.
    pub(crate) items_per_second: f64,
}

impl QueueRates {
    /// Of two phases over the same items.
    pub(crate) fn of(items: usize, enqueue: Duration, drain: Duration) -> Self {
        let count = items as u64;
        Self {
            items,
            enqueued_per_second: per_second(count, enqueue),
            drained_per_second: per_second(count, drain),
            items_per_second: per_second(count, enqueue + drain),
        }
    }
}

/// What scenario (c) gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct QueueResult {
    /// Through the outbox.
    pub(crate) outbox: QueueRates,
    /// By bare statements over the same rows.
    pub(crate) limit: QueueRates,
    /// The part of the limit that was reached, from 0 to 1.
    pub(crate) ratio: f64,
}

/// Measures the outbox and the limit, in turns, and checks that every item was had exactly once.
pub(crate) async fn run(
    database: &Database,
    store: &Arc<dyn Store>,
    items: usize,
    problems: &mut Vec<String>,
) -> Result<QueueResult, BenchError> {
    // Half of the limit before and half after, so that a machine that slows down hits both.
    let before = limit::queue(database, items / 2).await?;
    let (outbox, doubled) = through_the_outbox(store, items).await?;
    let after = limit::queue(database, items / 2).await?;
    if outbox.items != items {
        problems.push(format!("outbox: {items} items were queued and {} were completed", outbox.items));
    }
    if doubled > 0 {
        problems.push(format!("outbox: {doubled} claims were lost although no lease had run out"));
    }
    let left = store.stats().await?;
    if left.ready + left.running + left.scheduled + left.failed != 0 {
        problems.push(format!("outbox: items were left over: {left:?}"));
    }
    let mean = |of: fn(&QueueRates) -> f64| (of(&before) + of(&after)) / 2.0;
    let limit = QueueRates {
        items: before.items + after.items,
        enqueued_per_second: mean(|r| r.enqueued_per_second),
        drained_per_second: mean(|r| r.drained_per_second),
        items_per_second: mean(|r| r.items_per_second),
    };
    Ok(QueueResult { outbox, limit, ratio: outbox.items_per_second / limit.items_per_second })
}

async fn through_the_outbox(store: &Arc<dyn Store>, items: usize) -> Result<(QueueRates, usize), BenchError> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut left = items / CALLERS + usize::from(caller < items % CALLERS);
            while left > 0 {
                let batch: Vec<NewOutboxItem> = (0..left.min(limit::BATCH))
                    .map(|n| NewOutboxItem::new(KIND, n.to_string(), json!({ "n": 1 })))
                    .collect();
                store.enqueue_all(&batch).await?;
                left -= batch.len();
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(|e| BenchError::Load(e.to_string()))??;
    }
    let enqueue = begun.elapsed();
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let store = store.clone();
        tasks.spawn(async move {
            let request = ClaimRequest {
                owner: format!("bench-{caller}"),
                limit: limit::BATCH,
                lease: Duration::from_secs(60),
                kinds: vec![KIND.to_owned()],
            };
            let (mut held, mut lost) = (0, 0);
            loop {
                let claims: Vec<_> = store.claim_batch(&request).await?.into_iter().map(|c| c.claim).collect();
                if claims.is_empty() {
                    return Ok::<_, BenchError>((held, lost));
                }
                for state in store.mark_success(&claims).await? {
                    match state {
                        ClaimState::Held => held += 1,
                        ClaimState::LeaseLost => lost += 1,
                    }
                }
            }
        });
    }
    let (mut held, mut lost) = (0, 0);
    while let Some(done) = tasks.join_next().await {
        let (h, l) = done.map_err(|e| BenchError::Load(e.to_string()))??;
        held += h;
        lost += l;
    }
    Ok((QueueRates::of(held, enqueue, begun.elapsed()), lost))
}
