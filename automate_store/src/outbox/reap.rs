//! Leases that ran out: their items go back into the queue or are set aside, with a new token, so
//! that a worker that wakes up late can change nothing.

use std::collections::HashMap;
use std::time::Duration;

use automate_core::error::ErrorCode;
use automate_core::ids::{ExecutionId, OutboxId, TenantId};
use automate_core::limits;
use automate_core::outbox::{EXECUTION_KIND, ReapReport, ReapRequest, ended_item};
use automate_core::store::{ExecutionError, StoreError};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

use super::insert::enqueue;
use super::operate::{push_ids, push_stale};
use super::row::get;
use super::statement::{Sql, microseconds};

/// One run, in the transaction of the caller.
pub(super) async fn reap<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    request: &ReapRequest,
) -> Result<ReapReport, StoreError> {
    let backend = transaction.get_database_backend();
    let mut sql = Sql::new(backend, now, "SELECT id, kind, key, lease_owner, lost_leases FROM outbox WHERE ");
    push_stale(&mut sql, backend, now, request.stale_threshold);
    sql.push(&format!(" ORDER BY lease_expires_at LIMIT {}", request.max_batch.clamp(1, limits::OUTBOX_BATCH)));
    if backend == DbBackend::Postgres && !request.dry_run {
        // What another reaper has in hand, or a worker that is just ending its work, is left to it.
        sql.push(" FOR UPDATE SKIP LOCKED");
    }
    let mut report = ReapReport { dry_run: request.dry_run, ..ReapReport::default() };
    let (mut executions, mut apart) = (Vec::new(), Vec::new());
    let mut held_by: HashMap<String, i64> = HashMap::new();
    for row in sql.rows(transaction).await? {
        let id = OutboxId(get(&row, "id")?);
        let lost: i32 = get(&row, "lost_leases")?;
        if lost.saturating_add(1) < request.max_lost_leases {
            report.requeued.push(id);
            continue;
        }
        let owner: Option<String> = get(&row, "lease_owner")?;
        if lost.saturating_add(1) < request.max_lost_in_company
            && let Some(owner) = owner
            && held(transaction, now, owner, &mut held_by).await? > 1
        {
            apart.push(id);
            continue;
        }
        report.quarantined.push(id);
        let (kind, key): (String, String) = (get(&row, "kind")?, get(&row, "key")?);
        if kind == EXECUTION_KIND
            && let Ok(execution) = key.parse::<Uuid>()
        {
            executions.push(execution);
        }
    }
    if !request.dry_run {
        requeue(transaction, now, request.retry_delay, &report.requeued).await?;
        for (place, id) in (1..).zip(&apart) {
            let delay = request.retry_delay + limits::SUSPECTS_APART * place.min(limits::SUSPECTS_SPACED);
            requeue(transaction, now, delay, std::slice::from_ref(id)).await?;
        }
        quarantine(transaction, now, request, &report.quarantined).await?;
        fail_executions(transaction, now, request, &executions).await?;
    }
    report.requeued.append(&mut apart);
    Ok(report)
}

/// How many items a worker holds, or held when it died: a death is evidence against one item only
/// where that was all there was.
async fn held<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    owner: String,
    known: &mut HashMap<String, i64>,
) -> Result<i64, StoreError> {
    if let Some(held) = known.get(&owner) {
        return Ok(*held);
    }
    let backend = transaction.get_database_backend();
    let mut sql =
        Sql::new(backend, now, "SELECT COUNT(*) AS held FROM outbox WHERE status = 'RUNNING' AND lease_owner = ");
    sql.bind(owner.clone());
    let row = sql.row(transaction).await?.ok_or_else(|| StoreError::Internal("no count".to_owned()))?;
    let held = get(&row, "held")?;
    known.insert(owner, held);
    Ok(held)
}

fn take_lease(backend: DbBackend, now: DateTime<Utc>) -> Sql {
    let mut sql = Sql::new(backend, now, "UPDATE outbox SET lease_token = lease_token + 1, lease_owner = NULL");
    sql.push(", lease_expires_at = NULL, lost_leases = lost_leases + 1, updated_at = ").now();
    sql
}

async fn requeue<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    delay: Duration,
    ids: &[OutboxId],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let backend = transaction.get_database_backend();
    let delay = microseconds(delay);
    let mut sql = take_lease(backend, now);
    sql.push(", status = 'RETRY', last_error_code = 'LEASE_EXPIRED', last_error = ");
    sql.bind("the lease ran out: the worker died or was cut off").push(", next_attempt_at = ");
    if backend == DbBackend::Postgres {
        sql.push("statement_timestamp() + ").bind(delay).push(" * interval '1 microsecond'");
    } else {
        sql.bind_time(now + chrono::Duration::microseconds(delay));
    }
    sql.push(" WHERE status = 'RUNNING'");
    push_ids(&mut sql, "id", ids);
    sql.execute(transaction).await.map(|_| ())
}

async fn quarantine<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    request: &ReapRequest,
    ids: &[OutboxId],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut sql = take_lease(transaction.get_database_backend(), now);
    sql.push(", status = 'FAILED', last_error_code = ").bind(ErrorCode::Quarantined.as_str());
    sql.push(", last_error = ").bind(reason(request)).push(" WHERE status = 'RUNNING'");
    push_ids(&mut sql, "id", ids);
    sql.execute(transaction).await.map(|_| ())
}

/// The engine's item and its execution must not say different things.
async fn fail_executions<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    request: &ReapRequest,
    executions: &[Uuid],
) -> Result<(), StoreError> {
    if executions.is_empty() {
        return Ok(());
    }
    let error =
        ExecutionError { code: ErrorCode::Quarantined.as_str().to_owned(), message: reason(request), step: None };
    let error = serde_json::to_string(&error).map_err(|error| StoreError::Internal(error.to_string()))?;
    let executions: Vec<OutboxId> = executions.iter().copied().map(OutboxId).collect();
    let mut sql =
        Sql::new(transaction.get_database_backend(), now, "UPDATE executions SET status = 'failed', error = ");
    sql.bind(error).push(", finished_at = ").now();
    sql.push(" WHERE status NOT IN ('completed', 'failed', 'cancelled')");
    push_ids(&mut sql, "id", &executions);
    // Their ends are events as any others, where a workflow listens to events.
    sql.push(" RETURNING id, tenant_id, EXISTS (SELECT 1 FROM triggers t WHERE t.tenant_id = executions.tenant_id");
    sql.push(" AND t.kind = 'event') AS heard");
    let mut ends = Vec::new();
    for row in sql.rows(transaction).await? {
        if get::<bool>(&row, "heard")? {
            ends.push(ended_item(TenantId(get(&row, "tenant_id")?), ExecutionId(get(&row, "id")?)));
        }
    }
    if ends.is_empty() { Ok(()) } else { enqueue(transaction, &ends, now).await }
}

fn reason(request: &ReapRequest) -> String {
    format!(
        "the worker died or was cut off {} times or more in a row while it held this; it may be what kills workers, so it is \
         set aside until somebody requeues it",
        request.max_lost_leases
    )
}
