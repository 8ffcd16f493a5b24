//! Filters and searches.

use automate_store::resource::{Comparison, ListQuery, no_hooks, parameters, selection_parameters};
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{BOOKS, Bed, SHELVES, id_of, map, of, pairs, problems};

/// Three books that differ in everything; the third has null wherever it may.
async fn three(bed: &Bed) -> Vec<String> {
    let fields = map(json!({ "name": "North" }));
    let shelf = bed.resources.create(&SHELVES, &bed.ours, &no_hooks(), fields).await.unwrap().fields["id"].clone();
    let mut ids = Vec::new();
    for fields in [
        json!({ "title": "Anna", "slug": "anna", "genre": "novel", "pages": 100, "size": 9_007_199_254_740_993_i64,
                "weight": 0.1, "is_lent": true, "lent_at": "2026-01-01T00:00:00Z", "meta": {"a": 1},
                "shelf_id": shelf, "cover": "AAEC" }),
        json!({ "title": "100% _Bertha_", "slug": "bertha", "genre": "poem", "pages": 200, "size": -5,
                "weight": 2.5, "is_lent": false, "lent_at": "2026-01-01T00:00:00.5Z", "body": "b", "shelf_id": shelf }),
        json!({ "title": "Čapek ÄRGER", "slug": "capek", "pages": 300 }),
    ] {
        ids.push(id_of(&bed.book(fields).await).to_string());
    }
    ids
}

