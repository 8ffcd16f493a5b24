//! Changes of stored secrets together with their entries in the audit log, in one transaction: what
//! the API and the admin do alike.

use automate_core::audit::AuditEntry;
use automate_core::ids::TenantId;
use automate_core::secrets::SecretValue;
use automate_core::store::StoreError;
use automate_store::audit::AuditLog;
use automate_store::resource::{ResourceError, Writer};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};

use super::{DatabaseBackend, SecretStoreError, SecretWrite};

/// Why something that is made of rows and secrets was not changed. The transaction is to be given up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// A secret was not stored.
    #[error(transparent)]
    Secret(#[from] SecretStoreError),
    /// A row was not stored.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Resource(error.into())
    }
}

fn tenant_of(writer: &Writer) -> Result<TenantId, ChangeError> {
    writer.principal.tenant.ok_or(ChangeError::Resource(ResourceError::NotFound("tenant")))
}

impl DatabaseBackend {
    /// As [`DatabaseBackend::write_in`], with the entry about it. Call [`DatabaseBackend::changed`]
    /// after the commit.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn write_recorded(
        &self,
        txn: &DatabaseTransaction,
        audit: &AuditLog,
        writer: &Writer,
        key: &str,
        value: &SecretValue,
        deed: SecretWrite,
    ) -> Result<i32, ChangeError> {
        let version = self.write_in(txn, tenant_of(writer)?, key, value, deed).await?;
        let action = if version == 1 { "secret.create" } else { "secret.rotate" };
        note(txn, audit, writer, action, key, json!({ "version": version })).await?;
        Ok(version)
    }

    /// As [`DatabaseBackend::delete_in`], with the entry about it where there was such a secret.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn delete_recorded(
        &self,
        txn: &DatabaseTransaction,
        audit: &AuditLog,
        writer: &Writer,
        key: &str,
    ) -> Result<bool, ChangeError> {
        let was_there = self.delete_in(txn, tenant_of(writer)?, key).await?;
        if was_there {
            note(txn, audit, writer, "secret.delete", key, json!({})).await?;
        }
        Ok(was_there)
    }
}

async fn note(
    txn: &DatabaseTransaction,
    audit: &AuditLog,
    writer: &Writer,
    action: &str,
    key: &str,
    facts: Value,
) -> Result<(), ChangeError> {
    let entry = AuditEntry::new(tenant_of(writer)?, writer.principal.actor.clone(), action);
    Ok(audit.append(txn, entry.from(writer.origin.clone()).about("secret", key).with(facts)).await?)
}
