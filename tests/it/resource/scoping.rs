//! Tenants: whoever asks for another's row learns nothing, not even that it is there.

use automate_core::access::TenantScope;
use automate_core::ids::new_v7;
use automate_store::resource::{ListQuery, ResourceError, Selection, no_hooks, scoped};
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{BOOKS, BRANCHES, Bed, FULL_SHELVES, SHELVES, id_of, map, pairs, problems, somebody, superuser};

fn is_not_found<T: std::fmt::Debug>(result: Result<T, ResourceError>) {
    assert!(matches!(result, Err(ResourceError::NotFound("book" | "shelf" | "branch"))), "{result:?}");
}

both_databases! {
    async fn a11_another_tenants_row_is_not_found_by_any_verb(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let book = bed.book(json!({ "slug": "ours" })).await;
        let id = id_of(&book);
        let whole = Selection::default();
        for stranger in [bed.theirs.clone(), somebody(None, &["*"]), superuser()] {
            let resources = &bed.resources;
            let page = resources.list(&BOOKS, &stranger, &ListQuery::default()).await.unwrap();
            assert!(page.results.is_empty());
            let query = ListQuery::parse(&BOOKS, &pairs(&[("id", &id.to_string()), ("count", "true")])).unwrap();
            assert_eq!(resources.list(&BOOKS, &stranger, &query).await.unwrap().count, Some(0));
            is_not_found(resources.get(&BOOKS, &stranger, id, &whole).await);
            is_not_found(resources.get_many(&BOOKS, &stranger, &[id]).await);
            let fields = || map(json!({ "title": "Theirs now" }));
            is_not_found(resources.update(&BOOKS, &stranger, &no_hooks(), id, fields(), None).await);
            is_not_found(resources.update(&BOOKS, &stranger, &no_hooks(), id, fields(), Some(1)).await);
            is_not_found(resources.update(&BOOKS, &stranger, &no_hooks(), id, fields(), Some(7)).await);
            is_not_found(resources.delete(&BOOKS, &stranger, &no_hooks(), id, None).await);
            let txn = resources.db().begin().await.unwrap();
            is_not_found(resources.get_in(&txn, &BOOKS, &stranger, id).await);
            is_not_found(resources.delete_in(&txn, &BOOKS, &stranger, &automate_store::resource::NoHooks, id, None).await);
            txn.rollback().await.unwrap();
        }
        assert_eq!(bed.resources.get(&BOOKS, &bed.ours, id, &whole).await.unwrap().fields, book.fields);
    }

    async fn s10_a_row_that_is_not_there_and_one_of_another_tenant_are_told_alike(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let id = id_of(&bed.book(json!({ "slug": "ours" })).await);
        let whole = Selection::default();
        let of = |result: Result<_, ResourceError>| result.map(|_: automate_store::resource::Row| ()).unwrap_err().to_string();
        let there = of(bed.resources.get(&BOOKS, &bed.theirs, id, &whole).await);
        let nowhere = of(bed.resources.get(&BOOKS, &bed.theirs, new_v7(), &whole).await);
        assert_eq!(there, nowhere);
        // What must be unique is so for each tenant.
        let same = map(json!({ "title": "B", "slug": "ours", "pages": 1, "is_lent": false }));
        bed.resources.create(&BOOKS, &bed.theirs, &no_hooks(), same).await.unwrap();
    }

    async fn without_a_tenant_there_is_nothing_to_see_and_nothing_to_make(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut nobody = somebody(None, &["*"]);
        let fields = || map(json!({ "title": "B", "slug": "b", "pages": 1, "is_lent": false }));
        for is_superuser in [false, true] {
            nobody.principal.is_superuser = is_superuser;
            is_not_found(bed.resources.create(&BOOKS, &nobody, &no_hooks(), fields()).await);
            assert!(bed.resources.list(&BOOKS, &nobody, &ListQuery::default()).await.unwrap().results.is_empty());
        }
    }

    async fn rows_of_the_installation_are_for_superusers(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let fields = || map(json!({ "name": "Harbour" }));
        is_not_found(bed.resources.create(&BRANCHES, &bed.ours, &no_hooks(), fields()).await);
        let root = superuser();
        let branch = bed.resources.create(&BRANCHES, &root, &no_hooks(), fields()).await.unwrap();
        let id = branch.id(&BRANCHES).unwrap();
        let all = ListQuery::default();
        assert_eq!(bed.resources.list(&BRANCHES, &root, &all).await.unwrap().results.len(), 1);
        assert!(bed.resources.list(&BRANCHES, &bed.ours, &all).await.unwrap().results.is_empty());
        is_not_found(bed.resources.get(&BRANCHES, &bed.ours, id, &Selection::default()).await);
        is_not_found(bed.resources.delete(&BRANCHES, &bed.ours, &no_hooks(), id, None).await);
        bed.resources.delete(&BRANCHES, &root, &no_hooks(), id, None).await.unwrap();
    }

    async fn a9_nobody_writes_the_key_the_tenant_or_what_the_service_keeps(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let id = id_of(&bed.book(json!({ "slug": "ours" })).await);
        let tenant = bed.theirs.principal.tenant.unwrap().to_string();
        for (field, value, code) in [
            ("id", json!(new_v7().to_string()), "READ_ONLY"),
            ("tenant_id", json!(tenant), "READ_ONLY"),
            ("created_at", json!("2020-01-01T00:00:00Z"), "READ_ONLY"),
            ("updated_at", json!("2020-01-01T00:00:00Z"), "READ_ONLY"),
            ("row_version", json!(7), "READ_ONLY"),
            ("code", json!("x"), "UNKNOWN_FIELD"),
            ("role", json!("admin"), "UNKNOWN_FIELD"),
            ("is_admin", json!(true), "UNKNOWN_FIELD"),
            ("Title", json!("x"), "UNKNOWN_FIELD"),
        ] {
            let expected = format!("{field} {code}");
            assert_eq!(problems(bed.try_book(json!({ field: value })).await), [expected.as_str()]);
            let fields = map(json!({ field: value }));
            let changed = bed.resources.update(&BOOKS, &bed.ours, &no_hooks(), id, fields, None).await;
            assert_eq!(problems(changed), [expected.as_str()]);
        }
        let slug = bed.resources.update(&BOOKS, &bed.ours, &no_hooks(), id, map(json!({ "slug": "x" })), None).await;
        assert_eq!(problems(slug), ["slug READ_ONLY"], "it is given once");
    }

    async fn a12_one_foreign_id_refuses_all_of_them(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut ids = Vec::new();
        for n in 0..3 {
            ids.push(id_of(&bed.book(json!({ "slug": format!("s{n}"), "pages": n })).await));
        }
        let fields = map(json!({ "title": "B", "slug": "theirs", "pages": 1, "is_lent": false }));
        let foreign = bed.resources.create(&BOOKS, &bed.theirs, &no_hooks(), fields).await.unwrap();
        ids.reverse();
        let found = bed.resources.get_many(&BOOKS, &bed.ours, &ids).await.unwrap();
        assert_eq!(found.iter().map(id_of).collect::<Vec<_>>(), ids, "in the order of the ids");
        let twice = [ids[0], ids[0]];
        assert_eq!(bed.resources.get_many(&BOOKS, &bed.ours, &twice).await.unwrap().len(), 1);
        for other in [id_of(&foreign), new_v7()] {
            let mut all = ids.clone();
            all.insert(1, other);
            is_not_found(bed.resources.get_many(&BOOKS, &bed.ours, &all).await);
            let txn = bed.resources.db().begin().await.unwrap();
            is_not_found(bed.resources.get_many_in(&txn, &BOOKS, &bed.ours, &all).await);
            txn.rollback().await.unwrap();
        }
        let many: Vec<_> = (0..201).map(|_| new_v7()).collect();
        assert_eq!(problems(bed.resources.get_many(&BOOKS, &bed.ours, &many).await), ["ids TOO_LONG"]);
        assert!(bed.resources.get_many(&BOOKS, &bed.ours, &[]).await.unwrap().is_empty());
    }

    async fn a_row_cannot_name_another_tenants_row(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let shelf = |name: &str| map(json!({ "name": name }));
        let ours = bed.resources.create(&SHELVES, &bed.ours, &no_hooks(), shelf("ours")).await.unwrap();
        let theirs = bed.resources.create(&SHELVES, &bed.theirs, &no_hooks(), shelf("theirs")).await.unwrap();
        let book = bed.book(json!({ "shelf_id": ours.fields["id"] })).await;
        for wrong in [theirs.fields["id"].clone(), json!(new_v7().to_string())] {
            let made = bed.try_book(json!({ "shelf_id": wrong })).await;
            assert_eq!(problems(made), ["shelf_id NO_SUCH_ROW"]);
            let fields = map(json!({ "shelf_id": wrong }));
            let moved = bed.resources.update(&BOOKS, &bed.ours, &no_hooks(), id_of(&book), fields, None).await;
            assert_eq!(problems(moved), ["shelf_id NO_SUCH_ROW"]);
        }
        let fields = map(json!({ "shelf_id": null }));
        bed.resources.update(&BOOKS, &bed.ours, &no_hooks(), id_of(&book), fields, None).await.unwrap();
    }

    async fn an_expansion_shows_no_row_of_another_tenant(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let shelf = map(json!({ "name": "ours" }));
        let shelf = bed.resources.create(&SHELVES, &bed.ours, &no_hooks(), shelf).await.unwrap();
        let id = shelf.id(&SHELVES).unwrap();
        bed.book(json!({ "slug": "ours", "shelf_id": id.to_string() })).await;
        bed.book(json!({ "slug": "moved", "shelf_id": id.to_string() })).await;
        let tenant = bed.theirs.principal.tenant.unwrap().0;
        let literal = match bed.resources.db().backend() {
            automate_store::db::Backend::Postgres => format!("'{tenant}'"),
            automate_store::db::Backend::Sqlite => format!("x'{}'", tenant.simple()),
        };
        bed.execute(&format!("UPDATE books SET tenant_id = {literal} WHERE slug = 'moved'")).await;
        let selection = Selection { fields: Vec::new(), expand: vec!["books"] };
        let shown = bed.resources.get(&FULL_SHELVES, &bed.ours, id, &selection).await.unwrap();
        let books = shown.fields["books"].as_array().unwrap();
        assert_eq!(books.iter().map(|book| book["slug"].clone()).collect::<Vec<_>>(), ["ours"]);
        let query = ListQuery::parse(&BOOKS, &pairs(&[("expand", "shelf")])).unwrap();
        let page = bed.resources.list(&BOOKS, &bed.theirs, &query).await.unwrap();
        assert_eq!((page.results.len(), &page.results[0]["shelf"]), (1, &json!(null)));
    }
}

#[test]
fn a_scope_that_does_not_fit_the_model_reaches_no_row() {
    let tenant = automate_core::ids::TenantId::new();
    assert!(scoped(&BOOKS, TenantScope::Nothing).is_none());
    assert!(scoped(&BOOKS, TenantScope::All).is_none());
    assert!(scoped(&BOOKS, TenantScope::One(tenant)).is_some());
    assert!(scoped(&BRANCHES, TenantScope::Nothing).is_none());
    assert!(scoped(&BRANCHES, TenantScope::One(tenant)).is_none());
    assert!(scoped(&BRANCHES, TenantScope::All).is_some());
}

#[test]
fn no_file_of_the_service_begins_a_statement_but_the_scoping_point() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../automate_store/src/resource");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // Fixtures are of a whole installation, at its command line.
        let scoping = path.ends_with("scope.rs") || path.ends_with("fixtures.rs");
        for way in
            ["Query::select", "Query::insert", "Query::update", "Query::delete", "Statement::from", "_unprepared"]
        {
            assert!(scoping || !text.contains(way), "{} has {way}", path.display());
        }
    }
}
