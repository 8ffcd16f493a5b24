//! Counting and freezing: no further than a bound, and never another tenant's rows.

use std::time::Duration;

use automate_store::resource::ListQuery;
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{BOOKS, BRANCHES, Bed, id_of, pairs};

both_databases! {
    async fn rows_are_counted_up_to_a_bound(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for pages in 0..7 {
            bed.book(json!({ "pages": pages })).await;
        }
        let query = |parameters: &[(&str, &str)]| ListQuery::parse(&BOOKS, &pairs(parameters)).unwrap();
        let count = async |parameters: &[(&str, &str)], most| {
            bed.resources.count_up_to(&BOOKS, &bed.ours, &query(parameters), most).await.unwrap()
        };
        assert_eq!(count(&[], 100).await, 7);
        assert_eq!(count(&[], 7).await, 7);
        assert_eq!(count(&[], 3).await, 3);
        assert_eq!(count(&[("pages__gte", "5")], 100).await, 2);
        assert_eq!(count(&[("limit", "1"), ("ordering", "-pages")], 100).await, 7, "a page has nothing to do with it");
        let theirs = bed.resources.count_up_to(&BOOKS, &bed.theirs, &query(&[]), 100).await.unwrap();
        assert_eq!(theirs, 0);
        assert_eq!(bed.resources.count_up_to(&BRANCHES, &bed.ours, &ListQuery::default(), 9).await.unwrap(), 0);
    }

    async fn several_queries_are_counted_at_once_each_up_to_a_bound(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for pages in 0..7 {
            bed.book(json!({ "pages": pages })).await;
        }
        let query = |parameters: &[(&str, &str)]| ListQuery::parse(&BOOKS, &pairs(parameters)).unwrap();
        let all = [query(&[("pages__gte", "5")]), query(&[]), query(&[("pages", "9")]), query(&[("pages__lt", "1")])];
        let tally = async |caller, queries, most| {
            bed.resources.tally(&BOOKS, caller, queries, most, Duration::from_secs(5)).await.unwrap()
        };
        assert_eq!(tally(&bed.ours, &all, 100).await, [2, 7, 0, 1]);
        assert_eq!(tally(&bed.ours, &all[..3], 4).await, [2, 4, 0]);
        assert_eq!(tally(&bed.theirs, &all, 100).await, [0, 0, 0, 0], "another tenant's are not among them");
        assert!(tally(&bed.ours, &[], 100).await.is_empty());
    }

    async fn ids_are_those_of_the_list_in_its_order(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut ids = Vec::new();
        for pages in [3, 1, 2] {
            ids.push(id_of(&bed.book(json!({ "pages": pages })).await));
        }
        let query = ListQuery::parse(&BOOKS, &pairs(&[("ordering", "pages"), ("limit", "1")])).unwrap();
        let found = bed.resources.ids_up_to(&BOOKS, &bed.ours, &query, 10).await.unwrap();
        assert_eq!(found, [ids[1], ids[2], ids[0]]);
        assert_eq!(bed.resources.ids_up_to(&BOOKS, &bed.ours, &query, 2).await.unwrap(), [ids[1], ids[2]]);
        assert!(bed.resources.ids_up_to(&BOOKS, &bed.theirs, &query, 10).await.unwrap().is_empty());
    }

    async fn a_page_tells_the_versions_of_its_rows_also_where_they_are_not_shown(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.book(json!({})).await;
        let page = bed.list(&[("fields", "title")]).await;
        assert_eq!(page.versions, [Some(1)]);
        assert!(!page.results[0].contains_key("row_version"));
    }
}
