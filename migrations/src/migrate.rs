//! Applying migrations, safely from several processes at once.

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, DynIden, SqliteTransactionMode,
    TransactionOptions, TransactionTrait, sea_query::IntoIden,
};
use sea_orm_migration::{MigrationStatus, MigrationTrait, MigratorTrait};

use crate::{
    admin::Admin, audit::Audit, drafts::Drafts, executions::Executions, operating::Operating, outbox::Outbox,
    people::People, policy::Policy, processes::Processes, recovery::Recovery, secrets::Secrets, workflows::Workflows,
};

/// The list of migrations, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    // Not sea-orm's own name: an embedding project keeps its migrations in that one, and either
    // migrator refuses names that it does not know.
    fn migration_table_name() -> DynIden {
        "automate_migrations".into_iden()
    }

    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Workflows),
            Box::new(Executions),
            Box::new(Outbox),
            Box::new(Secrets),
            Box::new(People),
            Box::new(Audit),
            Box::new(Policy),
            Box::new(Operating),
            Box::new(Recovery),
            Box::new(Admin),
            Box::new(Drafts),
            Box::new(Processes),
        ]
    }
}

/// One migration and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// The stored name.
    pub name: String,
    /// Whether it has been applied.
    pub applied: bool,
}

/// The key of the advisory lock on PostgreSQL; any number, as long as it never changes.
pub(crate) const MIGRATION_LOCK: i64 = 0x6175_746f_6d61_7465;

/// Applies what is pending, at most `steps` of it, in one transaction, and answers with the names.
/// A process that comes second waits for the first and then finds nothing to do.
///
/// # Errors
/// Those of the database; nothing is applied then.
pub async fn up(db: &DatabaseConnection, steps: Option<u32>) -> Result<Vec<String>, DbErr> {
    let transaction = begin(db).await?;
    let before = states(&transaction).await?;
    Migrator::up(&transaction, steps).await?;
    let after = states(&transaction).await?;
    transaction.commit().await?;
    Ok(difference(&before, &after))
}

/// Takes back the last `steps` migrations in one transaction and answers with their names. Data in
/// the dropped tables is gone.
///
/// # Errors
/// Those of the database; nothing is taken back then.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<Vec<String>, DbErr> {
    let transaction = begin(db).await?;
    let before = states(&transaction).await?;
    Migrator::down(&transaction, Some(steps)).await?;
    let after = states(&transaction).await?;
    transaction.commit().await?;
    let mut names = difference(&before, &after);
    names.reverse();
    Ok(names)
}

/// Every migration and whether the database has it. Only reads: a database without any table is
/// answered for as well.
///
/// # Errors
/// Those of the database, and a migration that the database has and this program does not know.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<MigrationState>, DbErr> {
    states(db).await
}

/// The names of the migrations that the database does not have yet.
///
/// # Errors
/// As [`status`].
pub async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    Ok(status(db).await?.into_iter().filter(|state| !state.applied).map(|state| state.name).collect())
}

async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let transaction = db
        .begin_with_options(TransactionOptions {
            // A deferred transaction that reads first and writes later fails at once, however long
            // the busy timeout, when somebody else has written in between.
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        })
        .await?;
    if db.get_database_backend() == DbBackend::Postgres {
        // Waiting for another migrating process may take longer than a statement may.
        transaction
            .execute_unprepared(&format!(
                "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; \
                 SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
            ))
            .await?;
    }
    Ok(transaction)
}

async fn states<C: ConnectionTrait>(db: &C) -> Result<Vec<MigrationState>, DbErr> {
    let migrations = Migrator::get_migration_with_status_read_only(db).await?;
    Ok(migrations
        .iter()
        .map(|migration| MigrationState {
            name: migration.name().to_owned(),
            applied: migration.status() == MigrationStatus::Applied,
        })
        .collect())
}

fn difference(before: &[MigrationState], after: &[MigrationState]) -> Vec<String> {
    after
        .iter()
        .filter(|state| before.iter().any(|old| old.name == state.name && old.applied != state.applied))
        .map(|state| state.name.clone())
        .collect()
}
