//! Steps that a new execution takes over from the one that it repeats, stored with it. Repetitions
//! are rare, so one statement per execution is enough.

use automate_core::store::{Accept, Accepted, NewExecution, StepRecord};
use sqlx::PgConnection;
use uuid::Uuid;

use super::super::progress::{attempts_json, json, last_of_each_path};

const ADOPT: &str = "INSERT INTO steps (execution_id, path, tenant_id, step_id, seq, uses, status, attempt, rerun,
        idempotency_key, input, output, error, attempts, started_at, finished_at)
    SELECT $1, s.path, $2, s.step_id, s.seq, s.uses, s.status, s.attempt, s.rerun, s.idempotency_key, s.input, s.output,
        s.error, s.attempts, s.started_at, s.finished_at
    FROM unnest($3::text[], $4::text[], $5::int4[], $6::text[], $7::text[], $8::int4[], $9::int4[], $10::text[],
        $11::text[], $12::text[], $13::text[], $14::text[], $15::timestamptz[], $16::timestamptz[])
    AS s(path, step_id, seq, uses, status, attempt, rerun, idempotency_key, input, output, error, attempts, started_at,
        finished_at)
    ON CONFLICT DO NOTHING";

/// Stores what the starts of accepts take over, where they were stored themselves.
pub(super) async fn store_adopted(
    conn: &mut PgConnection,
    accepts: &[&Accept],
    answers: &[Accepted],
) -> Result<(), sqlx::Error> {
    for (accept, answer) in accepts.iter().zip(answers) {
        let Accepted::Stored { executions, .. } = answer else { continue };
        for (start, stored) in accept.starts.iter().zip(executions) {
            if !start.adopted.is_empty() && !stored.duplicate {
                adopt(conn, accept.tenant_id.0, start).await?;
            }
        }
    }
    Ok(())
}

async fn adopt(conn: &mut PgConnection, tenant: Uuid, start: &NewExecution) -> Result<(), sqlx::Error> {
    fn column<'a, T>(steps: &[&'a StepRecord], of: impl Fn(&'a StepRecord) -> T) -> Vec<T> {
        steps.iter().map(|step| of(step)).collect()
    }
    let steps = last_of_each_path(&start.adopted);
    sqlx::query(ADOPT)
        .bind(start.id.0)
        .bind(tenant)
        .bind(column(&steps, |step| step.path.as_str()))
        .bind(column(&steps, |step| step.step_id.as_str()))
        .bind(column(&steps, |step| step.seq))
        .bind(column(&steps, |step| step.uses.as_str()))
        .bind(column(&steps, |step| step.status.as_str()))
        .bind(column(&steps, |step| step.attempt))
        .bind(column(&steps, |step| step.rerun))
        .bind(column(&steps, |step| step.idempotency_key.as_str()))
        .bind(column(&steps, |step| step.input.as_deref()))
        .bind(column(&steps, |step| step.output.as_deref()))
        .bind(column(&steps, |step| step.error.as_ref().map(json)))
        .bind(column(&steps, attempts_json))
        .bind(column(&steps, |step| step.started_at))
        .bind(column(&steps, |step| step.finished_at))
        .execute(conn)
        .await?;
    Ok(())
}
