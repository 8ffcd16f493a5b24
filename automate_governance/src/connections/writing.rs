//! Changes of connections together with the secrets that are stored for them alone, in the
//! transaction of the caller: what the API and the admin do alike.

use std::collections::BTreeMap;

use automate_core::ids::TenantId;
use automate_core::store::StoreError;
use automate_store::resource::{NoHooks, ResourceError, Resources, Row, Writer};
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{CheckedFields, own_secrets};
use crate::models::CONNECTIONS;
use crate::secrets::{DatabaseBackend, SecretStoreError, SecretWrite};

/// Why a connection was not changed. The transaction is to be given up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// A secret was not stored.
    #[error(transparent)]
    Secret(#[from] SecretStoreError),
    /// The row was not stored.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

impl From<StoreError> for ChangeError {
    fn from(error: StoreError) -> Self {
        Self::Resource(error.into())
    }
}

/// What a change is made with.
#[derive(Clone, Copy)]
pub struct ConnectionChange<'a> {
    /// The transaction, which the caller commits; then [`StoredConnections::forget`] and
    /// [`DatabaseBackend::changed`] are to be called.
    ///
    /// [`StoredConnections::forget`]: super::StoredConnections::forget
    pub txn: &'a DatabaseTransaction,
    /// The service for rows.
    pub resources: &'a Resources,
    /// The secrets.
    pub secrets: &'a DatabaseBackend,
    /// Who changes it.
    pub writer: &'a Writer,
}

impl std::fmt::Debug for ConnectionChange<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionChange")
    }
}

impl ConnectionChange<'_> {
    /// Makes a connection and stores the secrets that it was given with.
    ///
    /// # Errors
    /// [`ChangeError`]; `Conflict` where the tenant has one of that name.
    pub async fn create(&self, connector: &str, name: &str, checked: &CheckedFields) -> Result<Row, ChangeError> {
        let fields = Map::from_iter([
            ("connector".to_owned(), json!(connector)),
            ("name".to_owned(), json!(name)),
            ("fields".to_owned(), json!(checked.fields)),
        ]);
        let row = self.resources.create_in(self.txn, &CONNECTIONS, self.writer, &NoHooks, fields).await?;
        self.store_secrets(checked).await?;
        Ok(row)
    }

    /// Changes the fields of a connection, as a whole; nothing where there are none. Secrets of its
    /// own that no field names any more are deleted.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn update(&self, old: &Row, checked: Option<&CheckedFields>) -> Result<Row, ChangeError> {
        let mut fields = Map::new();
        if let Some(checked) = checked {
            self.store_secrets(checked).await?;
            self.drop_secrets(old, &checked.fields).await?;
            fields.insert("fields".to_owned(), json!(checked.fields));
        }
        let id = id(old)?;
        Ok(self.resources.update_in(self.txn, &CONNECTIONS, self.writer, &NoHooks, id, fields, None).await?)
    }

    /// Deletes a connection with the secrets of its own.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn delete(&self, old: &Row) -> Result<(), ChangeError> {
        self.drop_secrets(old, &BTreeMap::new()).await?;
        Ok(self.resources.delete_in(self.txn, &CONNECTIONS, self.writer, &NoHooks, id(old)?, None).await?)
    }

    fn tenant(&self) -> Result<TenantId, ChangeError> {
        self.writer.principal.tenant.ok_or(ChangeError::Resource(ResourceError::NotFound("connection")))
    }

    async fn store_secrets(&self, checked: &CheckedFields) -> Result<(), ChangeError> {
        let (tenant, audit) = (self.tenant()?, self.resources.audit());
        for (key, value) in &checked.secrets {
            self.secrets.write_on_record_in(self.txn, audit, self.writer, tenant, key, value, SecretWrite::Set).await?;
        }
        Ok(())
    }

    /// Deletes the secrets of a connection's own that no field of it names any more.
    async fn drop_secrets(&self, old: &Row, kept: &BTreeMap<String, String>) -> Result<(), ChangeError> {
        let name = old.fields.get("name").and_then(Value::as_str).unwrap_or_default();
        let of = |fields: &Map<String, Value>| {
            let texts = fields.iter().filter_map(|(field, value)| Some((field.as_str(), value.as_str()?)));
            own_secrets(name, texts)
        };
        let before = old.fields.get("fields").and_then(Value::as_object).map(of).unwrap_or_default();
        let after = own_secrets(name, kept.iter().map(|(field, value)| (field.as_str(), value.as_str())));
        for key in before.into_iter().filter(|key| !after.contains(key)) {
            let audit = self.resources.audit();
            self.secrets.delete_on_record_in(self.txn, audit, self.writer, self.tenant()?, &key).await?;
        }
        Ok(())
    }
}

fn id(row: &Row) -> Result<Uuid, ChangeError> {
    row.id(&CONNECTIONS).ok_or(ChangeError::Resource(ResourceError::NotFound("connection")))
}
