//! Working on a run: claimed with a lease, row by row, each result stored under the lease.

use automate_core::audit::AuditEntry;
use automate_core::clock::now;
use automate_core::ids::new_v7;
use automate_core::limits;
use automate_core::store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseTransaction, Value};
use uuid::Uuid;

use super::rows::{COLUMNS, all, execute, run_of};
use super::{AdminRun, RunStatus};
use crate::audit::AuditLog;
use crate::db::Database;
use crate::error::store_error;

/// A run that is ours until the lease runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The run.
    pub run: AdminRun,
    /// What proves that it is ours.
    pub lease: Uuid,
}

/// A row of a run that is to be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenRow {
    /// Its place in the run.
    pub position: i32,
    /// The row.
    pub id: Uuid,
    /// Whether somebody has begun it before, and may have done it.
    pub again: bool,
}

/// How it went with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowResult {
    /// Its place in the run.
    pub position: i32,
    /// Why it was not done; none where it was.
    pub failed: Option<String>,
}

pub(super) fn until(at: DateTime<Utc>) -> DateTime<Utc> {
    at + TimeDelta::from_std(limits::ADMIN_RUN_LEASE).unwrap_or(TimeDelta::seconds(60))
}

/// Runs that nobody works on, the oldest first.
///
/// # Errors
/// Those of the database.
pub async fn open(db: &Database) -> Result<Vec<Uuid>, StoreError> {
    db.run(|db| async move {
        let sql = "SELECT id FROM admin_runs WHERE status IN ('queued', 'running') \
             AND (lease_until IS NULL OR lease_until < $1) ORDER BY created_at LIMIT 20";
        let rows = all(db.orm_reader(), sql, vec![now().into()]).await?;
        rows.iter().map(|row| row.try_get("", "id").map_err(store_error)).collect()
    })
    .await
}

/// Takes a run that nobody works on; none where somebody else was faster, or it is over.
///
/// # Errors
/// Those of the database.
pub async fn claim(db: &Database, id: Uuid) -> Result<Option<Claimed>, StoreError> {
    db.run(move |db| async move {
        let txn = db.begin().await?;
        let (at, lease) = (now(), new_v7());
        let sql = "UPDATE admin_runs SET status = 'running', lease_id = $2, lease_until = $3, \
             started_at = COALESCE(started_at, $4) WHERE id = $1 AND status IN ('queued', 'running') \
             AND (lease_until IS NULL OR lease_until < $4)";
        if execute(&txn, sql, vec![id.into(), lease.into(), until(at).into(), at.into()]).await? != 1 {
            return Ok(None);
        }
        let sql = format!("SELECT {COLUMNS} FROM admin_runs WHERE id = $1");
        let found = all(&txn, &sql, vec![id.into()]).await?;
        let run = found.first().map(run_of).transpose()?;
        txn.commit().await.map_err(store_error)?;
        Ok(run.map(|run| Claimed { run, lease }))
    })
    .await
}

/// Makes the lease last on; `false` where it is somebody else's by now.
async fn hold(txn: &DatabaseTransaction, id: Uuid, lease: Uuid) -> Result<bool, StoreError> {
    let sql = "UPDATE admin_runs SET lease_until = $3 WHERE id = $1 AND lease_id = $2 AND status = 'running'";
    Ok(execute(txn, sql, vec![id.into(), lease.into(), until(now()).into()]).await? == 1)
}

/// The next rows without a result, marked as begun; none at all where every row has one. `None` where
/// the lease is lost, or somebody wants the run ended.
///
/// # Errors
/// Those of the database.
pub async fn next(db: &Database, id: Uuid, lease: Uuid) -> Result<Option<Vec<TakenRow>>, StoreError> {
    db.run(move |db| async move {
        let txn = db.begin().await?;
        if !hold(&txn, id, lease).await? {
            return Ok(None);
        }
        let sql = format!(
            "SELECT position, row_id, status FROM admin_run_items WHERE run_id = $1 \
             AND status IN ('pending', 'begun') ORDER BY position LIMIT {}",
            limits::ADMIN_RUN_BATCH
        );
        let mut taken = Vec::new();
        for row in all(&txn, &sql, vec![id.into()]).await? {
            let status: String = row.try_get("", "status").map_err(store_error)?;
            taken.push(TakenRow {
                position: row.try_get("", "position").map_err(store_error)?,
                id: row.try_get("", "row_id").map_err(store_error)?,
                again: status == "begun",
            });
        }
        set(&txn, id, "begun", taken.iter().map(|row| row.position)).await?;
        txn.commit().await.map_err(store_error)?;
        Ok(Some(taken))
    })
    .await
}

