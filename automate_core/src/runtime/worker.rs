//! The worker: claims, runs, keeps leases alive, reaps, drains.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::active::Held;
use super::arrivals::WATCH;
use crate::ids::ExecutionId;
use crate::limits;
use crate::outbox::{BULK_KIND, ClaimRequest, ClaimState, ClaimedItem, ENDED_KIND, EXECUTION_KIND, ReapRequest};
use crate::store::StoreError;

/// The most items of one claim.
const CLAIM_BATCH: usize = 64;
/// How long an idle worker waits for a hint before it looks by itself: what a lost hint may cost.
const IDLE: Duration = Duration::from_secs(4);
/// The longest pause between attempts to reach a database that is away.
const AWAY: Duration = Duration::from_secs(5);
/// How often the chores of the database are done.
const MAINTENANCE: Duration = Duration::from_secs(3600);

/// What a worker is doing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WorkerStatus {
    /// The name under which it holds leases.
    pub owner: String,
    /// Items that are worked on here now.
    pub running: usize,
    /// The most executions that may.
    pub concurrency: usize,
    /// It takes no new work.
    pub draining: bool,
    /// Executions that ended or were put to rest here since the start.
    pub ended: u64,
    /// The last error of the database, while it lasts.
    pub database_error: Option<String>,
}

impl Engine {
    /// Works until `shutdown` fires, then drains: claims nothing more, waits for running actions
    /// within the grace period, releases the rest without charging an attempt. Returns when done.
    pub async fn run_worker(&self, shutdown: CancellationToken) {
        let stop = shutdown.child_token();
        let reaper = tokio::spawn(self.clone().reap(stop.clone()));
        let chores = tokio::spawn(self.clone().maintain(stop.clone()));
        self.claim(&stop).await;
        self.drain().await;
        let _ = tokio::join!(reaper, chores);
    }

    /// Stops taking work and waits for what runs. Born-leased executions of a process that only
    /// accepts are drained likewise.
    pub async fn drain(&self) {
        let active = &self.inner.active;
        active.draining.cancel();
        active.tasks.close();
        tracing::info!(running = active.held_count(), "draining");
        if tokio::time::timeout(self.settings().drain, active.tasks.wait()).await.is_err() {
            tracing::warn!(running = active.held_count(), "the grace period is over; what still runs is released");
            active.grace_over.cancel();
            // Each run gives its item back in one statement.
            if tokio::time::timeout(limits::DATABASE_TIMEOUT, active.tasks.wait()).await.is_err() {
                tracing::error!(
                    running = active.held_count(),
                    "some items could not be released; their leases will run out"
                );
            }
        }
    }

    /// What the worker of this process is doing.
    #[must_use]
    pub fn worker_status(&self) -> WorkerStatus {
        let active = &self.inner.active;
        WorkerStatus {
            owner: self.settings().owner.clone(),
            running: active.held_count(),
            concurrency: self.settings().concurrency,
            draining: active.draining.is_cancelled(),
            ended: active.ended.load(Ordering::Relaxed),
            database_error: active.database_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    // ------------------------------------------------------------ claiming

    async fn claim(&self, stop: &CancellationToken) {
        let mut away = Backoff::default();
        while !stop.is_cancelled() {
            let Some(permits) = self.permits(stop).await else { return };
            match self.claim_some(permits).await {
                Ok(0) => {
                    self.database_is_back();
                    away = Backoff::default();
                    self.wait_for_work(stop).await;
                }
                Ok(_) => {
                    self.database_is_back();
                    away = Backoff::default();
                }
                Err(error) => {
                    self.database_is_away(&error);
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(away.next()) => {}
                    }
                }
            }
        }
    }

    /// At least one free slot, and as many as there are.
    async fn permits(&self, stop: &CancellationToken) -> Option<Vec<OwnedSemaphorePermit>> {
        let slots = &self.inner.active.slots;
        let first = tokio::select! {
            () = stop.cancelled() => return None,
            permit = slots.clone().acquire_owned() => permit.ok()?,
        };
        let mut permits = vec![first];
        while permits.len() < CLAIM_BATCH {
            match slots.clone().try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break,
            }
        }
        Some(permits)
    }

