//! Statements that read the same on both databases: `$1` placeholders, and the clock that decides.

use automate_core::store::StoreError;
use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};

use crate::error::store_error;

/// The last instant that sorts correctly as text, which is how SQLite keeps times.
const LAST_INSTANT: i64 = 253_402_300_799;

/// A statement under construction.
#[derive(Debug)]
pub(super) struct Sql {
    backend: DbBackend,
    text: String,
    values: Vec<Value>,
    now: DateTime<Utc>,
}

impl Sql {
    /// `now` is this process's time; it counts on SQLite only.
    pub(super) fn new(backend: DbBackend, now: DateTime<Utc>, text: &str) -> Self {
        Self { backend, text: text.to_owned(), values: Vec::new(), now }
    }

    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.push(&place)
    }

    pub(super) fn bind_time(&mut self, at: DateTime<Utc>) -> &mut Self {
        self.bind(bounded(at))
    }

    /// The time of the database, once per statement, so that an index can use it.
    pub(super) fn now(&mut self) -> &mut Self {
        if self.backend == DbBackend::Postgres {
            self.push("statement_timestamp()")
        } else {
            let now = self.now;
            self.bind_time(now)
        }
    }

    fn statement(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.text, self.values)
    }

    pub(super) async fn rows<C: ConnectionTrait>(self, connection: &C) -> Result<Vec<QueryResult>, StoreError> {
        connection.query_all_raw(self.statement()).await.map_err(store_error)
    }

    pub(super) async fn row<C: ConnectionTrait>(self, connection: &C) -> Result<Option<QueryResult>, StoreError> {
        connection.query_one_raw(self.statement()).await.map_err(store_error)
    }

    pub(super) async fn execute<C: ConnectionTrait>(self, connection: &C) -> Result<u64, StoreError> {
        Ok(connection.execute_raw(self.statement()).await.map_err(store_error)?.rows_affected())
    }
}

/// A time that both databases can keep and compare.
pub(super) fn bounded(at: DateTime<Utc>) -> DateTime<Utc> {
    let last = DateTime::from_timestamp(LAST_INSTANT, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
    at.clamp(DateTime::<Utc>::UNIX_EPOCH, last)
}

/// A time as sqlx writes it to SQLite.
pub(super) fn as_text(at: DateTime<Utc>) -> String {
    bounded(at).to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// A duration in whole microseconds, within what a lease or a wait may last.
pub(super) fn microseconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.min(automate_core::limits::MAX_WAIT).as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text_like_they_do_in_time() {
        let mut times: Vec<DateTime<Utc>> = [0, 1, 999_999, 1_000_000, 1_000_001, 1_500_000, 60_000_000]
            .into_iter()
            .filter_map(|us| DateTime::from_timestamp_micros(1_700_000_000_000_000 + us))
            .collect();
        times.push(bounded(DateTime::<Utc>::MAX_UTC));
        let mut texts: Vec<String> = times.iter().map(|at| as_text(*at)).collect();
        let in_time = texts.clone();
        texts.sort();
        assert_eq!(texts, in_time);
    }
}
