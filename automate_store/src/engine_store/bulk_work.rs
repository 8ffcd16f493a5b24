//! Operations over many executions, as a worker goes through them.

use automate_core::ids::{BulkId, ExecutionId, TenantId};
use automate_core::outbox::{Claim, EXECUTION_KIND};
use automate_core::status::{BulkItemStatus, BulkOperation, BulkStatus, OutboxStatus};
use automate_core::store::{BulkApplied, BulkWork, CancelOutcome, StoreError};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use super::bulk::{BULK, ITEM, one, record};
use super::history::{select, select_one};
use super::operate::{self, Pass, TRIES, execute, for_update, sql_time};
use crate::db::Database;
use crate::error::store_error;

/// Whether the claim is held, and how many leases were lost before.
async fn fence(txn: &DatabaseTransaction, claim: Claim) -> Result<i32, StoreError> {
    let sql = "SELECT lost_leases FROM outbox WHERE id = $1 AND lease_token = $2 AND status = 'RUNNING'";
    let row = select_one(txn, sql, vec![claim.id.0.into(), claim.token.into()]).await?;
    row.ok_or(StoreError::LeaseLost)?.try_get("", "lost_leases").map_err(store_error)
}

/// What comes next of an operation.
pub(super) async fn next(
    db: Database,
    now: DateTime<Utc>,
    claim: Claim,
    id: BulkId,
    limit: usize,
) -> Result<BulkWork, StoreError> {
    let txn = db.begin().await?;
    if fence(&txn, claim).await? != 0 {
        // It was taken up again and gets on: it is not what kills workers.
        let sql = "UPDATE outbox SET lost_leases = 0 WHERE id = $1 AND lease_token = $2 AND status = 'RUNNING'";
        execute(&txn, sql, vec![claim.id.0.into(), claim.token.into()]).await?;
    }
    let now = sql_time(txn.get_database_backend(), now);
    let sql = format!(
        "UPDATE bulk_operations SET status = 'running', started_at = coalesce(started_at, {now}) \
         WHERE id = $1 AND status = 'pending'"
    );
    execute(&txn, &sql, vec![id.0.into()]).await?;
    let sql = format!("SELECT {BULK} FROM bulk_operations WHERE id = $1");
    let missing = || StoreError::NotFound(format!("bulk operation {id}"));
    let bulk = record(&select_one(&txn, &sql, vec![id.0.into()]).await?.ok_or_else(missing)?)?;
    let sql = format!(
        "SELECT {ITEM} FROM bulk_items WHERE bulk_id = $1 AND status = 'pending' ORDER BY position LIMIT {limit}"
    );
    let next = select(&txn, &sql, vec![id.0.into()]).await?.iter().map(one).collect::<Result<_, _>>()?;
    txn.commit().await.map_err(store_error)?;
    Ok(BulkWork { bulk, next })
}