both_databases! {
    async fn every_comparison_finds_what_it_says_on_every_kind(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ids = three(&bed).await;
        let one = ids[0].as_str();
        let (first, second) = (format!("{},{}", ids[0], ids[2]), format!("{one},{one}"));
        for (parameter, value, expected) in [
            ("title", "Anna", "anna"),
            ("title__ne", "Anna", "bertha capek"),
            ("title__in", "Anna,Čapek ÄRGER", "anna capek"),
            ("title__icontains", "NN", "anna"),
            ("title__icontains", "%", "bertha"),
            ("title__icontains", "_b", "bertha"),
            ("title__icontains", "čapek", "capek"),
            ("title__icontains", "ärger", "capek"),
            ("title__icontains", "!", ""),
            ("title__startswith", "An", "anna"),
            ("title__startswith", "an", ""),
            ("title__startswith", "100%", "bertha"),
            ("title__startswith", "Č", "capek"),
            ("title__startswith", "___", ""),
            ("genre", "novel", "anna"),
            ("genre__ne", "novel", "bertha capek"),
            ("genre__in", "novel,poem", "anna bertha"),
            ("genre__isnull", "true", "capek"),
            ("genre__isnull", "false", "anna bertha"),
            ("pages", "200", "bertha"),
            ("pages__ne", "200", "anna capek"),
            ("pages__gt", "200", "capek"),
            ("pages__gte", "200", "bertha capek"),
            ("pages__lt", "200", "anna"),
            ("pages__lte", "200", "anna bertha"),
            ("pages__in", "100,300,7", "anna capek"),
            ("size", "9007199254740993", "anna"),
            ("size", "9007199254740992", ""),
            ("size__ne", "-5", "anna capek"),
            ("size__gt", "-5", "anna"),
            ("size__lte", "-5", "bertha"),
            ("size__isnull", "true", "capek"),
            ("weight", "0.1", "anna"),
            ("weight__gt", "0.1", "bertha"),
            ("weight__gte", "1e-1", "anna bertha"),
            ("weight__lt", "2.5", "anna"),
            ("weight__in", "2.5", "bertha"),
            ("weight__isnull", "false", "anna bertha"),
            ("is_lent", "true", "anna"),
            ("is_lent__ne", "true", "bertha capek"),
            ("lent_at", "2026-01-01T00:00:00Z", "anna"),
            ("lent_at", "2026-01-01T01:00:00+01:00", "anna"),
            ("lent_at__ne", "2026-01-01T00:00:00Z", "bertha capek"),
            ("lent_at__gt", "2026-01-01T00:00:00Z", "bertha"),
            ("lent_at__gte", "2026-01-01T00:00:00Z", "anna bertha"),
            ("lent_at__lt", "2026-01-01T00:00:00.500001Z", "anna bertha"),
            ("lent_at__lte", "2026-01-01T00:00:00.499999Z", "anna"),
            ("lent_at__isnull", "true", "capek"),
            ("id", one, "anna"),
            ("id__ne", one, "bertha capek"),
            ("id__in", &first, "anna capek"),
            ("id__in", &second, "anna"),
            ("shelf_id__isnull", "true", "capek"),
            ("meta__isnull", "true", "bertha capek"),
            ("cover__isnull", "false", "anna"),
            ("body__isnull", "false", "bertha"),
        ] {
            let mut found: Vec<String> =
                bed.all("slug", &[(parameter, value)]).await.iter().map(|v| v.as_str().unwrap().to_owned()).collect();
            found.sort_unstable();
            assert_eq!(found.join(" "), expected, "{parameter}={value}");
        }
        let both = bed.all("slug", &[("pages__gte", "100"), ("pages__lt", "300"), ("is_lent", "false")]).await;
        assert_eq!(both, ["bertha"], "conditions hold together");
    }

    async fn a_search_takes_all_words_in_any_field_and_quotes_hold_words_together(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ids = three(&bed).await;
        bed.execute("UPDATE books SET code = 'hidden-word'").await;
        for (search, expected) in [
            ("anna", "anna"),
            ("ANNA novel", "anna"),
            ("anna poem", ""),
            ("\"100% _B\"", "bertha"),
            ("bertha 100", "bertha"),
            ("\"bertha 100\"", ""),
            ("%", "bertha"),
            ("ärger čapek", "capek"),
            ("\"not closed", ""),
            (ids[2].as_str(), "capek"),
            // Fields that nobody is shown are not found by their words either.
            ("hidden", ""),
            ("  ", "anna bertha capek"),
        ] {
            let mut found: Vec<String> =
                bed.all("slug", &[("search", search)]).await.iter().map(|v| v.as_str().unwrap().to_owned()).collect();
            found.sort_unstable();
            assert_eq!(found.join(" "), expected, "{search}");
        }
    }

    async fn a_caller_of_the_service_adds_conditions_that_people_cannot_give(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        three(&bed).await;
        bed.execute("UPDATE books SET code = 'x' WHERE slug = 'bertha'").await;
        let query = ListQuery::default().filter("code", Comparison::Equal, vec![json!("x")]);
        let page = bed.resources.list(&BOOKS, &bed.ours, &query).await.unwrap();
        assert_eq!(of(&page, "slug"), ["bertha"]);
        let none = ListQuery::default().filter("slug", Comparison::In, Vec::new());
        assert!(bed.resources.list(&BOOKS, &bed.ours, &none).await.unwrap().results.is_empty());
        let null = ListQuery::default().filter("genre", Comparison::Equal, vec![Value::Null]);
        assert_eq!(of(&bed.resources.list(&BOOKS, &bed.ours, &null).await.unwrap(), "slug"), ["capek"]);
    }
}

#[test]
fn r5_a_page_has_at_least_one_row_and_at_most_200_and_offsets_are_bounded() {
    for (name, value) in [
        ("limit", "1000000000"),
        ("limit", "-1"),
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "99999999999999999999999"),
        ("limit", "5.0"),
        ("limit", "+5"),
        ("limit", ""),
        ("limit", "５"),
        ("offset", "1000000000000"),
        ("offset", "-1"),
    ] {
        let found = problems(ListQuery::parse(&BOOKS, &pairs(&[(name, value)])));
        assert!(matches!(found[0].split_once(' '), Some((path, "OUT_OF_RANGE" | "WRONG_TYPE")) if path == name));
    }
    assert_eq!(ListQuery::parse(&BOOKS, &pairs(&[("limit", "200")])).unwrap().limit, 200);
    assert_eq!(ListQuery::parse(&BOOKS, &[]).unwrap().limit, 50);
    let both = ListQuery::parse(&BOOKS, &pairs(&[("cursor", "YQ"), ("offset", "1")]));
    assert_eq!(problems(both), ["offset CONTRADICTION"]);
}

