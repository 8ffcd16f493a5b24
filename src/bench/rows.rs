//! Counting rows with plain SQL, so that what is checked is not what is measured.

use automate_store::db::Database;

use super::BenchError;

/// The number that a statement answers with.
pub(crate) async fn number(database: &Database, sql: &'static str) -> Result<i64, BenchError> {
    if let Some(pool) = database.postgres() {
        return Ok(sqlx::query_scalar(sql).fetch_one(pool).await?);
    }
    match database.sqlite_reader() {
        Some(pool) => Ok(sqlx::query_scalar(sql).fetch_one(pool).await?),
        None => Err(BenchError::Unsupported),
    }
}

/// As [`number`], with a word in the place of `$1`.
pub(crate) async fn number_of(database: &Database, sql: &'static str, word: &str) -> Result<i64, BenchError> {
    if let Some(pool) = database.postgres() {
        return Ok(sqlx::query_scalar(sql).bind(word).fetch_one(pool).await?);
    }
    match database.sqlite_reader() {
        Some(pool) => Ok(sqlx::query_scalar(sql).bind(word).fetch_one(pool).await?),
        None => Err(BenchError::Unsupported),
    }
}

/// Runs a statement that changes something, with two numbers in the place of `$1` and `$2`.
pub(crate) async fn execute(database: &Database, sql: &'static str, a: i64, b: i64) -> Result<(), BenchError> {
    if let Some(pool) = database.postgres() {
        sqlx::query(sql).bind(a).bind(b).execute(pool).await?;
        return Ok(());
    }
    match database.sqlite_writer() {
        Some(pool) => {
            sqlx::query(sql).bind(a).bind(b).execute(pool).await?;
            Ok(())
        }
        None => Err(BenchError::Unsupported),
    }
}

/// Whether commits survive a power failure, in the database's own words.
pub(crate) async fn durability(database: &Database) -> Result<String, BenchError> {
    if let Some(pool) = database.postgres() {
        return Ok(sqlx::query_scalar(
            "SELECT string_agg(name || '=' || setting, ', ' ORDER BY name) FROM pg_settings
             WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
        )
        .fetch_one(pool)
        .await?);
    }
    let pool = database.sqlite_writer().ok_or(BenchError::Unsupported)?;
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await?;
    let word = ["OFF", "NORMAL", "FULL", "EXTRA"].get(usize::try_from(synchronous).unwrap_or(usize::MAX));
    Ok(format!("journal_mode={journal}, synchronous={}", word.unwrap_or(&"?")))
}
