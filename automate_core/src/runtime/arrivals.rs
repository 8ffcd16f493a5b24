//! What comes to an execution from outside while it runs here: requests to cancel, and signals.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Engine;
use super::about::About;
use super::active::Held;
use crate::engine::Signal;
use crate::ids::ExecutionId;
use crate::store::SignalRecord;

/// How often long runs are looked at.
pub(super) const WATCH: Duration = Duration::from_secs(1);

impl Engine {
    /// Finds signals and requests to cancel for what has run for a while; what ends sooner learns of
    /// them at its next checkpoint.
    pub(super) async fn watch(&self) {
        let long: Vec<Arc<Held>> = self
            .inner
            .active
            .all_held()
            .into_iter()
            .filter(|held| held.since.elapsed() > WATCH && held.execution.is_some() && !held.cancel.is_cancelled())
            .collect();
        let ids: Vec<ExecutionId> = long.iter().filter_map(|held| held.execution).collect();
        if ids.is_empty() {
            return;
        }
        if let Ok(wanted) = self.ports().store.cancel_requests(&ids).await {
            for held in long.iter().filter(|held| held.execution.is_some_and(|id| wanted.contains(&id))) {
                held.cancel.cancel();
            }
        }
        let taking: Vec<&Arc<Held>> = long.iter().filter(|held| held.takes_signals.load(Ordering::Relaxed)).collect();
        let ids: Vec<ExecutionId> = taking.iter().filter_map(|held| held.execution).collect();
        if ids.is_empty() {
            return;
        }
        if let Ok(counts) = self.ports().store.signal_counts(&ids).await {
            for held in taking {
                let known = held.signals_known.load(Ordering::Relaxed);
                if counts.iter().any(|(id, count)| held.execution == Some(*id) && *count > known) {
                    held.signalled.notify_one();
                }
            }
        }
    }

    /// The signals of an execution that runs here, those that it knows too; nothing where they cannot
    /// be read now: they are looked for again.
    pub(super) async fn arrived(&self, held: &Held, about: &About) -> Option<Vec<Signal>> {
        let found = self.ports().store.signals(about.tenant_id, about.execution_id).await;
        let found = found.inspect_err(|error| {
            tracing::warn!(execution = %about.execution_id, %error, "signals could not be read");
        });
        let found = found.ok()?;
        held.signals_known.store(found.len() as u64, Ordering::Relaxed);
        let signal = |record: SignalRecord| {
            let payload = serde_json::from_str(&record.payload).ok()?;
            Some(Signal { id: record.id, name: record.name, payload })
        };
        Some(found.into_iter().filter_map(signal).collect())
    }
}
