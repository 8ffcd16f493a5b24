//! Changes of stored secrets in the tenant of whoever makes them: what the API and the admin do alike.

use automate_core::ids::TenantId;
use automate_core::secrets::SecretValue;
use automate_core::store::StoreError;
use automate_store::audit::AuditLog;
use automate_store::resource::{ResourceError, Writer};
use sea_orm::DatabaseTransaction;

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
    /// As [`DatabaseBackend::write_on_record_in`], in the writer's tenant. Call [`DatabaseBackend::changed`]
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
        Ok(self.write_on_record_in(txn, audit, writer, tenant_of(writer)?, key, value, deed).await?)
    }

    /// As [`DatabaseBackend::delete_on_record_in`], in the writer's tenant.
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
        Ok(self.delete_on_record_in(txn, audit, writer, tenant_of(writer)?, key).await?)
    }
}