#[test]
fn r6_only_declared_columns_sort_and_filter_and_hidden_ones_are_as_if_they_were_not() {
    for (name, value, code) in [
        ("ordering", "name;drop", "UNKNOWN_FIELD"),
        ("ordering", "title;drop table books", "UNKNOWN_FIELD"),
        ("ordering", "code", "UNKNOWN_FIELD"),
        ("ordering", "slug", "UNKNOWN_FIELD"),
        ("ordering", "meta__a", "UNKNOWN_FIELD"),
        ("ordering", "--title", "UNKNOWN_FIELD"),
        ("ordering", "title,,pages", "UNKNOWN_FIELD"),
        ("ordering", "", "UNKNOWN_FIELD"),
        ("ordering", "title\u{0}", "UNKNOWN_FIELD"),
        ("ordering", "title,title", "CONTRADICTION"),
        ("code", "x", "UNKNOWN_PARAMETER"),
        ("code__isnull", "true", "UNKNOWN_PARAMETER"),
        ("tenant_id", "00000000-0000-7000-8000-000000000001", "UNKNOWN_PARAMETER"),
        ("meta__a", "1", "UNKNOWN_PARAMETER"),
        ("meta", "{}", "UNKNOWN_PARAMETER"),
        ("title__regex", "a", "UNKNOWN_PARAMETER"),
        ("title\"; --", "a", "UNKNOWN_PARAMETER"),
        ("signature", "a", "UNKNOWN_PARAMETER"),
        ("fields", "code", "UNKNOWN_FIELD"),
        ("fields", "id,signature", "UNKNOWN_FIELD"),
        ("fields", "", "UNKNOWN_FIELD"),
        ("expand", "tenant", "UNKNOWN_FIELD"),
        ("title", "a\u{1b}[31m", "CONTROL_CHARACTER"),
        ("search", "a\u{0}", "CONTROL_CHARACTER"),
        ("genre", "nowel", "NOT_A_CHOICE"),
        ("genre__in", "novel,nowel", "NOT_A_CHOICE"),
        ("pages", "1 OR 1=1", "WRONG_TYPE"),
        ("pages__in", "1,", "WRONG_TYPE"),
        ("is_lent", "1", "WRONG_TYPE"),
        ("genre__isnull", "yes", "WRONG_TYPE"),
        ("count", "1", "WRONG_TYPE"),
        ("lent_at", "yesterday", "WRONG_TYPE"),
        ("lent_at", "2026-01-01", "WRONG_TYPE"),
        ("lent_at", "2026-01-01T00:00:00.1234567Z", "WRONG_TYPE"),
        ("lent_at", "2026-12-31T23:59:60Z", "WRONG_TYPE"),
        ("lent_at", "+10000-01-01T00:00:00Z", "WRONG_TYPE"),
        ("weight", "NaN", "WRONG_TYPE"),
        ("weight", "inf", "WRONG_TYPE"),
        ("weight", "1e400", "WRONG_TYPE"),
    ] {
        let found = problems(ListQuery::parse(&BOOKS, &pairs(&[(name, value)])));
        assert_eq!(found.len(), 1, "{name}={value}");
        assert!(found[0].ends_with(code), "{name}={value}: {found:?}");
    }
}

#[test]
fn r9_numbers_of_filters_are_exact_or_refused() {
    for (name, value, fits) in [
        ("size", "9007199254740993", true),
        ("size", "9223372036854775807", true),
        ("size", "-9223372036854775808", true),
        ("size", "9223372036854775808", false),
        ("size", "1e3", false),
        ("size", "0x10", false),
        ("size", "1.0", false),
        ("pages", "2147483647", true),
        ("pages", "2147483648", false),
        ("pages", "-0", true),
    ] {
        assert_eq!(ListQuery::parse(&BOOKS, &pairs(&[(name, value)])).is_ok(), fits, "{name}={value}");
    }
}

