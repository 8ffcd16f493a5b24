//! Signals: typed happenings that code in the same process observes, after the commit.
//!
//! A receiver cannot fail the engine: a panic or a slow receiver is caught, measured and reported.
//! For work that must not be lost, subscribe to the events of the same names instead
//! (`on: [{ event: "core.workflow.failed" }]`), which are delivered at least once.
//!
//! An execution that is a test sends none of its own: a receiver may mail or pay, and a test promises to
//! change nothing outside.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use crate::ids::{EventId, ExecutionId, TenantId};
use crate::store::ExecutionError;

/// A receiver that takes longer than this is reported.
pub const SLOW_RECEIVER: Duration = Duration::from_millis(50);

/// An execution began, ended well, or failed.
#[derive(Debug, Clone)]
pub struct WorkflowSignal {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which execution.
    pub execution_id: ExecutionId,
    /// The workflow's slug.
    pub workflow: String,
    /// Its version.
    pub version: i32,
    /// Why it failed, where it did.
    pub error: Option<ExecutionError>,
}

/// A step began, ended well, or failed.
#[derive(Debug, Clone)]
pub struct StepSignal {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which execution.
    pub execution_id: ExecutionId,
    /// The workflow's slug.
    pub workflow: String,
    /// The step's path.
    pub path: String,
    /// `connector.action`, or the kind of step.
    pub uses: String,
    /// Which attempt.
    pub attempt: u32,
    /// Why it failed, where it did.
    pub error: Option<crate::error::StepError>,
}

/// An event was accepted.
#[derive(Debug, Clone)]
pub struct EventSignal {
    /// Whose.
    pub tenant_id: TenantId,
    /// Which event.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// The executions that it started.
    pub executions: Vec<ExecutionId>,
}

/// A happening.
#[derive(Debug, Clone)]
pub enum Signal {
    /// `workflow_started`
    WorkflowStarted(WorkflowSignal),
    /// `workflow_completed`
    WorkflowCompleted(WorkflowSignal),
    /// `workflow_failed`
    WorkflowFailed(WorkflowSignal),
    /// `step_started`
    StepStarted(StepSignal),
    /// `step_completed`
    StepCompleted(StepSignal),
    /// `step_failed`
    StepFailed(StepSignal),
    /// `event_received`
    EventReceived(EventSignal),
}

impl Signal {
    /// The name that `#[receiver(…)]` takes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WorkflowStarted(_) => "workflow_started",
            Self::WorkflowCompleted(_) => "workflow_completed",
            Self::WorkflowFailed(_) => "workflow_failed",
            Self::StepStarted(_) => "step_started",
            Self::StepCompleted(_) => "step_completed",
            Self::StepFailed(_) => "step_failed",
            Self::EventReceived(_) => "event_received",
        }
    }
}

/// A receiver that was registered at link time by `#[receiver(…)]`.
pub struct ReceiverEntry {
    /// The signal's name.
    pub signal: &'static str,
    /// The receiver's name, for reports.
    pub name: &'static str,
    /// The crate and its version.
    pub origin: &'static str,
    /// The receiver.
    pub receive: fn(&Signal),
}

inventory::collect!(ReceiverEntry);

/// What `#[receiver(…)]` expands to.
#[doc(hidden)]
pub mod link {
    pub use inventory::submit;
}

/// The receivers that were registered at link time, in an order that can be relied on.
#[must_use]
pub fn linked() -> Vec<&'static ReceiverEntry> {
    let mut entries: Vec<&ReceiverEntry> = inventory::iter::<ReceiverEntry>().collect();
    // The order of linking is not one to rely on.
    entries.sort_by_key(|entry| (entry.name, entry.signal));
    entries
}

type Receive = Arc<dyn Fn(&Signal) + Send + Sync>;

#[derive(Clone)]
struct Receiver {
    signal: Option<&'static str>,
    name: String,
    receive: Receive,
}

/// The receivers of a process.
#[derive(Clone, Default)]
pub struct Signals {
    receivers: Arc<RwLock<Vec<Receiver>>>,
}

impl Signals {
    /// The receivers that were registered at link time.
    #[must_use]
    pub fn link_time() -> Self {
        let signals = Self::default();
        for entry in linked() {
            signals.add(Some(entry.signal), entry.name, Arc::new(entry.receive));
        }
        signals
    }

    /// Connects a receiver to the signal of a name, or to all of them.
    pub fn connect(
        &self,
        signal: Option<&'static str>,
        name: impl Into<String>,
        receive: impl Fn(&Signal) + Send + Sync + 'static,
    ) {
        self.add(signal, name, Arc::new(receive));
    }

    fn add(&self, signal: Option<&'static str>, name: impl Into<String>, receive: Receive) {
        let mut receivers = self.receivers.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        receivers.push(Receiver { signal, name: name.into(), receive });
    }

    /// Whether nobody listens, so that a caller can leave out making the signal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receivers.read().unwrap_or_else(std::sync::PoisonError::into_inner).is_empty()
    }

    /// Tells the receivers, one after another. Never fails.
    pub fn send(&self, signal: &Signal) {
        let receivers = self.receivers.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for receiver in receivers.iter().filter(|r| r.signal.is_none_or(|name| name == signal.name())) {
            let begun = Instant::now();
            if std::panic::catch_unwind(AssertUnwindSafe(|| (receiver.receive)(signal))).is_err() {
                metrics::counter!("automate_signal_receiver_panics_total", "receiver" => receiver.name.clone())
                    .increment(1);
                tracing::error!(receiver = %receiver.name, signal = signal.name(), "a signal receiver panicked; the engine goes on");
            }
            let took = begun.elapsed();
            if took > SLOW_RECEIVER {
                tracing::warn!(receiver = %receiver.name, signal = signal.name(), ?took, "a signal receiver is slow and holds up a worker");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn received() -> Signal {
        Signal::EventReceived(EventSignal {
            tenant_id: TenantId::DEFAULT,
            event_id: EventId::new(),
            event_type: "order.paid".into(),
            executions: Vec::new(),
        })
    }

    #[test]
    fn a_panicking_receiver_does_not_keep_the_signal_from_the_next() {
        let signals = Signals::default();
        let heard = Arc::new(AtomicUsize::new(0));
        signals.connect(Some("event_received"), "bad", |_| panic!("no"));
        let count = heard.clone();
        signals.connect(Some("event_received"), "good", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        signals.connect(Some("workflow_failed"), "other", |_| unreachable!());
        signals.send(&received());
        assert_eq!(heard.load(Ordering::SeqCst), 1);
    }
}
