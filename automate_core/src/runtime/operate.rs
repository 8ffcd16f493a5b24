//! What operators, other systems and the layers above do to executions: cancel, retry, decide,
//! signal, explain, run again from a step, and all of that to many at once.

mod bulk;
mod bulk_worker;
mod ended;
mod rerun;

use serde::Serialize;
use serde_json::Value;

pub use bulk::{BulkEffect, BulkPreview, BulkRequest};
pub use rerun::{RerunPlan, RerunRequest, RerunVersion};

use super::{Engine, IntakeError};
use crate::document::pattern;
use crate::engine::RerunError;
use crate::explain::{Circumstances, Explanation, explain};
use crate::ids::{ExecutionId, SignalId, TenantId};
use crate::limits;
use crate::status::ExecutionStatus;
use crate::store::{CancelOutcome, NewSignal, Resolution, SignalOutcome, SignalRecord, StoreError};

/// Why an operation on executions was not done. Nothing of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OperateError {
    /// Only an ended execution can be repeated.
    #[error("execution {id} is {status}; it can be run again when it has ended")]
    NotEnded {
        /// Which.
        id: ExecutionId,
        /// Where it stands.
        status: ExecutionStatus,
    },
    /// An ended execution takes no signals.
    #[error("execution {id} has ended as {status}")]
    Ended {
        /// Which.
        id: ExecutionId,
        /// How.
        status: ExecutionStatus,
    },
    /// Nothing can begin at the step that was asked for.
    #[error(transparent)]
    Step(#[from] RerunError),
    /// The signal is not one that could be taken.
    #[error("{0}")]
    InvalidSignal(String),
    /// The execution was sent as many signals as it may ever be sent.
    #[error("execution {0} was sent as many signals as it may be ({most})", most = limits::SIGNALS_PER_EXECUTION)]
    SignalsFull(ExecutionId),
    /// What was asked for cannot be done to many executions.
    #[error("{0}")]
    InvalidBulk(String),
    /// It could not be started.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The store refused or cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OperateError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotEnded { .. } => "EXECUTION_NOT_ENDED",
            Self::Ended { .. } => "EXECUTION_ENDED",
            Self::Step(RerunError::UnknownStep { .. }) => "UNKNOWN_STEP",
            Self::Step(RerunError::NotThere { .. }) => "STEP_NOT_RERUNNABLE",
            Self::InvalidSignal(_) => "INVALID_SIGNAL",
            Self::SignalsFull(_) => "TOO_MANY_SIGNALS",
            Self::InvalidBulk(_) => "INVALID_BULK",
            Self::Intake(error) => match error {
                IntakeError::NotFound(_) => "NOT_FOUND",
                IntakeError::InvalidInput(_) => "INVALID_INPUT",
                IntakeError::Overloaded { .. } => "OVERLOADED",
                IntakeError::NotRunnable(_) => "NOT_RUNNABLE",
                IntakeError::Trigger { .. } => "TRIGGER_FAILED",
                IntakeError::Refused(refusal) => refusal.code(),
                IntakeError::Store(error) => error.code(),
            },
            Self::Store(error) => error.code(),
        }
    }

    /// Whether the same call may succeed later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Intake(IntakeError::Overloaded { .. }) => true,
            Self::Intake(IntakeError::Store(error)) | Self::Store(error) => error.is_transient(),
            Self::NotEnded { .. }
            | Self::Ended { .. }
            | Self::Step(_)
            | Self::InvalidSignal(_)
            | Self::SignalsFull(_)
            | Self::InvalidBulk(_)
            | Self::Intake(_) => false,
        }
    }
}

/// A signal to send.
#[derive(Debug, Clone, PartialEq)]
pub struct SignalRequest {
    /// Whose.
    pub tenant_id: TenantId,
    /// To which execution.
    pub execution_id: ExecutionId,
    /// What a step waits for.
    pub name: String,
    /// What the waiting step takes as its output.
    pub payload: Value,
    /// A second signal of the execution with the same key is not taken.
    pub dedupe_key: Option<String>,
    /// Who sends it: `cli`, `api`, `admin`, or a word of the caller's own.
    pub source: String,
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signalled {
    /// Its id; the first one's where this was a duplicate.
    pub id: SignalId,
    /// Its place among the execution's signals, from 1.
    pub seq: i32,
    /// One with its dedupe key was there before.
    pub duplicate: bool,
}

impl Engine {
    /// Asks an execution to stop: no new step starts after the answer.
    ///
    /// # Errors
    /// `NOT_FOUND`, and those of the database.
    pub async fn cancel(&self, tenant: TenantId, id: ExecutionId) -> Result<CancelOutcome, OperateError> {
        let outcome = self.ports().store.cancel(tenant, id).await?;
        match outcome {
            // One that runs here need not wait until it is looked for.
            CancelOutcome::Requested => self.inner.active.of_execution(id).iter().for_each(|held| held.cancel.cancel()),
            CancelOutcome::Cancelled | CancelOutcome::AlreadyEnded(_) => self.inner.active.tell_ended(id),
        }
        Ok(outcome)
    }

