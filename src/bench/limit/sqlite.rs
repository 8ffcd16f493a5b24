//! The bare statements on SQLite: one writer, lists by `json_each`.

use sqlx::SqlitePool;
use uuid::Uuid;

use super::FlowRows;
use crate::bench::BenchError;

// Times as sqlx writes them.
const ENQUEUE: &str = "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count,
        max_attempts, next_attempt_at, lease_token, lost_leases, created_at, updated_at)
    SELECT unhex(value), x'00000000000070008000000000000001', 'bench', value, '{\"n\":1}', 'PENDING', 100, 0, 10,
        ?2, 0, 0, ?2, ?2
    FROM json_each(?1)";

const CLAIM: &str = "UPDATE outbox SET status = 'RUNNING', lease_owner = 'limit', lease_token = lease_token + 1,
        lease_expires_at = ?2, updated_at = ?2
    WHERE id IN (SELECT id FROM outbox WHERE status IN ('PENDING', 'RETRY') AND next_attempt_at <= ?2
        ORDER BY priority, next_attempt_at, id LIMIT ?1)
    RETURNING id";

const ACCEPT: [&str; 4] = [
    "INSERT INTO events (id, tenant_id, event_type, source, payload, headers, correlation_id, received_at, depth)
        SELECT unhex(value), x'00000000000070008000000000000001', 'webhook.bench', 'webhook',
            '{\"n\":1,\"connection\":1}', '{\"content-type\":\"application/json\"}', value, ?2, 0 FROM json_each(?1)",
    "INSERT INTO webhook_requests (id, tenant_id, path, method, headers, body_bytes, signature, http_status, received_at)
        SELECT unhex(value), x'00000000000070008000000000000001', 'bench', 'POST',
            '{\"content-type\":\"application/json\"}', 24, 'ok', 202, ?2 FROM json_each(?1)",
    "INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, trigger, event_id,
            attempt, created_at, correlation_id)
        SELECT unhex(value), x'00000000000070008000000000000001', x'00000000000070008000000000000002', 'bench-limit',
            x'00000000000070008000000000000003', 1, 'running', '{\"kind\":\"webhook\",\"path\":\"bench\"}', unhex(value),
            1, ?2, value FROM json_each(?1)",
    "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count, max_attempts,
            next_attempt_at, lease_owner, lease_token, lease_expires_at, lost_leases, created_at, updated_at)
        SELECT unhex(value), x'00000000000070008000000000000001', 'bench', value, '{}', 'RUNNING', 100, 0, 10, ?2,
            'limit', 1, ?2, 0, ?2, ?2 FROM json_each(?1)",
];

const STEPS: &str = "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun,
        idempotency_key, input, output, started_at, finished_at)
    SELECT unhex(value), 's' || ?3, x'00000000000070008000000000000001', 's' || ?3, ?3, 'data.transform', 'completed',
        1, 0, value, '{\"value\":{\"n\":1}}', '{\"n\":1}', ?2, ?2
    FROM json_each(?1)";

const FINISH: [&str; 2] = [
    "UPDATE executions SET status = 'completed', started_at = ?2, finished_at = ?2, output = '{\"n\":3}'
        WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
    "DELETE FROM outbox WHERE lease_token = 1 AND id IN (SELECT unhex(value) FROM json_each(?1)) AND ?2 <> ''",
];

fn list<'a>(ids: impl IntoIterator<Item = &'a [u8]>) -> String {
    let quoted: Vec<String> = ids.into_iter().map(|id| format!("\"{}\"", hex::encode(id))).collect();
    format!("[{}]", quoted.join(","))
}

fn listed(ids: &[Uuid]) -> String {
    list(ids.iter().map(|id| id.as_bytes().as_slice()))
}

/// Inserts a batch in one commit.
pub(super) async fn enqueue(pool: &SqlitePool, ids: &[Uuid]) -> Result<(), BenchError> {
    sqlx::query(ENQUEUE).bind(listed(ids)).bind(automate_core::clock::now()).execute(pool).await?;
    Ok(())
}

/// Claims a batch in one commit and deletes it in another; answers how many.
pub(super) async fn claim_and_delete(pool: &SqlitePool, batch: usize) -> Result<usize, BenchError> {
    let limit = i64::try_from(batch).unwrap_or(i64::MAX);
    let ids: Vec<Vec<u8>> =
        sqlx::query_scalar(CLAIM).bind(limit).bind(automate_core::clock::now()).fetch_all(pool).await?;
    if !ids.is_empty() {
        sqlx::query("DELETE FROM outbox WHERE id IN (SELECT unhex(value) FROM json_each(?1))")
            .bind(list(ids.iter().map(Vec::as_slice)))
            .execute(pool)
            .await?;
    }
    Ok(ids.len())
}

/// Writes what a batch of executions leaves behind, in the commits that the engine needs.
pub(super) async fn flow(pool: &SqlitePool, ids: &[Uuid], rows: FlowRows) -> Result<(), BenchError> {
    let list = listed(ids);
    let now = automate_core::clock::now();
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for sql in ACCEPT {
        sqlx::query(sql).bind(&list).bind(now).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    let steps = i64::try_from(rows.steps).unwrap_or(i64::MAX);
    if rows.checkpoints {
        for n in 1..steps {
            sqlx::query(STEPS).bind(&list).bind(now).bind(n).execute(pool).await?;
        }
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    for n in if rows.checkpoints { steps..=steps } else { 1..=steps } {
        sqlx::query(STEPS).bind(&list).bind(now).bind(n).execute(&mut *transaction).await?;
    }
    for sql in FINISH {
        sqlx::query(sql).bind(&list).bind(now).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
