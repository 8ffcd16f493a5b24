//! Why something was not accepted.

use std::time::Duration;

use serde::Serialize;

use super::super::definitions::DefinitionError;
use crate::policy::{AdmitError, PolicyRefusal};
use crate::store::StoreError;

/// Why something was not accepted. Nothing of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IntakeError {
    /// There is no such workflow, version or tenant.
    #[error("not found: {0}")]
    NotFound(String),
    /// The input does not fit the workflow's `inputs` schema.
    #[error("the input does not fit the workflow's `inputs`")]
    InvalidInput(Vec<InputProblem>),
    /// Too much is queued already.
    #[error("{reason}; try again in {} s", .retry_after.as_secs())]
    Overloaded {
        /// What is full.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The version cannot run in this program.
    #[error("{0}")]
    NotRunnable(String),
    /// An expression of a trigger failed on this event.
    #[error("the {what} of a trigger of workflow `{workflow}` failed: {message}")]
    Trigger {
        /// `filter` or `dedupe`.
        what: &'static str,
        /// Whose.
        workflow: String,
        /// How.
        message: String,
    },
    /// The tenant's policy does not allow it.
    #[error(transparent)]
    Refused(#[from] PolicyRefusal),
    /// The store refused or cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where an input does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InputProblem {
    /// Where, as a JSON pointer into the input.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl From<DefinitionError> for IntakeError {
    fn from(error: DefinitionError) -> Self {
        match error {
            DefinitionError::Store(error) => Self::Store(error),
            DefinitionError::Plan(error) => Self::NotRunnable(error.to_string()),
        }
    }
}

impl From<AdmitError> for IntakeError {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Refused(refusal) => Self::Refused(refusal),
            AdmitError::Store(error) => Self::Store(error),
        }
    }
}
