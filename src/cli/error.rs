//! What a command answers when it did not do its work, and the exit code for it.

use automate_core::runtime::{IntakeError, OperateError, PublishError};
use automate_core::store::StoreError;

use automate_governance::identity::IdentityError;
use automate_governance::secrets::SecretStoreError;

use crate::app::AppError;

/// Why a command failed. Printed on stderr as `error: …` with the hint under it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// It did not work: exit code 1.
    #[error("{message}")]
    Failed {
        /// What went wrong.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It was called wrongly: exit code 2.
    #[error("{message}")]
    Usage {
        /// What is wrong with the call.
        message: String,
        /// How to call it.
        hint: Option<String>,
    },
    /// The reasons are on the screen already: exit code 1.
    #[error("failed")]
    Reported,
}

impl CliError {
    /// A failure without a hint.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: None }
    }

    /// A wrong call.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub(crate) fn hint(self, text: impl Into<String>) -> Self {
        let hint = Some(text.into());
        match self {
            Self::Failed { message, .. } => Self::Failed { message, hint },
            Self::Usage { message, .. } => Self::Usage { message, hint },
            Self::Reported => Self::Reported,
        }
    }

    /// The exit code: 1 failed, 2 wrongly called.
    #[must_use]
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Failed { .. } | Self::Reported => 1,
            Self::Usage { .. } => 2,
        }
    }

    /// Says it on stderr.
    pub(crate) fn report(&self) {
        let hint = match self {
            Self::Failed { hint, .. } | Self::Usage { hint, .. } => hint.as_deref(),
            Self::Reported => return,
        };
        super::output::note(&format!("error: {self}"));
        if let Some(hint) = hint {
            super::output::note(&format!("hint: {hint}"));
        }
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let hint = match &error {
            StoreError::NotFound(_) => None,
            StoreError::Unavailable(_) => Some("is the database up? `automate doctor` looks at it"),
            StoreError::Busy(_) | StoreError::Conflict(_) | StoreError::LeaseLost => Some("try again in a moment"),
            StoreError::Full(_) => None,
            StoreError::Corrupt(_) | StoreError::Internal(_) => Some(
                "`automate doctor` checks the database; if it finds nothing, this is a fault of ours: please report it",
            ),
        };
        Self::Failed { message: error.to_string(), hint: hint.map(str::to_owned) }
    }
}

impl From<IntakeError> for CliError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Store(store) => store.into(),
            IntakeError::NotFound(_) => Self::failed(error.to_string())
                .hint("`automate workflow list` shows what is there; a workflow must be published before it can run"),
            IntakeError::InvalidInput(ref findings) => {
                let list: Vec<String> = findings.iter().map(|d| format!("  {}: {}", d.path, d.message)).collect();
                Self::failed(format!("{error}\n{}", list.join("\n")))
            }
            IntakeError::Overloaded { .. }
            | IntakeError::NotRunnable(_)
            | IntakeError::Trigger { .. }
            | IntakeError::Refused(_) => Self::failed(error.to_string()),
        }
    }
}

impl From<OperateError> for CliError {
    fn from(error: OperateError) -> Self {
        let hint = match error {
            OperateError::Intake(error) => return error.into(),
            OperateError::Store(error) => return error.into(),
            OperateError::NotEnded { id, .. } => Some(format!("`automate executions cancel {id}` ends it")),
            OperateError::Ended { id, .. } => Some(format!("`automate executions replay {id}` runs it again")),
            OperateError::Step(_) => Some("`automate executions show ID` has the paths of the steps".to_owned()),
            OperateError::InvalidSignal(_) | OperateError::SignalsFull(_) | OperateError::InvalidBulk(_) => None,
        };
        Self::Failed { message: error.to_string(), hint }
    }
}

impl From<PublishError> for CliError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Store(store) => store.into(),
            PublishError::Refused(refusal) => Self::failed(refusal.to_string()),
            PublishError::Invalid(findings) => {
                let list: Vec<String> = findings.iter().map(|d| super::output::diagnostic("document", d)).collect();
                Self::failed(list.join("\n"))
            }
        }
    }
}

impl From<AppError> for CliError {
    fn from(error: AppError) -> Self {
        let hint = error.hint();
        Self::Failed { message: error.to_string(), hint }
    }
}

impl From<SecretStoreError> for CliError {
    fn from(error: SecretStoreError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<IdentityError> for CliError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Store(store) => store.into(),
            other => Self::failed(other.to_string()),
        }
    }
}
