//! The limit: the rows of the measured work written by bare statements, as a loop of pgbench would,
//! with nothing of the engine around them. What the engine reaches is quoted as a part of it.

mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use automate_store::db::Database;
use uuid::Uuid;

use super::BenchError;
use super::queue::QueueRates;

/// Rows in one statement.
pub(crate) const BATCH: usize = 100;
/// Connections to PostgreSQL that write at once; SQLite has one.
const WRITERS: usize = 4;

/// The rows of one execution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowRows {
    /// How many steps it has.
    pub(crate) steps: usize,
    /// Whether each step is a commit of its own, or all of them ride with the last.
    pub(crate) checkpoints: bool,
}

/// Queue rows per second: inserted; claimed and deleted.
pub(crate) async fn queue(database: &Database, items: usize) -> Result<QueueRates, BenchError> {
    let writers = if database.postgres().is_some() { WRITERS } else { 1 };
    let per_writer = items / writers / BATCH * BATCH;
    let total = per_writer * writers;
    let begun = Instant::now();
    each_writer(database, writers, move |db, _| async move {
        for _ in 0..per_writer / BATCH {
            let ids = ids();
            match (db.postgres(), db.sqlite_writer()) {
                (Some(pool), _) => postgres::enqueue(pool, &ids).await?,
                (None, Some(pool)) => sqlite::enqueue(pool, &ids).await?,
                (None, None) => return Err(BenchError::Unsupported),
            }
        }
        Ok(())
    })
    .await?;
    let enqueue = begun.elapsed();
    let begun = Instant::now();
    each_writer(database, writers, |db, _| async move {
        loop {
            let done = match (db.postgres(), db.sqlite_writer()) {
                (Some(pool), _) => postgres::claim_and_delete(pool, BATCH).await?,
                (None, Some(pool)) => sqlite::claim_and_delete(pool, BATCH).await?,
                (None, None) => return Err(BenchError::Unsupported),
            };
            if done == 0 {
                return Ok(());
            }
        }
    })
    .await?;
    Ok(QueueRates::of(total, enqueue, begun.elapsed()))
}

/// Executions per second that could be recorded if writing their rows were all there is to do.
pub(crate) async fn flow(database: &Database, rows: FlowRows, time: Duration) -> Result<f64, BenchError> {
    let writers = if database.postgres().is_some() { WRITERS } else { 1 };
    let begun = Instant::now();
    let counts = each_writer(database, writers, move |db, _| async move {
        let mut count = 0_usize;
        while begun.elapsed() < time {
            let ids = ids();
            match (db.postgres(), db.sqlite_writer()) {
                (Some(pool), _) => postgres::flow(pool, &ids, rows).await?,
                (None, Some(pool)) => sqlite::flow(pool, &ids, rows).await?,
                (None, None) => return Err(BenchError::Unsupported),
            }
            count += ids.len();
        }
        Ok(count)
    })
    .await?;
    Ok(super::per_second(counts.iter().sum::<usize>() as u64, begun.elapsed()))
}

async fn each_writer<T, W, F>(database: &Database, writers: usize, work: W) -> Result<Vec<T>, BenchError>
where
    T: Send + 'static,
    W: Fn(Database, usize) -> F,
    F: Future<Output = Result<T, BenchError>> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..writers {
        tasks.spawn(work(database.clone(), n));
    }
    let mut results = Vec::new();
    while let Some(done) = tasks.join_next().await {
        results.push(done.map_err(|e| BenchError::Load(e.to_string()))??);
    }
    Ok(results)
}

fn ids() -> Vec<Uuid> {
    (0..BATCH).map(|_| automate_core::ids::new_v7()).collect()
}
