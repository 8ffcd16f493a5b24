//! Checkpoints on SQLite. Inside the one write transaction the fence is a look at the queue items;
//! what is held then cannot change before the commit.

use std::collections::HashMap;

use automate_core::store::{Checkpoint, ExecutionUpdate, StepLog, StepRecord, Then};
use chrono::{DateTime, Utc};
use sqlx::{Arguments, Row, SqliteConnection};
use uuid::Uuid;

use super::super::progress::{self, Held, Progress, json};
use super::many::Many;

static CLAIMS: Many = Many::new(
    "SELECT id, lease_token, lost_leases, key, payload FROM outbox WHERE status = 'RUNNING' AND id IN (",
    "?",
    ")",
);
static STEPS: Many = Many::new(
    "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun, idempotency_key, \
     input, output, error, attempts, wake_at, started_at, finished_at) VALUES ",
    "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    " ON CONFLICT (execution_id, path) DO UPDATE SET step_id = excluded.step_id, seq = excluded.seq, \
     uses = excluded.uses, status = excluded.status, attempt = excluded.attempt, rerun = excluded.rerun, \
     idempotency_key = excluded.idempotency_key, input = excluded.input, output = excluded.output, \
     error = excluded.error, attempts = excluded.attempts, wake_at = excluded.wake_at, \
     started_at = excluded.started_at, finished_at = excluded.finished_at",
);
static LOGS: Many = Many::new(
    "INSERT INTO step_logs (execution_id, id, tenant_id, path, attempt, at, level, message, fields) VALUES ",
    "(?,?,?,?,?,?,?,?,?)",
    "",
);
static EXECUTIONS: Many = Many::new(
    "WITH new (id, status, started_at, finished_at, output, error) AS (VALUES ",
    "(?,?,?,?,?,?)",
    ") UPDATE executions SET status = new.status, started_at = new.started_at, finished_at = new.finished_at, \
     output = new.output, error = new.error FROM new WHERE executions.id = new.id",
);
static FINISHED: Many = Many::new("DELETE FROM outbox WHERE id IN (", "?", ")");
static WAITING: Many = Many::new(
    "WITH new (id, wake_at, now) AS (VALUES ",
    "(?,?,?)",
    ") UPDATE outbox SET status = 'PENDING', next_attempt_at = new.wake_at, payload = 'null', lease_owner = NULL, \
     lease_expires_at = NULL, lost_leases = 0, updated_at = new.now FROM new WHERE outbox.id = new.id",
);
static KEPT: Many = Many::new("UPDATE outbox SET lost_leases = 0 WHERE id IN (", "?", ")");
static CANCELLED: Many =
    Many::new("SELECT id FROM executions WHERE cancel_requested_at IS NOT NULL AND id IN (", "?", ")");

/// What is known of a queue item that is leased.
struct Leased {
    token: i64,
    lost_leases: i32,
    key: String,
    /// Something came for the execution while it was held: a signal, a request to cancel.
    woken: bool,
}

/// Records the checkpoints whose claims are held, inside the caller's transaction. Answers in their
/// order; `None` where the claim is lost.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    batch: &[&Progress],
    now: DateTime<Utc>,
) -> Result<Vec<Option<Held>>, sqlx::Error> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let claims: Vec<Uuid> = batch.iter().map(|progress| progress.checkpoint.claim.id.0).collect();
    let mut leased = HashMap::with_capacity(batch.len());
    for row in CLAIMS.fetch(connection, &claims, |arguments, id| arguments.add(*id)).await? {
        let id: Uuid = row.try_get(0)?;
        let woken = row.try_get::<&str, _>(4)? != "null";
        let (token, lost_leases, key) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        leased.insert(id, Leased { token, lost_leases, key, woken });
    }
    let is_held = |checkpoint: &Checkpoint| {
        leased.get(&checkpoint.claim.id.0).is_some_and(|leased| {
            leased.token == checkpoint.claim.token && leased.key == checkpoint.execution_id.to_string()
        })
    };
    let held: Vec<&Progress> = batch.iter().copied().filter(|progress| is_held(&progress.checkpoint)).collect();
    write(connection, &held, &leased, now).await?;

    let executions: Vec<Uuid> = held.iter().map(|progress| progress.checkpoint.execution_id.0).collect();
    let rows = CANCELLED.fetch(connection, &executions, |arguments, id| arguments.add(*id)).await?;
    let cancelled: Vec<Uuid> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(batch
        .iter()
        .map(|progress| {
            is_held(&progress.checkpoint)
                .then(|| Held { cancel_requested: cancelled.contains(&progress.checkpoint.execution_id.0) })
        })
        .collect())
}

