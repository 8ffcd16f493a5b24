//! Signals that were sent to an execution: kept until a step waits for them, taken once.
//!
//! Which step took a signal is recorded with the step, as part of its input: the step's record and
//! the signal's being used up are one row, so that neither can be without the other.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::ids::SignalId;

/// A signal, as the engine sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Its id.
    pub id: SignalId,
    /// What a step waits for.
    pub name: String,
    /// What the step takes as its output.
    pub payload: Value,
}

/// The signals of one execution.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// Those that no step has taken, in the order in which they came.
    kept: VecDeque<Signal>,
    /// Those that a step has taken.
    pub(super) taken: BTreeSet<SignalId>,
}

impl Signals {
    /// Takes note of a signal; one that is known already is not counted twice.
    pub(super) fn receive(&mut self, signal: Signal) {
        if !self.taken.contains(&signal.id) && self.kept.iter().all(|known| known.id != signal.id) {
            self.kept.push_back(signal);
        }
    }

    /// Takes the first signal of a name.
    pub(super) fn take(&mut self, name: &str) -> Option<Signal> {
        let place = self.kept.iter().position(|signal| signal.name == name)?;
        let signal = self.kept.remove(place)?;
        self.taken.insert(signal.id);
        Some(signal)
    }
}

/// What is recorded of a step that waits for a signal.
pub(super) fn input(name: &str, taken: Option<SignalId>) -> Value {
    match taken {
        None => json!({ "signal": name }),
        Some(id) => json!({ "signal": name, "id": id }),
    }
}

/// The signal that a recorded step took.
pub(super) fn taken_of(input: &Value) -> Option<SignalId> {
    input.get("id")?.as_str()?.parse().ok()
}

/// The name of the signal that a recorded step waits for, or waited for.
#[must_use]
pub fn signal_of(input: &Value) -> Option<&str> {
    input.get("signal")?.as_str()
}
