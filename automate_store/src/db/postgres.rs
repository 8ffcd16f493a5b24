//! Opening PostgreSQL.

use std::str::FromStr;

use automate_core::store::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Executor, PgConnection, PgPool, Row};

use super::ConnectOptions;
use crate::error::store_error;

/// The oldest server that the statements are tested for, as `server_version_num`.
const OLDEST_VERSION: i32 = 140_000;

pub(super) async fn open(url: &str, options: &ConnectOptions) -> Result<PgPool, StoreError> {
    let connect = PgConnectOptions::from_str(url)
        .map_err(|error| {
            // The library's words name the part that is wrong and never the URL itself.
            StoreError::Internal(format!(
                "the PostgreSQL URL cannot be read ({}); write postgres://user:password@host:5432/name, with \
                 special characters of the password percent-encoded (`@` as %40, `/` as %2F, `#` as %23)",
                reason(&error)
            ))
        })?
        .application_name(&options.application_name)
        .disable_statement_logging();
    let settings = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET TIME ZONE 'UTC'",
        options.statement_timeout.as_millis(),
        options.lock_timeout.as_millis(),
        options.idle_in_transaction_timeout.as_millis()
    );
    let mut pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(settings))).await?;
                Ok(())
            })
        });
    if options.check_connections {
        pool = pool.before_acquire(|connection, _| Box::pin(async move { Ok(is_clean(connection).await) }));
    }
    let pool = pool.connect_with(connect).await.map_err(store_error)?;
    let checked = check(&pool).await;
    if checked.is_err() {
        pool.close().await;
    }
    checked.map(|()| pool)
}

/// Whether a connection is alive and in no transaction: outside one, `now()`, the start of the
/// transaction, is the start of the statement. The simple protocol, because the extended one would
/// be refused in a failed transaction only after it had prepared.
async fn is_clean(connection: &mut PgConnection) -> bool {
    let row = connection.fetch_one(sqlx::raw_sql("SELECT now() = statement_timestamp()")).await;
    match row.and_then(|row| row.try_get::<bool, _>(0)) {
        Ok(true) => true,
        Ok(false) => {
            tracing::warn!("a connection to PostgreSQL was left inside a transaction; it is closed");
            false
        }
        Err(error) => {
            tracing::debug!(%error, "a connection to PostgreSQL is broken; it is closed");
            false
        }
    }
}

async fn check(pool: &PgPool) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int, current_setting('server_version'),
                current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes')",
    )
    .fetch_one(pool)
    .await
    .map_err(store_error)?;
    let version: i32 = row.try_get(0).map_err(store_error)?;
    let version_text: String = row.try_get(1).map_err(store_error)?;
    let synchronous_commit: String = row.try_get(2).map_err(store_error)?;
    if version < OLDEST_VERSION {
        return Err(StoreError::Internal(format!(
            "this is PostgreSQL {version_text}; Automate needs version 14 or later"
        )));
    }
    if synchronous_commit == "off" {
        return Err(StoreError::Internal(
            "`synchronous_commit` is off on this server, so accepted work could be lost in a crash; set it to on \
             (for one user: ALTER ROLE name SET synchronous_commit = on)"
                .to_owned(),
        ));
    }
    for (index, setting) in [(3, "fsync"), (4, "full_page_writes")] {
        if row.try_get::<String, _>(index).map_err(store_error)? == "off" {
            tracing::warn!(setting, "this setting of PostgreSQL is off: a power failure may destroy the database");
        }
    }
    Ok(())
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(inner) => inner.to_string(),
        _ => "not a URL".to_owned(),
    }
}
