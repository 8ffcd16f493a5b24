//! The port to secrets: values that exist only in memory, at the boundary, for as long as a call
//! needs them.

mod purpose;
mod reference;

use std::sync::Arc;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::ids::TenantId;

pub use purpose::Purpose;
pub use reference::SecretRef;

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
    #[error("secret `{key}` was not found; asked: {}. {}", .asked.join(", "), not_found_hint(.key))]
    NotFound {
        /// The key, with the version that was asked for.
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
    /// A version was asked for, and none of the backends keeps versions.
    #[error("secret `{key}` was asked for by version, and {} keeps none", .asked.join(", "))]
    Unversioned {
        /// The key.
        key: String,
        /// The backends that could have been asked.
        asked: Vec<String>,
    },
    /// The name is not a valid key.
    #[error("`{key}` is not a valid secret key; use letters, digits, `_`, `-` and `.`, 128 characters at most")]
    InvalidKey {
        /// What was given.
        key: String,
    },
}

fn not_found_hint(key: &str) -> String {
    match key.split_once('?') {
        Some((key, _)) => format!("That version of `{key}` never was, or is kept no more"),
        None => format!("Set it with `automate secrets set {key}`"),
    }
}

/// Whether a name may be a secret's key. Names of dots alone are not: they lead elsewhere in paths.
#[must_use]
pub fn is_valid_key(key: &str) -> bool {
    key.len() <= 128
        && key.bytes().any(|b| b != b'.')
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

/// How a backend is, for `automate doctor`. Texts hold no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendHealth {
    /// It can be asked; what was found.
    Ok(String),
    /// It can be asked, and something is worth a look: what, and what to do.
    Warn(String, String),
    /// It cannot be asked: why, and what to do.
    Fail(String, String),
}

/// One place that secrets come from. Registered with `register_secrets_backend!` or on the `App`.
#[async_trait]
pub trait SecretsBackend: Send + Sync + 'static {
    /// Its name in configuration and in `$secret:backend/KEY`.
    fn name(&self) -> &str;

    /// The value, or `None` where this backend does not have the key.
    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError>;

    /// Whether it keeps versions, so that [`SecretsBackend::get_version`] may be asked.
    fn has_versions(&self) -> bool {
        false
    }

    /// The value of one version, counted from 1, or `None` where there is no such version.
    async fn get_version(
        &self,
        _tenant: TenantId,
        key: &str,
        _version: u32,
    ) -> Result<Option<SecretValue>, SecretError> {
        Err(SecretError::Unversioned { key: key.to_owned(), asked: vec![self.name().to_owned()] })
    }

    /// Whether it can be asked.
    async fn health(&self) -> BackendHealth {
        BackendHealth::Ok("set up".to_owned())
    }
}

/// Resolves keys through the configured chain, with a cache that expires. `key` is what follows
/// `$secret:`, so `KEY`, `backend/KEY`, either with `?version=N`: a [`SecretRef`].
#[async_trait]
pub trait SecretResolver: Send + Sync + 'static {
    /// The value of a key.
    async fn resolve(&self, tenant: TenantId, key: &str) -> Result<SecretValue, SecretError>;

    /// The same, saying what it is read for. A resolver that keeps an account of reads enters it there.
    async fn resolve_for(&self, tenant: TenantId, key: &str, _purpose: &Purpose) -> Result<SecretValue, SecretError> {
        self.resolve(tenant, key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_nowhere_else_in_a_path() {
        for good in ["K", "crm-token", "a.b", "..a", ".env", "9"] {
            assert!(is_valid_key(good), "{good}");
        }
        for bad in ["", ".", "..", "...", "a/b", "a b", "é", "a\\b", "a\0", &"k".repeat(129)] {
            assert!(!is_valid_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn t11_errors_name_keys_and_backends_only() {
        let value = SecretValue::new("the-value-itself".to_owned());
        assert_eq!(format!("{value:?}"), "SecretValue(***)");
        let missing = SecretError::NotFound { key: "K?version=3".into(), asked: vec!["vault".into()] };
        assert!(missing.to_string().contains("asked: vault. That version of `K` never was"), "{missing}");
        let unversioned = SecretError::Unversioned { key: "K".into(), asked: vec!["env".into(), "file".into()] };
        assert!(unversioned.to_string().contains("env, file keeps none"), "{unversioned}");
    }
}
