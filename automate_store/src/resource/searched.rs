//! Searches that read a whole table: a part of a text is found without an index, unless PostgreSQL has
//! one of trigrams (`pg_trgm`).

use sea_orm::DbBackend;

use super::parse::is_searched;
use super::{ColumnKind, Model, ResourceError, Resources};
use crate::tables::{indexes_of, rows_of};

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
