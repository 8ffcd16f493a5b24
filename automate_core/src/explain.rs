//! Why an execution stands where it does: what holds it, who the holder is, when it is expected to
//! go on, and what one can do.
//!
//! [`explain`] decides from facts that were loaded before, without IO and without a clock. Each
//! reason has a stable code; an execution that waits for several things at once has several.

mod advice;
mod decide;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::ids::{ExecutionId, OutboxId};
use crate::status::{ExecutionStatus, words};

pub use decide::explain;

words! {
    /// What holds an execution.
    Hold, "reason" {
        /// A worker has it and works on it.
        Held = "HELD",
        /// A worker has it, and somebody has asked to cancel it.
        Cancelling = "CANCELLING",
        /// A worker had it and has not been heard of since its lease ran out.
        LeaseExpired = "LEASE_EXPIRED",
        /// It is ready and waits for a worker.
        Queued = "QUEUED",
        /// It is ready, and so is as much as the queue may hold.
        Overloaded = "OVERLOADED",
        /// A worker died or was cut off; it goes on elsewhere at its time.
        GivenBack = "GIVEN_BACK",
        /// The worker that had it last lacks what the version needs.
        NotRunnable = "NOT_RUNNABLE",
        /// A step waits for a time.
        Timer = "TIMER",
        /// A step waits for its next attempt.
        Retry = "RETRY",
        /// A step waits for a signal.
        Signal = "SIGNAL",
        /// A step's effect may or may not have happened, and a person has to say.
        OutcomeUnknown = "OUTCOME_UNKNOWN",
        /// Its queue item is a dead letter.
        DeadLetter = "DEAD_LETTER",
        /// Workers died over it, so it was set aside.
        Quarantined = "QUARANTINED",
        /// It has not ended and nothing holds it, which should not be.
        Orphaned = "ORPHANED",
        /// It ended well.
        Completed = "COMPLETED",
        /// It ended with an error.
        Failed = "FAILED",
        /// It was cancelled.
        Cancelled = "CANCELLED",
    }
}

/// Who has an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The name under which the worker holds leases: machine, process id, and what tells starts apart.
    pub owner: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When its lease ends, if it does not extend it.
    pub lease_until: Option<DateTime<Utc>>,
}

/// An error that explains something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The stable code.
    pub code: String,
    /// For people, without secrets.
    pub message: String,
}

/// One thing that holds an execution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason {
    /// What it is.
    pub code: Hold,
    /// The same in a sentence.
    pub summary: String,
    /// The path of the step that it is about.
    pub step: Option<String>,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
    /// When it ends by itself, at the latest.
    pub until: Option<DateTime<Utc>>,
    /// The name of the signal.
    pub signal: Option<String>,
    /// Ready items that go first; `limits::QUEUE_PLACES` stands for that many or more.
    pub ahead: Option<u64>,
    /// What went wrong before.
    pub error: Option<Cause>,
}

/// Something that one can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// What it does.
    pub does: String,
    /// The command, to be typed as it stands unless it has words in capitals.
    pub command: String,
}

/// Why an execution stands where it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The execution.
    pub execution_id: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// The number of its version.
    pub version: i32,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When this was so, by the database's clock.
    pub at: DateTime<Utc>,
    /// The code of the first reason.
    pub code: Hold,
    /// The sentence of the first reason.
    pub summary: String,
    /// Something is being done about it now, or will be as soon as a worker is free.
    pub moving: bool,
    /// When it is expected to go on by itself, at the latest; absent where it will not, or nobody
    /// can say.
    pub expected_at: Option<DateTime<Utc>>,
    /// Who has it.
    pub holder: Option<Holder>,
    /// Its queue item, where it has one.
    pub outbox_id: Option<OutboxId>,
    /// Somebody has asked to cancel it.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Everything that holds it; what ends first stands first.
    pub reasons: Vec<Reason>,
    /// What one can do.
    pub remedies: Vec<Remedy>,
}

/// What a decision needs to know of how the system is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// Ready items beyond which new work is refused; 0 means no bound.
    pub max_depth: i64,
    /// How often workers look for leases that ran out.
    pub reap_interval: Duration,
}

#[cfg(test)]
mod tests;
