//! What the database says, as [`StoreError`]: the one place that knows the codes of PostgreSQL and
//! SQLite.

use std::io::ErrorKind;

use automate_core::store::StoreError;
use sea_orm::{DbErr, RuntimeErr};

/// An error of a database library that can be told as a [`StoreError`].
pub trait IntoStoreError {
    /// The same, in the vocabulary of the ports.
    fn into_store_error(self) -> StoreError;
}

/// For `map_err`.
#[must_use]
pub fn store_error<E: IntoStoreError>(error: E) -> StoreError {
    error.into_store_error()
}

impl IntoStoreError for sqlx::Error {
    fn into_store_error(self) -> StoreError {
        of_sqlx(&self)
    }
}

impl IntoStoreError for DbErr {
    fn into_store_error(self) -> StoreError {
        of_orm(&self)
    }
}

/// What of a table a change does not respect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Another row has the same values in these columns.
    Unique(Vec<String>),
    /// Another row names this one, or this one names a row that is not there.
    Foreign,
}

/// Which rule of a table an error tells of, if any.
#[must_use]
pub fn violation(error: &DbErr) -> Option<Violation> {
    let (DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner))) = error else {
        return None;
    };
    let sqlx::Error::Database(inner) = &**inner else { return None };
    let code = inner.code().unwrap_or_default();
    match inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>() {
        Some(postgres) => match &*code {
            "23505" => Some(Violation::Unique(columns_of_postgres(postgres.detail().unwrap_or_default()))),
            "23503" => Some(Violation::Foreign),
            _ => None,
        },
        None => match &*code {
            // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE, _FOREIGNKEY.
            "1555" | "2067" => Some(Violation::Unique(columns_of_sqlite(inner.message()))),
            "787" => Some(Violation::Foreign),
            _ => None,
        },
    }
}

/// The columns of `Key (tenant_id, name)=(…) already exists.`
fn columns_of_postgres(detail: &str) -> Vec<String> {
    let columns =
        detail.strip_prefix("Key (").and_then(|rest| rest.split_once(")=(")).map_or("", |(columns, _)| columns);
    columns.split(',').map(|column| column.trim().trim_matches('"').to_owned()).filter(|c| !c.is_empty()).collect()
}

/// The columns of `UNIQUE constraint failed: groups.tenant_id, groups.name`.
fn columns_of_sqlite(message: &str) -> Vec<String> {
    let columns = message.split_once("constraint failed: ").map_or("", |(_, columns)| columns);
    let name = |column: &str| column.trim().rsplit('.').next().unwrap_or_default().to_owned();
    columns.split(',').map(name).filter(|column| !column.is_empty()).collect()
}

fn of_orm(error: &DbErr) -> StoreError {
    match error {
        DbErr::Conn(inner) | DbErr::Exec(inner) | DbErr::Query(inner) => match inner {
            RuntimeErr::SqlxError(inner) => of_sqlx(inner),
            RuntimeErr::Internal(text) => StoreError::Internal(text.clone()),
            #[expect(unreachable_patterns, reason = "other drivers are features of sea-orm that we do not enable")]
            _ => StoreError::Internal(inner.to_string()),
        },
        DbErr::ConnectionAcquire(_) => StoreError::Unavailable(error.to_string()),
        DbErr::RecordNotFound(text) => StoreError::NotFound(text.clone()),
        DbErr::RecordNotUpdated => StoreError::Conflict("no row was changed".to_owned()),
        DbErr::Type(_) | DbErr::Json(_) | DbErr::TryIntoErr { .. } => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Internal(error.to_string()),
    }
}

fn of_sqlx(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(inner) => {
            let code = inner.code().unwrap_or_default();
            if inner.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                of_postgres(&code, inner.message())
            } else {
                of_sqlite(&code, inner.message())
            }
        }
        sqlx::Error::Io(inner) if inner.kind() == ErrorKind::StorageFull => StoreError::Full(inner.to_string()),
        sqlx::Error::PoolTimedOut => StoreError::Unavailable("no connection became free in time".to_owned()),
        sqlx::Error::PoolClosed => StoreError::Unavailable("the connections were closed".to_owned()),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => StoreError::Unavailable(error.to_string()),
        sqlx::Error::RowNotFound => StoreError::NotFound("no such row".to_owned()),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Internal(error.to_string()),
    }
}

