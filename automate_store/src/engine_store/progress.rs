//! What a checkpoint means, without a database.

use std::collections::HashSet;

use automate_core::ids::new_v7;
use automate_core::store::{Accepted, Checkpoint, CheckpointAck, StepRecord, StoreError};
use serde::Serialize;
use uuid::Uuid;

/// A checkpoint with the ids of its log lines, which are made once: a checkpoint that is tried twice
/// must not have its lines twice.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) log_ids: Vec<Uuid>,
}

impl Progress {
    /// With fresh ids.
    pub(crate) fn new(checkpoint: Checkpoint) -> Self {
        let log_ids = checkpoint.logs.iter().map(|_| new_v7()).collect();
        Self { checkpoint, log_ids }
    }
}

/// What was seen of an execution whose claim was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) cancel_requested: bool,
}

impl Held {
    /// The answer.
    pub(super) fn ack(self, published: Vec<Accepted>) -> CheckpointAck {
        CheckpointAck { cancel_requested: self.cancel_requested, published }
    }
}

/// The answer where nothing is published.
pub(super) fn plain(held: Option<Held>) -> Result<CheckpointAck, StoreError> {
    held.map(|held| held.ack(Vec::new())).ok_or(StoreError::LeaseLost)
}

/// A value as the JSON of a column.
pub(super) fn json(value: &impl Serialize) -> String {
    // Our own types with string keys always serialise.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The column `attempts`; NULL where none failed.
pub(super) fn attempts_json(step: &StepRecord) -> Option<String> {
    (!step.attempts.is_empty()).then(|| json(&step.attempts))
}

/// The last record of each path: a statement must not touch a row twice.
pub(super) fn last_of_each_path(steps: &[StepRecord]) -> Vec<&StepRecord> {
    if steps.len() < 2 {
        return steps.iter().collect();
    }
    let mut seen = HashSet::with_capacity(steps.len());
    let mut last: Vec<&StepRecord> = steps.iter().rev().filter(|step| seen.insert(step.path.as_str())).collect();
    last.reverse();
    last
}

/// Whether one operation of the batch may be to blame.
pub(super) fn is_about_the_data(error: &StoreError) -> bool {
    match error {
        StoreError::Conflict(_) | StoreError::Internal(_) | StoreError::Corrupt(_) | StoreError::NotFound(_) => true,
        StoreError::LeaseLost | StoreError::Busy(_) | StoreError::Full(_) | StoreError::Unavailable(_) => false,
    }
}
