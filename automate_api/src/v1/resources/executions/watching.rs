//! Whoever follows an execution that runs in this process is woken when something happens to it,
//! and need not wait until it looks again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use automate_core::ids::ExecutionId;
use automate_core::signals::{Signal, Signals};
use tokio::sync::Notify;

/// Those who follow executions.
#[derive(Default)]
pub(super) struct Watchers {
    inner: Arc<Inner>,
    connected: OnceLock<()>,
}

#[derive(Default)]
struct Inner {
    by_execution: Mutex<HashMap<ExecutionId, Vec<Arc<Notify>>>>,
    /// How many there are, so that signals that nobody waits for cost nothing.
    count: AtomicUsize,
}

/// One who follows an execution, until it is dropped.
pub(super) struct Watcher {
    inner: Arc<Inner>,
    id: ExecutionId,
    notify: Arc<Notify>,
}

impl Watchers {
    /// Follows an execution. The signals are those of the one engine of the process; the first call
    /// connects to them.
    pub(super) fn watch(&self, signals: &Signals, id: ExecutionId) -> Watcher {
        self.connected.get_or_init(|| {
            let inner = Arc::clone(&self.inner);
            signals.connect(None, "executions-stream", move |signal| inner.tell(signal));
        });
        let notify = Arc::new(Notify::new());
        self.inner.count.fetch_add(1, Ordering::Relaxed);
        self.inner.lock().entry(id).or_default().push(Arc::clone(&notify));
        Watcher { inner: Arc::clone(&self.inner), id, notify }
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Vec<Arc<Notify>>>> {
        self.by_execution.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, signal: &Signal) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let id = match signal {
            Signal::WorkflowStarted(signal) | Signal::WorkflowCompleted(signal) | Signal::WorkflowFailed(signal) => {
                signal.execution_id
            }
            Signal::StepStarted(signal) | Signal::StepCompleted(signal) | Signal::StepFailed(signal) => {
                signal.execution_id
            }
            Signal::EventReceived(_) => return,
        };
        for watcher in self.lock().get(&id).into_iter().flatten() {
            // Kept for a watcher that is just looking.
            watcher.notify_one();
        }
    }
}

impl Watcher {
    /// Answers when something happened, which may be long recorded or soon will be.
    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.inner.count.fetch_sub(1, Ordering::Relaxed);
        let mut all = self.inner.lock();
        if let Some(watchers) = all.get_mut(&self.id) {
            watchers.retain(|other| !Arc::ptr_eq(other, &self.notify));
            if watchers.is_empty() {
                all.remove(&self.id);
            }
        }
    }
}
