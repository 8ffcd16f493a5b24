//! Which fields are shown, and to whom.

use automate_core::ids::TenantId;
use automate_store::audit::AuditLog;
use automate_store::resource::{ListQuery, ResourceError, Resources, Selection, no_hooks};
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{BOOKS, Bed, FULL_SHELVES, SHELVES, id_of, key, map, of, pairs, problems, somebody, superuser};

const BODY: &str = "library.read_body";

fn names(row: &serde_json::Map<String, Value>) -> Vec<&str> {
    row.keys().map(String::as_str).collect()
}

both_databases! {
    async fn a_row_has_its_shown_fields_in_the_order_of_the_table(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let fields = json!({
            "slug": "full", "genre": "novel", "pages": 7, "size": i64::MAX, "weight": 0.1, "is_lent": true,
            "lent_at": "2026-01-01T01:00:00.123456+01:00", "meta": {"z": [1, {"a": null}], "b": 2.5}, "body": "text",
            "cover": "AAEC/w==",
        });
        let made = bed.book(fields).await;
        let row = bed.resources.get(&BOOKS, &bed.ours, id_of(&made), &Selection::default()).await.unwrap();
        assert_eq!(made, row);
        assert_eq!(row.version, Some(1));
        assert_eq!(
            names(&row.fields),
            ["id", "tenant_id", "shelf_id", "title", "slug", "genre", "pages", "size", "weight", "is_lent", "lent_at",
             "meta", "body", "cover", "row_version", "created_at", "updated_at"]
        );
        for (name, value) in [
            ("size", json!(i64::MAX)),
            ("weight", json!(0.1)),
            ("lent_at", json!("2026-01-01T00:00:00.123456Z")),
            ("meta", json!({"z": [1, {"a": null}], "b": 2.5})),
            ("cover", json!("AAEC/w==")),
            ("shelf_id", Value::Null),
            ("row_version", json!(1)),
        ] {
            assert_eq!(row.fields[name], value, "{name}");
        }
        assert_eq!(row.fields["created_at"], row.fields["updated_at"]);
        let listed = &bed.list(&[]).await.results[0];
        assert!(!listed.contains_key("body") && !listed.contains_key("cover") && listed.contains_key("meta"));
        let some = bed.list(&[("fields", "cover,title")]).await;
        assert_eq!(names(&some.results[0]), ["cover", "title"]);
    }

    async fn a_field_that_takes_a_permission_is_null_without_it_and_each_view_of_it_is_audited(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let with = id_of(&bed.book(json!({ "slug": "with", "body": "the text" })).await);
        bed.book(json!({ "slug": "without" })).await;
        let before = bed.entries().await.len();
        let get = async |caller| bed.resources.get(&BOOKS, caller, with, &Selection::default()).await.unwrap();
        let list = async |caller| {
            let query = ListQuery::parse(&BOOKS, &pairs(&[("fields", "slug,body"), ("ordering", "title")])).unwrap();
            bed.resources.list(&BOOKS, caller, &query).await.unwrap()
        };
        let viewer = somebody(bed.ours.principal.tenant, &["library.view_book"]);
        assert_eq!(get(&viewer).await.fields["body"], Value::Null);
        assert_eq!(of(&list(&viewer).await, "body"), [Value::Null, Value::Null]);
        assert_eq!(bed.entries().await.len(), before, "nothing was seen");

        let reader = somebody(bed.ours.principal.tenant, &["library.view_book", BODY]);
        assert_eq!(get(&reader).await.fields["body"], "the text");
        let mut bodies = of(&list(&reader).await, "body");
        bodies.sort_by_key(Value::is_null);
        assert_eq!(bodies, [json!("the text"), Value::Null]);
        let other = Selection { fields: vec!["title"], expand: Vec::new() };
        bed.resources.get(&BOOKS, &reader, with, &other).await.unwrap();
        let seen = json!({ "fields": ["body"], "ids": [with.to_string()] });
        let entry = ("book.view".to_owned(), with.to_string(), seen);
        assert_eq!(bed.entries().await[before..], [entry.clone(), entry], "one for each call, naming what was shown");
    }

    async fn a_view_that_cannot_be_audited_is_not_shown(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let id = id_of(&bed.book(json!({ "body": "the text" })).await);
        bed.execute("DROP TABLE audit_heads").await;
        let shown = bed.resources.get(&BOOKS, &bed.ours, id, &Selection::default()).await;
        assert!(matches!(shown, Err(ResourceError::Store(_))));
        let query = ListQuery::parse(&BOOKS, &pairs(&[("fields", "body")])).unwrap();
        assert!(matches!(bed.resources.list(&BOOKS, &bed.ours, &query).await, Err(ResourceError::Store(_))));
        let viewer = somebody(bed.ours.principal.tenant, &[]);
        bed.resources.get(&BOOKS, &viewer, id, &Selection::default()).await.unwrap();
    }

    async fn what_one_may_not_see_cannot_be_found_out_by_filters_orders_or_searches(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.book(json!({ "body": "the text" })).await;
        let viewer = somebody(bed.ours.principal.tenant, &[]);
        for (name, value, path) in [
            ("body__startswith", "the", "body"),
            ("body__isnull", "true", "body"),
            ("ordering", "-body", "ordering"),
        ] {
            let query = ListQuery::parse(&BOOKS, &pairs(&[(name, value)])).unwrap();
            let found = bed.resources.list(&BOOKS, &viewer, &query).await;
            assert_eq!(problems(found), [format!("{path} NOT_ALLOWED")]);
            assert_eq!(bed.resources.list(&BOOKS, &bed.ours, &query).await.unwrap().results.len(), usize::from(name != "body__isnull"));
        }
    }

    async fn related_rows_come_with_one_statement_for_all_rows(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut shelves = Vec::new();
        for name in ["A", "B", "C"] {
            let shelf = bed.resources.create(&SHELVES, &bed.ours, &no_hooks(), map(json!({ "name": name }))).await.unwrap();
            shelves.push(shelf.fields["id"].clone());
        }
        for n in 0..6_usize {
            bed.book(json!({ "slug": format!("s{n}"), "pages": 10 - n, "shelf_id": shelves[n % 2], "body": "b" })).await;
        }
        bed.book(json!({ "slug": "loose" })).await;
        let page = bed.list(&[("expand", "shelf"), ("ordering", "pages"), ("fields", "slug")]).await;
        let shelf_of = |slug: &str| page.results.iter().find(|row| row["slug"] == *slug).unwrap()["shelf"].clone();
        assert_eq!(shelf_of("s0")["name"], "A");
        assert_eq!(shelf_of("s3")["name"], "B");
        assert_eq!(shelf_of("loose"), Value::Null);
        assert_eq!(names(&page.results[0]), ["slug", "shelf"]);

        let query = ListQuery { expand: vec!["books"], ordering: Vec::new(), ..ListQuery::default() };
        let page = bed.resources.list(&FULL_SHELVES, &bed.ours, &query).await.unwrap();
        let books = |row: &Value| row["books"].as_array().unwrap().iter().map(|book| book["slug"].clone()).collect::<Vec<_>>();
        let by_name = |name: &str| Value::Object(page.results.iter().find(|row| row["name"] == *name).unwrap().clone());
        assert_eq!(books(&by_name("A")), ["s4", "s2", "s0"], "in their own order");
        assert_eq!(books(&by_name("B")), ["s5", "s3", "s1"]);
        assert!(books(&by_name("C")).is_empty());
        assert!(!by_name("A")["books"][0].as_object().unwrap().contains_key("body"), "lists leave long fields out");

        let before = bed.entries().await.len();
        let id = shelves[0].as_str().unwrap().parse().unwrap();
        let selection = Selection { fields: Vec::new(), expand: vec!["books"] };
        let shelf = bed.resources.get(&FULL_SHELVES, &bed.ours, id, &selection).await.unwrap();
        assert_eq!(shelf.fields["books"][0]["body"], "b");
        let seen = json!({ "fields": ["books.body"], "ids": [shelves[0]] });
        assert_eq!(bed.entries().await[before..], [("shelf.view".to_owned(), id.to_string(), seen)]);

        let viewer = somebody(bed.ours.principal.tenant, &["library.view_shelf", "library.view_book"]);
        let shelf = bed.resources.get(&FULL_SHELVES, &viewer, id, &selection).await.unwrap();
        assert_eq!(shelf.fields["books"][0]["body"], Value::Null);
        let narrow = somebody(bed.ours.principal.tenant, &["library.view_shelf"]);
        assert_eq!(problems(bed.resources.get(&FULL_SHELVES, &narrow, id, &selection).await), ["expand NOT_ALLOWED"]);
    }

    async fn related_rows_that_are_too_long_together_are_not_shown(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let shelf = bed.resources.create(&SHELVES, &bed.ours, &no_hooks(), map(json!({ "name": "A" }))).await.unwrap();
        for _ in 0..3 {
            bed.book(json!({ "shelf_id": shelf.fields["id"], "body": "x".repeat(7 * 1024 * 1024) })).await;
        }
        let selection = Selection { fields: Vec::new(), expand: vec!["books"] };
        let id = shelf.id(&SHELVES).unwrap();
        assert_eq!(problems(bed.resources.get(&FULL_SHELVES, &bed.ours, id, &selection).await), ["expand TOO_MUCH"]);
    }

    async fn a_superusers_view_of_another_tenant_is_in_that_tenants_log(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let id = id_of(&bed.book(json!({ "body": "the text" })).await);
        let mut root = superuser();
        root.principal.tenant = bed.ours.principal.tenant;
        bed.resources.get(&BOOKS, &root, id, &Selection::default()).await.unwrap();
        assert_eq!(bed.entries().await.last().unwrap().0, "book.view");
        let audit = AuditLog::new(test.db.clone(), vec![key()]).unwrap();
        let resources = Resources::new(test.db.clone(), audit.clone(), [0; 32]);
        assert!(resources.audit().verify(None).await.unwrap().findings.is_empty());
        assert!(audit.verify(Some(TenantId::DEFAULT)).await.unwrap().findings.is_empty());
    }
}
