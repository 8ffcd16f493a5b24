//! What is told of stored secrets: everything but their values.

use std::collections::{BTreeMap, BTreeSet};

use automate_core::secrets::BackendHealth;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// What is known of a stored secret without its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SecretInfo {
    /// The key.
    pub key: String,
    /// The newest version, from 1.
    pub version: i32,
    /// The id of the master key that wraps it.
    pub key_id: String,
    /// When it was first set.
    pub created_at: DateTime<Utc>,
    /// When it was last set.
    pub updated_at: DateTime<Utc>,
}

/// What a rotation of the master key did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rewrapped {
    /// Versions that the current key wraps now and did not before.
    pub rewrapped: u64,
    /// Ids of master keys that are needed and not at hand, with the number of versions.
    pub missing_keys: BTreeMap<String, u64>,
    /// Ids of versions that do not open although their key is at hand.
    pub corrupt: Vec<Uuid>,
}

/// Whether everything stored can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct KeyCheck {
    /// Versions that open.
    pub readable: u64,
    /// Ids of master keys that are needed and not at hand.
    pub missing_keys: BTreeSet<String>,
    /// Ids of versions that do not open although their key is at hand.
    pub corrupt: Vec<Uuid>,
}

impl KeyCheck {
    /// Whether nothing is missing and nothing corrupt.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.missing_keys.is_empty() && self.corrupt.is_empty()
    }
}

impl From<KeyCheck> for BackendHealth {
    fn from(check: KeyCheck) -> Self {
        if check.is_ok() {
            return Self::Ok(match check.readable {
                1 => "1 stored version, which can be decrypted".to_owned(),
                n => format!("{n} stored versions, all can be decrypted"),
            });
        }
        let missing: Vec<String> = check.missing_keys.into_iter().collect();
        Self::Fail(
            format!(
                "{} can be decrypted, {} are corrupt; missing master keys: {}",
                check.readable,
                check.corrupt.len(),
                if missing.is_empty() { "none".to_owned() } else { missing.join(", ") }
            ),
            "give the master key under which they were stored (AUTOMATE_MASTER_KEY), or set them again".to_owned(),
        )
    }
}
