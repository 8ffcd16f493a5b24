//! Afterwards: was anything lost, doubled or left behind?

use automate_store::db::Database;

use super::flow::Shape;
use super::{BenchError, rows};

/// Checks a flow. `unknown` requests got no usable answer, so what they asked for may be there.
pub(crate) async fn flow(
    database: &Database,
    shape: Shape,
    accepted: u64,
    unknown: u64,
    problems: &mut Vec<String>,
) -> Result<(), BenchError> {
    let slug = shape.slug();
    let count = async |sql| Ok::<_, BenchError>(rows::number_of(database, sql, slug).await?.unsigned_abs());
    let all = count("SELECT count(*) FROM executions WHERE workflow = $1").await?;
    let completed = count("SELECT count(*) FROM executions WHERE workflow = $1 AND status = 'completed'").await?;
    let steps = count(
        "SELECT count(*) FROM steps s JOIN executions e ON e.id = s.execution_id
         WHERE e.workflow = $1 AND s.status = 'completed' AND s.attempt = 1",
    )
    .await?;
    let events = count("SELECT count(DISTINCT event_id) FROM executions WHERE workflow = $1").await?;
    let missing = count(
        "SELECT count(*) FROM executions e LEFT JOIN events v ON v.id = e.event_id
         WHERE e.workflow = $1 AND v.id IS NULL",
    )
    .await?;
    let mut wrong = |is: bool, text: String| {
        if is {
            problems.push(format!("{slug}: {text}"));
        }
    };
    wrong(all < accepted, format!("{accepted} were accepted and only {all} are there: some were lost"));
    wrong(
        all > accepted + unknown,
        format!("{accepted} were accepted, {unknown} got no answer, and {all} are there: some are double"),
    );
    wrong(completed != all, format!("{} of {all} have not completed", all - completed));
    let expected = all * shape.rows().steps as u64;
    wrong(steps != expected, format!("{expected} steps should be recorded as done at the first attempt, {steps} are"));
    wrong(events != all || missing != 0, format!("{all} executions, {events} events, {missing} without their event"));
    let queued = rows::number(database, "SELECT count(*) FROM outbox").await?;
    if queued != 0 {
        problems.push(format!("{slug}: {queued} items are left in the outbox"));
    }
    Ok(())
}
