//! One text of a table for both databases: PostgreSQL's types are written, SQLite's are put in
//! their place. What the two do not share is written per database, behind [`postgres_only`].

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::SchemaManager;

/// The types by PostgreSQL's name, as marked in the text, and by SQLite's. UUIDs are 16 bytes and
/// times are RFC 3339 text on SQLite, which is what sqlx writes and what sorts like the times do.
const TYPES: &[(&str, &str, &str)] = &[
    ("{uuid}", "uuid", "blob"),
    ("{time}", "timestamptz", "text"),
    ("{bytes}", "bytea", "blob"),
    ("{bigint}", "bigint", "integer"),
    ("{int}", "integer", "integer"),
    ("{smallint}", "smallint", "integer"),
    ("{bool}", "boolean", "boolean"),
    ("{double}", "double precision", "real"),
];

/// The text of a statement for a database.
pub(crate) fn render(backend: DbBackend, text: &str) -> String {
    let mut sql = text.to_owned();
    for (mark, postgres, sqlite) in TYPES {
        sql = sql.replace(mark, if backend == DbBackend::Postgres { postgres } else { sqlite });
    }
    sql
}

/// Runs statements of both databases, one after the other.
pub(crate) async fn execute(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    for statement in statements {
        manager.get_connection().execute_unprepared(&render(backend, statement)).await?;
    }
    Ok(())
}

/// Runs statements on PostgreSQL and nothing elsewhere.
pub(crate) async fn postgres_only(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        execute(manager, statements).await?;
    }
    Ok(())
}

/// Drops tables, the last one made first.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables.iter().rev() {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE IF EXISTS {table}")).await?;
    }
    Ok(())
}

/// The end of a `CREATE TABLE` that PostgreSQL partitions by a UUID version 7.
pub(crate) fn partitioned_by(backend: DbBackend, column: &str) -> String {
    if backend == DbBackend::Postgres { format!(" PARTITION BY RANGE ({column})") } else { String::new() }
}
