//! Accepting on PostgreSQL: one statement stores any number of accepts.
//!
//! The unique key of `dedupe_keys` decides which delivery is the first, over all processes; the
//! keys of a batch are inserted in one order everywhere, so that two batches never wait for each
//! other in a circle.

use std::collections::HashMap;

use automate_core::ids::EventId;
use automate_core::outbox::EXECUTION_KIND;
use automate_core::store::{Accept, Accepted};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::super::accepting::{self, First, Key};

/// What the statement said of one accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Stored,
    Stale,
    KeyTaken,
}

const ACCEPT: &str = r#"
WITH start AS MATERIALIZED (
    SELECT * FROM unnest($1::int4[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::int4[],
        $9::uuid[], $10::text[], $11::uuid[], $12::text[], $13::int2[], $14::text[], $15::uuid[], $16::uuid[],
        $17::timestamptz[], $18::text[], $19::float8[])
    AS s(op, id, outbox_id, tenant_id, workflow_id, workflow, version_id, version, trigger_id, trig, event_id, input,
        priority, correlation_id, parent_id, replay_of, created_at, lease_owner, lease_secs)
), stale AS MATERIALIZED (
    SELECT DISTINCT s.op FROM start s
    WHERE s.trigger_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM triggers t WHERE t.id = s.trigger_id)
), keyed AS MATERIALIZED (
    SELECT * FROM unnest($20::int4[], $21::uuid[], $22::text[], $23::text[], $24::uuid[], $25::text[])
    AS k(op, tenant_id, scope, key, event_id, execution_ids)
), won AS (
    INSERT INTO dedupe_keys (tenant_id, scope, key, event_id, execution_ids, created_at)
    SELECT k.tenant_id, k.scope, k.key, k.event_id, k.execution_ids, now() FROM keyed k
    WHERE k.op NOT IN (SELECT op FROM stale)
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, scope, key
), going AS MATERIALIZED (
    SELECT k.op FROM keyed k JOIN won USING (tenant_id, scope, key)
    UNION ALL
    SELECT u.op FROM unnest($26::int4[]) AS u(op) WHERE u.op NOT IN (SELECT op FROM stale)
), event AS (
    INSERT INTO events (id, tenant_id, event_type, source, payload, headers, correlation_id, received_at, depth)
    SELECT e.id, e.tenant_id, e.event_type, e.source, e.payload, e.headers, e.correlation_id, e.received_at, e.depth
    FROM unnest($27::int4[], $28::uuid[], $29::uuid[], $30::text[], $31::text[], $32::text[], $33::text[], $34::text[],
        $35::timestamptz[], $36::int4[])
    AS e(op, id, tenant_id, event_type, source, payload, headers, correlation_id, received_at, depth)
    WHERE e.op IN (SELECT op FROM going)
), request AS (
    INSERT INTO webhook_requests (id, tenant_id, path, method, headers, body, body_bytes, remote_addr, signature,
        http_status, received_at)
    SELECT r.id, r.tenant_id, r.path, r.method, r.headers, r.body, r.body_bytes, r.remote_addr, r.signature,
        r.http_status, r.received_at
    FROM unnest($37::int4[], $38::uuid[], $39::uuid[], $40::text[], $41::text[], $42::text[], $43::bytea[],
        $44::int8[], $45::text[], $46::text[], $47::int2[], $48::timestamptz[])
    AS r(op, id, tenant_id, path, method, headers, body, body_bytes, remote_addr, signature, http_status, received_at)
    WHERE r.op IN (SELECT op FROM going)
), execution AS (
    INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, "trigger", event_id,
        input, attempt, created_at, parent_id, replay_of, correlation_id)
    SELECT s.id, s.tenant_id, s.workflow_id, s.workflow, s.version_id, s.version, 'pending', s.trig, s.event_id,
        s.input, 1, s.created_at, s.parent_id, s.replay_of, s.correlation_id
    FROM start s WHERE s.op IN (SELECT op FROM going)
), queued AS (
    INSERT INTO outbox (id, tenant_id, kind, key, payload, status, priority, attempt_count, max_attempts,
        next_attempt_at, lease_owner, lease_token, lease_expires_at, lost_leases, created_at, updated_at)
    SELECT s.outbox_id, s.tenant_id, $49, s.id::text, 'null',
        CASE WHEN s.lease_owner IS NULL THEN 'PENDING' ELSE 'RUNNING' END, s.priority, 0, $50, now(), s.lease_owner,
        CASE WHEN s.lease_owner IS NULL THEN 0 ELSE 1 END, now() + make_interval(secs => s.lease_secs), 0, now(), now()
    FROM start s WHERE s.op IN (SELECT op FROM going)
)
SELECT op, false AS stale FROM going UNION ALL SELECT op, true FROM stale
"#;

