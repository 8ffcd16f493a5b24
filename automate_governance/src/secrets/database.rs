//! Secrets in the database, encrypted.

mod metadata;
mod on_record;
mod report;
mod rotation;
mod writing;

use std::collections::BTreeMap;
use std::future::Future;

use async_trait::async_trait;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::{BackendHealth, SecretError, SecretValue, SecretsBackend};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, SqlErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};
use uuid::Uuid;

use super::chain::SecretChanges;
use super::entity::{secret, version};
use super::envelope::{Binding, Sealed, open};
use super::master_key::MasterKeys;

pub use metadata::SecretVersion;
pub use report::{KeyCheck, Rewrapped, SecretInfo};
pub use writing::SecretWrite;
use writing::check;

const NAME: &str = "database";
/// How often a write is tried again when another process made the same row.
const CONFLICT_RETRIES: u32 = 5;

/// Why a stored secret could not be written or read. Holds names only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretStoreError {
    /// The name is not a valid key.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// There is no such secret.
    #[error("there is no stored secret `{0}`")]
    NotFound(String),
    /// There is one of that name already.
    #[error("there is a stored secret `{0}` already")]
    Exists(String),
    /// An empty value, which would replace nothing by nothing.
    #[error("the value of `{0}` is empty")]
    Empty(String),
    /// Larger than [`limits::SECRET_BYTES`].
    #[error("the value of `{0}` is larger than {limit} bytes", limit = limits::SECRET_BYTES)]
    TooLarge(String),
    /// The tenant has [`limits::SECRETS_PER_TENANT`] already.
    #[error("the tenant has {} secrets already", limits::SECRETS_PER_TENANT)]
    TooMany,
    /// There is no master key to encrypt with.
    #[error("there is no master key; give the one of this database in AUTOMATE_MASTER_KEY or AUTOMATE_MASTER_KEY_FILE")]
    NoMasterKey,
    /// The master key that wraps it is not at hand.
    #[error(
        "`{key}` is encrypted with the master key {needed}, and this process has {}. Give the right one in AUTOMATE_MASTER_KEY or AUTOMATE_MASTER_KEY_FILE",
        if .have.is_empty() { "none".to_owned() } else { .have.join(", ") }
    )]
    WrongMasterKey {
        /// The secret's key.
        key: String,
        /// The id that is needed.
        needed: String,
        /// The ids at hand.
        have: Vec<String>,
    },
    /// The row does not open with its key: it was changed or moved.
    #[error("the stored secret `{0}` is corrupt: its ciphertext does not belong to its row")]
    Corrupt(String),
    /// The database failed or did not answer in time.
    #[error("the database failed: {0}")]
    Database(String),
}

impl SecretStoreError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Key(_) => "INVALID_INPUT",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Exists(_) => "CONFLICT",
            Self::Empty(_) => "INVALID_INPUT",
            Self::TooLarge(_) | Self::TooMany => "LIMIT_EXCEEDED",
            Self::NoMasterKey | Self::WrongMasterKey { .. } => "WRONG_MASTER_KEY",
            Self::Corrupt(_) => "CORRUPT_ROW",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
        }
    }
}

impl From<DbErr> for SecretStoreError {
    fn from(error: DbErr) -> Self {
        Self::Database(error.to_string())
    }
}

/// Secrets under envelope encryption. Cheap to clone.
#[derive(Clone)]
pub struct DatabaseBackend {
    db: DatabaseConnection,
    reader: DatabaseConnection,
    keys: MasterKeys,
    changes: SecretChanges,
}

impl DatabaseBackend {
    /// A backend on a database that has the tables `secrets` and `secret_versions`.
    #[must_use]
    pub fn new(db: DatabaseConnection, keys: MasterKeys) -> Self {
        Self { reader: db.clone(), db, keys, changes: SecretChanges::default() }
    }

    /// The same, reading from another pool: on SQLite the one connection that writes is busy with
    /// the engine's work.
    #[must_use]
    pub fn with_reader(mut self, reader: DatabaseConnection) -> Self {
        self.reader = reader;
        self
    }

    /// Counts what this process changes; a chain that watches it forgets what it knew.
    #[must_use]
    pub fn changes(&self) -> SecretChanges {
        self.changes.clone()
    }

