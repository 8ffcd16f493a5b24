//! The port to secrets: values that exist only in memory, at the boundary, for as long as a call
//! needs them.

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::ids::TenantId;

/// A secret's value. It has no `Debug` that shows it, no `Display` and no `Serialize`, and is
/// wiped from memory when the last holder drops it.
#[derive(Clone)]
pub struct SecretValue(Arc<Zeroizing<String>>);

impl SecretValue {
    /// Takes ownership of a value.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value itself; the name is long so that each use is seen in review.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(***)")
    }
}

/// Why a secret could not be had. Holds names only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// No backend has the key.
    #[error("secret `{key}` was not found; asked: {}. Set it with `automate secrets set {key}`", .asked.join(", "))]
    NotFound {
        /// The key.
        key: String,
        /// The backends that were asked, in order.
        asked: Vec<String>,
    },
    /// A backend that should have it cannot be reached or cannot decrypt it.
    #[error("secret `{key}` could not be read from `{backend}`: {reason}")]
    Unavailable {
        /// The key.
        key: String,
        /// The backend.
        backend: String,
        /// What went wrong, without values.
        reason: String,
    },
    /// The name is not a valid key.
    #[error("`{key}` is not a valid secret key; use letters, digits, `_`, `-` and `.`, 128 characters at most")]
    InvalidKey {
        /// What was given.
        key: String,
    },
}

/// Whether a name may be a secret's key.
#[must_use]
pub fn is_valid_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 128
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// One place that secrets come from. Registered with `register_secrets_backend!` or on the `App`.
#[async_trait]
pub trait SecretsBackend: Send + Sync + 'static {
    /// Its name in configuration and in `$secret:backend/KEY`.
    fn name(&self) -> &str;
    /// The value, or `None` where this backend does not have the key.
    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError>;
}

/// Resolves keys through the configured chain, with a cache that expires. `key` is what follows
/// `$secret:`, so `KEY` or `backend/KEY`.
#[async_trait]
pub trait SecretResolver: Send + Sync + 'static {
    /// The value of a key.
    async fn resolve(&self, tenant: TenantId, key: &str) -> Result<SecretValue, SecretError>;
}
