//! What operators do to executions: cancel, retry, resolve.
//!
//! Locks are taken in the order of a checkpoint, the queue item before the execution. Where that
//! cannot be kept, because the item may appear in between, the work is done again.

use automate_core::ids::{ExecutionId, OutboxId, TenantId};
use automate_core::outbox::{DEFAULT_PRIORITY, EXECUTION_KIND, ended_item};
use automate_core::status::{ExecutionStatus, OutboxStatus, StepStatus};
use automate_core::store::{CancelOutcome, Resolution, StoreError};
use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, Value};
use uuid::Uuid;

use super::accepting::MAX_ATTEMPTS;
use super::history::{no_execution, select, select_one};
use crate::db::Database;
use crate::error::store_error;
use crate::outbox::TransactionalOutbox;

/// How often work is done again after another transaction was in the way.
pub(super) const TRIES: usize = 5;

/// Runs a statement that writes.
pub(super) async fn execute<C: ConnectionTrait>(
    connection: &C,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.execute_raw(statement).await.map_err(store_error)?.rows_affected())
}

/// The time as SQL: on PostgreSQL its own, because times that decide when work is done never come
/// from a worker's clock; on SQLite, which has no other, that of this process, as sqlx writes it.
pub(super) fn sql_time(backend: DbBackend, now: DateTime<Utc>) -> String {
    if backend == DbBackend::Postgres {
        "now()".to_owned()
    } else {
        format!("'{}'", now.to_rfc3339_opts(SecondsFormat::AutoSi, false))
    }
}

pub(super) fn for_update(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" }
}

/// The queue items of an execution with their states; at most one is live.
pub(super) async fn items(txn: &DatabaseTransaction, id: ExecutionId) -> Result<Vec<(Uuid, OutboxStatus)>, StoreError> {
    let sql = format!(
        "SELECT id, status FROM outbox WHERE kind = $1 AND key = $2 ORDER BY id{}",
        for_update(txn.get_database_backend())
    );
    let rows = select(txn, &sql, vec![EXECUTION_KIND.into(), id.to_string().into()]).await?;
    rows.iter()
        .map(|row| {
            let status: String = row.try_get("", "status").map_err(store_error)?;
            let status =
                status.parse().map_err(|error| StoreError::Corrupt(format!("execution {id}'s item: {error}")))?;
            Ok((row.try_get("", "id").map_err(store_error)?, status))
        })
        .collect()
}

