//! Statements over many rows. Each statement costs a trip to the thread that owns the connection,
//! so rows go in groups; the sizes are few, so that every statement stays prepared.

use std::sync::{Arc, OnceLock};

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, SqliteConnection};

/// The sizes of groups, largest first. Times the number of [`Many`]s it stays below the number of
/// statements that sqlx keeps prepared per connection.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// A statement that repeats one piece of text per row.
pub(super) struct Many {
    head: &'static str,
    row: &'static str,
    tail: &'static str,
    texts: [OnceLock<Arc<str>>; SIZES.len()],
}

impl Many {
    pub(super) const fn new(head: &'static str, row: &'static str, tail: &'static str) -> Self {
        Self { head, row, tail, texts: [const { OnceLock::new() }; SIZES.len()] }
    }

    fn text(&self, size: usize, index: usize) -> Arc<str> {
        let text = self.texts[index].get_or_init(|| {
            let mut text = String::with_capacity(self.head.len() + self.tail.len() + size * (self.row.len() + 1));
            text.push_str(self.head);
            for row in 0..size {
                if row > 0 {
                    text.push(',');
                }
                text.push_str(self.row);
            }
            text.push_str(self.tail);
            text.into()
        });
        Arc::clone(text)
    }

    /// Runs the statement over all rows.
    pub(super) async fn execute<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut SqliteArguments, &T) -> Bound,
    ) -> Result<(), sqlx::Error> {
        for (group, index) in groups(rows) {
            let arguments = arguments(group, &bind)?;
            sqlx::query_with(AssertSqlSafe(self.text(group.len(), index)), arguments).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// Runs the statement over all rows and answers with what it returned.
    pub(super) async fn fetch<T>(
        &self,
        connection: &mut SqliteConnection,
        rows: &[T],
        bind: impl Fn(&mut SqliteArguments, &T) -> Bound,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let mut found = Vec::new();
        for (group, index) in groups(rows) {
            let arguments = arguments(group, &bind)?;
            let query = sqlx::query_with(AssertSqlSafe(self.text(group.len(), index)), arguments);
            found.append(&mut query.fetch_all(&mut *connection).await?);
        }
        Ok(found)
    }
}

/// What binding a row answers.
pub(super) type Bound = Result<(), sqlx::error::BoxDynError>;

fn arguments<T>(group: &[T], bind: impl Fn(&mut SqliteArguments, &T) -> Bound) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for row in group {
        bind(&mut arguments, row).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn groups<T>(mut rows: &[T]) -> Vec<(&[T], usize)> {
    let mut groups = Vec::new();
    for (index, size) in SIZES.into_iter().enumerate() {
        while rows.len() >= size {
            let (group, rest) = rows.split_at(size);
            groups.push((group, index));
            rows = rest;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_exactly_one_group_in_order() {
        for count in [0, 1, 3, 4, 5, 63, 64, 85, 511, 512] {
            let rows: Vec<usize> = (0..count).collect();
            let together: Vec<usize> = groups(&rows).into_iter().flat_map(|(group, _)| group.to_vec()).collect();
            assert_eq!(together, rows);
        }
    }

    #[test]
    fn the_text_repeats_the_row() {
        static MANY: Many = Many::new("INSERT INTO t VALUES ", "(?,?)", " ON CONFLICT DO NOTHING");
        assert_eq!(&*MANY.text(4, 2), "INSERT INTO t VALUES (?,?),(?,?),(?,?),(?,?) ON CONFLICT DO NOTHING");
    }
}
