//! Checkpoints on PostgreSQL: one statement records the progress of any number of executions.
//!
//! The fence is part of the write: `held` locks the queue items whose claims are still held, and
//! every other part of the statement joins it. Items are locked in the order of the batch, which is
//! that of their ids, the same order in which leases are extended, so that neither waits for the
//! other in a circle.
//!
//! Where something came for the execution while it was held (a signal, a request to cancel), its item
//! says so in its payload: it does not go, and is ready at once when it is given back.
//!
//! The queue is often empty when the statement is planned and never again so small, so nothing is
//! left to its statistics: items are found by their ids in subqueries and arrays, never by joins,
//! and their state is compared as an expression, out of reach of the index of leased items.

use automate_core::store::{Checkpoint, StepLog, StepRecord, Then};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::super::progress::{self, Held, Progress, json};

const CHECKPOINT: &str = r#"
WITH batch AS MATERIALIZED (
    SELECT * FROM unnest($1::int4[], $2::uuid[], $3::int8[], $4::int2[], $5::timestamptz[], $6::uuid[], $7::bool[],
        $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], $12::text[])
    AS b(op, id, token, follow, wake_at, execution_id, changed, status, started_at, finished_at, output, error)
), held AS MATERIALIZED (
    SELECT b.*, l.lost_leases,
        b.follow = 1 AND (l.payload = 'null'
            OR COALESCE(b.status, 'waiting') IN ('completed', 'failed', 'cancelled')) AS ends
    FROM batch b CROSS JOIN LATERAL (
        SELECT o.lost_leases, o.payload FROM outbox o WHERE o.id = b.id AND o.lease_token = b.token AND o.status || '' = 'RUNNING'
            AND o.key = b.execution_id::text
        FOR UPDATE
    ) l
), step AS (
    INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun, idempotency_key,
        input, output, error, attempts, wake_at, started_at, finished_at)
    SELECT s.execution_id, s.path, s.tenant_id, s.step_id, s.seq, s.uses, s.status, s.attempt, s.rerun,
        s.idempotency_key, s.input, s.output, s.error, s.attempts, s.wake_at, s.started_at, s.finished_at
    FROM unnest($13::int4[], $14::uuid[], $15::text[], $16::uuid[], $17::text[], $18::int4[], $19::text[], $20::text[],
        $21::int4[], $22::int4[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::timestamptz[],
        $29::timestamptz[], $30::timestamptz[])
    AS s(op, execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun, idempotency_key, input, output,
        error, attempts, wake_at, started_at, finished_at)
    WHERE s.op IN (SELECT op FROM held)
    ON CONFLICT (execution_id, path) DO UPDATE SET step_id = excluded.step_id, seq = excluded.seq, uses = excluded.uses,
        status = excluded.status, attempt = excluded.attempt, rerun = excluded.rerun,
        idempotency_key = excluded.idempotency_key, input = excluded.input, output = excluded.output,
        error = excluded.error, attempts = excluded.attempts, wake_at = excluded.wake_at,
        started_at = excluded.started_at, finished_at = excluded.finished_at
), log AS (
    INSERT INTO step_logs (execution_id, id, tenant_id, path, attempt, at, level, message, fields)
    SELECT l.execution_id, l.id, l.tenant_id, l.path, l.attempt, l.at, l.level, l.message, l.fields
    FROM unnest($31::int4[], $32::uuid[], $33::uuid[], $34::uuid[], $35::text[], $36::int4[], $37::timestamptz[],
        $38::text[], $39::text[], $40::text[])
    AS l(op, execution_id, id, tenant_id, path, attempt, at, level, message, fields)
    WHERE l.op IN (SELECT op FROM held)
    ON CONFLICT DO NOTHING
), execution AS (
    UPDATE executions e SET status = h.status, started_at = h.started_at, finished_at = h.finished_at,
        output = h.output, error = h.error
    FROM held h WHERE e.id = h.execution_id AND h.changed
    RETURNING h.op, e.cancel_requested_at
), finished AS (
    DELETE FROM outbox o WHERE o.id = ANY(ARRAY(SELECT id FROM held WHERE ends))
), waiting AS (
    UPDATE outbox o SET status = 'PENDING', next_attempt_at = CASE WHEN o.payload = 'null'
            THEN ($5::timestamptz[])[array_position($2::uuid[], o.id)] ELSE now() END, payload = 'null',
        lease_owner = NULL, lease_expires_at = NULL, lost_leases = 0, updated_at = now()
    WHERE o.id = ANY(ARRAY(SELECT id FROM held WHERE follow <> 0 AND NOT ends))
), kept AS (
    UPDATE outbox o SET lost_leases = 0
    WHERE o.id = ANY(ARRAY(SELECT id FROM held WHERE follow = 0 AND lost_leases <> 0))
)
SELECT op, false FROM held
UNION ALL SELECT op, true FROM execution WHERE cancel_requested_at IS NOT NULL
UNION ALL SELECT h.op, true FROM held h WHERE NOT h.changed
    AND (SELECT e.cancel_requested_at FROM executions e WHERE e.id = h.execution_id) IS NOT NULL