async fn set(
    txn: &DatabaseTransaction,
    id: Uuid,
    status: &str,
    positions: impl Iterator<Item = i32>,
) -> Result<(), StoreError> {
    let positions: Vec<String> = positions.map(|position| position.to_string()).collect();
    if positions.is_empty() {
        return Ok(());
    }
    let sql =
        format!("UPDATE admin_run_items SET status = $2 WHERE run_id = $1 AND position IN ({})", positions.join(", "));
    execute(txn, &sql, vec![id.into(), status.into()]).await.map(|_| ())
}

/// Stores how it went with rows. Answers whether the lease was still ours, and whether somebody wants
/// the run ended; where it was not ours nothing is stored.
///
/// # Errors
/// Those of the database.
pub async fn record(db: &Database, id: Uuid, lease: Uuid, results: Vec<RowResult>) -> Result<(bool, bool), StoreError> {
    db.run(move |db| async move {
        let txn = db.begin().await?;
        if !hold(&txn, id, lease).await? {
            return Ok((false, false));
        }
        set(&txn, id, "done", results.iter().filter(|r| r.failed.is_none()).map(|r| r.position)).await?;
        for result in &results {
            let Some(message) = &result.failed else { continue };
            let message: String =
                message.chars().filter(|c| *c != '\0').take(limits::ADMIN_RUN_MESSAGE_CHARS).collect();
            let sql = "UPDATE admin_run_items SET status = 'failed', message = $3 WHERE run_id = $1 AND position = $2";
            execute(&txn, sql, vec![id.into(), result.position.into(), message.into()]).await?;
        }
        let sql = "SELECT id FROM admin_runs WHERE id = $1 AND cancel_requested_at IS NOT NULL";
        let ended = !all(&txn, sql, vec![id.into()]).await?.is_empty();
        txn.commit().await.map_err(store_error)?;
        Ok((true, ended))
    })
    .await
}

/// Ends a run: with `error` where it could not go on. `entry` makes the audit log's entry of how many
/// rows it was done with, and how many not. Nothing happens where the lease is lost.
///
/// # Errors
/// Those of the database.
pub async fn finish(
    db: &Database,
    audit: &AuditLog,
    claimed: &Claimed,
    status: RunStatus,
    error: Option<String>,
    entry: impl FnOnce(i64, i64) -> AuditEntry + Send + 'static,
) -> Result<(), StoreError> {
    let (audit, id, lease) = (audit.clone(), claimed.run.id, claimed.lease);
    db.run(move |db| async move {
        let txn = db.begin().await?;
        let sql = "UPDATE admin_runs SET status = $3, error = $4, finished_at = $5, lease_id = NULL, \
             lease_until = NULL WHERE id = $1 AND lease_id = $2 AND status = 'running'";
        let values: Vec<Value> = vec![id.into(), lease.into(), status.as_str().into(), error.into(), now().into()];
        if execute(&txn, sql, values).await? != 1 {
            return Ok(());
        }
        let sql = "SELECT status, count(*) AS n FROM admin_run_items WHERE run_id = $1 GROUP BY status";
        let (mut done, mut failed) = (0, 0);
        for row in all(&txn, sql, vec![id.into()]).await? {
            let n: i64 = row.try_get("", "n").map_err(store_error)?;
            match row.try_get::<String>("", "status").map_err(store_error)?.as_str() {
                "done" => done = n,
                "failed" => failed = n,
                _ => {}
            }
        }
        audit.append(&txn, entry(done, failed)).await?;
        txn.commit().await.map_err(store_error)
    })
    .await
}

/// Gives a run back, for another process to go on with.
///
/// # Errors
/// Those of the database.
pub async fn release(db: &Database, id: Uuid, lease: Uuid) -> Result<(), StoreError> {
    db.run(move |db| async move {
        let sql = "UPDATE admin_runs SET lease_id = NULL, lease_until = NULL WHERE id = $1 AND lease_id = $2";
        execute(db.orm(), sql, vec![id.into(), lease.into()]).await.map(|_| ())
    })
    .await
}
