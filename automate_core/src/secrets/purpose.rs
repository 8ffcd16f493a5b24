//! What a secret is read for.

use std::fmt;

use crate::ids::ExecutionId;

/// What a secret is read for, as an account of reads tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Purpose {
    /// The reader did not say.
    #[default]
    Unknown,
    /// The input of a step.
    Step {
        /// The execution.
        execution: ExecutionId,
        /// The path of the step in it.
        path: String,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// A connection: for the action of a step, where an execution is named.
    Connection {
        /// The connector.
        connector: String,
        /// The connection.
        name: String,
        /// The execution and the path of the step.
        step: Option<(ExecutionId, String)>,
    },
    /// The verification of a received webhook.
    Webhook {
        /// The path of the webhook.
        path: String,
    },
    /// A call to a provider of models or tools.
    Provider {
        /// The provider.
        key: String,
    },
    /// A look at whether it can be read, as `automate doctor` takes it.
    Check,
}

impl Purpose {
    /// The execution that it is read for.
    #[must_use]
    pub const fn execution(&self) -> Option<ExecutionId> {
        match self {
            Self::Step { execution, .. } | Self::Connection { step: Some((execution, _)), .. } => Some(*execution),
            Self::Connection { step: None, .. }
            | Self::Webhook { .. }
            | Self::Provider { .. }
            | Self::Check
            | Self::Unknown => None,
        }
    }

    /// One word for its kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Step { .. } => "step",
            Self::Connection { .. } => "connection",
            Self::Webhook { .. } => "webhook",
            Self::Provider { .. } => "provider",
            Self::Check => "check",
        }
    }
}

/// For people: `step charge, attempt 2, of 0199…`.
impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { execution, path, attempt } => write!(f, "step {path}, attempt {attempt}, of {execution}"),
            Self::Connection { connector, name, step } => {
                write!(f, "connection {name} of {connector}")?;
                match step {
                    Some((execution, path)) => write!(f, " for step {path} of {execution}"),
                    None => Ok(()),
                }
            }
            Self::Webhook { path } => write!(f, "webhook {path}"),
            Self::Provider { key } => write!(f, "provider {key}"),
            Self::Unknown | Self::Check => f.write_str(self.kind()),
        }
    }
}