    async fn claim_some(&self, mut permits: Vec<OwnedSemaphorePermit>) -> Result<usize, StoreError> {
        let mut kinds = vec![EXECUTION_KIND.to_owned()];
        kinds.extend(self.ports().handlers.iter().map(|handler| handler.kind().to_owned()));
        let queues = &self.settings().queues;
        kinds.retain(|kind| queues.is_empty() || queues.contains(kind));
        if kinds.iter().any(|kind| kind == EXECUTION_KIND) {
            // Whoever runs executions also does what is done about them.
            kinds.extend([BULK_KIND, ENDED_KIND].map(str::to_owned));
        }
        if kinds.is_empty() {
            // To the store, no kinds at all would mean every kind.
            return Ok(0);
        }
        let request = ClaimRequest {
            owner: self.settings().owner.clone(),
            limit: permits.len(),
            lease: self.settings().lease,
            kinds,
        };
        let claimed_at = Instant::now();
        let claimed = self.ports().store.claim_batch(&request).await?;
        let count = claimed.len();
        let mut executions = Vec::new();
        for item in claimed {
            let Some(permit) = permits.pop() else { break };
            let execution = execution_of(&item);
            let held = self.hold(item.claim, execution, claimed_at);
            match execution {
                Some(id) => executions.push((id, item, held, permit)),
                None => {
                    let engine = self.clone();
                    self.inner.active.tasks.spawn(async move {
                        engine.handle(held, item).await;
                        drop(permit);
                    });
                }
            }
        }
        drop(permits);
        self.resume_all(executions).await;
        Ok(count)
    }

    async fn resume_all(&self, executions: Vec<(ExecutionId, ClaimedItem, Arc<Held>, OwnedSemaphorePermit)>) {
        if executions.is_empty() {
            return;
        }
        let ids: Vec<ExecutionId> = executions.iter().map(|(id, ..)| *id).collect();
        let mut loaded = match self.ports().store.load_executions(&ids).await {
            Ok(loaded) => loaded.into_iter().collect::<std::collections::HashMap<_, _>>(),
            Err(error) => ids.iter().map(|id| (*id, Err(error.clone()))).collect(),
        };
        for (id, item, held, permit) in executions {
            let execution = loaded
                .remove(&id)
                .unwrap_or_else(|| Err(StoreError::Corrupt(format!("execution {id} of a queue item is not there"))));
            let engine = self.clone();
            self.inner.active.tasks.spawn(async move {
                engine.resume(held, item, id, execution).await;
                drop(permit);
            });
        }
    }

