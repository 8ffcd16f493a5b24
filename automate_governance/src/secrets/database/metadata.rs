//! What is known of versions besides their values.

use std::collections::BTreeMap;

use automate_core::ids::TenantId;
use automate_core::limits;
use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::super::entity::{secret, version};
use super::{DatabaseBackend, SecretStoreError, find, within};

/// What is known of one version without its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SecretVersion {
    /// Its number, from 1.
    pub version: i32,
    /// The id of the master key that wraps it.
    pub key_id: String,
    /// When it was set.
    pub created_at: DateTime<Utc>,
}

impl DatabaseBackend {
    /// A secret and its versions that are kept, newest first; `None` where there is none of that
    /// name. `connection` may be a transaction.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn describe<C: ConnectionTrait>(
        connection: &C,
        tenant: TenantId,
        key: &str,
    ) -> Result<Option<(secret::Model, Vec<SecretVersion>)>, SecretStoreError> {
        let Some(row) = find(connection, tenant, key).await? else { return Ok(None) };
        let kept: Vec<(i32, String, DateTime<Utc>)> = version::Entity::find()
            .select_only()
            .columns([version::Column::Version, version::Column::KeyId, version::Column::CreatedAt])
            .filter(version::Column::SecretId.eq(row.id))
            .order_by_desc(version::Column::Version)
            .limit(u64::try_from(limits::SECRET_VERSIONS).unwrap_or(u64::MAX))
            .into_tuple()
            .all(connection)
            .await?;
        let version = |(version, key_id, created_at)| SecretVersion { version, key_id, created_at };
        Ok(Some((row, kept.into_iter().map(version).collect())))
    }

    /// The newest versions of some of a tenant's secrets, by the secrets' ids.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn newest(&self, tenant: TenantId, secrets: Vec<Uuid>) -> Result<BTreeMap<Uuid, i32>, SecretStoreError> {
        within(async {
            let rows: Vec<(Uuid, i32)> = version::Entity::find()
                .select_only()
                .column(version::Column::SecretId)
                .column_as(version::Column::Version.max(), "newest")
                .filter(version::Column::TenantId.eq(tenant.0))
                .filter(version::Column::SecretId.is_in(secrets))
                .group_by(version::Column::SecretId)
                .into_tuple()
                .all(&self.reader)
                .await?;
            Ok(rows.into_iter().collect())
        })
        .await
    }
}
