//! The bare statements on PostgreSQL: arrays by `unnest`, claims by `SKIP LOCKED`.

use sqlx::PgPool;
use uuid::Uuid;

use super::FlowRows;
use crate::bench::BenchError;

const ENQUEUE: &str = "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count,
        max_attempts, next_attempt_at, lease_token, lost_leases, created_at, updated_at)
    SELECT id, '00000000-0000-7000-8000-000000000001', 'bench', id::text, '{\"n\":1}', 'PENDING', 100, 0, 10,
        now(), 0, 0, now(), now()
    FROM unnest($1::uuid[]) AS t(id)";

const CLAIM: &str = "UPDATE outbox SET status = 'RUNNING', lease_owner = 'limit', lease_token = lease_token + 1,
        lease_expires_at = now() + interval '30 s', updated_at = now()
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM outbox
        WHERE status IN ('PENDING', 'RETRY') AND next_attempt_at <= now()
        ORDER BY priority, next_attempt_at, id LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id";

const ACCEPT: &str = "WITH t AS (SELECT id FROM unnest($1::uuid[]) AS t(id)),
    e AS (INSERT INTO events (id, tenant_id, event_type, source, payload, headers, correlation_id, received_at, depth)
        SELECT id, '00000000-0000-7000-8000-000000000001', 'webhook.bench', 'webhook', '{\"n\":1,\"connection\":1}',
            '{\"content-type\":\"application/json\"}', id::text, now(), 0 FROM t),
    w AS (INSERT INTO webhook_requests (id, tenant_id, path, method, headers, body_bytes, signature, http_status, received_at)
        SELECT id, '00000000-0000-7000-8000-000000000001', 'bench', 'POST',
            '{\"content-type\":\"application/json\"}', 24, 'ok', 202, now() FROM t),
    x AS (INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, trigger, event_id,
            attempt, created_at, correlation_id)
        SELECT id, '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 'bench-limit',
            '00000000-0000-7000-8000-000000000003', 1, 'running', '{\"kind\":\"webhook\",\"path\":\"bench\"}', id, 1,
            now(), id::text FROM t)
    INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count, max_attempts,
        next_attempt_at, lease_owner, lease_token, lease_expires_at, lost_leases, created_at, updated_at)
    SELECT id, '00000000-0000-7000-8000-000000000001', 'bench', id::text, '{}', 'RUNNING', 100, 0, 10, now(), 'limit',
        1, now() + interval '30 s', 0, now(), now() FROM t";

const STEPS: &str = "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun,
        idempotency_key, input, output, started_at, finished_at)
    SELECT id, 's' || n, '00000000-0000-7000-8000-000000000001', 's' || n, n, 'data.transform', 'completed', 1, 0,
        id::text, '{\"value\":{\"n\":1}}', '{\"n\":1}', now(), now()
    FROM unnest($1::uuid[]) AS t(id) CROSS JOIN generate_series($2::int, $3::int) AS n";

const FINISH: &str = "WITH x AS (UPDATE executions SET status = 'completed', started_at = now(), finished_at = now(),
        output = '{\"n\":3}' WHERE id = ANY($1))
    DELETE FROM outbox WHERE id = ANY($1) AND lease_token = 1";

/// Inserts a batch in one commit.
pub(super) async fn enqueue(pool: &PgPool, ids: &[Uuid]) -> Result<(), BenchError> {
    sqlx::query(ENQUEUE).bind(ids).execute(pool).await?;
    Ok(())
}

/// Claims a batch in one commit and deletes it in another; answers how many.
pub(super) async fn claim_and_delete(pool: &PgPool, batch: usize) -> Result<usize, BenchError> {
    let limit = i64::try_from(batch).unwrap_or(i64::MAX);
    let ids: Vec<Uuid> = sqlx::query_scalar(CLAIM).bind(limit).fetch_all(pool).await?;
    if !ids.is_empty() {
        sqlx::query("DELETE FROM outbox WHERE id = ANY($1)").bind(&ids).execute(pool).await?;
    }
    Ok(ids.len())
}

/// Writes what a batch of executions leaves behind, in the commits that the engine needs.
pub(super) async fn flow(pool: &PgPool, ids: &[Uuid], rows: FlowRows) -> Result<(), BenchError> {
    sqlx::query(ACCEPT).bind(ids).execute(pool).await?;
    let steps = i32::try_from(rows.steps).unwrap_or(i32::MAX);
    if rows.checkpoints {
        for n in 1..steps {
            sqlx::query(STEPS).bind(ids).bind(n).bind(n).execute(pool).await?;
        }
    }
    let first = if rows.checkpoints { steps } else { 1 };
    let mut transaction = pool.begin().await?;
    sqlx::query(STEPS).bind(ids).bind(first).bind(steps).execute(&mut *transaction).await?;
    sqlx::query(FINISH).bind(ids).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}