"#;

#[derive(Default)]
struct Batch<'a> {
    op: Vec<i32>,
    id: Vec<Uuid>,
    token: Vec<i64>,
    follow: Vec<i16>,
    wake_at: Vec<Option<DateTime<Utc>>>,
    execution_id: Vec<Uuid>,
    changed: Vec<bool>,
    status: Vec<Option<&'a str>>,
    started_at: Vec<Option<DateTime<Utc>>>,
    finished_at: Vec<Option<DateTime<Utc>>>,
    output: Vec<Option<&'a str>>,
    error: Vec<Option<String>>,
}

#[derive(Default)]
struct Steps<'a> {
    op: Vec<i32>,
    execution_id: Vec<Uuid>,
    path: Vec<&'a str>,
    tenant_id: Vec<Uuid>,
    step_id: Vec<&'a str>,
    seq: Vec<i32>,
    uses: Vec<&'a str>,
    status: Vec<&'a str>,
    attempt: Vec<i32>,
    rerun: Vec<i32>,
    idempotency_key: Vec<&'a str>,
    input: Vec<Option<&'a str>>,
    output: Vec<Option<&'a str>>,
    error: Vec<Option<String>>,
    attempts: Vec<Option<String>>,
    wake_at: Vec<Option<DateTime<Utc>>>,
    started_at: Vec<Option<DateTime<Utc>>>,
    finished_at: Vec<Option<DateTime<Utc>>>,
}

#[derive(Default)]
struct Logs<'a> {
    op: Vec<i32>,
    execution_id: Vec<Uuid>,
    id: Vec<Uuid>,
    tenant_id: Vec<Uuid>,
    path: Vec<&'a str>,
    attempt: Vec<i32>,
    at: Vec<DateTime<Utc>>,
    level: Vec<&'a str>,
    message: Vec<&'a str>,
    fields: Vec<Option<&'a str>>,
}

impl<'a> Batch<'a> {
    fn push(&mut self, op: i32, checkpoint: &'a Checkpoint) {
        self.op.push(op);
        self.id.push(checkpoint.claim.id.0);
        self.token.push(checkpoint.claim.token);
        let (follow, wake_at) = match checkpoint.then {
            Then::Hold => (0, None),
            Then::Finish => (1, None),
            Then::WakeAt(at) => (2, Some(at)),
        };
        self.follow.push(follow);
        self.wake_at.push(wake_at);
        self.execution_id.push(checkpoint.execution_id.0);
        let update = checkpoint.execution.as_ref();
        self.changed.push(update.is_some());
        self.status.push(update.map(|update| update.status.as_str()));
        self.started_at.push(update.and_then(|update| update.started_at));
        self.finished_at.push(update.and_then(|update| update.finished_at));
        self.output.push(update.and_then(|update| update.output.as_deref()));
        self.error.push(update.and_then(|update| update.error.as_ref()).map(json));
    }
}

impl<'a> Steps<'a> {
    fn push(&mut self, op: i32, checkpoint: &'a Checkpoint, step: &'a StepRecord) {
        self.op.push(op);
        self.execution_id.push(checkpoint.execution_id.0);
        self.path.push(&step.path);
        self.tenant_id.push(checkpoint.tenant_id.0);
        self.step_id.push(&step.step_id);
        self.seq.push(step.seq);
        self.uses.push(&step.uses);
        self.status.push(step.status.as_str());
        self.attempt.push(step.attempt);
        self.rerun.push(step.rerun);
        self.idempotency_key.push(&step.idempotency_key);
        self.input.push(step.input.as_deref());
        self.output.push(step.output.as_deref());
        self.error.push(step.error.as_ref().map(json));
        self.attempts.push(progress::attempts_json(step));
        self.wake_at.push(step.wake_at);
        self.started_at.push(step.started_at);
        self.finished_at.push(step.finished_at);
    }
}

