//! Opening the configured database and seeing to its migrations.

use std::path::Path;

use automate_core::config::Config;
use automate_store::db::{Backend, ConnectOptions, Database};

use super::AppError;

/// Opens the database; an embedded one is made where it is missing.
pub(crate) async fn connect(config: &Config) -> Result<Database, AppError> {
    let options = ConnectOptions { max_connections: config.database.max_connections, ..ConnectOptions::default() };
    Ok(Database::connect(&config.database.url, &options).await?)
}

/// Opens the database and makes sure that it is migrated: an embedded one by itself, PostgreSQL
/// only when somebody says so, because others may be using it.
pub(super) async fn open(config: &Config) -> Result<Database, AppError> {
    let database = connect(config).await?;
    match database.backend() {
        Backend::Sqlite => {
            let applied = database.migrate_up(None).await?;
            if !applied.is_empty() {
                tracing::info!(migrations = applied.len(), "migrated the embedded database");
            }
        }
        Backend::Postgres => {
            let pending = pending(&database).await?;
            if !pending.is_empty() {
                return Err(AppError::PendingMigrations(pending));
            }
        }
    }
    Ok(database)
}

/// The migrations that the configured database lacks. An embedded database that is not there yet
/// lacks none: it is made, complete, when it is first used.
pub(crate) async fn pending_migrations(config: &Config) -> Result<Vec<String>, AppError> {
    let database = connect(config).await?;
    let pending = match database.backend() {
        Backend::Sqlite => Vec::new(),
        Backend::Postgres => pending(&database).await?,
    };
    database.close().await;
    Ok(pending)
}

async fn pending(database: &Database) -> Result<Vec<String>, AppError> {
    let states = database.migration_status().await?;
    Ok(states.into_iter().filter(|s| !s.applied).map(|s| s.name).collect())
}

/// Makes the data directory.
pub(super) fn make_data_dir(path: &Path) -> Result<(), AppError> {
    std::fs::create_dir_all(path)
        .map_err(|e| AppError::DataDir { path: path.display().to_string(), reason: e.to_string() })
}