/// Columns of the statement, one entry per row.
#[derive(Default)]
struct Starts<'a> {
    op: Vec<i32>,
    id: Vec<Uuid>,
    outbox_id: Vec<Uuid>,
    tenant_id: Vec<Uuid>,
    workflow_id: Vec<Uuid>,
    workflow: Vec<&'a str>,
    version_id: Vec<Uuid>,
    version: Vec<i32>,
    trigger_id: Vec<Option<Uuid>>,
    trigger: Vec<&'a str>,
    event_id: Vec<Option<Uuid>>,
    input: Vec<Option<&'a str>>,
    priority: Vec<i16>,
    correlation_id: Vec<&'a str>,
    parent_id: Vec<Option<Uuid>>,
    replay_of: Vec<Option<Uuid>>,
    created_at: Vec<DateTime<Utc>>,
    lease_owner: Vec<Option<&'a str>>,
    lease_secs: Vec<Option<f64>>,
}

#[derive(Default)]
struct Keys<'a> {
    op: Vec<i32>,
    tenant_id: Vec<Uuid>,
    scope: Vec<&'a str>,
    key: Vec<&'a str>,
    event_id: Vec<Option<Uuid>>,
    execution_ids: Vec<String>,
}

#[derive(Default)]
struct Events<'a> {
    op: Vec<i32>,
    id: Vec<Uuid>,
    tenant_id: Vec<Uuid>,
    event_type: Vec<&'a str>,
    source: Vec<&'a str>,
    payload: Vec<&'a str>,
    headers: Vec<Option<&'a str>>,
    correlation_id: Vec<&'a str>,
    received_at: Vec<DateTime<Utc>>,
    depth: Vec<i32>,
}

#[derive(Default)]
struct Requests<'a> {
    op: Vec<i32>,
    id: Vec<Uuid>,
    tenant_id: Vec<Uuid>,
    path: Vec<&'a str>,
    method: Vec<&'a str>,
    headers: Vec<&'a str>,
    body: Vec<Option<&'a [u8]>>,
    body_bytes: Vec<i64>,
    remote_addr: Vec<Option<&'a str>>,
    signature: Vec<&'a str>,
    http_status: Vec<i16>,
    received_at: Vec<DateTime<Utc>>,
}

fn index(op: usize) -> i32 {
    // A batch is bounded by `COMMIT_BATCH`.
    i32::try_from(op).unwrap_or(i32::MAX)
}

fn starts<'a>(accepts: &[&'a Accept]) -> Starts<'a> {
    let mut rows = Starts::default();
    for (op, accept) in accepts.iter().enumerate() {
        for start in &accept.starts {
            rows.op.push(index(op));
            rows.id.push(start.id.0);
            rows.outbox_id.push(start.outbox_id.0);
            rows.tenant_id.push(accept.tenant_id.0);
            rows.workflow_id.push(start.workflow_id.0);
            rows.workflow.push(&start.workflow);
            rows.version_id.push(start.version_id.0);
            rows.version.push(start.version);
            rows.trigger_id.push(start.trigger_id.map(|id| id.0));
            rows.trigger.push(&start.trigger);
            let event_id = start.event_id.or_else(|| accept.event.as_ref().map(|event| event.id));
            rows.event_id.push(event_id.map(|id| id.0));
            rows.input.push(start.input.as_deref());
            rows.priority.push(start.priority);
            rows.correlation_id.push(&start.correlation_id);
            rows.parent_id.push(start.parent_id.map(|id| id.0));
            rows.replay_of.push(start.replay_of.map(|id| id.0));
            rows.created_at.push(start.created_at);
            rows.lease_owner.push(start.lease.as_ref().map(|lease| lease.owner.as_str()));
            rows.lease_secs.push(start.lease.as_ref().map(|lease| lease.lease.as_secs_f64()));
        }
    }
    rows
}