    /// Nothing is ready: until a hint, the next due time, or a while has passed.
    async fn wait_for_work(&self, stop: &CancellationToken) {
        let due = self.ports().store.next_due_in().await.ok().flatten().unwrap_or(IDLE);
        // The clocks are not the same to the microsecond.
        let pause = (due + Duration::from_millis(1)).min(IDLE);
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.inner.active.wake.notified() => {}
            () = self.ports().store.wait_for_hint(pause) => {}
        }
    }

    // ------------------------------------------------------------ leases

    /// Takes note of a claim and sees to it that its lease is kept.
    pub(super) fn hold(
        &self,
        claim: crate::outbox::Claim,
        execution: Option<ExecutionId>,
        claimed_at: Instant,
    ) -> Arc<Held> {
        if !self.inner.active.keeper_started.swap(true, Ordering::Relaxed) {
            tokio::spawn(keep_leases(Arc::downgrade(&self.inner)));
        }
        self.inner.active.hold(claim, execution, claimed_at, self.settings().lease)
    }

    /// Extends, in one statement, the leases that have used up a third of their time. A lease that
    /// could not be extended is trusted for three quarters of its time, by this machine's
    /// monotonic clock; after that its run stops, because another worker may have it.
    async fn keep(&self) {
        let lease = self.settings().lease;
        let now = Instant::now();
        let due: Vec<Arc<Held>> = self
            .inner
            .active
            .all_held()
            .into_iter()
            .filter(|held| held.lease_ends() < now + lease.mul_f64(2.0 / 3.0))
            .collect();
        if due.is_empty() {
            return;
        }
        let claims: Vec<_> = due.iter().map(|held| held.claim).collect();
        match self.ports().store.extend_lease(&claims, lease).await {
            Ok(states) => {
                for (held, state) in due.iter().zip(states) {
                    match state {
                        ClaimState::Held => held.extended(now + lease),
                        // A run that ended in the meantime has let go of its item itself.
                        ClaimState::LeaseLost => held.lost.cancel(),
                    }
                }
            }
            Err(error) => tracing::warn!(%error, leases = due.len(), "leases could not be extended"),
        }
        for held in &due {
            if held.lease_ends().saturating_duration_since(Instant::now()) < lease / 4 {
                held.lost.cancel();
            }
        }
    }

    // ------------------------------------------------------------ recovery and chores

    async fn reap(self, stop: CancellationToken) {
        let request = ReapRequest {
            stale_threshold: Duration::ZERO,
            max_batch: 500,
            retry_delay: Duration::ZERO,
            max_lost_leases: self.settings().max_lost_leases,
            max_lost_in_company: self.settings().max_lost_leases.max(limits::LOST_LEASES_IN_COMPANY),
            dry_run: false,
        };
        loop {
            match self.ports().store.reap_stale(&request).await {
                Ok(report) if report.requeued.is_empty() && report.quarantined.is_empty() => {}
                Ok(report) => {
                    metrics::counter!("automate_outbox_reaped_total").increment(report.requeued.len() as u64);
                    metrics::counter!("automate_outbox_quarantined_total").increment(report.quarantined.len() as u64);
                    tracing::warn!(
                        requeued = report.requeued.len(),
                        quarantined = report.quarantined.len(),
                        "took back what dead workers held"
                    );
                    self.inner.active.wake.notify_one();
                    if report.requeued.len() + report.quarantined.len() >= request.max_batch {
                        continue;
                    }
                }
                Err(error) => tracing::debug!(%error, "the reaper could not look"),
            }
            if let Ok(stats) = self.ports().store.stats().await {
                self.inner.active.depth.store(stats.ready, Ordering::Relaxed);
            }
            // Several reapers do no harm, and need not look at the same moment.
            let pause = self.settings().reap_interval.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn maintain(self, stop: CancellationToken) {
        loop {
            if let Err(error) = self.ports().store.maintain(self.settings().retention).await {
                tracing::warn!(%error, "the database's chores could not be done; they are tried again in an hour");
            }
            if let Err(error) = self.forget_by_policy().await {
                tracing::warn!(%error, "history past its tenant's retention could not be deleted; tried again in an hour");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MAINTENANCE) => {}
            }
        }
    }

    /// Deletes what tenants keep for less time than the installation does.
    async fn forget_by_policy(&self) -> Result<(), StoreError> {
        for (tenant, kept) in self.ports().policies.retentions().await? {
            let cutoff = self.ports().clock.now() - chrono::TimeDelta::from_std(kept).unwrap_or(chrono::TimeDelta::MAX);
            self.ports().store.forget_before(tenant, cutoff).await?;
        }
        Ok(())
    }

    fn database_is_away(&self, error: &StoreError) {
        let mut last = self.inner.active.database_error.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none() {
            tracing::error!(%error, "the database cannot be used; work resumes by itself when it can");
        }
        *last = Some(error.to_string());
    }

    fn database_is_back(&self) {
        let mut last = self.inner.active.database_error.lock().unwrap_or_else(PoisonError::into_inner);
        if last.take().is_some() {
            tracing::info!("the database can be used again");
        }
    }
}

fn execution_of(item: &ClaimedItem) -> Option<ExecutionId> {
    if item.item.kind == EXECUTION_KIND { item.item.key.parse().ok() } else { None }
}

/// Keeps leases for as long as the engine lives.
async fn keep_leases(engine: std::sync::Weak<super::Inner>) {
    let mut watched = Instant::now();
    loop {
        let Some(inner) = engine.upgrade() else { return };
        let engine_now = Engine { inner };
        let pause =
            (engine_now.settings().lease / 10).clamp(Duration::from_millis(20), Duration::from_secs(3)).min(WATCH);
        engine_now.keep().await;
        if watched.elapsed() >= WATCH {
            watched = Instant::now();
            engine_now.watch().await;
        }
        drop(engine_now);
        tokio::time::sleep(pause).await;
    }
}

/// Pauses that double, with jitter, up to [`AWAY`].
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(100))
    }
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        self.0 = (self.0 * 2).min(AWAY);
        pause
    }
}
