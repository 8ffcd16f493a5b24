//! Secrets from HashiCorp Vault, KV version 2, and from servers that speak its protocol (OpenBao).
//!
//! The requests and answers are those of `vaultrs`; they go through the egress guard's client for one
//! server, which bounds their time and size. What Vault answers is never put into an error as it is:
//! an answer that does not parse may hold a value.

mod login;
mod session;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use automate_connectors::base::http::HttpClient;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::{BackendHealth, SecretError, SecretValue, SecretsBackend, is_valid_key};
use serde_json::Value;
use vaultrs::api::kv2::requests::ReadSecretRequest;

use super::tenants::{DefaultTenantOnly, TenantNames, folder};
use crate::egress::GuardedClient;
use session::Sessions;
use wire::{Reply, Wire};

pub use login::{Credential, VaultAuth, VaultSettings, VaultSetupError};

const NAME: &str = "vault";
/// The key that `health` asks for.
const PROBE: &str = "automate-doctor";

/// Reads `MOUNT/data/PREFIX/TENANT/KEY` and takes one field of it. TENANT is the tenant's slug,
/// `default` for the default tenant, or the tenant's id where no slug is known.
///
/// It logs in when it is first asked, renews its token before it expires (see
/// [`VaultBackend::keep_renewed`]), and logs in again where Vault knows the token no more. Cheap to
/// clone.
#[derive(Clone)]
pub struct VaultBackend {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Sessions,
    mount: String,
    prefix: String,
    field: String,
    tenants: Arc<dyn TenantNames>,
}

/// Why Vault gives no value. Holds nothing of what it answered but the texts of its errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum VaultError {
    #[error("{0}")]
    Call(String),
    #[error("{0}")]
    LogIn(String),
    #[error("Vault answered {status}{}", if .text.is_empty() { String::new() } else { format!(": {}", .text) })]
    Status { status: u16, text: String },
    #[error("permission denied; the policy of the token must allow `read` on `{0}`")]
    Denied(String),
    #[error("Vault's answer is not one of its KV engine, version 2; see `secrets.vault.mount`")]
    NotKv2,
    #[error("its data has no field `{0}` that is text; see `secrets.vault.field`")]
    NoField(String),
    #[error("its value is larger than {} bytes", limits::SECRET_BYTES)]
    TooLarge,
}

impl VaultBackend {
    /// A backend over the server that the settings name. Nothing is called yet.
    ///
    /// # Errors
    /// [`VaultSetupError`], each with the key of the configuration that is wrong.
    pub fn new(settings: VaultSettings) -> Result<Self, VaultSetupError> {
        let ca = settings.read_ca()?;
        let client = GuardedClient::for_server(&settings.address, ca.as_deref())
            .map_err(|error| VaultSetupError::Client(error.to_string()))?;
        Ok(Self::over(Arc::new(client), settings))
    }

    fn over(http: Arc<dyn HttpClient>, settings: VaultSettings) -> Self {
        let VaultSettings { address, namespace, mount, prefix, field, auth, ca_file: _ } = settings;
        let wire = Wire::new(http, &address, namespace);
        let tenants = Arc::new(DefaultTenantOnly);
        Self { shared: Arc::new(Shared { sessions: Sessions::new(wire, auth), mount, prefix, field, tenants }) }
    }

