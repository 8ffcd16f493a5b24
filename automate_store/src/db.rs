//! Opening databases, and running work on them so that nobody can break it off halfway.
//!
//! A future that is dropped while it opens a transaction can hand a connection with an open
//! transaction back to the pool (sqlx 0.9); whoever gets it next writes into a transaction that
//! nobody commits. Three layers keep that away: work runs in a task of its own ([`Database::run`]),
//! every connection is checked before it is handed out, and PostgreSQL ends transactions that idle.

mod postgres;
mod sqlite;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use automate_core::limits::DATABASE_TIMEOUT;
use automate_core::store::StoreError;
use automate_migrations::MigrationState;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use sqlx::{PgPool, SqlitePool};
use tracing::Instrument;

use crate::error::store_error;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// PostgreSQL 14 or later.
    Postgres,
    /// The embedded database.
    Sqlite,
}

impl Backend {
    /// `postgres` or `sqlite`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }
}

/// How to open a database.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// What PostgreSQL shows for our connections.
    pub application_name: String,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
    /// Connections that only read, of SQLite; there is one that writes.
    pub sqlite_readers: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL works on one statement.
    pub statement_timeout: Duration,
    /// How long a statement waits for a lock: `lock_timeout` of PostgreSQL, `busy_timeout` of SQLite.
    pub lock_timeout: Duration,
    /// How long PostgreSQL keeps a transaction in which nothing happens.
    pub idle_in_transaction_timeout: Duration,
    /// Checks a connection before it is handed out. Only for tests of what happens without it.
    #[doc(hidden)]
    pub check_connections: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            application_name: "automate".to_owned(),
            max_connections: 16,
            sqlite_readers: 4,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: DATABASE_TIMEOUT,
            lock_timeout: Duration::from_secs(5),
            idle_in_transaction_timeout: DATABASE_TIMEOUT,
            check_connections: true,
        }
    }
}

/// An open database. Cheap to clone; all clones share the connections.
#[derive(Debug, Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pools: Pools,
    orm: DatabaseConnection,
    orm_reader: DatabaseConnection,
    /// SQLite's connection that counts; PostgreSQL can be told by each transaction to give up.
    orm_counter: Option<(DatabaseConnection, sqlite::Deadline)>,
}

#[derive(Debug)]
enum Pools {
    Postgres(PgPool),
    Sqlite { writer: SqlitePool, reader: SqlitePool, counter: SqlitePool },
}

