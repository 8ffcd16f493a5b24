//! What runs in this process: its slots, its leases, and who waits for an end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ids::{ExecutionId, OutboxId};
use crate::outbox::Claim;

/// One held item.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) claim: Claim,
    pub(super) execution: Option<ExecutionId>,
    pub(super) since: Instant,
    lease_ends: Mutex<Instant>,
    /// The lease was lost or is no longer to be trusted: record nothing, stop everything.
    pub(super) lost: CancellationToken,
    /// Somebody wants the execution cancelled.
    pub(super) cancel: CancellationToken,
    /// A step of the execution may wait for signals.
    pub(super) takes_signals: AtomicBool,
    /// Signals of the execution that its run knows of.
    pub(super) signals_known: AtomicU64,
    /// There are more of them.
    pub(super) signalled: Notify,
}

impl Held {
    pub(super) fn lease_ends(&self) -> Instant {
        *self.lease_ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn extended(&self, ends: Instant) {
        *self.lease_ends.lock().unwrap_or_else(PoisonError::into_inner) = ends;
    }
}

#[derive(Debug)]
pub(super) struct Active {
    /// Room for executions.
    pub(super) slots: Arc<Semaphore>,
    /// Nothing new is taken.
    pub(super) draining: CancellationToken,
    /// The grace period is over: what runs is released.
    pub(super) grace_over: CancellationToken,
    /// All tasks that hold an item.
    pub(super) tasks: TaskTracker,
    /// Wakes the claim loop.
    pub(super) wake: Notify,
    pub(super) keeper_started: AtomicBool,
    pub(super) ended: AtomicU64,
    /// Ready items in the queue when it was last counted.
    pub(super) depth: AtomicI64,
    pub(super) database_error: Mutex<Option<String>>,
    held: Mutex<HashMap<OutboxId, Arc<Held>>>,
    waiters: Mutex<HashMap<ExecutionId, Arc<Notify>>>,
}

impl Active {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(concurrency)),
            draining: CancellationToken::new(),
            grace_over: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wake: Notify::new(),
            keeper_started: AtomicBool::new(false),
            ended: AtomicU64::new(0),
            depth: AtomicI64::new(0),
            database_error: Mutex::new(None),
            held: Mutex::default(),
            waiters: Mutex::default(),
        }
    }

    /// Takes note of an item that this process holds, claimed at `claimed_at`.
    pub(super) fn hold(
        &self,
        claim: Claim,
        execution: Option<ExecutionId>,
        claimed_at: Instant,
        lease: Duration,
    ) -> Arc<Held> {
        let held = Arc::new(Held {
            claim,
            execution,
            since: claimed_at,
            lease_ends: Mutex::new(claimed_at + lease),
            lost: CancellationToken::new(),
            cancel: CancellationToken::new(),
            takes_signals: AtomicBool::new(false),
            signals_known: AtomicU64::new(0),
            signalled: Notify::new(),
        });
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(claim.id, held.clone());
        held
    }

    pub(super) fn let_go(&self, held: &Held) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // The reaper may have given the item back and this process may have claimed it again.
        if all.get(&held.claim.id).is_some_and(|h| h.claim == held.claim) {
            all.remove(&held.claim.id);
        }
    }

    pub(super) fn all_held(&self) -> Vec<Arc<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What is held of an execution: one item, but for moments.
    pub(super) fn of_execution(&self, id: ExecutionId) -> Vec<Arc<Held>> {
        let all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|held| held.execution == Some(id)).cloned().collect()
    }

    pub(super) fn held_count(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Tells those who wait for the end of an execution.
    pub(super) fn tell_ended(&self, id: ExecutionId) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        let waiter = self.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(waiter) = waiter {
            waiter.notify_waiters();
        }
    }

    pub(super) fn waiter(&self, id: ExecutionId) -> Arc<Notify> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_default().clone()
    }

    pub(super) fn forget_waiter(&self, id: ExecutionId) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        // Ours and the map's: nobody else waits.
        if waiters.get(&id).is_some_and(|w| Arc::strong_count(w) <= 2) {
            waiters.remove(&id);
        }
    }
}
