//! Fixtures: rows as a file, from one installation to another.
//!
//! A fixture is a list of `{"model": …, "fields": {…}}`, as Django's are; the key is among the
//! fields. Rows are found again by their natural key, so that a fixture can be loaded into an
//! installation that has some of its rows under other ids: references to them follow.

mod load;

use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::{ConnectionTrait, EntityTrait, IdenStatic, Iterable, PrimaryKeyToColumn, Statement};
use serde_json::{Map, Value, json};

use super::declare::{Column, Model};
use super::value::read;
use crate::db::Database;
use crate::error::store_error;

pub use load::{FixtureError, Loaded, load};

/// A table that fixtures hold.
#[derive(Debug, Clone)]
pub struct FixtureTable {
    /// Its name in fixtures: `people.user`.
    pub name: &'static str,
    table: &'static str,
    keys: Vec<&'static str>,
    columns: Vec<Column>,
    /// Columns that name a row whatever its id; empty where the key does.
    natural: Vec<&'static str>,
    /// Columns that hold the id of a row of another table of the list.
    references: Vec<(&'static str, &'static str)>,
    /// References to rows that come later in the list of tables.
    later: Vec<(&'static str, &'static str)>,
    /// Columns that are left out unless credentials are asked for.
    credentials: Vec<&'static str>,
}

impl FixtureTable {
    /// The table of an entity.
    #[must_use]
    pub fn of<E: EntityTrait>(name: &'static str) -> Self {
        let model = Model::of::<E>(name, name).build();
        let keys = E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
        Self {
            name,
            table: model.table,
            keys,
            columns: model.columns,
            natural: Vec::new(),
            references: Vec::new(),
            later: Vec::new(),
            credentials: Vec::new(),
        }
    }

    /// Columns that name a row whatever its id.
    #[must_use]
    pub fn natural(mut self, columns: &[&'static str]) -> Self {
        self.natural = columns.to_vec();
        self
    }

    /// A column that holds the id of a row of another table.
    #[must_use]
    pub fn reference(mut self, column: &'static str, table: &'static str) -> Self {
        self.references.push((column, table));
        self
    }

    /// A column that holds the id of a row of a table further down the list.
    #[must_use]
    pub fn later_reference(mut self, column: &'static str, table: &'static str) -> Self {
        self.later.push((column, table));
        self
    }

    /// Columns that are never in a fixture.
    #[must_use]
    pub fn never(mut self, columns: &[&'static str]) -> Self {
        self.columns.retain(|column| !columns.contains(&column.name));
        self
    }

    /// Columns that are left out unless credentials are asked for.
    #[must_use]
    pub fn credentials(mut self, columns: &[&'static str]) -> Self {
        self.credentials = columns.to_vec();
        self
    }

    fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Reads all rows of tables, in the tables' order, and gives each to `each`; page by page, from one
/// snapshot of each page only.
///
/// # Errors
/// Those of the database, and of `each`.
pub async fn dump(
    db: &Database,
    tables: &[FixtureTable],
    credentials: bool,
    mut each: impl FnMut(Value) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for table in tables {
        let columns: Vec<Column> = table
            .columns
            .iter()
            .filter(|column| credentials || !table.credentials.contains(&column.name))
            .cloned()
            .collect();
        let mut passed = 0;
        loop {
            let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            let keys: Vec<String> = table.keys.iter().map(|key| format!("\"{key}\"")).collect();
            let sql = format!(
                "SELECT {} FROM \"{}\" ORDER BY {} LIMIT {} OFFSET {passed}",
                names.join(", "),
                table.table,
                keys.join(", "),
                limits::FIXTURE_PAGE
            );
            let own = columns.clone();
            let work = move |db: Database| async move {
                let orm = db.orm_reader();
                let rows = orm
                    .query_all_raw(Statement::from_string(orm.get_database_backend(), sql))
                    .await
                    .map_err(store_error)?;
                rows.iter()
                    .map(|row| {
                        own.iter().map(|column| Ok((column.name.to_owned(), read(column, row)?))).collect::<Result<
                            Map<String, Value>,
                            StoreError,
                        >>(
                        )
                    })
                    .collect::<Result<Vec<_>, _>>()
            };
            let page = db.run(work).await?;
            let count = page.len();
            for fields in page {
                each(json!({ "model": table.name, "fields": fields }))?;
            }
            passed += count;
            if count < limits::FIXTURE_PAGE {
                break;
            }
        }
    }
    Ok(())
}
