//! What a database knows of its own tables, whatever is in them.

use automate_core::store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, Value};

use crate::error::store_error;

/// About how many rows a table has.
pub(crate) async fn rows_of(db: &DatabaseConnection, table: &str) -> Result<Option<u64>, StoreError> {
    let statement = match db.get_database_backend() {
        DbBackend::Postgres => {
            let sql = "SELECT reltuples::bigint AS n FROM pg_class WHERE oid = to_regclass($1)";
            Statement::from_sql_and_values(DbBackend::Postgres, sql, [quoted(table).into()])
        }
        other => {
            // Each is one look at the end of the tree; both at once would read it all.
            let end = |end: &str| format!("(SELECT {end}(rowid) FROM {})", quoted(table));
            Statement::from_string(other, format!("SELECT {} - {} + 1 AS n", end("max"), end("min")))
        }
    };
    let row = db.query_one_raw(statement).await.map_err(store_error)?;
    let rows: Option<i64> = row.map_or(Ok(None), |row| row.try_get("", "n")).map_err(store_error)?;
    // -1 of a table that PostgreSQL has not looked at yet.
    Ok(rows.and_then(|rows| u64::try_from(rows).ok()))
}

/// The whole indexes of a table, as PostgreSQL writes them.
pub(crate) async fn indexes_of(db: &DatabaseConnection, table: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT pg_get_indexdef(indexrelid) AS index FROM pg_index \
               WHERE indrelid = to_regclass($1) AND indisvalid AND indpred IS NULL";
    let values: [Value; 1] = [quoted(table).into()];
    let rows = db.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await;
    let read = rows.map_err(store_error)?.into_iter().map(|row| row.try_get("", "index").map_err(store_error));
    read.collect()
}

/// A name as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
