//! Searches that read a whole table.

use automate_store::db::Backend;
use automate_tests::both_databases;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use super::bed::{BOOKS, BRANCHES, Bed};

both_databases! {
    async fn a_search_without_an_index_is_told_of_where_the_table_is_large(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let slow = async |rows| bed.resources.slow_search(&BOOKS, rows).await.unwrap();
        assert!(slow(1).await.is_none(), "of an empty table, or one that was not looked at, nothing is known");
        for pages in 1..=5 {
            bed.book(json!({ "pages": pages })).await;
        }
        if test.db.backend() == Backend::Postgres {
            test.db.orm().execute_unprepared("ANALYZE books").await.unwrap();
        }
        let found = slow(5).await.unwrap();
        assert_eq!((found.model.table, found.rows), ("books", 5));
        assert_eq!(found.columns, ["title", "genre"], "an id is found by its index, and what nobody sees is not searched");
        assert_eq!(found.can_index, test.db.backend() == Backend::Postgres);
        assert!(slow(6).await.is_none(), "the table is not that large");
        assert!(bed.resources.slow_search(&BRANCHES, 0).await.unwrap().is_none(), "it has no search");
    }
}