    /// The ids of the master keys that are needed to read everything that is stored, without those
    /// that are at hand.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn missing_keys(&self) -> Result<Vec<String>, SecretStoreError> {
        within(async {
            let ids = version::Entity::find()
                .select_only()
                .column(version::Column::KeyId)
                .distinct()
                .filter(version::Column::KeyId.is_not_in(self.keys.ids()))
                .order_by_asc(version::Column::KeyId)
                .limit(limits::MASTER_KEYS as u64)
                .into_tuple()
                .all(&self.reader)
                .await?;
            Ok(ids)
        })
        .await
    }

    /// Stores a value as a new version and answers with its number, from 1.
    ///
    /// # Errors
    /// [`SecretStoreError`]; nothing is stored then.
    pub async fn set(&self, tenant: TenantId, key: &str, value: &SecretValue) -> Result<i32, SecretStoreError> {
        self.write(tenant, key, value, false).await
    }

    /// The same for a secret that exists already.
    ///
    /// # Errors
    /// [`SecretStoreError::NotFound`] where it does not, and as [`DatabaseBackend::set`].
    pub async fn rotate(&self, tenant: TenantId, key: &str, value: &SecretValue) -> Result<i32, SecretStoreError> {
        self.write(tenant, key, value, true).await
    }

    /// Deletes a secret with all its versions; `false` where there was none.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete(&self, tenant: TenantId, key: &str) -> Result<bool, SecretStoreError> {
        let (this, key) = (self.clone(), key.to_owned());
        let deleted = detached(async move {
            let txn = begin(&this.db).await?;
            let deleted = this.delete_in(&txn, tenant, &key).await?;
            txn.commit().await?;
            Ok(deleted)
        })
        .await;
        self.changes.bump();
        deleted
    }

    /// The tenant's secrets by key, without values.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self, tenant: TenantId) -> Result<Vec<SecretInfo>, SecretStoreError> {
        within(async {
            let rows = secret::Entity::find()
                .filter(secret::Column::TenantId.eq(tenant.0))
                .order_by_asc(secret::Column::Key)
                .limit(limits::SECRETS_PER_TENANT)
                .all(&self.reader)
                .await?;
            let versions: Vec<(Uuid, i32, String)> = version::Entity::find()
                .select_only()
                .columns([version::Column::SecretId, version::Column::Version, version::Column::KeyId])
                .filter(version::Column::TenantId.eq(tenant.0))
                .order_by_asc(version::Column::Version)
                .into_tuple()
                .all(&self.reader)
                .await?;
            // The last of each secret wins, which is the newest.
            let mut newest: BTreeMap<Uuid, (i32, String)> =
                versions.into_iter().map(|(secret, number, key_id)| (secret, (number, key_id))).collect();
            let info = |row: secret::Model| {
                let (version, key_id) = newest.remove(&row.id)?;
                Some(SecretInfo {
                    key: row.key,
                    version,
                    key_id,
                    created_at: row.created_at,
                    updated_at: row.updated_at,
                })
            };
            Ok(rows.into_iter().filter_map(info).collect())
        })
        .await
    }

    /// The newest value of a key.
    ///
    /// # Errors
    /// [`SecretStoreError::WrongMasterKey`], [`SecretStoreError::Corrupt`], and those of the database.
    pub async fn get(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretStoreError> {
        self.value_of(tenant, key, None).await
    }

    /// The value of one version of a key; `None` where it never was, or is kept no more.
    ///
    /// # Errors
    /// As [`DatabaseBackend::get`].
    pub async fn get_version(
        &self,
        tenant: TenantId,
        key: &str,
        version: u32,
    ) -> Result<Option<SecretValue>, SecretStoreError> {
        match i32::try_from(version) {
            Ok(version) => self.value_of(tenant, key, Some(version)).await,
            Err(_) => Ok(None),
        }
    }

    async fn value_of(
        &self,
        tenant: TenantId,
        key: &str,
        number: Option<i32>,
    ) -> Result<Option<SecretValue>, SecretStoreError> {
        let found = within(async {
            let Some(row) = find(&self.reader, tenant, key).await? else { return Ok(None) };
            let mut query = version::Entity::find()
                .filter(version::Column::SecretId.eq(row.id))
                .order_by_desc(version::Column::Version);
            if let Some(number) = number {
                query = query.filter(version::Column::Version.eq(number));
            }
            Ok(query.one(&self.reader).await?.map(|found| (row.id, found)))
        })
        .await?;
        let Some((secret, row)) = found else { return Ok(None) };
        let Some(master) = self.keys.get(&row.key_id) else {
            let (needed, have) = (row.key_id, self.keys.ids());
            return Err(SecretStoreError::WrongMasterKey { key: key.to_owned(), needed, have });
        };
        // Bound to what was asked for, not to what the row says of itself.
        let binding = Binding { tenant: tenant.0, secret, version: number.unwrap_or(row.version) };
        let sealed = Sealed { wrapped_key: row.wrapped_key, nonce: row.nonce, ciphertext: row.ciphertext };
        let value = open(master, &binding, &sealed).map_err(|_| SecretStoreError::Corrupt(key.to_owned()))?;
        Ok(Some(SecretValue::new(value.to_string())))
    }

    async fn write(
        &self,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        must_exist: bool,
    ) -> Result<i32, SecretStoreError> {
        check(key, value)?;
        let mut attempt = 0;
        let written = loop {
            let (this, key, value) = (self.clone(), key.to_owned(), value.clone());
            let result = detached(async move { this.write_once(tenant, &key, &value, must_exist).await }).await;
            match result {
                Ok(None) if attempt < CONFLICT_RETRIES => attempt += 1,
                Ok(None) => break Err(SecretStoreError::Database("others keep writing the same secret".to_owned())),
                Ok(Some(version)) => break Ok(version),
                Err(error) => break Err(error),
            }
        };
        self.changes.bump();
        written
    }

    /// One attempt; `None` where another process made the same row first.
    async fn write_once(
        &self,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        must_exist: bool,
    ) -> Result<Option<i32>, SecretStoreError> {
        let txn = begin(&self.db).await?;
        let deed = if must_exist { SecretWrite::Rotate } else { SecretWrite::Set };
        let written = self.insert(&txn, tenant, key, value, deed).await?;
        if written.is_some() {
            txn.commit().await?;
        }
        Ok(written)
    }
}

