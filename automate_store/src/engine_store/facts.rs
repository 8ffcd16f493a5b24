//! What explains where an execution stands, read as of one moment.

use automate_core::ids::{ExecutionId, OutboxId, TenantId};
use automate_core::limits;
use automate_core::outbox::EXECUTION_KIND;
use automate_core::status::OutboxStatus;
use automate_core::store::{ExecutionFacts, QueueFacts, StoreError};
use chrono::{DateTime, Utc};
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseTransaction, DbBackend, IsolationLevel, QueryResult, TransactionOptions,
    TransactionTrait, Value,
};
use uuid::Uuid;

use super::history::{no_execution, select, select_one};
use super::operate::sql_time;
use super::rows;
use crate::db::{Backend, Database};
use crate::error::store_error;

const ITEM: &str = "id, status, priority, updated_at, next_attempt_at, lease_owner, lease_expires_at, lost_leases, \
    attempt_count, max_attempts, last_error_code, last_error";

/// Loads everything in one snapshot: an execution must not seem to be without an item because it
/// was queued between two looks.
pub(super) async fn load(
    db: Database,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<ExecutionFacts, StoreError> {
    let options = match db.backend() {
        Backend::Postgres => TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        },
        // A reading transaction of SQLite is a snapshot by itself.
        Backend::Sqlite => TransactionOptions::default(),
    };
    let txn = db.orm_reader().begin_with_options(options).await.map_err(store_error)?;
    let facts = read(&txn, now, tenant, id).await;
    txn.rollback().await.map_err(store_error)?;
    facts
}

async fn read(
    txn: &DatabaseTransaction,
    ours: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<ExecutionFacts, StoreError> {
    let sql = format!("SELECT {} FROM executions WHERE id = $1 AND tenant_id = $2", rows::EXECUTION);
    let key = || vec![Value::from(id.0), Value::from(tenant.0)];
    let row = select_one(txn, &sql, key()).await?.ok_or_else(|| no_execution(id))?;
    let execution = rows::execution(&row)?;
    let sql = format!("SELECT {} FROM steps WHERE execution_id = $1 AND tenant_id = $2 ORDER BY seq, path", rows::STEP);
    let steps = select(txn, &sql, key()).await?.iter().map(rows::step).collect::<Result<_, _>>()?;
    // The newest is the live one; older ones are done and kept.
    let sql = format!("SELECT {ITEM} FROM outbox WHERE kind = $1 AND key = $2 ORDER BY id DESC LIMIT 1");
    let row = select_one(txn, &sql, vec![EXECUTION_KIND.into(), id.to_string().into()]).await?;
    let item = row.as_ref().map(item).transpose()?;
    let now = match txn.get_database_backend() {
        DbBackend::Postgres => {
            let row = select_one(txn, "SELECT now() AS at", Vec::new()).await?;
            row.map_or(Ok(ours), |row| row.try_get("", "at")).map_err(store_error)?
        }
        _ => ours,
    };
    let (ready, ahead, busy_workers) = queue(txn, ours, item.as_ref()).await?;
    Ok(ExecutionFacts { now, execution, steps, item, ahead, ready, busy_workers })
}

fn item(row: &QueryResult) -> Result<QueueFacts, StoreError> {
    fn get<T: sea_orm::TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
        row.try_get("", column).map_err(store_error)
    }
    let id: Uuid = get(row, "id")?;
    let status: String = get(row, "status")?;
    let status: OutboxStatus =
        status.parse().map_err(|error| StoreError::Corrupt(format!("the outbox item {id}: {error}")))?;
    Ok(QueueFacts {
        id: OutboxId(id),
        status,
        priority: get(row, "priority")?,
        changed_at: get(row, "updated_at")?,
        next_attempt_at: get(row, "next_attempt_at")?,
        lease_owner: get(row, "lease_owner")?,
        lease_expires_at: get(row, "lease_expires_at")?,
        lost_leases: get(row, "lost_leases")?,
        attempt_count: get(row, "attempt_count")?,
        max_attempts: get(row, "max_attempts")?,
        last_error_code: get(row, "last_error_code")?,
        last_error: get(row, "last_error")?,
    })
}

/// Ready items in all and before this one, up to a bound, and workers that hold something.
async fn queue(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    item: Option<&QueueFacts>,
) -> Result<(u64, u64, u64), StoreError> {
    let now = sql_time(txn.get_database_backend(), now);
    let ready = format!("FROM outbox WHERE status IN ('PENDING', 'RETRY') AND next_attempt_at <= {now}");
    let bound = limits::QUEUE_PLACES;
    let all = count(txn, &format!("SELECT count(*) AS n FROM (SELECT 1 {ready} LIMIT {bound}) q"), Vec::new()).await?;
    let ahead = match item {
        Some(item) if matches!(item.status, OutboxStatus::Pending | OutboxStatus::Retry) => {
            let before = "AND (priority, next_attempt_at, id) < ($1, $2, $3)";
            let sql = format!("SELECT count(*) AS n FROM (SELECT 1 {ready} {before} LIMIT {bound}) q");
            count(txn, &sql, vec![item.priority.into(), item.next_attempt_at.into(), item.id.0.into()]).await?
        }
        _ => 0,
    };
    let sql = format!(
        "SELECT count(DISTINCT lease_owner) AS n FROM outbox WHERE status = 'RUNNING' AND lease_expires_at >= {now}"
    );
    Ok((all, ahead, count(txn, &sql, Vec::new()).await?))
}

pub(super) async fn count<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    let row = select_one(connection, sql, values).await?;
    let count: i64 = row.map_or(Ok(0), |row| row.try_get("", "n")).map_err(store_error)?;
    Ok(u64::try_from(count).unwrap_or(0))
}
