//! Why an app cannot be set up.

use automate_admin::CheckErrors;
use automate_api::v1::RouteError;
use automate_core::store::StoreError;

/// Why an app cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The database cannot be opened or does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database lacks migrations, and it is not one that we migrate by ourselves.
    #[error("{} migrations are pending: {}", .0.len(), .0.join(", "))]
    PendingMigrations(Vec<String>),
    /// The master key, or a backend of `secrets.backends`.
    #[error("secrets: {message}")]
    Secrets {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The client for outgoing calls cannot be made.
    #[error("outgoing calls: {0}")]
    Egress(String),
    /// Two views of the REST API contradict each other.
    #[error("the REST API: {0}")]
    Views(#[from] RouteError),
    /// The admin of a model is not right.
    #[error(transparent)]
    Admin(#[from] CheckErrors),
    /// Logs or metrics cannot be set up.
    #[error("telemetry: {0}")]
    Telemetry(String),
    /// The directory for data cannot be made.
    #[error("cannot make the data directory {path}: {reason}")]
    DataDir {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

impl AppError {
    /// Whether the same may work later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::PendingMigrations(_)
            | Self::Secrets { .. }
            | Self::Egress(_)
            | Self::Views(_)
            | Self::Admin(_)
            | Self::Telemetry(_)
            | Self::DataDir { .. } => false,
        }
    }

    /// What to do, where something can be said.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(StoreError::Unavailable(_)) => {
                Some("is it up, and is database.url (DATABASE_URL) right? `automate config show` has it".to_owned())
            }
            Self::Store(_) => Some("`automate doctor` looks at the database".to_owned()),
            Self::PendingMigrations(_) => Some("run `automate migrate up`".to_owned()),
            Self::Secrets { hint, .. } => hint.clone(),
            Self::DataDir { .. } => Some("set data_dir to a directory that can be written".to_owned()),
            Self::Egress(_) | Self::Views(_) | Self::Admin(_) | Self::Telemetry(_) => None,
        }
    }
}