fn unavailable(key: &str, error: &SecretStoreError) -> SecretError {
    SecretError::Unavailable { key: key.to_owned(), backend: NAME.to_owned(), reason: error.to_string() }
}

#[async_trait]
impl SecretsBackend for DatabaseBackend {
    fn name(&self) -> &str {
        NAME
    }

    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        self.get(tenant, key).await.map_err(|error| unavailable(key, &error))
    }

    fn has_versions(&self) -> bool {
        true
    }

    async fn get_version(&self, tenant: TenantId, key: &str, version: u32) -> Result<Option<SecretValue>, SecretError> {
        Self::get_version(self, tenant, key, version).await.map_err(|error| unavailable(key, &error))
    }

    async fn health(&self) -> BackendHealth {
        match self.check().await {
            Ok(found) => found.into(),
            Err(error) => BackendHealth::Fail(error.to_string(), "look at the database's own log".to_owned()),
        }
    }
}

async fn find<C: ConnectionTrait>(db: &C, tenant: TenantId, key: &str) -> Result<Option<secret::Model>, DbErr> {
    secret::Entity::find()
        .filter(secret::Column::TenantId.eq(tenant.0))
        .filter(secret::Column::Key.eq(key))
        .one(db)
        .await
}

/// On SQLite a transaction that reads first must take the write lock at once, or it cannot write
/// after somebody else has.
async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    db.begin_with_options(TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    })
    .await
}

/// Whether a row was inserted; `false` where its unique key is taken.
fn inserted<T>(result: Result<T, DbErr>) -> Result<bool, DbErr> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn within<T>(work: impl Future<Output = Result<T, SecretStoreError>>) -> Result<T, SecretStoreError> {
    match tokio::time::timeout(limits::DATABASE_TIMEOUT, work).await {
        Ok(result) => result,
        Err(_) => Err(SecretStoreError::Database(format!("no answer within {:?}", limits::DATABASE_TIMEOUT))),
    }
}

/// Runs a transaction in a task of its own: a caller that goes away while it begins would otherwise
/// give a connection with an open transaction back to the pool.
async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, SecretStoreError>> + Send + 'static,
) -> Result<T, SecretStoreError> {
    match tokio::spawn(within(work)).await {
        Ok(result) => result,
        Err(_) => Err(SecretStoreError::Database("the task ended early".to_owned())),
    }
}

#[cfg(test)]
mod tests;
