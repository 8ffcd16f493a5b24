//! Searches that read a whole table: a part of a text is found without an index, unless PostgreSQL has
//! one of trigrams (`pg_trgm`).

use automate_core::store::StoreError;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, Value};

use super::parse::is_searched;
use super::{ColumnKind, Model, ResourceError, Resources};
use crate::error::store_error;

/// A search that reads a whole table, which is large.
#[derive(Debug, Clone)]
pub struct SlowSearch {
    /// The model.
    pub model: &'static Model,
    /// The columns that are searched and have no index for it.
    pub columns: Vec<&'static str>,
    /// Rows of the table, about.
    pub rows: u64,
    /// Whether the database can have such an index (PostgreSQL).
    pub can_index: bool,
}

impl Resources {
    /// The search of a model, where it reads a table with `rows` rows or more without an index for it.
    /// How many rows there are is known from the statistics of PostgreSQL and from the row numbers of
    /// SQLite: nothing is counted. None where the database does not know it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn slow_search(&self, model: &'static Model, rows: u64) -> Result<Option<SlowSearch>, ResourceError> {
        self.run(move |resources| async move {
            let db = resources.db.orm_reader();
            let can_index = db.get_database_backend() == DbBackend::Postgres;
            let text = |kind| matches!(kind, ColumnKind::Text | ColumnKind::Json);
            let searched = model.columns.iter().filter(|column| is_searched(column) && text(column.kind));
            let mut columns: Vec<&'static str> = searched.map(|column| column.name).collect();
            let found = if columns.is_empty() { None } else { rows_of(db, model.table).await? };
            let Some(found) = found.filter(|found| *found >= rows) else { return Ok(None) };
            if can_index {
                let indexes = indexes_of(db, model.table).await?;
                columns.retain(|column| !indexes.iter().any(|index| has_trigrams(index, column)));
            }
            Ok((!columns.is_empty()).then_some(SlowSearch { model, columns, rows: found, can_index }))
        })
        .await
    }
}

/// About how many rows a table has.
async fn rows_of(db: &DatabaseConnection, table: &str) -> Result<Option<u64>, StoreError> {
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

async fn indexes_of(db: &DatabaseConnection, table: &str) -> Result<Vec<String>, StoreError> {
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

/// Whether an index, as PostgreSQL writes it, finds parts of a column's texts:
/// `… USING gin (name gin_trgm_ops, note gin_trgm_ops)`.
fn has_trigrams(index: &str, column: &str) -> bool {
    let plain = index.replace('"', "");
    ["gin_trgm_ops", "gist_trgm_ops"].into_iter().any(|how| {
        [format!("({column} {how}"), format!(", {column} {how}")].iter().any(|part| plain.contains(part.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_index_of_trigrams_of_the_column_itself_finds_parts_of_its_texts() {
        let made = "CREATE INDEX i ON public.books USING";
        for (index, finds) in [
            ("gin (title gin_trgm_ops)", true),
            ("gin (note gin_trgm_ops, title gin_trgm_ops)", true),
            ("gist (title gist_trgm_ops (siglen='32'))", true),
            ("gin (\"title\" gin_trgm_ops)", true),
            ("btree (title)", false),
            ("btree (title text_pattern_ops)", false),
            ("gin (subtitle gin_trgm_ops)", false),
            ("gin (lower(title) gin_trgm_ops)", false),
        ] {
            assert_eq!(has_trigrams(&format!("{made} {index}"), "title"), finds, "{index}");
        }
    }
}
