//! Changes of secrets with their entry of the audit log, in one transaction.

use std::future::Future;

use automate_core::audit::AuditEntry;
use automate_core::ids::TenantId;
use automate_core::secrets::SecretValue;
use automate_core::store::StoreError;
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};

use super::{DatabaseBackend, SecretStoreError, SecretWrite};

impl From<StoreError> for SecretStoreError {
    fn from(error: StoreError) -> Self {
        Self::Database(error.to_string())
    }
}

impl DatabaseBackend {
    /// As [`DatabaseBackend::write_in`], and puts it on record there.
    ///
    /// # Errors
    /// As [`DatabaseBackend::write_in`]; what cannot be written down is not done.
    #[expect(clippy::too_many_arguments, reason = "each is one thing that the caller has")]
    pub async fn write_on_record_in(
        &self,
        txn: &DatabaseTransaction,
        audit: &AuditLog,
        writer: &Writer,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        deed: SecretWrite,
    ) -> Result<i32, SecretStoreError> {
        let version = self.write_in(txn, tenant, key, value, deed).await?;
        let action = if version == 1 { "secret.create" } else { "secret.rotate" };
        audit.append(txn, entry(writer, tenant, action, key, json!({ "version": version }))).await?;
        Ok(version)
    }

    /// As [`DatabaseBackend::delete_in`], and puts it on record there, where there was one.
    ///
    /// # Errors
    /// Those of the database; what cannot be written down is not done.
    pub async fn delete_on_record_in(
        &self,
        txn: &DatabaseTransaction,
        audit: &AuditLog,
        writer: &Writer,
        tenant: TenantId,
        key: &str,
    ) -> Result<bool, SecretStoreError> {
        let deleted = self.delete_in(txn, tenant, key).await?;
        if deleted {
            audit.append(txn, entry(writer, tenant, "secret.delete", key, json!({}))).await?;
        }
        Ok(deleted)
    }

    /// [`DatabaseBackend::write_on_record_in`] in a transaction of its own.
    ///
    /// # Errors
    /// As there.
    #[expect(clippy::too_many_arguments, reason = "each is one thing that the caller has")]
    pub async fn write_on_record(
        &self,
        db: &Database,
        audit: &AuditLog,
        writer: &Writer,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        deed: SecretWrite,
    ) -> Result<i32, SecretStoreError> {
        let (this, audit, writer) = (self.clone(), audit.clone(), writer.clone());
        let (key, value) = (key.to_owned(), value.clone());
        let work = move |txn: DatabaseTransaction| async move {
            let version = this.write_on_record_in(&txn, &audit, &writer, tenant, &key, &value, deed).await?;
            Ok((txn, version))
        };
        self.commit(db, work).await
    }

    /// [`DatabaseBackend::delete_on_record_in`] in a transaction of its own.
    ///
    /// # Errors
    /// As there.
    pub async fn delete_on_record(
        &self,
        db: &Database,
        audit: &AuditLog,
        writer: &Writer,
        tenant: TenantId,
        key: &str,
    ) -> Result<bool, SecretStoreError> {
        let (this, audit, writer, key) = (self.clone(), audit.clone(), writer.clone(), key.to_owned());
        let work = move |txn: DatabaseTransaction| async move {
            let deleted = this.delete_on_record_in(&txn, &audit, &writer, tenant, &key).await?;
            Ok((txn, deleted))
        };
        self.commit(db, work).await
    }

    /// Runs a change in a task of its own and commits it; this process forgets what it knew then.
    async fn commit<T, W, F>(&self, db: &Database, work: W) -> Result<T, SecretStoreError>
    where
        T: Send + 'static,
        W: FnOnce(DatabaseTransaction) -> F + Send + 'static,
        F: Future<Output = Result<(DatabaseTransaction, T), SecretStoreError>> + Send + 'static,
    {
        let run = move |db: Database| async move {
            // A transaction that is dropped is taken back.
            match work(db.begin().await?).await {
                Ok((txn, done)) => {
                    txn.commit().await.map_err(store_error)?;
                    Ok(Ok(done))
                }
                Err(error) => Ok(Err(error)),
            }
        };
        let done = db.run(run).await;
        self.changed();
        done?
    }
}

fn entry(writer: &Writer, tenant: TenantId, action: &str, key: &str, facts: Value) -> AuditEntry {
    AuditEntry::new(tenant, writer.principal.actor.clone(), action)
        .from(writer.origin.clone())
        .about("secret", key)
        .with(facts)
}