pub(super) async fn locked_status(
    txn: &DatabaseTransaction,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<ExecutionStatus, StoreError> {
    let sql = format!(
        "SELECT status FROM executions WHERE id = $1 AND tenant_id = $2{}",
        for_update(txn.get_database_backend())
    );
    let row = select_one(txn, &sql, vec![id.0.into(), tenant.0.into()]).await?.ok_or_else(|| no_execution(id))?;
    let status: String = row.try_get("", "status").map_err(store_error)?;
    status.parse().map_err(|error| StoreError::Corrupt(format!("execution {id}: {error}")))
}

async fn delete_items(txn: &DatabaseTransaction, items: &[(Uuid, OutboxStatus)]) -> Result<(), StoreError> {
    for (item, _) in items {
        execute(txn, "DELETE FROM outbox WHERE id = $1", vec![(*item).into()]).await?;
    }
    Ok(())
}

/// Queues an execution again, in place of what is left of its earlier items.
async fn enqueue(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
    old: &[(Uuid, OutboxStatus)],
) -> Result<(), StoreError> {
    delete_items(txn, old).await?;
    let now = sql_time(txn.get_database_backend(), now);
    let sql = format!(
        "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count, max_attempts, \
         next_attempt_at, lease_token, lost_leases, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, 'null', 'PENDING', $5, 0, $6, {now}, 0, 0, {now}, {now})"
    );
    let values = vec![
        OutboxId::new().0.into(),
        tenant.0.into(),
        EXECUTION_KIND.into(),
        id.to_string().into(),
        DEFAULT_PRIORITY.into(),
        MAX_ATTEMPTS.into(),
    ];
    execute(txn, &sql, values).await?;
    Ok(())
}

/// Notes on an item that is held that something came for its execution: when the worker lets go of
/// it, it is ready at once, whatever the worker waits for.
pub(super) async fn mark_woken(txn: &DatabaseTransaction, item: Uuid) -> Result<(), StoreError> {
    execute(txn, "UPDATE outbox SET payload = '\"woken\"' WHERE id = $1", vec![item.into()]).await.map(|_| ())
}

/// Queues the event of an end for which no worker is there, where any workflow listens to events.
async fn tell_of_end(txn: &DatabaseTransaction, tenant: TenantId, id: ExecutionId) -> Result<(), StoreError> {
    let sql = "SELECT 1 AS there FROM triggers WHERE tenant_id = $1 AND kind = 'event' LIMIT 1";
    if select_one(txn, sql, vec![tenant.0.into()]).await?.is_some() {
        txn.enqueue(&[ended_item(tenant, id)]).await?;
    }
    Ok(())
}

/// A pass that found that it must be done again.
pub(super) enum Pass<T> {
    Done(T),
    Again,
}

/// Cancels, or asks to.
pub(super) async fn cancel(
    db: Database,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<CancelOutcome, StoreError> {
    for _ in 0..TRIES {
        let txn = db.begin().await?;
        match cancel_once(&txn, now, tenant, id).await {
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

/// One pass of a cancellation.
pub(super) async fn cancel_once(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<Pass<CancelOutcome>, StoreError> {
    let items_before = items(txn, id).await?;
    let status = locked_status(txn, tenant, id).await?;
    if status.is_terminal() {
        return Ok(Pass::Done(CancelOutcome::AlreadyEnded(status)));
    }
    let now = sql_time(txn.get_database_backend(), now);
    if let Some((item, _)) = items_before.iter().find(|(_, status)| *status == OutboxStatus::Running) {
        let sql =
            format!("UPDATE executions SET cancel_requested_at = coalesce(cancel_requested_at, {now}) WHERE id = $1");
        execute(txn, &sql, vec![id.0.into()]).await?;
        mark_woken(txn, *item).await?;
        return Ok(Pass::Done(CancelOutcome::Requested));
    }
    if items_before.is_empty() && !items(txn, id).await?.is_empty() {
        return Ok(Pass::Again);
    }
    let error = r#"{"code":"CANCELLED","message":"the execution was cancelled","step":null}"#;
    let sql = format!(
        "UPDATE executions SET status = 'cancelled', finished_at = {now}, error = $2, \
         cancel_requested_at = coalesce(cancel_requested_at, {now}) WHERE id = $1"
    );
    execute(txn, &sql, vec![id.0.into(), error.into()]).await?;
    // A step whose outcome is not known keeps saying so.
    let sql = format!(
        "UPDATE steps SET status = 'cancelled', finished_at = {now}, wake_at = NULL \
         WHERE execution_id = $1 AND status IN ('pending', 'running', 'waiting')"
    );
    execute(txn, &sql, vec![id.0.into()]).await?;
    delete_items(txn, &items_before).await?;
    tell_of_end(txn, tenant, id).await?;
    Ok(Pass::Done(CancelOutcome::Cancelled))
}

/// Puts a failed execution back into the queue.
pub(super) async fn retry(
    db: Database,
    at: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    retry_in(&txn, at, tenant, id).await?;
    txn.commit().await.map_err(store_error)
}

/// The same in a transaction of the caller. `NotFound` and `Conflict` come before any change.
pub(super) async fn retry_in(
    txn: &DatabaseTransaction,
    at: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<(), StoreError> {
    let old = items(txn, id).await?;
    let status = locked_status(txn, tenant, id).await?;
    if status != ExecutionStatus::Failed {
        return Err(StoreError::Conflict(format!("execution {id} is {status}; only a failed one can be retried")));
    }
    if old.iter().any(|(_, status)| *status == OutboxStatus::Running) {
        return Err(StoreError::Conflict(format!("a worker still holds execution {id}; try again shortly")));
    }
    execute(
        txn,
        "UPDATE executions SET status = 'running', error = NULL, output = NULL, started_at = NULL, \
         finished_at = NULL, attempt = attempt + 1, cancel_requested_at = NULL WHERE id = $1",
        vec![id.0.into()],
    )
    .await?;
    // What ran because of the failure runs again if it fails again.
    execute(
        txn,
        "DELETE FROM steps WHERE execution_id = $1 AND (path LIKE 'on\\_failure/%' ESCAPE '\\' \
         OR EXISTS (SELECT 1 FROM steps f WHERE f.execution_id = $1 AND f.status IN ('failed', 'cancelled') \
            AND substr(steps.path, 1, length(f.path) + 10) = f.path || '/on_error/'))",
        vec![id.0.into()],
    )
    .await?;
    execute(
        txn,
        "UPDATE steps SET status = 'pending', rerun = rerun + 1, attempt = 0, error = NULL, output = NULL, \
         wake_at = NULL, started_at = NULL, finished_at = NULL \
         WHERE execution_id = $1 AND status IN ('failed', 'cancelled')",
        vec![id.0.into()],
    )
    .await?;
    enqueue(txn, at, tenant, id, &old).await
}

/// Resolves a step in `outcome_unknown`.
pub(super) async fn resolve(
    db: Database,
    at: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
    path: String,
    resolution: Resolution,
) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    let old = items(&txn, id).await?;
    let status = locked_status(&txn, tenant, id).await?;
    let sql = "SELECT status FROM steps WHERE execution_id = $1 AND path = $2";
    let row = select_one(&txn, sql, vec![id.0.into(), path.as_str().into()]).await?;
    let row = row.ok_or_else(|| StoreError::NotFound(format!("step `{path}` of execution {id}")))?;
    let step: String = row.try_get("", "status").map_err(store_error)?;
    if step != StepStatus::OutcomeUnknown.as_str() {
        return Err(StoreError::Conflict(format!("step `{path}` is {step}; only outcome_unknown can be resolved")));
    }
    if status.is_terminal() {
        return Err(StoreError::Conflict(format!("execution {id} has ended as {status}")));
    }
    if old.iter().any(|(_, status)| *status == OutboxStatus::Running) {
        return Err(StoreError::Conflict(format!("a worker holds execution {id}; try again shortly")));
    }
    let now = sql_time(txn.get_database_backend(), at);
    let key = || vec![Value::from(id.0), Value::from(path.as_str())];
    match resolution {
        Resolution::Completed(output) => {
            let sql = format!(
                "UPDATE steps SET status = 'completed', output = $3, error = NULL, wake_at = NULL, \
                 finished_at = {now} WHERE execution_id = $1 AND path = $2"
            );
            let mut values = key();
            values.push(output.as_deref().map(str::to_owned).into());
            execute(&txn, &sql, values).await?;
        }
        Resolution::Repeat => {
            let sql = "UPDATE steps SET status = 'pending', error = NULL, wake_at = NULL, finished_at = NULL \
                       WHERE execution_id = $1 AND path = $2";
            execute(&txn, sql, key()).await?;
        }
        Resolution::Failed => {
            let error = r#"{"code":"OUTCOME_UNKNOWN","message":"an operator took it as failed","retryable":false}"#;
            let sql = format!(
                "UPDATE steps SET status = 'failed', error = $3, wake_at = NULL, finished_at = {now} \
                 WHERE execution_id = $1 AND path = $2"
            );
            let mut values = key();
            values.push(error.into());
            execute(&txn, &sql, values).await?;
        }
    }
    execute(&txn, "UPDATE executions SET status = 'running' WHERE id = $1", vec![id.0.into()]).await?;
    enqueue(&txn, at, tenant, id, &old).await?;
    txn.commit().await.map_err(store_error)
}