/// The keys in the order in which every process inserts them.
fn keys<'a>(accepts: &[&'a Accept]) -> Keys<'a> {
    let mut sorted: Vec<_> =
        accepts.iter().enumerate().filter_map(|(op, accept)| Some((Key::of_delivery(accept)?, op, *accept))).collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    let mut rows = Keys::default();
    for (_, op, accept) in sorted {
        let Some(delivery) = &accept.delivery else { continue };
        rows.op.push(index(op));
        rows.tenant_id.push(accept.tenant_id.0);
        rows.scope.push(&delivery.scope);
        rows.key.push(&delivery.key);
        rows.event_id.push(accept.event.as_ref().map(|event| event.id.0));
        rows.execution_ids.push(accepting::ids_json(accept.starts.iter().map(|start| start.id)));
    }
    rows
}

fn events<'a>(accepts: &[&'a Accept]) -> Events<'a> {
    let mut rows = Events::default();
    for (op, accept) in accepts.iter().enumerate() {
        let Some(event) = &accept.event else { continue };
        rows.op.push(index(op));
        rows.id.push(event.id.0);
        rows.tenant_id.push(accept.tenant_id.0);
        rows.event_type.push(&event.event_type);
        rows.source.push(&event.source);
        rows.payload.push(&event.payload);
        rows.headers.push(event.headers.as_deref());
        rows.correlation_id.push(&event.correlation_id);
        rows.received_at.push(event.received_at);
        rows.depth.push(i32::try_from(event.depth).unwrap_or(i32::MAX));
    }
    rows
}

fn requests<'a>(accepts: &[&'a Accept]) -> Requests<'a> {
    let mut rows = Requests::default();
    for (op, accept) in accepts.iter().enumerate() {
        let Some(request) = &accept.request else { continue };
        rows.op.push(index(op));
        rows.id.push(request.id.0);
        rows.tenant_id.push(accept.tenant_id.0);
        rows.path.push(&request.path);
        rows.method.push(&request.method);
        rows.headers.push(&request.headers);
        rows.body.push(request.body.as_deref());
        rows.body_bytes.push(request.body_bytes);
        rows.remote_addr.push(request.remote_addr.as_deref());
        rows.signature.push(&request.signature);
        rows.http_status.push(request.http_status);
        rows.received_at.push(request.received_at);
    }
    rows
}

/// Runs the statement. Delivery keys must be distinct; start keys must be settled already.
async fn insert(conn: &mut PgConnection, accepts: &[&Accept]) -> Result<Vec<Outcome>, sqlx::Error> {
    let (s, k, e, r) = (starts(accepts), keys(accepts), events(accepts), requests(accepts));
    let unkeyed: Vec<i32> =
        accepts.iter().enumerate().filter(|(_, a)| a.delivery.is_none()).map(|(op, _)| index(op)).collect();
    let rows = sqlx::query(ACCEPT)
        .bind(s.op)
        .bind(s.id)
        .bind(s.outbox_id)
        .bind(s.tenant_id)
        .bind(s.workflow_id)
        .bind(s.workflow)
        .bind(s.version_id)
        .bind(s.version)
        .bind(s.trigger_id)
        .bind(s.trigger)
        .bind(s.event_id)
        .bind(s.input)
        .bind(s.priority)
        .bind(s.correlation_id)
        .bind(s.parent_id)
        .bind(s.replay_of)
        .bind(s.created_at)
        .bind(s.lease_owner)
        .bind(s.lease_secs)
        .bind(k.op)
        .bind(k.tenant_id)
        .bind(k.scope)
        .bind(k.key)
        .bind(k.event_id)
        .bind(k.execution_ids)
        .bind(unkeyed)
        .bind(e.op)
        .bind(e.id)
        .bind(e.tenant_id)
        .bind(e.event_type)
        .bind(e.source)
        .bind(e.payload)
        .bind(e.headers)
        .bind(e.correlation_id)
        .bind(e.received_at)
        .bind(e.depth)
        .bind(r.op)
        .bind(r.id)
        .bind(r.tenant_id)
        .bind(r.path)
        .bind(r.method)
        .bind(r.headers)
        .bind(r.body)
        .bind(r.body_bytes)
        .bind(r.remote_addr)
        .bind(r.signature)
        .bind(r.http_status)
        .bind(r.received_at)
        .bind(EXECUTION_KIND)
        .bind(accepting::MAX_ATTEMPTS)
        .fetch_all(conn)
        .await?;
    let mut outcomes = vec![Outcome::KeyTaken; accepts.len()];
    for row in rows {
        let op: i32 = row.try_get(0)?;
        let stale: bool = row.try_get(1)?;
        if let Some(outcome) = usize::try_from(op).ok().and_then(|op| outcomes.get_mut(op)) {
            *outcome = if stale { Outcome::Stale } else { Outcome::Stored };
        }
    }
    Ok(outcomes)
}

