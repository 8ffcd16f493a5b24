//! What a database holds, to be compared before and after.

use std::collections::BTreeMap;

use automate_store::db::{Backend, Database};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

/// Tables that change without a change by anybody: when a session was last seen, how often somebody
/// asked, that a process lives.
pub const READING: &[&str] = &["sessions", "rate_buckets", "usage_counters", "processes"];

/// Every table but [`READING`], with its rows as text in one order.
///
/// # Panics
/// Where the database cannot be read.
pub async fn contents(db: &Database) -> BTreeMap<String, Vec<String>> {
    let tables = match db.backend() {
        Backend::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        Backend::Postgres => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
    };
    let mut contents = BTreeMap::new();
    for table in texts(db, tables).await {
        if READING.contains(&table.as_str()) {
            continue;
        }
        let rows = match db.backend() {
            Backend::Postgres => format!("SELECT t::text AS name FROM \"{table}\" t"),
            Backend::Sqlite => {
                let columns = texts(db, &format!("SELECT name FROM pragma_table_info('{table}')")).await;
                let quoted: Vec<String> =
                    columns.iter().map(|name| format!("'{name}=' || quote(\"{name}\")")).collect();
                format!("SELECT {} AS name FROM \"{table}\"", quoted.join(" || ' ' || "))
            }
        };
        let mut rows = texts(db, &rows).await;
        rows.sort();
        contents.insert(table, rows);
    }
    contents
}

/// The columns of one row of a table, as text.
///
/// # Panics
/// Where there is no such row.
pub async fn row(db: &Database, table: &str, condition: &str) -> BTreeMap<String, String> {
    let (columns, text): (String, fn(&str) -> String) = match db.backend() {
        Backend::Sqlite => (format!("SELECT name FROM pragma_table_info('{table}')"), |c| format!("quote(\"{c}\")")),
        Backend::Postgres => {
            let columns =
                "SELECT column_name::text AS name FROM information_schema.columns WHERE table_schema = 'public'";
            (format!("{columns} AND table_name = '{table}'"), |c| format!("\"{c}\"::text"))
        }
    };
    let mut row = BTreeMap::new();
    for column in texts(db, &columns).await {
        let sql = format!("SELECT {} AS name FROM \"{table}\" WHERE {condition}", text(&column));
        let value = texts(db, &sql).await.pop().unwrap_or_else(|| panic!("no row of {table} where {condition}"));
        row.insert(column, value);
    }
    row
}

/// The tables that differ, each with the rows that came and went.
#[must_use]
pub fn differences(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let none = Vec::new();
    let mut found = Vec::new();
    for (table, rows) in after {
        let old = before.get(table).unwrap_or(&none);
        let came: Vec<_> = rows.iter().filter(|row| !old.contains(row)).collect();
        let went: Vec<_> = old.iter().filter(|row| !rows.contains(row)).collect();
        if !came.is_empty() || !went.is_empty() {
            found.push(format!("{table}: came {came:?}, went {went:?}"));
        }
    }
    found
}

/// The first column, called `name`, of a question.
///
/// # Panics
/// Where it is refused.
pub async fn texts(db: &Database, sql: &str) -> Vec<String> {
    let backend = match db.backend() {
        Backend::Sqlite => DbBackend::Sqlite,
        Backend::Postgres => DbBackend::Postgres,
    };
    let rows = db.orm_reader().query_all_raw(Statement::from_string(backend, sql.to_owned())).await.unwrap();
    rows.into_iter().map(|row| row.try_get::<Option<String>>("", "name").unwrap().unwrap_or_default()).collect()
}
