//! Steps that wait for signals.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Machine;
use crate::document::duration;
use crate::engine::plan::{NodeIx, Work};
use crate::engine::signals::{self, Signal};
use crate::engine::state::Phase;
use crate::error::{ErrorCode, StepError};
use crate::limits;
use crate::status::StepStatus;

impl Machine<'_> {
    /// Signals came in.
    pub(super) fn signals(&mut self, signals: Vec<Signal>) {
        for signal in signals {
            self.state.signals.receive(signal);
        }
        self.hand_out_signals();
    }

    /// Gives kept signals to the steps that wait for them: the first of a name to the step that has
    /// waited for it the longest.
    pub(super) fn hand_out_signals(&mut self) {
        if !matches!(self.state.phase, Phase::Main | Phase::OnFailure) {
            return;
        }
        let mut waiting: Vec<(i32, DateTime<Utc>, NodeIx)> = self
            .state
            .waiting
            .iter()
            .filter(|(_, ix)| matches!(self.plan.nodes[*ix].work, Work::Signal { .. }))
            .map(|&(at, ix)| (self.state.steps[ix].seq, at, ix))
            .collect();
        waiting.sort_unstable();
        for (_, at, ix) in waiting {
            let Work::Signal { name, .. } = &self.plan.nodes[ix].work else { continue };
            if let Some(signal) = self.state.signals.take(name) {
                self.state.waiting.remove(&(at, ix));
                self.take_signal(ix, signal);
            }
        }
    }

    /// A step begins to wait, or goes on at once where its signal was there before it.
    pub(super) fn await_signal(&mut self, ix: NodeIx, name: &str, timeout: Duration) {
        if let Some(signal) = self.state.signals.take(name) {
            return self.take_signal(ix, signal);
        }
        self.state.steps[ix].input = Some(signals::input(name, None));
        let timeout = TimeDelta::from_std(timeout.min(limits::MAX_WAIT)).unwrap_or_default();
        self.wait(ix, self.now.checked_add_signed(timeout).unwrap_or(DateTime::<Utc>::MAX_UTC));
    }

    fn take_signal(&mut self, ix: NodeIx, signal: Signal) {
        self.state.steps[ix].input = Some(signals::input(&signal.name, Some(signal.id)));
        // Which step took it is decided once: it is on record before the next effect begins.
        self.state.unrecorded_effect = true;
        self.complete(ix, signal.payload);
    }

    /// The time is over. That is decided once as well: a signal that comes later finds it so.
    pub(super) fn signal_never_came(&mut self, ix: NodeIx, name: &str, timeout: Duration) {
        debug_assert_eq!(self.state.steps[ix].status, StepStatus::Waiting, "only what waits times out");
        self.state.unrecorded_effect = true;
        let message = format!("no signal `{name}` came within {}", duration::format(timeout));
        self.fail_step(ix, StepError { retryable: false, ..StepError::new(ErrorCode::Timeout, message) });
    }
}