/// The first holders of keys.
pub(super) async fn firsts(
    conn: &mut PgConnection,
    wanted: &[Key<'_>],
) -> Result<HashMap<(Uuid, String, String), First>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT d.tenant_id, d.scope, d.key, d.event_id, d.execution_ids FROM dedupe_keys d \
         JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS k(tenant_id, scope, key) USING (tenant_id, scope, key)",
    )
    .bind(wanted.iter().map(|key| key.tenant_id).collect::<Vec<_>>())
    .bind(wanted.iter().map(|key| key.scope.as_ref()).collect::<Vec<&str>>())
    .bind(wanted.iter().map(|key| key.key).collect::<Vec<&str>>())
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            let first = First {
                event_id: row.try_get::<Option<Uuid>, _>(3)?.map(EventId),
                executions: accepting::ids_of_json(row.try_get(4)?),
            };
            Ok(((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?), first))
        })
        .collect()
}

/// Stores accepts that have no start keys, in one implicit transaction (or the caller's).
///
/// Of several accepts with one delivery key the first is stored and the others are answered with
/// it. With `again`, an earlier try of the same accepts may have been committed unseen: a key that
/// is held by the accept's own event is its own success.
pub(super) async fn store(
    conn: &mut PgConnection,
    accepts: &[&Accept],
    again: bool,
) -> Result<Vec<Accepted>, sqlx::Error> {
    let mut answers: Vec<Option<Accepted>> = vec![None; accepts.len()];
    loop {
        // The first open accept of each key goes into the statement, the others follow it.
        let mut leader_of: HashMap<Key<'_>, usize> = HashMap::new();
        let (mut leaders, mut followers) = (Vec::new(), Vec::new());
        for (op, accept) in accepts.iter().enumerate().filter(|(op, _)| answers[*op].is_none()) {
            match Key::of_delivery(accept) {
                None => leaders.push(op),
                Some(key) => match leader_of.get(&key) {
                    Some(leader) => followers.push((op, *leader)),
                    None => {
                        leader_of.insert(key, op);
                        leaders.push(op);
                    }
                },
            }
        }
        if leaders.is_empty() {
            return Ok(answers.into_iter().flatten().collect());
        }
        let batch: Vec<&Accept> = leaders.iter().map(|op| accepts[*op]).collect();
        let outcomes = insert(conn, &batch).await?;
        let taken: Vec<Key<'_>> = leaders
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| **outcome == Outcome::KeyTaken)
            .filter_map(|(op, _)| Key::of_delivery(accepts[*op]))
            .collect();
        let found = if taken.is_empty() { HashMap::new() } else { firsts(conn, &taken).await? };
        for (op, outcome) in leaders.iter().zip(&outcomes) {
            answers[*op] = match outcome {
                Outcome::Stored => Some(accepting::stored(accepts[*op])),
                Outcome::Stale => Some(Accepted::StaleTriggers),
                // A key that retention took away in between is tried again.
                Outcome::KeyTaken => Key::of_delivery(accepts[*op])
                    .and_then(|key| found.get(&(key.tenant_id, key.scope.into_owned(), key.key.to_owned())))
                    .map(|first| match again && first.is_own(accepts[*op]) {
                        true => accepting::stored(accepts[*op]),
                        false => first.duplicate(),
                    }),
            };
        }
        for (op, leader) in followers {
            // After a stale leader the next of the key gets its own try.
            answers[op] = match &answers[leader] {
                Some(Accepted::Stored { .. }) => Some(First::of(accepts[leader]).duplicate()),
                Some(Accepted::Duplicate { event_id, executions }) => {
                    Some(Accepted::Duplicate { event_id: *event_id, executions: executions.clone() })
                }
                Some(Accepted::StaleTriggers) | None => None,
            };
        }
    }
}

/// Whether an accept was committed by a try whose outcome was not seen.
pub(super) async fn committed(conn: &mut PgConnection, accept: &Accept) -> Result<bool, sqlx::Error> {
    let (table, id) = match (&accept.event, &accept.request, accept.starts.first()) {
        (Some(event), _, _) => ("SELECT 1 FROM events WHERE id = $1", event.id.0),
        (None, _, Some(start)) => ("SELECT 1 FROM executions WHERE id = $1", start.id.0),
        (None, Some(request), None) => ("SELECT 1 FROM webhook_requests WHERE id = $1", request.id.0),
        (None, None, None) => return Ok(true),
    };
    Ok(sqlx::query(table).bind(id).fetch_optional(conn).await?.is_some())
}
