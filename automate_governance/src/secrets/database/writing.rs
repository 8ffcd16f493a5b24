//! Writing secrets within a transaction: what is stored, and what a caller adds to the same one.

use automate_core::ids::{TenantId, new_v7};
use automate_core::secrets::{SecretError, SecretValue, is_valid_key};
use automate_core::{clock, limits};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, DatabaseTransaction, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QuerySelect as _, Set,
};

use super::super::entity::{secret, version};
use super::super::envelope::{Binding, seal};
use super::{DatabaseBackend, SecretStoreError, find, inserted};

/// What is to become of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretWrite {
    /// A new one, which must not be there yet.
    Create,
    /// A new version of one that must be there.
    Rotate,
    /// Either.
    Set,
}

/// Whether a value can be stored under a key. What can is looked for by the process's scrubber from
/// now on.
pub(super) fn check(key: &str, value: &SecretValue) -> Result<(), SecretStoreError> {
    if !is_valid_key(key) {
        return Err(SecretError::InvalidKey { key: key.chars().take(128).collect() }.into());
    }
    if value.expose_secret().is_empty() {
        return Err(SecretStoreError::Empty(key.to_owned()));
    }
    if value.expose_secret().len() > limits::SECRET_BYTES {
        return Err(SecretStoreError::TooLarge(key.to_owned()));
    }
    crate::redaction::process_scrubber().add(value);
    Ok(())
}

impl DatabaseBackend {
    /// Stores a value as a new version within a transaction of the caller's, who audits it there and
    /// calls [`DatabaseBackend::changed`] after the commit. Answers with the version's number.
    ///
    /// # Errors
    /// [`SecretStoreError`], after which the transaction is to be given up; `Exists` also where
    /// somebody else is making the same secret.
    pub async fn write_in(
        &self,
        txn: &DatabaseTransaction,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        deed: SecretWrite,
    ) -> Result<i32, SecretStoreError> {
        check(key, value)?;
        self.insert(txn, tenant, key, value, deed).await?.ok_or_else(|| SecretStoreError::Exists(key.to_owned()))
    }

    /// Deletes a secret with all its versions within a transaction of the caller's, as
    /// [`DatabaseBackend::write_in`]; `false` where there was none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_in(
        &self,
        txn: &DatabaseTransaction,
        tenant: TenantId,
        key: &str,
    ) -> Result<bool, SecretStoreError> {
        let Some(row) = find(txn, tenant, key).await? else { return Ok(false) };
        version::Entity::delete_many().filter(version::Column::SecretId.eq(row.id)).exec(txn).await?;
        let gone = secret::Entity::delete_by_id(row.id).exec(txn).await?;
        Ok(gone.rows_affected == 1)
    }

    /// Makes this process forget what it knew: after a transaction that wrote was committed.
    pub fn changed(&self) {
        self.changes.bump();
    }

    /// Inserts a version; `None` where another process made the same row first.
    pub(super) async fn insert(
        &self,
        txn: &DatabaseTransaction,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        deed: SecretWrite,
    ) -> Result<Option<i32>, SecretStoreError> {
        let now = clock::now();
        let (secret_id, number) = match (find(txn, tenant, key).await?, deed) {
            (Some(_), SecretWrite::Create) => return Err(SecretStoreError::Exists(key.to_owned())),
            (Some(row), SecretWrite::Rotate | SecretWrite::Set) => {
                let id = row.id;
                // Locks the row, so that writers at once number their versions one after the other.
                secret::ActiveModel { updated_at: Set(now), ..row.into() }.update(txn).await?;
                let newest: Option<Option<i32>> = version::Entity::find()
                    .select_only()
                    .column_as(version::Column::Version.max(), "newest")
                    .filter(version::Column::SecretId.eq(id))
                    .into_tuple()
                    .one(txn)
                    .await?;
                (id, newest.flatten().unwrap_or(0) + 1)
            }
            (None, SecretWrite::Rotate) => return Err(SecretStoreError::NotFound(key.to_owned())),
            (None, SecretWrite::Create | SecretWrite::Set) => {
                let count = secret::Entity::find().filter(secret::Column::TenantId.eq(tenant.0)).count(txn).await?;
                if count >= limits::SECRETS_PER_TENANT {
                    return Err(SecretStoreError::TooMany);
                }
                let row = secret::Model {
                    id: new_v7(),
                    tenant_id: tenant.0,
                    key: key.to_owned(),
                    created_at: now,
                    updated_at: now,
                };
                let id = row.id;
                if !inserted(secret::Entity::insert(secret::ActiveModel::from(row).reset_all()).exec(txn).await)? {
                    return Ok(None);
                }
                (id, 1)
            }
        };
        let binding = Binding { tenant: tenant.0, secret: secret_id, version: number };
        let master = self.keys.current().ok_or(SecretStoreError::NoMasterKey)?;
        let sealed = seal(master, &binding, value.expose_secret())
            .map_err(|_| SecretStoreError::Database("the value cannot be encrypted".to_owned()))?;
        let row = version::Model {
            id: new_v7(),
            tenant_id: tenant.0,
            secret_id,
            version: number,
            key_id: master.id().to_owned(),
            wrapped_key: sealed.wrapped_key,
            nonce: sealed.nonce,
            ciphertext: sealed.ciphertext,
            created_at: now,
        };
        if !inserted(version::Entity::insert(version::ActiveModel::from(row).reset_all()).exec(txn).await)? {
            return Ok(None);
        }
        version::Entity::delete_many()
            .filter(version::Column::SecretId.eq(secret_id))
            .filter(version::Column::Version.lte(number - limits::SECRET_VERSIONS))
            .exec(txn)
            .await?;
        Ok(Some(number))
    }
}
