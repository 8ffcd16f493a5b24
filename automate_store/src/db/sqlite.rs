//! Opening SQLite.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use automate_core::limits;
use automate_core::store::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor, Row, SqliteConnection, SqlitePool};

use super::ConnectOptions;
use crate::error::store_error;

/// Versions before this one can lose committed pages when a write-ahead log is reset while another
/// connection checkpoints (fixed on 2026-03-13).
const OLDEST_VERSION: [u32; 3] = [3, 51, 3];
/// Bytes to which the write-ahead log is cut back after a checkpoint.
const JOURNAL_SIZE_LIMIT: &str = "67108864";
/// Operations of SQLite's machine between two looks at the clock: some 20 microseconds.
const OPERATIONS: i32 = 1_000;

/// The connections.
pub(super) struct Opened {
    pub(super) writer: SqlitePool,
    pub(super) reader: SqlitePool,
    /// One connection that reads, and gives up.
    pub(super) counter: SqlitePool,
    pub(super) deadline: Deadline,
}

/// Until when the one connection that counts works on a statement.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    opened: Instant,
    /// Microseconds since then.
    until: Arc<AtomicU64>,
}

impl Deadline {
    fn new() -> Self {
        Self { opened: Instant::now(), until: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    fn passed(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Ends work after a time, from now.
    pub(super) fn set(&self, time: Duration) {
        let time = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.until.store(self.passed().saturating_add(time), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.passed() > self.until.load(Ordering::Relaxed)
    }
}

pub(super) async fn open(url: &str, options: &ConnectOptions) -> Result<Opened, StoreError> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::Internal(
            "an SQLite database in memory would forget accepted work; name a file, for example \
             sqlite://data/automate.db"
                .to_owned(),
        ));
    }
    let connect = SqliteConnectOptions::from_str(url)
        .map_err(|error| {
            StoreError::Internal(format!(
                "the SQLite URL cannot be read ({error}); write sqlite://relative/path.db or sqlite:///absolute/path.db"
            ))
        })?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk before it is answered for, also over a power failure.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.lock_timeout)
        .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
        // An I/O error in mapped memory is a signal that ends the process.
        .pragma("mmap_size", "0")
        .disable_statement_logging();
    make_folder(connect.get_filename()).await?;

    let writer = pool(options, 1).connect_with(connect.clone()).await.map_err(|error| name(error, &connect))?;
    if let Err(error) = check(&writer).await {
        writer.close().await;
        return Err(error);
    }
    let reader = pool(options, options.sqlite_readers.max(1))
        .connect_with(connect.clone().pragma("query_only", "on"))
        .await
        .map_err(|error| name(error, &connect))?;
    let deadline = Deadline::new();
    let watched = deadline.clone();
    let counter = pool(options, 1)
        .acquire_timeout(limits::FACET_TIME)
        .after_connect(move |connection, _| {
            let watched = watched.clone();
            Box::pin(async move {
                connection.lock_handle().await?.set_progress_handler(OPERATIONS, move || !watched.is_over());
                Ok(())
            })
        })
        .connect_lazy_with(connect.pragma("query_only", "on"));
    Ok(Opened { writer, reader, counter, deadline })
}

fn pool(options: &ConnectOptions, connections: u32) -> SqlitePoolOptions {
    let mut pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    if options.check_connections {
        pool = pool.before_acquire(|connection, _| Box::pin(async move { Ok(is_clean(connection).await) }));
    }
    pool
}

/// Whether a connection is in no transaction: only then is there nothing to roll back. sqlx must
/// think so too: where SQLite has rolled back by itself, as it does on a full disk, sqlx's own
/// rollback fails, it still counts the transaction, and would begin none on this connection again.
async fn is_clean(connection: &mut SqliteConnection) -> bool {
    match connection.execute(sqlx::raw_sql("ROLLBACK")).await {
        Err(sqlx::Error::Database(error)) => {
            error.message().contains("no transaction is active") && !connection.is_in_transaction()
        }
        Err(_) => false,
        Ok(_) => {
            tracing::warn!("a connection to SQLite was left inside a transaction; it is closed");
            false
        }
    }
}

async fn make_folder(file: &Path) -> Result<(), StoreError> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    tokio::fs::create_dir_all(folder).await.map_err(|error| {
        StoreError::Unavailable(format!("the folder {} of the database cannot be made: {error}", folder.display()))
    })
}

fn name(error: sqlx::Error, connect: &SqliteConnectOptions) -> StoreError {
    let file = connect.get_filename().display();
    match store_error(error) {
        StoreError::Unavailable(text) => StoreError::Unavailable(format!(
            "the file {file} cannot be opened: {text}. Check that its folder is there and that both may be written"
        )),
        StoreError::Corrupt(text) => StoreError::Corrupt(format!("the file {file} is not a sound database: {text}")),
        other => other,
    }
}

async fn check(pool: &SqlitePool) -> Result<(), StoreError> {
    let row = sqlx::query("SELECT sqlite_version()").fetch_one(pool).await.map_err(store_error)?;
    let version: String = row.try_get(0).map_err(store_error)?;
    if !is_safe(&version) {
        return Err(StoreError::Internal(format!(
            "this program was built with SQLite {version}, which can lose committed work; it needs 3.51.3 or later \
             (build with sqlx's `sqlite-bundled`)"
        )));
    }
    let row = sqlx::query("PRAGMA journal_mode").fetch_one(pool).await.map_err(store_error)?;
    let mode: String = row.try_get(0).map_err(store_error)?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(StoreError::Internal(format!(
            "the database does not keep a write-ahead log (journal mode `{mode}`); a network file system cannot hold \
             it, use a local disk or PostgreSQL"
        )));
    }
    Ok(())
}

fn is_safe(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let found = [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)];
    found >= OLDEST_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sqlite_that_can_lose_commits_is_refused() {
        assert!(!is_safe("3.51.2"));
        assert!(!is_safe("3.7.0"));
        assert!(is_safe("3.51.3"));
        assert!(is_safe("3.52.0"));
        assert!(is_safe("4.0.0"));
    }
}
