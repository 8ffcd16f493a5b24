//! The stored policy of a tenant.

use std::time::Duration;

use automate_core::clock;
use automate_core::ids::TenantId;
use automate_core::policy::TenantPolicy;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use sea_orm::{ConnectionTrait, Statement};

/// A tenant's policy as stored.
#[derive(Debug, Clone, Default)]
pub struct StoredPolicy {
    /// The policy; one without limits where none was stored.
    pub policy: TenantPolicy,
    /// Its version, for `If-Match`; 0 where none was stored.
    pub version: i32,
    /// Whether the tenant is suspended.
    pub suspended: bool,
}

/// Reads the policy of a tenant.
///
/// # Errors
/// Those of the database; `Corrupt` where the document cannot be read: to go on without limits
/// would be to fail open.
pub async fn load(db: &Database, tenant: TenantId) -> Result<StoredPolicy, StoreError> {
    db.run(move |db| async move { read(db.orm_reader(), tenant).await }).await
}

async fn read<C: ConnectionTrait>(connection: &C, tenant: TenantId) -> Result<StoredPolicy, StoreError> {
    let sql = "SELECT t.status AS status, p.document AS document, p.row_version AS row_version \
               FROM tenants t LEFT JOIN policies p ON p.tenant_id = t.id WHERE t.id = $1";
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, vec![tenant.0.into()]);
    let Some(row) = connection.query_one_raw(statement).await.map_err(store_error)? else {
        return Err(StoreError::NotFound(format!("tenant {tenant}")));
    };
    let status: String = row.try_get("", "status").map_err(store_error)?;
    let document: Option<String> = row.try_get("", "document").map_err(store_error)?;
    let version: Option<i32> = row.try_get("", "row_version").map_err(store_error)?;
    let policy = match document {
        None => TenantPolicy::default(),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| StoreError::Corrupt(format!("the policy of tenant {tenant}: {error}")))?,
    };
    Ok(StoredPolicy { policy, version: version.unwrap_or(0), suspended: status != "active" })
}

/// A tenant with its policy, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantWithPolicy {
    /// The tenant.
    pub id: TenantId,
    /// Its name in addresses, by which they are ordered.
    pub slug: String,
    /// What people call it.
    pub name: String,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Whether a policy was stored for it.
    pub stored: bool,
    /// The policy; one without limits where none was stored, and nothing where it cannot be read: then
    /// whatever asks for it is refused.
    pub policy: Option<TenantPolicy>,
}

/// Tenants with their policies, by slug: one of them, or a page of all that come behind `after`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    db: &Database,
    only: Option<TenantId>,
    after: &str,
    limit: u64,
) -> Result<Vec<TenantWithPolicy>, StoreError> {
    let after = after.to_owned();
    let rows = db.run(move |db| async move {
        let mut sql = "SELECT t.id AS id, t.slug AS slug, t.name AS name, t.status AS status, p.document AS document \
                       FROM tenants t LEFT JOIN policies p ON p.tenant_id = t.id WHERE t.slug > $1"
            .to_owned();
        let mut values = vec![after.into()];
        if let Some(only) = only {
            sql.push_str(" AND t.id = $2");
            values.push(only.0.into());
        }
        sql.push_str(&format!(" ORDER BY t.slug LIMIT {limit}"));
        let orm = db.orm_reader();
        let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, values);
        orm.query_all_raw(statement).await.map_err(store_error)
    });
    let mut found = Vec::new();
    for row in rows.await? {
        let document: Option<String> = row.try_get("", "document").map_err(store_error)?;
        let status: String = row.try_get("", "status").map_err(store_error)?;
        found.push(TenantWithPolicy {
            id: TenantId(row.try_get("", "id").map_err(store_error)?),
            slug: row.try_get("", "slug").map_err(store_error)?,
            name: row.try_get("", "name").map_err(store_error)?,
            suspended: status != "active",
            stored: document.is_some(),
            policy: match &document {
                None => Some(TenantPolicy::default()),
                Some(text) => serde_json::from_str(text).ok(),
            },
        });
    }
    Ok(found)
}

/// Stores the policy of a tenant, within a transaction. `expected` is the version that the caller
/// read; answers with the policy before and with the new version.
///
/// # Errors
/// `Conflict` where the policy has changed since; those of the database.
pub async fn save<C: ConnectionTrait>(
    txn: &C,
    tenant: TenantId,
    policy: &TenantPolicy,
    expected: Option<i32>,
) -> Result<(StoredPolicy, i32), StoreError> {
    let before = read(txn, tenant).await?;
    if expected.is_some_and(|expected| expected != before.version) {
        return Err(StoreError::Conflict(format!("the policy is at version {}", before.version)));
    }
    let document = serde_json::to_string(policy).map_err(|e| StoreError::Internal(e.to_string()))?;
    let version = before.version + 1;
    // The condition refuses a change that came in between reading and writing.
    let sql = "INSERT INTO policies (tenant_id, document, row_version, updated_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (tenant_id) DO UPDATE SET document = excluded.document, row_version = excluded.row_version, \
               updated_at = excluded.updated_at WHERE policies.row_version = excluded.row_version - 1";
    let values = vec![tenant.0.into(), document.into(), version.into(), clock::now().into()];
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    if txn.execute_raw(statement).await.map_err(store_error)?.rows_affected() == 0 {
        return Err(StoreError::Conflict("the policy was changed by somebody else".to_owned()));
    }
    Ok((before, version))
}

/// Tenants whose policy keeps history for a number of days.
pub(super) async fn retentions(db: &Database) -> Result<Vec<(TenantId, Duration)>, StoreError> {
    let rows = db
        .run(|db| async move {
            let sql = "SELECT tenant_id, document FROM policies WHERE document LIKE '%retention_days%'";
            let orm = db.orm_reader();
            orm.query_all_raw(Statement::from_string(orm.get_database_backend(), sql)).await.map_err(store_error)
        })
        .await?;
    let mut kept = Vec::new();
    for row in rows {
        let tenant: uuid::Uuid = row.try_get("", "tenant_id").map_err(store_error)?;
        let document: String = row.try_get("", "document").map_err(store_error)?;
        match serde_json::from_str::<TenantPolicy>(&document) {
            Ok(TenantPolicy { retention_days: Some(days), .. }) => {
                kept.push((TenantId(tenant), Duration::from_secs(u64::from(days) * 24 * 3_600)));
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%tenant, %error, "a tenant's policy cannot be read; its history is kept"),
        }
    }
    Ok(kept)
}
