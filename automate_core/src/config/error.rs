//! What is wrong with a configuration: every fault at once, each with its key and source.

use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// There is no such key.
    #[error("unknown key `{key}` ({from}); did you mean `{nearest}`?")]
    Unknown {
        /// The key, written as its source writes keys.
        key: String,
        /// Where it stands.
        from: String,
        /// The nearest known key, written likewise.
        nearest: String,
    },
    /// The value is not what the key takes.
    #[error("`{key}` ({from}): expected {expected}, got {got}")]
    Invalid {
        /// The key.
        key: String,
        /// Where the value stands.
        from: String,
        /// What the key takes.
        expected: String,
        /// What was given, without secrets.
        got: String,
    },
    /// Something that must be there is not.
    #[error("`{key}` is missing: {hint}")]
    Missing {
        /// The key.
        key: String,
        /// What to do.
        hint: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path} ({from}): {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Who named it.
        from: String,
        /// Why.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{path} line {line}: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// Every fault of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// The stable code.
    pub const CODE: &'static str = "CONFIG_INVALID";
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the configuration has an error: {one}"),
            many => {
                write!(f, "the configuration has {} errors:", many.len())?;
                for error in many {
                    write!(f, "\n  - {error}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}
