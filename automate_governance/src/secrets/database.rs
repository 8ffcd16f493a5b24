//! Secrets in the database, encrypted.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use async_trait::async_trait;
use automate_core::ids::{TenantId, new_v7};
use automate_core::secrets::{SecretError, SecretValue, SecretsBackend, is_valid_key};
use automate_core::{clock, limits};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Set, SqlErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};
use uuid::Uuid;

use super::chain::SecretChanges;
use super::entity::{secret, version};
use super::envelope::{Binding, Sealed, open, rewrap, seal};
use super::master_key::MasterKeys;

/// How often a write is tried again when another process made the same row.
const CONFLICT_RETRIES: u32 = 5;

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

/// Why a stored secret could not be written or read. Holds names only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretStoreError {
    /// The name is not a valid key.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// There is no such secret.
    #[error("there is no stored secret `{0}`")]
    NotFound(String),
    /// An empty value, which would replace nothing by nothing.
    #[error("the value of `{0}` is empty")]
    Empty(String),
    /// Larger than [`limits::SECRET_BYTES`].
    #[error("the value of `{0}` is larger than {limit} bytes", limit = limits::SECRET_BYTES)]
    TooLarge(String),
    /// The tenant has [`limits::SECRETS_PER_TENANT`] already.
    #[error("the tenant has {} secrets already", limits::SECRETS_PER_TENANT)]
    TooMany,
    /// The master key that wraps it is not at hand.
    #[error(
        "`{key}` is encrypted with the master key {needed}, and this process has {}. Give the right one in AUTOMATE_MASTER_KEY or AUTOMATE_MASTER_KEY_FILE",
        .have.join(", ")
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
            Self::Empty(_) => "INVALID_INPUT",
            Self::TooLarge(_) | Self::TooMany => "LIMIT_EXCEEDED",
            Self::WrongMasterKey { .. } => "WRONG_MASTER_KEY",
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
    keys: MasterKeys,
    changes: SecretChanges,
}

impl DatabaseBackend {
    /// A backend on a database that has the tables `secrets` and `secret_versions`.
    #[must_use]
    pub fn new(db: DatabaseConnection, keys: MasterKeys) -> Self {
        Self { db, keys, changes: SecretChanges::default() }
    }

    /// Counts what this process changes; a chain that watches it forgets what it knew.
    #[must_use]
    pub fn changes(&self) -> SecretChanges {
        self.changes.clone()
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
            let Some(row) = find(&txn, tenant, &key).await? else { return Ok(false) };
            version::Entity::delete_many().filter(version::Column::SecretId.eq(row.id)).exec(&txn).await?;
            secret::Entity::delete_by_id(row.id).exec(&txn).await?;
            txn.commit().await?;
            Ok(true)
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
                .all(&self.db)
                .await?;
            let versions: Vec<(Uuid, i32, String)> = version::Entity::find()
                .select_only()
                .columns([version::Column::SecretId, version::Column::Version, version::Column::KeyId])
                .filter(version::Column::TenantId.eq(tenant.0))
                .order_by_asc(version::Column::Version)
                .into_tuple()
                .all(&self.db)
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
        let newest = within(async {
            let Some(row) = find(&self.db, tenant, key).await? else { return Ok(None) };
            let newest = version::Entity::find()
                .filter(version::Column::SecretId.eq(row.id))
                .order_by_desc(version::Column::Version)
                .one(&self.db)
                .await?;
            Ok(newest.map(|newest| (row.id, newest)))
        })
        .await?;
        let Some((secret, row)) = newest else { return Ok(None) };
        let Some(master) = self.keys.get(&row.key_id) else {
            let (needed, have) = (row.key_id, self.keys.ids());
            return Err(SecretStoreError::WrongMasterKey { key: key.to_owned(), needed, have });
        };
        // Bound to what was asked for, not to what the row says of itself.
        let binding = Binding { tenant: tenant.0, secret, version: row.version };
        let sealed = Sealed { wrapped_key: row.wrapped_key, nonce: row.nonce, ciphertext: row.ciphertext };
        let value = open(master, &binding, &sealed).map_err(|_| SecretStoreError::Corrupt(key.to_owned()))?;
        Ok(Some(SecretValue::new(value.to_string())))
    }