impl Database {
    /// Opens `sqlite://path` (the file and its folder are made where they are missing) or
    /// `postgres://user:password@host:port/name`, and checks that what the database promises is
    /// what we promise: durable commits, and no SQLite with the defect that loses them.
    ///
    /// # Errors
    /// `Internal` with a hint where the URL or the database cannot be used, `Unavailable` where it
    /// does not answer. No message contains the password.
    pub async fn connect(url: &str, options: &ConnectOptions) -> Result<Self, StoreError> {
        let mut orm_counter = None;
        let pools = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Pools::Postgres(postgres::open(url, options).await?),
            Some("sqlite") => {
                let sqlite::Opened { writer, reader, counter, deadline } = sqlite::open(url, options).await?;
                orm_counter = Some((DatabaseConnection::from(counter.clone()), deadline));
                Pools::Sqlite { writer, reader, counter }
            }
            _ => {
                return Err(StoreError::Internal(
                    "the database URL begins with neither `sqlite://` nor `postgres://`; write for example \
                     sqlite://data/automate.db or postgres://automate@localhost:5432/automate"
                        .to_owned(),
                ));
            }
        };
        let (orm, orm_reader) = match &pools {
            Pools::Postgres(pool) => (DatabaseConnection::from(pool.clone()), DatabaseConnection::from(pool.clone())),
            Pools::Sqlite { writer, reader, .. } => {
                (DatabaseConnection::from(writer.clone()), DatabaseConnection::from(reader.clone()))
            }
        };
        Ok(Self { inner: Arc::new(Inner { pools, orm, orm_reader, orm_counter }) })
    }

    /// Which database it is.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.inner.pools {
            Pools::Postgres(_) => Backend::Postgres,
            Pools::Sqlite { .. } => Backend::Sqlite,
        }
    }

    /// The connections to PostgreSQL, for hand-written statements.
    #[must_use]
    pub fn postgres(&self) -> Option<&PgPool> {
        match &self.inner.pools {
            Pools::Postgres(pool) => Some(pool),
            Pools::Sqlite { .. } => None,
        }
    }

    /// The one connection of SQLite that writes. Open its transactions with
    /// `begin_with("BEGIN IMMEDIATE")`, so that waiting for another process works.
    #[must_use]
    pub fn sqlite_writer(&self) -> Option<&SqlitePool> {
        match &self.inner.pools {
            Pools::Sqlite { writer, .. } => Some(writer),
            Pools::Postgres(_) => None,
        }
    }

    /// The connections of SQLite that only read.
    #[must_use]
    pub fn sqlite_reader(&self) -> Option<&SqlitePool> {
        match &self.inner.pools {
            Pools::Sqlite { reader, .. } => Some(reader),
            Pools::Postgres(_) => None,
        }
    }

    /// The same connections for sea-orm; they may write.
    #[must_use]
    pub fn orm(&self) -> &DatabaseConnection {
        &self.inner.orm
    }

    /// The same connections for sea-orm, for work that only reads.
    #[must_use]
    pub fn orm_reader(&self) -> &DatabaseConnection {
        &self.inner.orm_reader
    }

    /// Begins a transaction of sea-orm that may write. Do so inside [`Database::run`].
    ///
    /// # Errors
    /// Those of the database.
    pub async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        let options = TransactionOptions {
            // A deferred transaction that reads first and then writes fails at once, however long
            // the busy timeout, when another process has written in between.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.orm().begin_with_options(options).await.map_err(store_error)
    }

    /// Begins a transaction that only reads, for one statement, which the database gives up after a
    /// time: with `Unavailable`. Do so inside [`Database::run`].
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn begin_within(&self, time: Duration) -> Result<DatabaseTransaction, StoreError> {
        let Some((counter, deadline)) = &self.inner.orm_counter else {
            let txn = self.orm_reader().begin().await.map_err(store_error)?;
            // 0 would be for ever.
            within(&txn, time.max(Duration::from_millis(1))).await?;
            return Ok(txn);
        };
        let txn = counter.begin().await.map_err(store_error)?;
        // There is one such connection, and it is ours.
        deadline.set(time);
        Ok(txn)
    }

    /// Runs a unit of work to its end, in a task of its own: it goes on when the caller's future is
    /// dropped, and it has a deadline of [`DATABASE_TIMEOUT`].
    ///
    /// # Errors
    /// Those of the work; `Unavailable` past the deadline, and then it is not known what of the work
    /// took effect.
    pub async fn run<T, W, F>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Self) -> F + Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.run_within(DATABASE_TIMEOUT, work).await
    }

    /// As [`Database::run`], with another deadline; for chores such as migrations.
    ///
    /// # Errors
    /// As [`Database::run`].
    pub async fn run_within<T, W, F>(&self, deadline: Duration, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(Self) -> F + Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let work = work(self.clone());
        let task = async move {
            match tokio::time::timeout(deadline, work).await {
                Ok(done) => done,
                Err(_) => Err(StoreError::Unavailable(format!(
                    "no answer within {} s; whether the work took effect is not known",
                    deadline.as_secs()
                ))),
            }
        };
        match tokio::spawn(task.in_current_span()).await {
            Ok(done) => done,
            Err(lost) => Err(StoreError::Internal(format!("the work on the database was broken off: {lost}"))),
        }
    }

    /// Applies pending migrations, at most `steps`; answers with their names.
    ///
    /// # Errors
    /// Those of the database; nothing is applied then.
    pub async fn migrate_up(&self, steps: Option<u32>) -> Result<Vec<String>, StoreError> {
        let work = move |db: Self| async move { automate_migrations::up(db.orm(), steps).await.map_err(store_error) };
        self.run_within(MIGRATION_TIMEOUT, work).await
    }

    /// Takes back the last `steps` migrations; answers with their names.
    ///
    /// # Errors
    /// Those of the database; nothing is taken back then.
    pub async fn migrate_down(&self, steps: u32) -> Result<Vec<String>, StoreError> {
        let work = move |db: Self| async move { automate_migrations::down(db.orm(), steps).await.map_err(store_error) };
        self.run_within(MIGRATION_TIMEOUT, work).await
    }

    /// Every migration and whether it is applied.
    ///
    /// # Errors
    /// Those of the database, and `Internal` where the database is of a later version of this program.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>, StoreError> {
        self.run(|db| async move { automate_migrations::status(db.orm_reader()).await.map_err(store_error) }).await
    }

    /// Waits for what runs and closes the connections.
    pub async fn close(&self) {
        match &self.inner.pools {
            Pools::Postgres(pool) => pool.close().await,
            Pools::Sqlite { writer, reader, counter } => {
                counter.close().await;
                // The last connection that closes moves the log into the file: let it be the writer.
                reader.close().await;
                writer.close().await;
            }
        }
    }
}

/// Lets the database give up a statement of this transaction after a time, where it can be told so
/// (PostgreSQL).
pub(crate) async fn within<C: ConnectionTrait>(txn: &C, time: Duration) -> Result<(), StoreError> {
    if txn.get_database_backend() == DbBackend::Postgres {
        let statement = format!("SET LOCAL statement_timeout = {}", time.as_millis());
        txn.execute_unprepared(&statement).await.map_err(store_error)?;
    }
    Ok(())
}

/// The deadline of applying or taking back migrations.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests;