impl<'a> Logs<'a> {
    fn push(&mut self, op: i32, checkpoint: &'a Checkpoint, id: Uuid, log: &'a StepLog) {
        self.op.push(op);
        self.execution_id.push(checkpoint.execution_id.0);
        self.id.push(id);
        self.tenant_id.push(checkpoint.tenant_id.0);
        self.path.push(&log.path);
        self.attempt.push(log.attempt);
        self.at.push(log.at);
        self.level.push(log.level.as_str());
        self.message.push(&log.message);
        self.fields.push(log.fields.as_deref());
    }
}

/// Records the checkpoints whose claims are held, in one implicit transaction (or the caller's).
/// Answers, in their order, what was seen of each; `None` where the claim is lost.
pub(super) async fn record(conn: &mut PgConnection, batch: &[&Progress]) -> Result<Vec<Option<Held>>, sqlx::Error> {
    let (mut b, mut s, mut l) = (Batch::default(), Steps::default(), Logs::default());
    let mut sorted: Vec<(usize, &Progress)> = batch.iter().copied().enumerate().collect();
    sorted.sort_unstable_by_key(|(_, progress)| progress.checkpoint.claim.id);
    for (index, Progress { checkpoint, log_ids }) in sorted {
        let op = i32::try_from(index).unwrap_or(i32::MAX);
        b.push(op, checkpoint);
        for step in progress::last_of_each_path(&checkpoint.steps) {
            s.push(op, checkpoint, step);
        }
        for (id, log) in log_ids.iter().zip(&checkpoint.logs) {
            l.push(op, checkpoint, *id, log);
        }
    }
    let rows = sqlx::query(CHECKPOINT)
        .bind(b.op)
        .bind(b.id)
        .bind(b.token)
        .bind(b.follow)
        .bind(b.wake_at)
        .bind(b.execution_id)
        .bind(b.changed)
        .bind(b.status)
        .bind(b.started_at)
        .bind(b.finished_at)
        .bind(b.output)
        .bind(b.error)
        .bind(s.op)
        .bind(s.execution_id)
        .bind(s.path)
        .bind(s.tenant_id)
        .bind(s.step_id)
        .bind(s.seq)
        .bind(s.uses)
        .bind(s.status)
        .bind(s.attempt)
        .bind(s.rerun)
        .bind(s.idempotency_key)
        .bind(s.input)
        .bind(s.output)
        .bind(s.error)
        .bind(s.attempts)
        .bind(s.wake_at)
        .bind(s.started_at)
        .bind(s.finished_at)
        .bind(l.op)
        .bind(l.execution_id)
        .bind(l.id)
        .bind(l.tenant_id)
        .bind(l.path)
        .bind(l.attempt)
        .bind(l.at)
        .bind(l.level)
        .bind(l.message)
        .bind(l.fields)
        .fetch_all(conn)
        .await?;
    let mut held = vec![None; batch.len()];
    for row in rows {
        let op: i32 = row.try_get(0)?;
        if let Some(place) = usize::try_from(op).ok().and_then(|op| held.get_mut(op)) {
            let cancel_requested: bool = row.try_get(1)?;
            let before = place.is_some_and(|held: Held| held.cancel_requested);
            *place = Some(Held { cancel_requested: cancel_requested || before });
        }
    }
    Ok(held)
}

/// Which of these checkpoints were committed by a try whose outcome was not seen, by what they
/// must have left behind: the execution as it was written and, for a wait, the item's own time.
pub(super) async fn committed(conn: &mut PgConnection, checkpoint: &Checkpoint) -> Result<Option<Held>, sqlx::Error> {
    let Some(row) = sqlx::query(
        "SELECT e.status, e.finished_at, e.cancel_requested_at IS NOT NULL, o.status, o.next_attempt_at, o.lease_token \
         FROM executions e LEFT JOIN outbox o ON o.id = $2 WHERE e.id = $1",
    )
    .bind(checkpoint.execution_id.0)
    .bind(checkpoint.claim.id.0)
    .fetch_optional(conn)
    .await?
    else {
        return Ok(None);
    };
    let as_written = match &checkpoint.execution {
        Some(update) => {
            row.try_get::<&str, _>(0)? == update.status.as_str()
                && row.try_get::<Option<DateTime<Utc>>, _>(1)? == update.finished_at
        }
        None => false,
    };
    let (status, next, token): (Option<&str>, Option<DateTime<Utc>>, Option<i64>) =
        (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let happened = match checkpoint.then {
        Then::Hold => false,
        Then::Finish => as_written && status.is_none(),
        // Earlier than asked for where something had come for the execution meanwhile.
        Then::WakeAt(at) => {
            status == Some("PENDING") && next.is_some_and(|next| next <= at) && token == Some(checkpoint.claim.token)
        }
    };
    Ok(if happened { Some(Held { cancel_requested: row.try_get(2)? }) } else { None })
}