/// By SQLSTATE (PostgreSQL's manual, appendix A).
fn of_postgres(code: &str, message: &str) -> StoreError {
    let text = format!("{message} (SQLSTATE {code})");
    match code {
        "23505" | "23P01" => StoreError::Conflict(text),
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => StoreError::Busy(text),
        "53100" => StoreError::Full(text),
        // I/O error: PostgreSQL reports a full disk like this where it wrote to a temporary file.
        "58030" if message.contains("No space left") => StoreError::Full(text),
        // A statement that took too long, a read-only server (a standby after a failover), and a
        // transaction that PostgreSQL ended because it was idle.
        "57014" | "25006" | "25P03" | "3D000" => StoreError::Unavailable(text),
        "42P01" | "42703" | "3F000" => {
            StoreError::Internal(format!("{text}. Has `automate migrate up` been run on this database?"))
        }
        "XX001" | "XX002" => StoreError::Corrupt(text),
        _ => match code.get(..2) {
            // Connection, authorization, resources, the operator (57P01 to 57P05), system.
            Some("08" | "28" | "53" | "57" | "58") => StoreError::Unavailable(text),
            _ => StoreError::Internal(text),
        },
    }
}

/// By the primary result code, the lower 8 bits of the extended one (sqlite.org/rescode.html).
fn of_sqlite(code: &str, message: &str) -> StoreError {
    let extended: u32 = code.parse().unwrap_or(0);
    let text = format!("{message} (SQLite {extended})");
    match (extended, extended & 0xff) {
        // SQLITE_CONSTRAINT_PRIMARYKEY, _UNIQUE, _ROWID.
        (1555 | 2067 | 2579, _) => StoreError::Conflict(text),
        // SQLITE_BUSY, SQLITE_LOCKED.
        (_, 5 | 6) => StoreError::Busy(text),
        // SQLITE_FULL.
        (_, 13) => StoreError::Full(text),
        // SQLITE_PERM, _READONLY, _INTERRUPT, _IOERR, _CANTOPEN, _PROTOCOL.
        (_, 3 | 8 | 9 | 10 | 14 | 15) => StoreError::Unavailable(text),
        // SQLITE_CORRUPT, SQLITE_NOTADB.
        (_, 11 | 26) => StoreError::Corrupt(text),
        _ if message.contains("no such table") => {
            StoreError::Internal(format!("{text}. Has `automate migrate up` been run on this database?"))
        }
        _ => StoreError::Internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_states_map_to_what_a_caller_can_do() {
        for (state, code) in [
            ("23505", "CONFLICT"),
            ("40P01", "STORE_BUSY"),
            ("55P03", "STORE_BUSY"),
            ("53100", "DISK_FULL"),
            ("53300", "DATABASE_UNAVAILABLE"),
            ("57P01", "DATABASE_UNAVAILABLE"),
            ("57014", "DATABASE_UNAVAILABLE"),
            ("25006", "DATABASE_UNAVAILABLE"),
            ("XX001", "CORRUPT_ROW"),
            ("42601", "INTERNAL"),
            ("", "INTERNAL"),
        ] {
            assert_eq!(of_postgres(state, "x").code(), code, "{state}");
        }
    }

    #[test]
    fn sqlite_codes_map_to_what_a_caller_can_do() {
        for (result, code) in [
            ("2067", "CONFLICT"),
            ("1555", "CONFLICT"),
            ("5", "STORE_BUSY"),
            ("517", "STORE_BUSY"),
            ("13", "DISK_FULL"),
            ("8", "DATABASE_UNAVAILABLE"),
            ("1032", "DATABASE_UNAVAILABLE"),
            ("778", "DATABASE_UNAVAILABLE"),
            ("11", "CORRUPT_ROW"),
            ("26", "CORRUPT_ROW"),
            ("1", "INTERNAL"),
        ] {
            assert_eq!(of_sqlite(result, "x").code(), code, "{result}");
        }
    }

    #[test]
    fn what_must_be_unique_is_read_from_what_the_databases_say() {
        let both = vec!["tenant_id".to_owned(), "name".to_owned()];
        assert_eq!(columns_of_postgres("Key (tenant_id, name)=(a, b)=(c) already exists."), both);
        assert_eq!(columns_of_sqlite("UNIQUE constraint failed: groups.tenant_id, groups.name"), both);
        assert_eq!(columns_of_sqlite("UNIQUE constraint failed: index 'x'"), ["index 'x'"]);
        assert!(columns_of_postgres("").is_empty() && columns_of_sqlite("").is_empty());
    }

    #[test]
    fn a_pool_without_a_free_connection_is_unavailable_also_through_the_orm() {
        let error = DbErr::Query(RuntimeErr::SqlxError(sqlx::Error::PoolTimedOut.into()));
        assert_eq!(store_error(error).code(), "DATABASE_UNAVAILABLE");
    }
}
