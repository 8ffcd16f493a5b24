//! Old history for scenario (e): executions of the last three weeks with three steps each, made by
//! the database itself.

use automate_store::db::Database;

use super::{BenchError, rows};

/// Executions in one statement.
const CHUNK: i64 = 10_000;

// Ids are UUIDs of version 7 of the time they pretend to be of: spread evenly over 20 days.
const PG_BOTH: &str =
    "WITH e AS (INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status,
        trigger, event_id, output, attempt, created_at, started_at, finished_at, correlation_id)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
            || '8' || substr(md5(random()::text), 1, 15))::uuid,
        '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000004', 'bench-old',
        '00000000-0000-7000-8000-000000000005', 1, 'completed', '{\"kind\":\"webhook\",\"path\":\"old\"}', NULL,
        '{\"n\":3}', 1, at, at, at, n::text
    FROM (SELECT n, now() - interval '20 days' + n * interval '1728 ms' / greatest($2 / 1000000.0, 1) AS at
          FROM generate_series($1, $1 + 9999) AS n) AS t
    RETURNING id, tenant_id, created_at)
    INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun,
        idempotency_key, input, output, started_at, finished_at)
    SELECT e.id, s.path, e.tenant_id, s.path, s.seq, 'data.transform', 'completed', 1, 0, e.id || '/' || s.path,
        '{\"value\":{\"n\":1}}', '{\"n\":1}', e.created_at, e.created_at
    FROM e CROSS JOIN (VALUES ('a', 1), ('b', 2), ('c', 3)) AS s(path, seq)";

const SQLITE_EXECUTIONS: &str = "WITH RECURSIVE r(n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM r WHERE n < $1 + 9999),
    t AS (SELECT n, unixepoch('now') * 1000 - 1728000000 + CAST(n * 1728 / max($2 / 1000000.0, 1) AS integer) AS ms FROM r)
    INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status,
        trigger, event_id, output, attempt, created_at, started_at, finished_at, correlation_id)
    SELECT unhex(printf('%012x', ms) || '7' || substr(hex(randomblob(2)), 1, 3) || '8' || substr(hex(randomblob(8)), 1, 15)),
        x'00000000000070008000000000000001', x'00000000000070008000000000000004', 'bench-old',
        x'00000000000070008000000000000005', 1, 'completed', '{\"kind\":\"webhook\",\"path\":\"old\"}', NULL, '{\"n\":3}', 1,
        strftime('%Y-%m-%dT%H:%M:%f+00:00', ms / 1000.0, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%f+00:00', ms / 1000.0, 'unixepoch'),
        strftime('%Y-%m-%dT%H:%M:%f+00:00', ms / 1000.0, 'unixepoch'), n
    FROM t";

const SQLITE_STEPS: &str = "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun,
        idempotency_key, input, output, started_at, finished_at)
    SELECT e.id, s.path, e.tenant_id, s.path, s.seq, 'data.transform', 'completed', 1, 0, lower(hex(e.id)) || '/' || s.path,
        '{\"value\":{\"n\":1}}', '{\"n\":1}', e.created_at, e.created_at
    FROM executions e CROSS JOIN (SELECT 'a' AS path, 1 AS seq UNION ALL SELECT 'b', 2 UNION ALL SELECT 'c', 3) AS s
    WHERE e.rowid > (SELECT max(rowid) FROM executions) - 10000 AND $1 <= $2";

/// Makes `count` old executions, rounded up to a whole chunk, and lets the database take stock.
pub(crate) async fn fill(database: &Database, count: u64) -> Result<u64, BenchError> {
    let statements: &[&'static str] = match database.postgres() {
        Some(_) => &[PG_BOTH],
        None => &[SQLITE_EXECUTIONS, SQLITE_STEPS],
    };
    let count = i64::try_from(count).unwrap_or(i64::MAX - CHUNK);
    let bar = crate::cli::output::progress(count.unsigned_abs(), "making old executions");
    let mut made = 0;
    while made < count {
        for statement in statements {
            rows::execute(database, statement, made, count).await?;
        }
        made += CHUNK;
        bar.set_position(made.unsigned_abs());
    }
    bar.finish_and_clear();
    if let Some(pool) = database.postgres() {
        sqlx::query("ANALYZE").execute(pool).await?;
    }
    Ok(made.unsigned_abs())
}
