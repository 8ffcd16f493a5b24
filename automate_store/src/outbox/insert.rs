//! Queueing: one statement for any number of items, which travel as one JSON parameter, so that the
//! statement is prepared once and its text does not grow.

use automate_core::limits;
use automate_core::outbox::NewOutboxItem;
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend};
use serde::Serialize;

use super::statement::{Sql, as_text};

const POSTGRES: &str = "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count,
        max_attempts, next_attempt_at, created_at, updated_at)
    SELECT i.id, i.tenant_id, i.kind, i.key, i.payload, 'PENDING', i.priority, 0, i.max_attempts,
        COALESCE(i.not_before, clock_timestamp()), clock_timestamp(), clock_timestamp()
    FROM json_to_recordset(";
const POSTGRES_ROWS: &str = "::json) AS i(id uuid, tenant_id uuid, kind text, key text, payload text,
        priority smallint, max_attempts integer, not_before timestamptz)";

const SQLITE: &str = "INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count,
        max_attempts, next_attempt_at, created_at, updated_at)
    SELECT unhex(i.value ->> 'id', '-'), unhex(i.value ->> 'tenant_id', '-'), i.value ->> 'kind', i.value ->> 'key',
        i.value ->> 'payload', 'PENDING', i.value ->> 'priority', 0, i.value ->> 'max_attempts',
        COALESCE(i.value ->> 'not_before', n.at), n.at, n.at
    FROM (SELECT ";

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    tenant_id: String,
    kind: &'a str,
    key: &'a str,
    payload: String,
    priority: i16,
    max_attempts: i32,
    not_before: Option<String>,
}

/// Queues items through a connection or a transaction. `now` is this process's time; it counts on
/// SQLite only.
pub(super) async fn enqueue<C: ConnectionTrait>(
    connection: &C,
    items: &[NewOutboxItem],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for batch in items.chunks(limits::OUTBOX_BATCH) {
        let rows = batch.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        let rows = serde_json::to_string(&rows).map_err(|error| StoreError::Internal(error.to_string()))?;
        let backend = connection.get_database_backend();
        let mut sql;
        if backend == DbBackend::Postgres {
            sql = Sql::new(backend, now, POSTGRES);
            sql.bind(rows).push(POSTGRES_ROWS);
        } else {
            sql = Sql::new(backend, now, SQLITE);
            sql.now().push(" AS at) n, json_each(").bind(rows).push(") i");
        }
        sql.execute(connection).await?;
    }
    Ok(())
}

fn row(item: &NewOutboxItem) -> Result<Row<'_>, StoreError> {
    let payload = item.payload.to_string();
    let refuse = |what: &str, most: usize| {
        Err(StoreError::Internal(format!("an outbox item's {what} takes at most {most} bytes")))
    };
    if item.kind.is_empty() || item.kind.contains('\0') || item.key.contains('\0') {
        return Err(StoreError::Internal("an outbox item needs a kind, and neither kind nor key may hold NUL".into()));
    }
    if item.kind.len() > limits::OUTBOX_KIND_BYTES {
        return refuse("kind", limits::OUTBOX_KIND_BYTES);
    }
    if item.key.len() > limits::OUTBOX_KEY_BYTES {
        return refuse("key", limits::OUTBOX_KEY_BYTES);
    }
    if payload.len() > limits::OUTBOX_PAYLOAD_BYTES {
        return refuse("payload", limits::OUTBOX_PAYLOAD_BYTES);
    }
    Ok(Row {
        id: item.id.to_string(),
        tenant_id: item.tenant_id.to_string(),
        kind: &item.kind,
        key: &item.key,
        payload,
        priority: item.priority,
        max_attempts: item.max_attempts.max(1),
        not_before: item.not_before.map(as_text),
    })
}