#[test]
fn r4_ids_are_compared_whole_and_in_their_usual_form_alone() {
    let id = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    assert!(ListQuery::parse(&BOOKS, &pairs(&[("id", id)])).is_ok());
    for id in [
        "0190a1b2",
        "0190a1b2c3d47e5f8a9b0c1d2e3f4a5b",
        "0190A1B2-C3D4-7E5F-8A9B-0C1D2E3F4A5B",
        "{0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b}",
        "urn:uuid:0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        " 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
        "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b%",
        "",
    ] {
        assert_eq!(automate_store::resource::exact_id(id), None);
        assert_eq!(problems(ListQuery::parse(&BOOKS, &pairs(&[("id", id)]))), ["id WRONG_TYPE"]);
    }
}

#[test]
fn r12_a_parameter_that_is_given_twice_is_refused_and_all_faults_are_told() {
    let twice = ListQuery::parse(&BOOKS, &pairs(&[("pages", "1"), ("pages", "2"), ("titel", "x"), ("limit", "x")]));
    assert_eq!(problems(twice), ["pages DUPLICATE_PARAMETER", "titel UNKNOWN_PARAMETER", "limit WRONG_TYPE"]);
}

#[test]
fn what_is_too_much_for_one_list_is_refused() {
    let values = vec!["1"; 201].join(",");
    assert_eq!(problems(ListQuery::parse(&BOOKS, &pairs(&[("pages__in", &values)]))), ["pages__in TOO_LONG"]);
    let words = ["a"; 9].join(" ");
    assert_eq!(problems(ListQuery::parse(&BOOKS, &pairs(&[("search", &words)]))), ["search TOO_LONG"]);
    let long = "a".repeat(1_001);
    assert_eq!(problems(ListQuery::parse(&BOOKS, &pairs(&[("title", &long)]))), ["title TOO_LONG"]);
    let many: Vec<(String, String)> = (0..65).map(|n| (format!("p{n}"), String::new())).collect();
    assert_eq!(problems(ListQuery::parse(&BOOKS, &many)), [" TOO_LONG"]);
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest_right_one() {
    let message = |parameters: &[(&str, &str)]| match ListQuery::parse(&BOOKS, &pairs(parameters)) {
        Err(automate_store::resource::ResourceError::Query(found)) => found[0].message.clone(),
        other => panic!("{other:?}"),
    };
    assert!(message(&[("titel", "x")]).ends_with("did you mean `title`?"));
    assert!(message(&[("title__startwith", "x")]).ends_with("did you mean `title__startswith`?"));
    assert!(message(&[("ordering", "-pagse")]).ends_with("did you mean `-pages`?"));
    assert!(message(&[("genre", "nvel")]).ends_with("did you mean `novel`?"));
    assert!(!message(&[("zzzzzzzz", "x")]).contains("did you mean"));
}

#[test]
fn the_documented_parameters_are_those_that_are_taken() {
    let documented = parameters(&BOOKS);
    let names: Vec<&str> = documented.iter().map(|parameter| parameter.name.as_str()).collect();
    for name in ["limit", "cursor", "offset", "ordering", "search", "fields", "expand", "count", "pages__gte"] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(!names.iter().any(|name| name.starts_with("code") || name.starts_with("tenant_id")), "{names:?}");
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len());
    for parameter in &documented {
        assert!(!parameter.doc.is_empty());
        let value = match parameter.name.as_str() {
            "limit" | "offset" => "1",
            "cursor" => "YQ",
            _ if !parameter.choices.is_empty() => &parameter.choices[0],
            _ => match parameter.kind {
                automate_store::resource::ColumnKind::Uuid => "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
                automate_store::resource::ColumnKind::Integer => "1",
                automate_store::resource::ColumnKind::Double => "1.5",
                automate_store::resource::ColumnKind::Boolean => "true",
                automate_store::resource::ColumnKind::Time => "2026-01-01T00:00:00Z",
                _ => "word",
            },
        };
        ListQuery::parse(&BOOKS, &pairs(&[(parameter.name.as_str(), value)])).unwrap();
    }
    let single: Vec<String> = selection_parameters(&BOOKS).into_iter().map(|parameter| parameter.name).collect();
    assert_eq!(single, ["fields", "expand"]);
}
