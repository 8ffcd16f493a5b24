//! What reads the same on both databases: the marks of one item, counting, and what operators do.

use std::time::Duration;

use automate_core::ids::OutboxId;
use automate_core::limits;
use automate_core::outbox::{Claim, ClaimState, EXECUTION_KIND, OutboxFilter, OutboxItem, OutboxStats};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

use super::row::{COLUMNS, error_text, get, shown_item};
use super::statement::{Sql, microseconds};

/// How a worker's attempt ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt at this time, if there are attempts left.
    Retry(DateTime<Utc>),
    /// None.
    Dead,
}

/// Ends a claim with a failure, charging the attempt.
pub(super) async fn mark_failure<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
    claim: Claim,
    failure: Failure,
    code: &str,
    error: &str,
) -> Result<ClaimState, StoreError> {
    let mut sql = Sql::new(connection.get_database_backend(), now, "UPDATE outbox SET ");
    match failure {
        Failure::Retry(at) => sql
            .push("status = CASE WHEN attempt_count + 1 >= max_attempts THEN 'FAILED' ELSE 'RETRY' END, next_attempt_at = ")
            .bind_time(at),
        Failure::Dead => sql.push("status = 'FAILED'"),
    };
    // The worker lived to tell: its item is not what kills workers.
    sql.push(", attempt_count = attempt_count + 1, lost_leases = 0, lease_owner = NULL, lease_expires_at = NULL");
    sql.push(", last_error_code = ").bind(error_text(code)).push(", last_error = ").bind(error_text(error));
    sql.push(", updated_at = ").now();
    sql.push(" WHERE id = ").bind(claim.id.0).push(" AND lease_token = ").bind(claim.token);
    sql.push(" AND status = 'RUNNING'");
    Ok(if sql.execute(connection).await? == 1 { ClaimState::Held } else { ClaimState::LeaseLost })
}

pub(super) async fn stats<C: ConnectionTrait>(connection: &C, now: DateTime<Utc>) -> Result<OutboxStats, StoreError> {
    stats_of(connection, now, |sql| {
        sql.push(" FROM outbox");
    })
    .await
}

/// Counts the items that `from` names.
pub(super) async fn stats_of<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
    from: impl FnOnce(&mut Sql),
) -> Result<OutboxStats, StoreError> {
    let backend = connection.get_database_backend();
    let open = "status IN ('PENDING', 'RETRY') AND next_attempt_at";
    let mut sql = Sql::new(backend, now, "SELECT ");
    sql.push(&format!("COUNT(CASE WHEN {open} <= ")).now().push(" THEN 1 END) AS ready, ");
    sql.push(&format!("COUNT(CASE WHEN {open} > ")).now().push(" THEN 1 END) AS scheduled, ");
    sql.push("COUNT(CASE WHEN status = 'RUNNING' THEN 1 END) AS running, ");
    sql.push("COUNT(CASE WHEN status = 'RUNNING' AND lease_expires_at < ").now().push(" THEN 1 END) AS stale, ");
    sql.push("COUNT(CASE WHEN status = 'FAILED' THEN 1 END) AS failed, ");
    sql.push("COUNT(CASE WHEN status = 'COMPLETED' THEN 1 END) AS completed, ");
    sql.push(&format!("MIN(CASE WHEN {open} <= ")).now().push(" THEN next_attempt_at END) AS oldest_ready, ");
    sql.push(&format!("MIN(CASE WHEN {open} > ")).now().push(" THEN next_attempt_at END) AS next_due, ");
    sql.push(if backend == DbBackend::Postgres { "statement_timestamp() AS at" } else { "1 AS at" });
    from(&mut sql);
    let row = sql.row(connection).await?.ok_or_else(|| StoreError::Internal("no counts".to_owned()))?;
    let at: DateTime<Utc> = if backend == DbBackend::Postgres { get(&row, "at")? } else { now };
    let oldest: Option<DateTime<Utc>> = get(&row, "oldest_ready")?;
    Ok(OutboxStats {
        ready: get(&row, "ready")?,
        scheduled: get(&row, "scheduled")?,
        running: get(&row, "running")?,
        stale: get(&row, "stale")?,
        failed: get(&row, "failed")?,
        completed: get(&row, "completed")?,
        oldest_ready_seconds: oldest.map_or(0.0, |oldest| seconds(at, oldest).max(0.0)),
        next_due_at: get(&row, "next_due")?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a gauge in seconds")]
fn seconds(later: DateTime<Utc>, earlier: DateTime<Utc>) -> f64 {
    (later - earlier).num_milliseconds() as f64 / 1000.0
}

pub(super) async fn next_due_in<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
) -> Result<Option<Duration>, StoreError> {
    let backend = connection.get_database_backend();
    let mut sql = Sql::new(backend, now, "SELECT next_attempt_at");
    if backend == DbBackend::Postgres {
        sql.push(", clock_timestamp() AS at");
    }
    sql.push(" FROM outbox WHERE status IN ('PENDING', 'RETRY') AND next_attempt_at > ").now();
    sql.push(" ORDER BY next_attempt_at LIMIT 1");
    let Some(row) = sql.row(connection).await? else { return Ok(None) };
    let due: DateTime<Utc> = get(&row, "next_attempt_at")?;
    let at: DateTime<Utc> = if backend == DbBackend::Postgres { get(&row, "at")? } else { now };
    Ok(Some((due - at).to_std().unwrap_or(Duration::ZERO)))
}

/// `lease_expires_at < now - threshold`.
pub(super) fn push_stale(sql: &mut Sql, backend: DbBackend, now: DateTime<Utc>, threshold: Duration) {
    let threshold = microseconds(threshold);
    if backend == DbBackend::Postgres {
        sql.push("status = 'RUNNING' AND lease_expires_at < statement_timestamp() - ");
        sql.bind(threshold).push(" * interval '1 microsecond'");
    } else {
        sql.push("status = 'RUNNING' AND lease_expires_at < ");
        sql.bind_time(now - chrono::Duration::microseconds(threshold));
    }
}

pub(super) async fn stale_count<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
    threshold: Duration,
) -> Result<i64, StoreError> {
    let backend = connection.get_database_backend();
    let mut sql = Sql::new(backend, now, "SELECT COUNT(*) AS stale FROM outbox WHERE ");
    push_stale(&mut sql, backend, now, threshold);
    let row = sql.row(connection).await?.ok_or_else(|| StoreError::Internal("no count".to_owned()))?;
    get(&row, "stale")
}

pub(super) async fn list<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
    filter: &OutboxFilter,
) -> Result<Vec<OutboxItem>, StoreError> {
    let most = if filter.limit == 0 { limits::OUTBOX_PAGE } else { filter.limit.min(limits::OUTBOX_BATCH) };
    let mut sql = Sql::new(connection.get_database_backend(), now, "SELECT ");
    sql.push(COLUMNS).push(" FROM outbox o WHERE 1 = 1");
    push_filter(&mut sql, filter);
    sql.push(&format!(" ORDER BY o.id DESC LIMIT {most}"));
    sql.rows(connection).await?.iter().map(shown_item).collect()
}

