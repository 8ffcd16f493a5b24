//! Signals: stored with the waking of their execution, in one transaction.

use automate_core::ids::{ExecutionId, SignalId, TenantId};
use automate_core::limits;
use automate_core::status::OutboxStatus;
use automate_core::store::{NewSignal, SignalOutcome, SignalRecord, StoreError};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use super::history::{no_execution, select, select_in, select_one};
use super::operate::{Pass, TRIES, execute, items, locked_status, mark_woken, sql_time};
use super::rows;
use crate::db::Database;
use crate::error::store_error;

/// Stores a signal and wakes the execution.
pub(super) async fn send(
    db: Database,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
    signal: NewSignal,
) -> Result<SignalOutcome, StoreError> {
    for _ in 0..TRIES {
        let txn = db.begin().await?;
        match send_once(&txn, now, tenant, id, &signal).await {
            Ok(Pass::Done(outcome)) => {
                txn.commit().await.map_err(store_error)?;
                return Ok(outcome);
            }
            Ok(Pass::Again) | Err(StoreError::Busy(_)) => txn.rollback().await.map_err(store_error)?,
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Busy(format!("execution {id} is changing too quickly")))
}

async fn send_once(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
    signal: &NewSignal,
) -> Result<Pass<SignalOutcome>, StoreError> {
    let queued = items(txn, id).await?;
    let status = locked_status(txn, tenant, id).await?;
    if queued.is_empty() && !items(txn, id).await?.is_empty() {
        return Ok(Pass::Again);
    }
    // Before the look at the status: who asks again after the end still gets the first answer.
    if let Some(key) = &signal.dedupe_key {
        let sql = "SELECT id, seq FROM execution_signals WHERE execution_id = $1 AND dedupe_key = $2";
        if let Some(row) = select_one(txn, sql, vec![id.0.into(), key.as_str().into()]).await? {
            let first: Uuid = row.try_get("", "id").map_err(store_error)?;
            let seq = row.try_get("", "seq").map_err(store_error)?;
            return Ok(Pass::Done(SignalOutcome::Duplicate { id: SignalId(first), seq }));
        }
    }
    if status.is_terminal() {
        return Ok(Pass::Done(SignalOutcome::Ended(status)));
    }
    let sql = "SELECT coalesce(max(seq), 0) AS last FROM execution_signals WHERE execution_id = $1";
    let row = select_one(txn, sql, vec![id.0.into()]).await?;
    let last: i32 = row.map_or(Ok(0), |row| row.try_get("", "last")).map_err(store_error)?;
    if last >= limits::SIGNALS_PER_EXECUTION {
        return Ok(Pass::Done(SignalOutcome::Full));
    }
    let now = sql_time(txn.get_database_backend(), now);
    let sql = format!(
        "INSERT INTO execution_signals (execution_id, seq, id, tenant_id, name, payload, dedupe_key, source, received_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, {now})"
    );
    let values = vec![
        id.0.into(),
        (last + 1).into(),
        signal.id.0.into(),
        tenant.0.into(),
        signal.name.as_str().into(),
        signal.payload.to_string().into(),
        signal.dedupe_key.clone().into(),
        signal.source.as_str().into(),
    ];
    execute(txn, &sql, values).await?;
    for (item, status) in &queued {
        match status {
            OutboxStatus::Running => mark_woken(txn, *item).await?,
            OutboxStatus::Pending => {
                let sql =
                    format!("UPDATE outbox SET next_attempt_at = {now} WHERE id = $1 AND next_attempt_at > {now}");
                execute(txn, &sql, vec![(*item).into()]).await?;
            }
            // What was given back after a failure keeps its time, a dead letter its reason; either finds
            // the signal when it goes on.
            OutboxStatus::Retry | OutboxStatus::Failed | OutboxStatus::Completed => {}
        }
    }
    Ok(Pass::Done(SignalOutcome::Stored { seq: last + 1 }))
}

/// The signals of an execution in their order.
pub(super) async fn of(db: Database, tenant: TenantId, id: ExecutionId) -> Result<Vec<SignalRecord>, StoreError> {
    let reader = db.orm_reader();
    let sql = format!(
        "SELECT {} FROM execution_signals WHERE execution_id = $1 AND tenant_id = $2 ORDER BY seq",
        rows::SIGNAL
    );
    let found = select(reader, &sql, vec![id.0.into(), tenant.0.into()]).await?;
    if found.is_empty() {
        let sql = "SELECT 1 AS there FROM executions WHERE id = $1 AND tenant_id = $2";
        select_one(reader, sql, vec![id.0.into(), tenant.0.into()]).await?.ok_or_else(|| no_execution(id))?;
    }
    found.iter().map(rows::signal).collect()
}

/// How many signals executions have.
pub(super) async fn counts(db: Database, ids: Vec<ExecutionId>) -> Result<Vec<(ExecutionId, u64)>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let head = "SELECT execution_id, count(*) AS n FROM execution_signals WHERE execution_id";
    let found = select_in(db.orm_reader(), head, &ids, " GROUP BY execution_id").await?;
    found
        .iter()
        .map(|row| {
            let count: i64 = row.try_get("", "n").map_err(store_error)?;
            Ok((rows::id_of(row, "execution_id")?, u64::try_from(count).unwrap_or(0)))
        })
        .collect()
}