    /// Wraps everything with the current master key that an earlier one wraps. Each row is changed by
    /// itself, so a rotation that was interrupted is simply run again, and readers that have both
    /// keys never notice.
    ///
    /// # Errors
    /// Those of the database; what was done until then stays done.
    pub async fn rotate_master_key(&self) -> Result<Rewrapped, SecretStoreError> {
        let current = self.keys.current();
        let mut report = Rewrapped::default();
        let mut after = None;
        loop {
            let page = self.versions_after(after, Some(current.id())).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for row in page {
                let Some(old) = self.keys.get(&row.key_id) else {
                    *report.missing_keys.entry(row.key_id).or_default() += 1;
                    continue;
                };
                let binding = Binding { tenant: row.tenant_id, secret: row.secret_id, version: row.version };
                let Ok(wrapped) = rewrap(old, current, &binding, &row.wrapped_key) else {
                    report.corrupt.push(row.id);
                    continue;
                };
                // Only if nobody else rotated the row meanwhile.
                let update = version::Entity::update_many()
                    .col_expr(version::Column::WrappedKey, Expr::value(wrapped))
                    .col_expr(version::Column::KeyId, Expr::value(current.id()))
                    .filter(version::Column::Id.eq(row.id))
                    .filter(version::Column::KeyId.eq(row.key_id));
                report.rewrapped += within(async { Ok(update.exec(&self.db).await?) }).await?.rows_affected;
            }
        }
        Ok(report)
    }

    /// Opens every stored data key; for start-up and `doctor`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn check(&self) -> Result<KeyCheck, SecretStoreError> {
        let mut report = KeyCheck::default();
        let mut after = None;
        loop {
            let page = self.versions_after(after, None).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for row in page {
                let Some(master) = self.keys.get(&row.key_id) else {
                    report.missing_keys.insert(row.key_id);
                    continue;
                };
                let binding = Binding { tenant: row.tenant_id, secret: row.secret_id, version: row.version };
                let sealed = Sealed { wrapped_key: row.wrapped_key, nonce: row.nonce, ciphertext: row.ciphertext };
                match open(master, &binding, &sealed) {
                    Ok(_) => report.readable += 1,
                    Err(_) => report.corrupt.push(row.id),
                }
            }
        }
        Ok(report)
    }

    /// A page of versions by id, leaving out those of one master key.
    async fn versions_after(
        &self,
        after: Option<Uuid>,
        without_key: Option<&str>,
    ) -> Result<Vec<version::Model>, SecretStoreError> {
        let mut query = version::Entity::find().order_by_asc(version::Column::Id).limit(limits::ROTATION_PAGE);
        if let Some(after) = after {
            query = query.filter(version::Column::Id.gt(after));
        }
        if let Some(key_id) = without_key {
            query = query.filter(version::Column::KeyId.ne(key_id));
        }
        within(async { Ok(query.all(&self.db).await?) }).await
    }

    async fn write(
        &self,
        tenant: TenantId,
        key: &str,
        value: &SecretValue,
        must_exist: bool,
    ) -> Result<i32, SecretStoreError> {
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
        let now = clock::now();
        let (secret_id, number) = match find(&txn, tenant, key).await? {
            Some(row) => {
                let newest: Option<Option<i32>> = version::Entity::find()
                    .select_only()
                    .column_as(version::Column::Version.max(), "newest")
                    .filter(version::Column::SecretId.eq(row.id))
                    .into_tuple()
                    .one(&txn)
                    .await?;
                let id = row.id;
                let changed = secret::ActiveModel { updated_at: Set(now), ..row.into() };
                changed.update(&txn).await?;
                (id, newest.flatten().unwrap_or(0) + 1)
            }
            None if must_exist => return Err(SecretStoreError::NotFound(key.to_owned())),
            None => {
                let count = secret::Entity::find().filter(secret::Column::TenantId.eq(tenant.0)).count(&txn).await?;
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
                if !inserted(secret::Entity::insert(secret::ActiveModel::from(row).reset_all()).exec(&txn).await)? {
                    return Ok(None);
                }
                (id, 1)
            }
        };
        let binding = Binding { tenant: tenant.0, secret: secret_id, version: number };
        let master = self.keys.current();
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
        if !inserted(version::Entity::insert(version::ActiveModel::from(row).reset_all()).exec(&txn).await)? {
            return Ok(None);
        }
        version::Entity::delete_many()
            .filter(version::Column::SecretId.eq(secret_id))
            .filter(version::Column::Version.lte(number - limits::SECRET_VERSIONS))
            .exec(&txn)
            .await?;
        txn.commit().await?;
        Ok(Some(number))
    }
}

#[async_trait]
impl SecretsBackend for DatabaseBackend {
    fn name(&self) -> &str {
        "database"
    }

    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        self.get(tenant, key).await.map_err(|error| SecretError::Unavailable {
            key: key.to_owned(),
            backend: "database".to_owned(),
            reason: error.to_string(),
        })
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
