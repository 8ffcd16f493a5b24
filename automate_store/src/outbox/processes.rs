//! The processes of an installation, idle ones included: each writes a row over every few seconds, by
//! the database's clock, and takes it away when it stops.

use automate_core::clock;
use automate_core::limits;
use automate_core::store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbBackend;

use super::row::get;
use super::statement::{Sql, microseconds};
use crate::db::Database;

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The name under which it holds leases, unique per start.
    pub owner: String,
    /// What it was started as: `serve`, `worker`.
    pub role: String,
    /// The version of the program.
    pub version: String,
    /// The kinds of work that it takes; all where empty.
    pub queues: Vec<String>,
    /// Executions at once; 0 where it only accepts.
    pub concurrency: usize,
    /// Items that it works on now, of all tenants.
    pub running: usize,
    /// Whether it takes no new work, because it stops.
    pub draining: bool,
}

/// A process as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// What it said of itself last.
    pub beat: Beat,
    /// Its first beat.
    pub started_at: DateTime<Utc>,
    /// Its last beat.
    pub beat_at: DateTime<Utc>,
    /// Whether it has missed so many beats that it is taken for gone.
    pub gone: bool,
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Notes that a process lives.
///
/// # Errors
/// Those of the database.
pub async fn beat(db: &Database, beat: Beat) -> Result<(), StoreError> {
    db.run(move |db| async move {
        let queues = serde_json::to_string(&beat.queues).map_err(|e| StoreError::Internal(e.to_string()))?;
        let mut sql = Sql::new(db.orm().get_database_backend(), clock::now(), "INSERT INTO processes ");
        sql.push("(owner, role, version, queues, concurrency, running, draining, started_at, beat_at) VALUES (");
        sql.bind(beat.owner).push(", ").bind(beat.role).push(", ").bind(beat.version).push(", ").bind(queues);
        sql.push(", ").bind(number(beat.concurrency)).push(", ").bind(number(beat.running)).push(", ");
        sql.bind(beat.draining).push(", ").now().push(", ").now();
        sql.push(
            ") ON CONFLICT (owner) DO UPDATE SET concurrency = excluded.concurrency, running = excluded.running, ",
        );
        sql.push("draining = excluded.draining, beat_at = excluded.beat_at");
        sql.execute(db.orm()).await.map(|_| ())
    })
    .await
}

/// Takes a process off the list, because it stops.
///
/// # Errors
/// Those of the database.
pub async fn goodbye(db: &Database, owner: &str) -> Result<(), StoreError> {
    let owner = owner.to_owned();
    db.run(move |db| async move {
        let mut sql = Sql::new(db.orm().get_database_backend(), clock::now(), "DELETE FROM processes WHERE owner = ");
        sql.bind(owner);
        sql.execute(db.orm()).await.map(|_| ())
    })
    .await
}

/// Processes, the one with the latest beat first, [`limits::PROCESSES_SHOWN`] at most.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Database) -> Result<Vec<Process>, StoreError> {
    db.run(|db| async move {
        let reader = db.orm_reader();
        let mut sql = Sql::new(reader.get_database_backend(), clock::now(), "SELECT owner, role, version, queues, ");
        sql.push("concurrency, running, draining, started_at, beat_at, ").now();
        sql.push(&format!(
            " AS asked_at FROM processes ORDER BY beat_at DESC, owner LIMIT {}",
            limits::PROCESSES_SHOWN
        ));
        let patience = limits::PROCESS_BEAT * limits::PROCESS_BEATS_MISSED;
        let patience = TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX);
        let mut found = Vec::new();
        for row in sql.rows(reader).await? {
            let owner: String = get(&row, "owner")?;
            let queues: String = get(&row, "queues")?;
            let queues = serde_json::from_str(&queues)
                .map_err(|error| StoreError::Corrupt(format!("the queues of the process {owner}: {error}")))?;
            let count = |column| get::<i32>(&row, column).map(|n| usize::try_from(n).unwrap_or_default());
            let (beat_at, asked_at): (DateTime<Utc>, DateTime<Utc>) = (get(&row, "beat_at")?, get(&row, "asked_at")?);
            found.push(Process {
                beat: Beat {
                    owner,
                    role: get(&row, "role")?,
                    version: get(&row, "version")?,
                    queues,
                    concurrency: count("concurrency")?,
                    running: count("running")?,
                    draining: get(&row, "draining")?,
                },
                started_at: get(&row, "started_at")?,
                beat_at,
                gone: asked_at - beat_at > patience,
            });
        }
        Ok(found)
    })
    .await
}

/// Deletes processes that have not said goodbye and are gone for [`limits::PROCESS_KEPT`].
///
/// # Errors
/// Those of the database.
pub async fn tidy(db: &Database) -> Result<u64, StoreError> {
    db.run(|db| async move {
        let (backend, now) = (db.orm().get_database_backend(), clock::now());
        let mut sql = Sql::new(backend, now, "DELETE FROM processes WHERE beat_at < ");
        let kept = microseconds(limits::PROCESS_KEPT);
        if backend == DbBackend::Postgres {
            sql.push("statement_timestamp() - ").bind(kept).push(" * interval '1 microsecond'");
        } else {
            sql.bind_time(now - TimeDelta::microseconds(kept));
        }
        sql.execute(db.orm()).await
    })
    .await
}