async fn write(
    connection: &mut SqliteConnection,
    held: &[&Progress],
    leased: &HashMap<Uuid, Leased>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut steps: Vec<(Uuid, Uuid, &StepRecord)> = Vec::new();
    let mut logs: Vec<(&Checkpoint, Uuid, &StepLog)> = Vec::new();
    let mut executions: Vec<(Uuid, &ExecutionUpdate)> = Vec::new();
    let (mut finished, mut waiting, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for Progress { checkpoint, log_ids } in held {
        let item = checkpoint.claim.id.0;
        let (execution, tenant) = (checkpoint.execution_id.0, checkpoint.tenant_id.0);
        steps.extend(progress::last_of_each_path(&checkpoint.steps).into_iter().map(|step| (execution, tenant, step)));
        logs.extend(log_ids.iter().zip(&checkpoint.logs).map(|(id, log)| (checkpoint, *id, log)));
        executions.extend(checkpoint.execution.as_ref().map(|update| (checkpoint.execution_id.0, update)));
        let woken = leased.get(&item).is_some_and(|leased| leased.woken);
        match checkpoint.then {
            Then::Finish if woken && !ends(checkpoint) => waiting.push((item, now)),
            Then::WakeAt(_) if woken => waiting.push((item, now)),
            Then::Finish => finished.push(item),
            Then::WakeAt(at) => waiting.push((item, at)),
            Then::Hold if leased.get(&item).is_some_and(|leased| leased.lost_leases != 0) => kept.push(item),
            Then::Hold => {}
        }
    }
    write_steps(connection, &steps).await?;
    LOGS.execute(connection, &logs, |arguments, (checkpoint, id, log)| {
        arguments.add(checkpoint.execution_id.0)?;
        arguments.add(*id)?;
        arguments.add(checkpoint.tenant_id.0)?;
        arguments.add(log.path.as_str())?;
        arguments.add(log.attempt)?;
        arguments.add(log.at)?;
        arguments.add(log.level.as_str())?;
        arguments.add(log.message.as_str())?;
        arguments.add(log.fields.as_deref())
    })
    .await?;
    EXECUTIONS
        .execute(connection, &executions, |arguments, (id, update)| {
            arguments.add(*id)?;
            arguments.add(update.status.as_str())?;
            arguments.add(update.started_at)?;
            arguments.add(update.finished_at)?;
            arguments.add(update.output.as_deref())?;
            arguments.add(update.error.as_ref().map(json))
        })
        .await?;
    FINISHED.execute(connection, &finished, |arguments, id| arguments.add(*id)).await?;
    WAITING
        .execute(connection, &waiting, |arguments, (id, at): &(Uuid, DateTime<Utc>)| {
            arguments.add(*id)?;
            arguments.add(*at)?;
            arguments.add(now)
        })
        .await?;
    KEPT.execute(connection, &kept, |arguments, id| arguments.add(*id)).await
}

/// Whether the execution ends with a checkpoint.
fn ends(checkpoint: &Checkpoint) -> bool {
    checkpoint.execution.as_ref().is_some_and(|update| update.status.is_terminal())
}

/// Stores steps, each with its execution and tenant.
pub(super) async fn write_steps(
    connection: &mut SqliteConnection,
    steps: &[(Uuid, Uuid, &StepRecord)],
) -> Result<(), sqlx::Error> {
    STEPS
        .execute(connection, steps, |arguments, (execution, tenant, step)| {
            arguments.add(*execution)?;
            arguments.add(step.path.as_str())?;
            arguments.add(*tenant)?;
            arguments.add(step.step_id.as_str())?;
            arguments.add(step.seq)?;
            arguments.add(step.uses.as_str())?;
            arguments.add(step.status.as_str())?;
            arguments.add(step.attempt)?;
            arguments.add(step.rerun)?;
            arguments.add(step.idempotency_key.as_str())?;
            arguments.add(step.input.as_deref())?;
            arguments.add(step.output.as_deref())?;
            arguments.add(step.error.as_ref().map(json))?;
            arguments.add(progress::attempts_json(step))?;
            arguments.add(step.wake_at)?;
            arguments.add(step.started_at)?;
            arguments.add(step.finished_at)
        })
        .await
}