/// Does the operation to one execution and records it, or records what the caller did.
pub(super) async fn apply(
    db: Database,
    now: DateTime<Utc>,
    id: BulkId,
    position: i32,
    outcome: Option<BulkApplied>,
) -> Result<BulkApplied, StoreError> {
    for _ in 0..TRIES {
        let txn = db.begin().await?;
        match apply_once(&txn, now, id, position, outcome.as_ref()).await {
            Ok(Pass::Done(applied)) => {
                txn.commit().await.map_err(store_error)?;
                return Ok(applied);
            }
            Ok(Pass::Again) | Err(StoreError::Busy(_)) => txn.rollback().await.map_err(store_error)?,
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Busy(format!("place {position} of bulk operation {id} is changing too quickly")))
}

async fn apply_once(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    id: BulkId,
    position: i32,
    outcome: Option<&BulkApplied>,
) -> Result<Pass<BulkApplied>, StoreError> {
    // Locked, so that of two workers one waits and then finds it done.
    let sql = format!(
        "SELECT {ITEM} FROM bulk_items WHERE bulk_id = $1 AND position = $2{}",
        for_update(txn.get_database_backend())
    );
    let missing = || StoreError::NotFound(format!("place {position} of bulk operation {id}"));
    let item = one(&select_one(txn, &sql, vec![id.0.into(), position.into()]).await?.ok_or_else(missing)?)?;
    if item.status != BulkItemStatus::Pending {
        return Ok(Pass::Done(BulkApplied {
            status: item.status,
            code: item.code.unwrap_or_default(),
            message: item.message.unwrap_or_default(),
            result_id: item.result_id,
        }));
    }
    let sql = format!("SELECT {BULK} FROM bulk_operations WHERE id = $1");
    let bulk = record(&select_one(txn, &sql, vec![id.0.into()]).await?.ok_or_else(missing)?)?;
    if bulk.status == BulkStatus::Cancelled {
        let skipped = BulkApplied::new(BulkItemStatus::Skipped, "BULK_CANCELLED", "the operation was ended before");
        return Ok(Pass::Done(skipped));
    }
    let applied = match outcome {
        Some(outcome) => outcome.clone(),
        None => match perform(txn, now, bulk.operation, bulk.tenant_id, item.execution_id).await? {
            Pass::Done(applied) => applied,
            Pass::Again => return Ok(Pass::Again),
        },
    };
    let now = sql_time(txn.get_database_backend(), now);
    let sql = format!(
        "UPDATE bulk_items SET status = $3, code = $4, message = $5, result_id = $6, finished_at = {now} \
         WHERE bulk_id = $1 AND position = $2"
    );
    let values = vec![
        id.0.into(),
        position.into(),
        applied.status.as_str().into(),
        applied.code.as_str().into(),
        applied.message.replace('\0', "\u{fffd}").into(),
        applied.result_id.map(|id| id.0).into(),
    ];
    execute(txn, &sql, values).await?;
    Ok(Pass::Done(applied))
}

async fn perform(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    operation: BulkOperation,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<Pass<BulkApplied>, StoreError> {
    let done = |code: &str, message: &str| BulkApplied::new(BulkItemStatus::Done, code, message);
    let result = match operation {
        BulkOperation::Cancel => operate::cancel_once(txn, now, tenant, id).await.map(|pass| match pass {
            Pass::Again => Pass::Again,
            Pass::Done(CancelOutcome::Cancelled) => Pass::Done(done("CANCELLED", "cancelled")),
            Pass::Done(CancelOutcome::Requested) => {
                Pass::Done(done("CANCEL_REQUESTED", "its worker was asked to stop it"))
            }
            Pass::Done(CancelOutcome::AlreadyEnded(status)) => {
                let text = format!("it had ended as {status}");
                Pass::Done(BulkApplied::new(BulkItemStatus::Skipped, "EXECUTION_ENDED", text))
            }
        }),
        BulkOperation::Retry => operate::retry_in(txn, now, tenant, id)
            .await
            .map(|()| Pass::Done(done("RETRIED", "its failed steps run again"))),
        BulkOperation::Requeue => requeue(txn, now, tenant, id).await.map(Pass::Done),
        BulkOperation::Replay => {
            return Err(StoreError::Internal("a replay is started by the engine, and recorded here".to_owned()));
        }
    };
    match result {
        // Decided by a look, before anything was written.
        Err(error @ (StoreError::NotFound(_) | StoreError::Conflict(_))) => {
            Ok(Pass::Done(BulkApplied::new(BulkItemStatus::Skipped, error.code(), error.to_string())))
        }
        result => result,
    }
}

async fn requeue(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: ExecutionId,
) -> Result<BulkApplied, StoreError> {
    let sql = format!(
        "SELECT id, status FROM outbox WHERE kind = $1 AND key = $2 AND tenant_id = $3{}",
        for_update(txn.get_database_backend())
    );
    let mut dead = Vec::new();
    for row in select(txn, &sql, vec![EXECUTION_KIND.into(), id.to_string().into(), tenant.0.into()]).await? {
        let status: String = row.try_get("", "status").map_err(store_error)?;
        if status == OutboxStatus::Failed.as_str() {
            dead.push(automate_core::ids::OutboxId(row.try_get::<Uuid>("", "id").map_err(store_error)?));
        }
    }
    if dead.is_empty() {
        return Err(StoreError::Conflict(format!("execution {id} has no dead letter any more")));
    }
    crate::outbox::requeue_in(txn, now, &dead).await?;
    Ok(BulkApplied::new(BulkItemStatus::Done, "REQUEUED", "back in the queue, with fresh attempts"))
}

/// Ends an operation and its queue item.
pub(super) async fn finish(db: Database, now: DateTime<Utc>, claim: Claim, id: BulkId) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    let sql = "DELETE FROM outbox WHERE id = $1 AND lease_token = $2 AND status = 'RUNNING'";
    if execute(&txn, sql, vec![claim.id.0.into(), claim.token.into()]).await? == 0 {
        return Err(StoreError::LeaseLost);
    }
    let now = sql_time(txn.get_database_backend(), now);
    let sql = format!(
        "UPDATE bulk_operations SET finished_at = {now}, status = CASE WHEN EXISTS \
         (SELECT 1 FROM bulk_items i WHERE i.bulk_id = $1 AND i.status = 'pending') \
         THEN 'cancelled' ELSE 'completed' END WHERE id = $1"
    );
    execute(&txn, &sql, vec![id.0.into()]).await?;
    txn.commit().await.map_err(store_error)
}
