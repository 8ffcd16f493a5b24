//! Conditions as they are written.

use sea_orm::sea_query::{Query, SqliteQueryBuilder};
use serde_json::json;

use super::*;
use crate::models::executions::EXECUTIONS;

fn sql(backend: DbBackend, words: &[&str]) -> String {
    let values = words.iter().map(|word| json!(word)).collect();
    let filter = Filter { column: "status", comparison: Comparison::In, values };
    let condition = super::filter(&EXECUTIONS, backend, &filter).unwrap();
    Query::select().column("id").from("executions").cond_where(condition).to_string(SqliteQueryBuilder)
}

#[test]
fn what_a_partial_index_is_for_says_so_where_the_database_does_not_conclude_it() {
    let indexed = "IN ('pending', 'waiting', 'failed', 'cancelled')";
    assert!(sql(DbBackend::Sqlite, &["failed"]).contains(indexed));
    assert!(!sql(DbBackend::Sqlite, &["failed", "completed"]).contains(indexed), "the index lacks some");
    assert!(!sql(DbBackend::Postgres, &["failed"]).contains(indexed));
}
