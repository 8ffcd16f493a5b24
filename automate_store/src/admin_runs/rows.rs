//! Statements, and rows of runs as they are read.

use automate_core::ids::{TenantId, UserId};
use automate_core::store::StoreError;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};

use super::{AdminRun, RunStatus, statement};
use crate::error::store_error;

pub(super) const COLUMNS: &str = "id, tenant_id, model, action, status, rows, capped, user_id, actor, \
    correlation_id, address, error, created_at, started_at, finished_at, cancel_requested_at";

pub(super) async fn all<C: ConnectionTrait>(
    db: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<Vec<QueryResult>, StoreError> {
    db.query_all_raw(statement(db, sql, values)).await.map_err(store_error)
}

/// Answers with how many rows it changed.
pub(super) async fn execute<C: ConnectionTrait>(db: &C, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
    Ok(db.execute_raw(statement(db, sql, values)).await.map_err(store_error)?.rows_affected())
}

pub(super) fn run_of(row: &QueryResult) -> Result<AdminRun, StoreError> {
    let status: String = row.try_get("", "status").map_err(store_error)?;
    let status = RunStatus::parse(&status)?;
    let rows: i32 = row.try_get("", "rows").map_err(store_error)?;
    let read = || -> Result<AdminRun, DbErr> {
        Ok(AdminRun {
            id: row.try_get("", "id")?,
            tenant: TenantId(row.try_get("", "tenant_id")?),
            model: row.try_get("", "model")?,
            action: row.try_get("", "action")?,
            status,
            rows: u64::try_from(rows).unwrap_or(0),
            capped: row.try_get("", "capped")?,
            user: UserId(row.try_get("", "user_id")?),
            actor: row.try_get("", "actor")?,
            correlation_id: row.try_get("", "correlation_id")?,
            address: row.try_get("", "address")?,
            error: row.try_get("", "error")?,
            created_at: row.try_get("", "created_at")?,
            started_at: row.try_get("", "started_at")?,
            finished_at: row.try_get("", "finished_at")?,
            cancel_requested_at: row.try_get("", "cancel_requested_at")?,
        })
    };
    read().map_err(store_error)
}
