//! Pages: cursors and offsets.

use automate_store::resource::{ListQuery, ResourceError, Resources};
use automate_tests::both_databases;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::bed::{BOOKS, Bed, id_of, of, pairs, problems};

/// Twenty books with ties and nulls in everything that orders them.
async fn twenty(bed: &Bed) {
    for n in 0..20_i64 {
        let third = |value: Value| if n % 3 == 0 { Value::Null } else { value };
        bed.book(json!({
            "title": format!("T{}", n % 4), "slug": format!("s{n:02}"), "pages": n % 5,
            "size": third(json!(n % 2)), "weight": third(json!(0.1 * f64::from(u32::try_from(n % 7).unwrap()))),
            "is_lent": n % 2 == 0, "genre": third(json!(if n % 2 == 0 { "novel" } else { "poem" })),
            "lent_at": third(json!(format!("2026-01-0{}T00:00:00.{}Z", n % 3 + 1, n % 4))),
        }))
        .await;
    }
}

fn cursor_problem(result: Result<automate_store::resource::Page, ResourceError>) {
    assert_eq!(problems(result), ["cursor BAD_CURSOR"]);
}

both_databases! {
    async fn pages_have_each_row_once_in_order_forwards_and_backwards(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        twenty(&bed).await;
        for ordering in [
            "", "pages", "-pages", "size", "-size", "weight", "-weight", "is_lent", "-is_lent", "lent_at", "-lent_at",
            "genre", "-genre", "-pages,size", "size,-weight", "-lent_at,pages,-genre", "title,-size,weight,-pages",
        ] {
            let order = [("ordering", ordering), ("limit", "200")];
            let order = if ordering.is_empty() { &order[1..] } else { &order[..] };
            let whole = bed.all("slug", order).await;
            assert_eq!(whole.len(), 20);
            for limit in ["1", "3", "7", "20"] {
                let paged: Vec<(&str, &str)> =
                    order.iter().map(|(name, value)| (*name, if *name == "limit" { limit } else { *value })).collect();
                assert_eq!(bed.all("slug", &paged).await, whole, "{ordering} by {limit}");
                assert_eq!(bed.walk("slug", &paged, true).await, whole, "{ordering} by {limit}, backwards");
            }
        }
    }

    async fn null_is_the_greatest_value(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for (slug, size) in [("one", json!(1)), ("none", Value::Null), ("two", json!(2))] {
            bed.book(json!({ "slug": slug, "size": size })).await;
        }
        assert_eq!(bed.all("slug", &[("ordering", "size")]).await, ["one", "two", "none"]);
        assert_eq!(bed.all("slug", &[("ordering", "-size"), ("limit", "1")]).await, ["none", "two", "one"]);
    }

    async fn a_walk_sees_each_old_row_once_while_rows_come_and_go(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut old = Vec::new();
        for n in 0..12 {
            old.push(bed.book(json!({ "slug": format!("old{n:02}"), "pages": n / 2 })).await);
        }
        for ordering in ["pages", "-pages"] {
            let mut seen: Vec<String> = Vec::new();
            let mut page = bed.list(&[("ordering", ordering), ("limit", "3")]).await;
            let mut round = 0;
            loop {
                seen.extend(of(&page, "slug").iter().map(|slug| slug.as_str().unwrap().to_owned()));
                // On every side of where the reader is, and among equals.
                for pages in [-1, 2, 3, 99] {
                    bed.book(json!({ "slug": format!("new{ordering}{round}{pages}"), "pages": pages })).await;
                }
                // The row that the cursor was made of goes.
                let last = page.results.last().unwrap()["slug"].as_str().unwrap().to_owned();
                if last.starts_with("new") {
                    bed.execute(&format!("DELETE FROM books WHERE slug = '{last}'")).await;
                }
                round += 1;
                let Some(next) = page.next else { break };
                page = bed.list(&[("ordering", ordering), ("limit", "3"), ("cursor", &next)]).await;
                assert!(round < 100, "it ends");
            }
            let olds: Vec<&String> = seen.iter().filter(|slug| slug.starts_with("old")).collect();
            let mut distinct = olds.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!((olds.len(), distinct.len()), (12, 12), "{ordering}");
            bed.execute("DELETE FROM books WHERE slug LIKE 'new%'").await;
        }
    }

    async fn a_page_whose_rows_have_gone_leads_back_to_those_before_it(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for n in 0..4 {
            bed.book(json!({ "slug": format!("s{n}"), "pages": n })).await;
        }
        let order = ("ordering", "pages");
        let first = bed.list(&[order, ("limit", "2")]).await;
        let next = first.next.unwrap();
        bed.execute("DELETE FROM books WHERE pages >= 2").await;
        let empty = bed.list(&[order, ("cursor", &next)]).await;
        assert!(empty.results.is_empty() && empty.next.is_none());
        let back = bed.list(&[order, ("cursor", &empty.previous.unwrap())]).await;
        assert_eq!(of(&back, "slug"), ["s0", "s1"]);
        assert!(back.previous.is_none());
    }

    async fn the_first_page_has_none_before_it_and_the_last_none_behind(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        twenty(&bed).await;
        let first = bed.list(&[("limit", "10")]).await;
        assert!(first.previous.is_none());
        let last = bed.list(&[("limit", "10"), ("cursor", first.next.as_ref().unwrap())]).await;
        assert!(last.next.is_none());
        let back = bed.list(&[("limit", "10"), ("cursor", last.previous.as_ref().unwrap())]).await;
        assert_eq!(back.results, first.results);
        assert!(back.previous.is_none() && back.next.is_some());
    }

    async fn an_offset_leads_to_pages_with_cursors(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        twenty(&bed).await;
        let whole = bed.all("slug", &[]).await;
        let page = bed.list(&[("offset", "5"), ("limit", "5")]).await;
        assert_eq!(of(&page, "slug"), whole[5..10]);
        let next = bed.list(&[("limit", "5"), ("cursor", &page.next.unwrap())]).await;
        assert_eq!(of(&next, "slug"), whole[10..15]);
        let previous = bed.list(&[("limit", "5"), ("cursor", &page.previous.unwrap())]).await;
        assert_eq!(of(&previous, "slug"), whole[..5]);
        let beyond = bed.list(&[("offset", "100000")]).await;
        assert!(beyond.results.is_empty() && beyond.next.is_none());
    }

    async fn all_rows_are_counted_when_asked_for_and_only_those_that_match(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        twenty(&bed).await;
        assert_eq!(bed.list(&[("limit", "1")]).await.count, None);
        let page = bed.list(&[("limit", "1"), ("count", "true"), ("pages", "1")]).await;
        assert_eq!((page.results.len(), page.count), (1, Some(4)));
        let next = page.next.unwrap();
        let next = bed.list(&[("limit", "1"), ("count", "true"), ("pages", "1"), ("cursor", &next)]).await;
        assert_eq!(next.count, Some(4), "the cursor does not change how many there are");
    }

    async fn r5_a_cursor_that_was_tampered_with_or_is_of_another_list_is_refused(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        twenty(&bed).await;
        let cursor = bed.list(&[("limit", "2"), ("pages__gte", "1")]).await.next.unwrap();
        let given = |parameters: Vec<(&'static str, String)>| {
            let mut all = parameters;
            all.push(("cursor", cursor.clone()));
            all
        };
        let text = |value: &str| value.to_owned();
        bed.try_list(&[("pages__gte", "1"), ("cursor", &cursor), ("limit", "7"), ("fields", "id")]).await.unwrap();
        for parameters in [
            given(vec![]),
            given(vec![("pages__gte", text("2"))]),
            given(vec![("pages__gt", text("1"))]),
            given(vec![("pages__gte", text("1")), ("is_lent", text("true"))]),
            given(vec![("pages__gte", text("1")), ("search", text("t1"))]),
            given(vec![("pages__gte", text("1")), ("ordering", text("pages"))]),
        ] {
            let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
            cursor_problem(bed.try_list(&parameters).await);
        }
        // Every byte of it counts.
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        for index in (0..bytes.len()).step_by(3) {
            let mut other = bytes.clone();
            other[index] ^= 1;
            let other = URL_SAFE_NO_PAD.encode(other);
            cursor_problem(bed.try_list(&[("pages__gte", "1"), ("cursor", &other)]).await);
        }
        for other in ["e30", "bnVsbA", "W10", "AAAA", "!", "", &"A".repeat(5_000)] {
            cursor_problem(bed.try_list(&[("pages__gte", "1"), ("cursor", other)]).await);
        }
        // Somebody else's, and of an installation with another key.
        let query = ListQuery::parse(&BOOKS, &pairs(&[("pages__gte", "1"), ("cursor", &cursor)])).unwrap();
        cursor_problem(bed.resources.list(&BOOKS, &bed.theirs, &query).await);
        let elsewhere = Resources::new(bed.resources.db().clone(), bed.resources.audit().clone(), [1; 32]);
        cursor_problem(elsewhere.list(&BOOKS, &bed.ours, &query).await);
    }

    async fn the_order_of_conditions_is_nothing_to_a_cursor(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        twenty(&bed).await;
        let cursor = bed.list(&[("limit", "2"), ("pages__gte", "1"), ("is_lent", "true")]).await.next.unwrap();
        bed.list(&[("is_lent", "true"), ("cursor", &cursor), ("pages__gte", "1")]).await;
    }

    async fn long_fields_end_a_page_early_and_the_next_page_goes_on(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let long = "x".repeat(7 * 1024 * 1024);
        for n in 0..5 {
            bed.book(json!({ "slug": format!("s{n}"), "pages": n, "body": long })).await;
        }
        let parameters = [("ordering", "pages"), ("fields", "slug,body")];
        let page = bed.list(&parameters).await;
        assert_eq!(of(&page, "slug"), ["s0", "s1"]);
        assert_eq!(page.results[1]["body"].as_str().unwrap().len(), long.len());
        assert_eq!(bed.all("slug", &parameters).await, ["s0", "s1", "s2", "s3", "s4"]);
        assert_eq!(bed.walk("slug", &parameters, true).await, ["s0", "s1", "s2", "s3", "s4"]);
        assert!(bed.list(&[]).await.results.iter().all(|row| !row.contains_key("body")), "not unless it is named");
    }

    async fn a_time_that_somebody_wrote_by_hand_keeps_its_place(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for n in 0..4 {
            bed.book(json!({ "slug": format!("s{n}"), "lent_at": "2026-01-01T00:00:00Z" })).await;
        }
        // SQLite's own functions write zeros that sqlx leaves out.
        bed.execute("UPDATE books SET lent_at = '2026-01-01T00:00:00.000+00:00' WHERE slug IN ('s1', 's2')").await;
        let paged = bed.all("slug", &[("ordering", "lent_at"), ("limit", "1")]).await;
        assert_eq!(paged, bed.all("slug", &[("ordering", "lent_at")]).await);
        assert_eq!(paged.len(), 4);
    }

    async fn a_place_too_long_for_a_cursor_is_said_so(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let long = "é".repeat(3_000);
        for _ in 0..2 {
            id_of(&bed.book(json!({ "body": long })).await);
        }
        assert_eq!(problems(bed.try_list(&[("ordering", "body"), ("limit", "1")]).await), ["ordering TOO_LONG"]);
    }
}
