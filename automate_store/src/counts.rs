//! What a tenant's executions come to: counted as far as an index reaches and no further, so that
//! the answer takes as long with a million rows as with a thousand.

use std::collections::BTreeMap;

use automate_core::clock;
use automate_core::ids::{TenantId, first_v7_at};
use automate_core::limits;
use automate_core::status::ExecutionStatus;
use automate_core::store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};

use crate::db::Database;
use crate::error::store_error;
use crate::search::{IN_INDEX, INDEXED};

/// Executions by where they stand, and those of the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionCounts {
    /// When this was so, by this process's clock.
    pub at: DateTime<Utc>,
    /// Executions that have not ended well, whenever they were accepted; those that run are the ones
    /// that workers have. Each counted up to `limits::COUNTED_EXECUTIONS`.
    pub open: BTreeMap<ExecutionStatus, u64>,
    /// Executions that were accepted within the last hour, the newest `limits::COUNTED_EXECUTIONS`
    /// of them.
    pub last_hour: BTreeMap<ExecutionStatus, u64>,
}

/// Counts a tenant's executions.
///
/// # Errors
/// Those of the database.
pub async fn executions(db: &Database, tenant: TenantId) -> Result<ExecutionCounts, StoreError> {
    db.run(move |db| async move {
        let (at, most) = (clock::now(), limits::COUNTED_EXECUTIONS);
        let mut open = BTreeMap::new();
        for status in INDEXED {
            // Our own word as a literal: a partial index cannot be proven for a parameter.
            let sql = format!(
                "SELECT count(*) AS n FROM (SELECT 1 AS one FROM executions \
                 WHERE tenant_id = $1 AND status = '{status}' AND {IN_INDEX} LIMIT {most}) counted"
            );
            open.insert(status, one(&db, &sql, vec![tenant.0.into()]).await?);
        }
        let sql = format!(
            "SELECT count(*) AS n FROM (SELECT 1 AS one FROM outbox \
             WHERE status = 'RUNNING' AND tenant_id = $1 AND kind = 'execution' LIMIT {most}) counted"
        );
        open.insert(ExecutionStatus::Running, one(&db, &sql, vec![tenant.0.into()]).await?);

        let sql = format!(
            "SELECT status, count(*) AS n FROM (SELECT status FROM executions \
             WHERE tenant_id = $1 AND id >= $2 ORDER BY id DESC LIMIT {most}) counted GROUP BY status"
        );
        let since = first_v7_at(at - TimeDelta::hours(1));
        let mut last_hour: BTreeMap<_, _> = ExecutionStatus::ALL.iter().map(|status| (*status, 0)).collect();
        for row in rows(&db, &sql, vec![tenant.0.into(), since.into()]).await? {
            let status: String = row.try_get("", "status").map_err(store_error)?;
            let status = status.parse().map_err(|error| StoreError::Corrupt(format!("an execution: {error}")))?;
            last_hour.insert(status, number(&row)?);
        }
        Ok(ExecutionCounts { at, open, last_hour })
    })
    .await
}

async fn rows(db: &Database, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
    let reader = db.orm_reader();
    let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
    reader.query_all_raw(statement).await.map_err(store_error)
}

async fn one(db: &Database, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
    rows(db, sql, values).await?.first().map_or(Ok(0), number)
}

fn number(row: &QueryResult) -> Result<u64, StoreError> {
    let number: i64 = row.try_get("", "n").map_err(store_error)?;
    Ok(u64::try_from(number).unwrap_or(0))
}