    /// The same, with the names of tenants. To be called before the backend is cloned.
    #[must_use]
    pub fn with_tenants(mut self, tenants: Arc<dyn TenantNames>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.tenants = tenants;
        }
        self
    }

    /// Logs in, and keeps the token renewed for as long as the backend lives: for processes that live
    /// longer than a token and may need no secret for all of that time. Within a runtime.
    pub fn keep_renewed(&self) {
        self.shared.sessions.keep_renewed();
    }

    async fn path(&self, tenant: TenantId, key: &str) -> Result<String, VaultError> {
        let tenant = folder(self.shared.tenants.as_ref(), tenant).await.map_err(VaultError::Call)?;
        Ok(match self.shared.prefix.as_str() {
            "" => format!("{tenant}/{key}"),
            prefix => format!("{prefix}/{tenant}/{key}"),
        })
    }

    async fn read(&self, tenant: TenantId, key: &str, version: Option<u32>) -> Result<Option<SecretValue>, VaultError> {
        let Shared { sessions, mount, field, .. } = self.shared.as_ref();
        let path = self.path(tenant, key).await?;
        let request =
            || ReadSecretRequest { mount: mount.clone(), path: path.clone(), version: version.map(u64::from) };
        let session = sessions.current().await?;
        let mut reply = sessions.wire().call(request(), Some(session.token())).await?;
        if reply.is_forbidden() {
            // The token may have been revoked, or have expired while this process slept.
            match sessions.replace(&session).await? {
                Some(fresh) => reply = sessions.wire().call(request(), Some(fresh.token())).await?,
                None => return Err(VaultError::Denied(format!("{mount}/data/{path}"))),
            }
        }
        match reply {
            Reply::Data(answer) => value_of(answer.data, field).map(Some),
            // Absent, deleted and destroyed versions are answered with 404 and no errors.
            Reply::Refused { status: 404, text } if text.is_empty() => Ok(None),
            Reply::Refused { status: 403, .. } => Err(VaultError::Denied(format!("{mount}/data/{path}"))),
            Reply::Refused { status, text } => Err(VaultError::Status { status, text }),
            Reply::Auth(_) | Reply::Unreadable => Err(VaultError::NotKv2),
        }
    }
}

fn value_of(mut data: Value, field: &str) -> Result<SecretValue, VaultError> {
    match data.get_mut(field).map(Value::take) {
        Some(Value::String(text)) if text.len() > limits::SECRET_BYTES => Err(VaultError::TooLarge),
        Some(Value::String(text)) => Ok(SecretValue::new(text)),
        Some(_) | None => Err(VaultError::NoField(field.to_owned())),
    }
}

fn unavailable(key: &str, error: &VaultError) -> SecretError {
    SecretError::Unavailable { key: key.to_owned(), backend: NAME.to_owned(), reason: error.to_string() }
}

#[async_trait]
impl SecretsBackend for VaultBackend {
    fn name(&self) -> &str {
        NAME
    }

    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        if !is_valid_key(key) {
            return Ok(None);
        }
        self.read(tenant, key, None).await.map_err(|error| unavailable(key, &error))
    }

    fn has_versions(&self) -> bool {
        true
    }

    async fn get_version(&self, tenant: TenantId, key: &str, version: u32) -> Result<Option<SecretValue>, SecretError> {
        // Vault takes 0 for the newest.
        if !is_valid_key(key) || version == 0 {
            return Ok(None);
        }
        self.read(tenant, key, Some(version)).await.map_err(|error| unavailable(key, &error))
    }

    async fn health(&self) -> BackendHealth {
        let sessions = &self.shared.sessions;
        let base = sessions.wire().base();
        let fail = |error: &VaultError| {
            BackendHealth::Fail(
                format!("{base}: {error}"),
                "see `secrets.vault.*` in docs/configuration.md, and whether Vault is unsealed".to_owned(),
            )
        };
        let session = match sessions.current().await {
            Ok(session) => session,
            Err(error) => return fail(&error),
        };
        // A key that need not be there: 404 says as much as a value.
        match self.read(TenantId::DEFAULT, PROBE, None).await {
            Ok(_) | Err(VaultError::NoField(_) | VaultError::TooLarge) => {
                BackendHealth::Ok(format!("logged in at {base}; {}", session.describe()))
            }
            Err(error @ VaultError::Denied(_)) => BackendHealth::Warn(
                format!("logged in at {base}; {error}"),
                "fine where the policy names single keys; otherwise allow `read` on the whole prefix".to_owned(),
            ),
            Err(error) => fail(&error),
        }
    }
}

#[cfg(test)]
mod tests;