/// Dead letters back into the queue, one page; answers how many.
pub(super) async fn requeue<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    ids: &[OutboxId],
) -> Result<u64, StoreError> {
    let backend = transaction.get_database_backend();
    // First the executions, while the items still say which of them are dead letters. The error is
    // written by this program alone, so its text begins as below.
    let mut sql = Sql::new(backend, now, "UPDATE executions SET status = 'running', error = NULL, finished_at = NULL");
    sql.push(r#" WHERE status = 'failed' AND error LIKE '{"code":"QUARANTINED"%' AND id IN (SELECT "#);
    sql.push(key_as_uuid(backend)).push(" FROM outbox WHERE status = 'FAILED' AND kind = ").bind(EXECUTION_KIND);
    push_ids(&mut sql, "id", ids);
    sql.push(")");
    sql.execute(transaction).await?;

    let mut sql = Sql::new(backend, now, "UPDATE outbox SET status = 'PENDING', attempt_count = 0, lost_leases = 0");
    sql.push(", lease_owner = NULL, lease_expires_at = NULL, next_attempt_at = ").now();
    sql.push(", updated_at = ").now().push(" WHERE status = 'FAILED'");
    push_ids(&mut sql, "id", ids);
    sql.execute(transaction).await
}

/// Deletes dead letters and kept done work, one page; answers how many.
pub(super) async fn purge<C: ConnectionTrait>(
    transaction: &C,
    now: DateTime<Utc>,
    ids: &[OutboxId],
) -> Result<u64, StoreError> {
    let mut sql = Sql::new(transaction.get_database_backend(), now, "DELETE FROM outbox WHERE ");
    sql.push("status IN ('FAILED', 'COMPLETED')");
    push_ids(&mut sql, "id", ids);
    sql.execute(transaction).await
}

/// The ids of what a filter means among the items of some states, the oldest after `after` first.
pub(super) async fn matching<C: ConnectionTrait>(
    connection: &C,
    now: DateTime<Utc>,
    states: &str,
    filter: &OutboxFilter,
    after: Option<OutboxId>,
    most: usize,
) -> Result<Vec<OutboxId>, StoreError> {
    let mut sql = Sql::new(connection.get_database_backend(), now, "SELECT o.id FROM outbox o WHERE o.status IN (");
    sql.push(states).push(")");
    push_filter(&mut sql, filter);
    if let Some(after) = after {
        sql.push(" AND o.id > ").bind(after.0);
    }
    sql.push(&format!(" ORDER BY o.id LIMIT {most}"));
    sql.rows(connection).await?.iter().map(|row| get::<Uuid>(row, "id").map(OutboxId)).collect()
}

/// The key of an item of the engine, as the id that it is.
const fn key_as_uuid(backend: DbBackend) -> &'static str {
    match backend {
        // `CASE`, because PostgreSQL may look at the key before it looks at the kind.
        DbBackend::Postgres => "CASE WHEN kind = 'execution' THEN key::uuid END",
        _ => "unhex(key, '-')",
    }
}

/// Refuses a filter that no statement could hold.
pub(super) fn check_filter(filter: &OutboxFilter) -> Result<(), StoreError> {
    if filter.ids.len() > limits::OUTBOX_BATCH {
        return Err(StoreError::Internal(format!("name at most {} outbox items at a time", limits::OUTBOX_BATCH)));
    }
    Ok(())
}

fn push_filter(sql: &mut Sql, filter: &OutboxFilter) {
    if !filter.ids.is_empty() {
        push_ids(sql, "o.id", &filter.ids);
    }
    if let Some(status) = filter.status {
        sql.push(" AND o.status = ").bind(status.as_str());
    }
    if let Some(kind) = &filter.kind {
        sql.push(" AND o.kind = ").bind(kind.as_str());
    }
    if let Some(before) = filter.before {
        sql.push(" AND o.updated_at < ").bind_time(before);
    }
}

/// ` AND column IN (ids)`; none where there are no ids.
pub(super) fn push_ids(sql: &mut Sql, column: &str, ids: &[OutboxId]) {
    sql.push(" AND ").push(column).push(" IN (");
    for (index, id) in ids.iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        sql.bind(id.0);
    }
    if ids.is_empty() {
        sql.push("NULL");
    }
    sql.push(")");
}