    /// Has a failed execution go on in place: what failed or was cancelled runs again, with a new
    /// idempotency key; what had finished stays.
    ///
    /// # Errors
    /// `NOT_FOUND`, `CONFLICT` where it has not failed, and those of the database.
    pub async fn retry(&self, tenant: TenantId, id: ExecutionId) -> Result<(), OperateError> {
        self.ports().store.retry_execution(tenant, id).await?;
        self.inner.active.wake.notify_one();
        Ok(())
    }

    /// Decides a step whose outcome is not known.
    ///
    /// # Errors
    /// `NOT_FOUND`, `CONFLICT` where there is nothing to decide, and those of the database.
    pub async fn resolve(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        path: &str,
        resolution: Resolution,
    ) -> Result<(), OperateError> {
        self.ports().store.resolve_unknown(tenant, id, path, resolution).await?;
        self.inner.active.wake.notify_one();
        Ok(())
    }

    /// Sends a signal. After the answer it is durable; the step that waits for it, or that will,
    /// takes it once. Signals of one name are taken in the order in which they were stored.
    ///
    /// # Errors
    /// `NOT_FOUND`, `EXECUTION_ENDED`, `INVALID_SIGNAL`, `TOO_MANY_SIGNALS`, and those of the database.
    pub async fn signal(&self, request: SignalRequest) -> Result<Signalled, OperateError> {
        let signal = checked(&request)?;
        let (own, id) = (signal.id, request.execution_id);
        match self.ports().store.signal(request.tenant_id, id, signal).await? {
            SignalOutcome::Stored { seq } => {
                metrics::counter!("automate_signals_total").increment(1);
                self.inner.active.of_execution(id).iter().for_each(|held| held.signalled.notify_one());
                self.inner.active.wake.notify_one();
                Ok(Signalled { id: own, seq, duplicate: false })
            }
            SignalOutcome::Duplicate { id, seq } => Ok(Signalled { id, seq, duplicate: true }),
            SignalOutcome::Ended(status) => Err(OperateError::Ended { id, status }),
            SignalOutcome::Full => Err(OperateError::SignalsFull(id)),
        }
    }

    /// The signals that an execution was sent, in their order, the taken ones too.
    ///
    /// # Errors
    /// `NOT_FOUND`, and those of the database.
    pub async fn signals(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<SignalRecord>, OperateError> {
        Ok(self.ports().store.signals(tenant, id).await?)
    }

    /// Why an execution stands where it does: what holds it, who the holder is, when it is expected
    /// to go on, and what one can do.
    ///
    /// # Errors
    /// `NOT_FOUND`, and those of the database.
    pub async fn explain(&self, tenant: TenantId, id: ExecutionId) -> Result<Explanation, OperateError> {
        let facts = self.ports().store.execution_facts(tenant, id).await?;
        let settings = self.settings();
        Ok(explain(&facts, Circumstances { max_depth: settings.max_depth, reap_interval: settings.reap_interval }))
    }
}

fn checked(request: &SignalRequest) -> Result<NewSignal, OperateError> {
    let refuse = |text: String| Err(OperateError::InvalidSignal(text));
    if !pattern::is_signal_name(&request.name) {
        return refuse(
            "the name of a signal is letters, digits, `_` and `-`, with dots between, 63 characters at most".to_owned(),
        );
    }
    let payload = request.payload.to_string();
    if payload.len() > limits::SIGNAL_BYTES {
        return refuse(format!(
            "the payload has {} bytes as JSON; a signal may have {}",
            payload.len(),
            limits::SIGNAL_BYTES
        ));
    }
    for (what, text) in [("dedupe key", request.dedupe_key.as_deref()), ("source", Some(request.source.as_str()))] {
        if text.is_some_and(|text| text.is_empty() || text.len() > limits::SIGNAL_KEY_BYTES || text.contains('\0')) {
            return refuse(format!(
                "the {what} of a signal has 1 to {} bytes and no NUL character",
                limits::SIGNAL_KEY_BYTES
            ));
        }
    }
    Ok(NewSignal {
        id: SignalId::new(),
        name: request.name.clone(),
        payload: payload.into(),
        dedupe_key: request.dedupe_key.clone(),
        source: request.source.clone(),
    })
}
