//! Creating, changing and deleting.

use automate_store::resource::{ResourceError, Selection, no_hooks};
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{BOOKS, Bed, id_of, map, of, problems};

both_databases! {
    async fn a_row_is_made_changed_and_deleted_and_the_log_says_what_changed(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let made = bed.book(json!({ "slug": "s", "title": "One", "pages": 3, "body": "secret text" })).await;
        let id = id_of(&made);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(made.fields["tenant_id"], bed.ours.principal.tenant.unwrap().to_string());
        let fields = map(json!({ "title": "Two", "pages": 3, "body": "other text", "genre": "poem" }));
        let changed = bed.resources.update(&BOOKS, &bed.ours, &no_hooks(), id, fields, Some(1)).await.unwrap();
        assert_eq!((changed.version, &changed.fields["title"], &changed.fields["slug"]), (Some(2), &json!("Two"), &json!("s")));
        assert_eq!(changed.fields["created_at"], made.fields["created_at"]);
        assert_ne!(changed.fields["updated_at"], made.fields["updated_at"]);
        bed.resources.delete(&BOOKS, &bed.ours, &no_hooks(), id, Some(2)).await.unwrap();
        let gone = bed.resources.get(&BOOKS, &bed.ours, id, &Selection::default()).await;
        assert!(matches!(gone, Err(ResourceError::NotFound("book"))));

        let entries = bed.entries().await;
        let actions: Vec<&str> = entries.iter().map(|(action, ..)| action.as_str()).collect();
        assert_eq!(actions, ["book.create", "book.view", "book.update", "book.view", "book.delete"]);
        assert!(entries.iter().all(|(_, object, _)| *object == id.to_string()));
        assert_eq!(entries[0].2["title"], json!({ "from": null, "to": "One" }));
        assert_eq!(entries[0].2["body"], json!({ "from": null, "to": "***" }));
        let changes = json!({
            "title": { "from": "One", "to": "Two" }, "genre": { "from": null, "to": "poem" },
            "body": { "from": "***", "to": "***" },
        });
        assert_eq!(entries[2].2, changes, "only what changed");
        assert_eq!(entries[4].2["title"], json!({ "from": "Two", "to": null }));
        assert!(bed.resources.audit().verify(None).await.unwrap().findings.is_empty());
    }

    async fn an_entry_says_who_from_where_in_which_request(test: TestDatabase) {
        use sea_orm::ConnectionTrait as _;
        let bed = Bed::new(&test).await;
        bed.book(json!({})).await;
        let orm = test.db.orm_reader();
        let sql = "SELECT actor, actor_kind, object_type, correlation_id, address, agent, outcome FROM audit_log";
        let row = orm.query_one_raw(sea_orm::Statement::from_string(orm.get_database_backend(), sql)).await.unwrap().unwrap();
        let texts: Vec<String> = (0..7).map(|n| row.try_get_by_index(n).unwrap()).collect();
        assert_eq!(texts, ["ada@example.com", "user", "book", "c-1", "192.0.2.7", "tests", "done"]);
    }

    async fn nothing_that_differs_is_nothing_that_changes(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let made = bed.book(json!({ "title": "One", "lent_at": "2026-01-01T00:00:00Z", "meta": {"a": 1} })).await;
        let before = bed.entries().await.len();
        let same = map(json!({ "title": "One", "lent_at": "2026-01-01T01:00:00+01:00", "meta": {"a": 1} }));
        let kept = bed.resources.update(&BOOKS, &bed.ours, &no_hooks(), id_of(&made), same, None).await.unwrap();
        assert_eq!(kept, made);
        assert_eq!(bed.entries().await.len(), before);
    }

    async fn of_two_writers_with_the_same_version_one_wins(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for round in 0..10 {
            let id = id_of(&bed.book(json!({ "slug": format!("s{round}") })).await);
            let other = automate_store::resource::Resources::new(test.open_again().await, bed.resources.audit().clone(), [9; 32]);
            let mut writers = Vec::new();
            for n in 0..6 {
                let resources = if n % 2 == 0 { bed.resources.clone() } else { other.clone() };
                let writer = bed.ours.clone();
                writers.push(tokio::spawn(async move {
                    let fields = map(json!({ "title": format!("by {n}") }));
                    resources.update(&BOOKS, &writer, &no_hooks(), id, fields, Some(1)).await
                }));
            }
            let mut winners = Vec::new();
            for writer in writers {
                match writer.await.unwrap() {
                    Ok(row) => winners.push(row.fields["title"].clone()),
                    Err(ResourceError::Changed { current: 2 }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            assert_eq!(winners.len(), 1);
            let row = bed.resources.get(&BOOKS, &bed.ours, id, &Selection::default()).await.unwrap();
            assert_eq!((row.version, &row.fields["title"]), (Some(2), &winners[0]));
            other.db().close().await;
        }
    }

    async fn without_a_version_the_last_writer_wins_and_each_is_counted(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let id = id_of(&bed.book(json!({})).await);
        let mut writers = Vec::new();
        for n in 0..8 {
            let (resources, writer) = (bed.resources.clone(), bed.ours.clone());
            writers.push(tokio::spawn(async move {
                let fields = map(json!({ "pages": n + 100 }));
                resources.update(&BOOKS, &writer, &no_hooks(), id, fields, None).await.unwrap();
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        let row = bed.resources.get(&BOOKS, &bed.ours, id, &Selection::default()).await.unwrap();
        assert_eq!(row.version, Some(9));
        let stale = bed.resources.delete(&BOOKS, &bed.ours, &no_hooks(), id, Some(8)).await;
        assert!(matches!(stale, Err(ResourceError::Changed { current: 9 })));
    }

    async fn what_must_be_unique_is_a_conflict_that_names_the_field_and_nothing_else(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.book(json!({ "slug": "same" })).await;
        let Err(error) = bed.try_book(json!({ "slug": "same" })).await else { panic!("it was made") };
        assert!(matches!(error, ResourceError::Conflict(_)));
        assert_eq!(error.to_string(), "conflict: there is another book with this `slug`");
        assert_eq!(bed.entries().await.len(), 1, "and nothing is left of it");
        bed.book(json!({ "slug": "other" })).await;
    }

    async fn a_row_that_another_needs_stays(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let id = id_of(&bed.book(json!({})).await);
        bed.execute("CREATE TABLE loans (book_id blob REFERENCES books (id))".replace("blob", match test.db.backend() {
            automate_store::db::Backend::Postgres => "uuid",
            automate_store::db::Backend::Sqlite => "blob",
        }).as_str()).await;
        bed.execute("INSERT INTO loans SELECT id FROM books").await;
        let Err(error) = bed.resources.delete(&BOOKS, &bed.ours, &no_hooks(), id, None).await else { panic!("it is gone") };
        assert_eq!(error.to_string(), "conflict: the book is in use");
    }

    async fn every_fault_of_an_input_is_told_and_nothing_of_it_is_stored(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let fields = map(json!({ "titel": "x", "genre": "nowel", "pages": "7", "row_version": 1 }));
        let made = bed.resources.create(&BOOKS, &bed.ours, &no_hooks(), fields).await;
        assert_eq!(
            problems(made),
            ["titel UNKNOWN_FIELD", "genre NOT_A_CHOICE", "pages WRONG_TYPE", "row_version READ_ONLY", "title REQUIRED",
             "slug REQUIRED"]
        );
        assert!(bed.list(&[]).await.results.is_empty() && bed.entries().await.is_empty());
    }

    async fn values_of_a_wrong_kind_or_size_are_refused(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for (field, value, code) in [
            ("title", json!(7), "WRONG_TYPE"),
            ("title", json!(null), "NULL"),
            ("title", json!(["a"]), "WRONG_TYPE"),
            ("title", json!("é".repeat(41)), "TOO_LONG"),
            ("genre", json!(""), "NOT_A_CHOICE"),
            ("is_lent", json!("true"), "WRONG_TYPE"),
            ("is_lent", json!(1), "WRONG_TYPE"),
            ("pages", json!(null), "NULL"),
            ("pages", json!(true), "WRONG_TYPE"),
            ("lent_at", json!(1_700_000_000), "WRONG_TYPE"),
            ("lent_at", json!("2026-02-30T00:00:00Z"), "WRONG_TYPE"),
            ("lent_at", json!("2026-01-01 00:00:00Z"), "WRONG_TYPE"),
            ("cover", json!("not base64!"), "WRONG_TYPE"),
            ("cover", json!([1, 2]), "WRONG_TYPE"),
            ("shelf_id", json!("7"), "WRONG_TYPE"),
            ("shelf_id", json!({}), "WRONG_TYPE"),
            ("meta", json!("x".repeat(256 * 1024)), "TOO_LONG"),
        ] {
            let made = bed.try_book(json!({ field: value })).await;
            assert_eq!(problems(made), [format!("{field} {code}")], "{value}");
        }
        bed.book(json!({ "title": "é".repeat(40) })).await;
    }

    async fn r9_numbers_are_stored_exactly_or_refused(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for (field, text, stored) in [
            ("size", "9007199254740993", true),
            ("size", "9223372036854775807", true),
            ("size", "-9223372036854775808", true),
            ("size", "9223372036854775808", false),
            ("size", "18446744073709551615", false),
            ("size", "1.0", false),
            ("size", "1e2", false),
            ("pages", "2147483647", true),
            ("pages", "2147483648", false),
            ("pages", "-2147483649", false),
            ("weight", "0.1", true),
            ("weight", "-0.0", true),
            ("weight", "1.7976931348623157e308", true),
            ("weight", "5e-324", true),
            ("weight", "9007199254740992", true),
            ("weight", "9007199254740993", false),
            ("weight", "9223372036854775807", false),
            ("weight", "18446744073709551615", false),
        ] {
            let value: Value = serde_json::from_str(text).unwrap();
            let made = bed.try_book(json!({ field: value })).await;
            assert_eq!(made.is_ok(), stored, "{field} {text}");
            match made {
                Ok(row) => assert_eq!(row.fields[field].as_f64(), value.as_f64(), "{field} {text}"),
                Err(error) => assert!(matches!(error, ResourceError::Invalid(_))),
            }
        }
    }

    async fn r10_a_nul_in_any_text_is_refused_on_both_databases(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for (field, value, path) in [
            ("title", json!("a\u{0}b"), "title"),
            ("slug", json!("a\u{0}b"), "slug"),
            ("body", json!("\u{0}"), "body"),
            ("meta", json!({"a": ["ok", "b\u{0}"]}), "meta/a/1"),
            ("meta", json!({"a\u{0}": 1}), "meta"),
            ("title", json!("a\u{1b}[31m"), "title"),
            ("title", json!("a\u{85}"), "title"),
        ] {
            let made = bed.try_book(json!({ field: value })).await;
            assert_eq!(problems(made), [format!("{path} CONTROL_CHARACTER")], "{field}");
        }
        bed.book(json!({ "body": "two\nlines\tand a tab" })).await;
    }

    async fn r11_names_are_in_one_form_and_look_like_nothing_else(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for (slug, code) in [
            ("cafe\u{301}", "NOT_NORMALIZED"),
            (" café", "NOT_NORMALIZED"),
            ("café\u{a0}", "NOT_NORMALIZED"),
            ("\u{212b}", "NOT_NORMALIZED"),
            ("", "REQUIRED"),
            ("   ", "REQUIRED"),
            ("ad\u{200b}min", "CONTROL_CHARACTER"),
            ("ad\u{ad}min", "CONTROL_CHARACTER"),
            ("\u{202e}nimda", "CONTROL_CHARACTER"),
            ("admin\n", "CONTROL_CHARACTER"),
            ("\u{feff}admin", "CONTROL_CHARACTER"),
            ("аdmin", "CONFUSABLE"),
            ("αdmin", "CONFUSABLE"),
            ("ａdmin", "CONFUSABLE"),
        ] {
            let found = problems(bed.try_book(json!({ "slug": slug })).await);
            assert!(found[0] == format!("slug {code}"), "{slug:?}: {found:?}");
        }
        for slug in ["café", "админ", "Ωμέγα", "日本語", "naïve book 7", "עברית"] {
            bed.book(json!({ "slug": slug })).await;
        }
    }

    async fn several_rows_change_together_or_not_at_all(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let first = id_of(&bed.book(json!({ "slug": "a" })).await);
        let second = id_of(&bed.book(json!({ "slug": "b" })).await);
        let change = async |title: &'static str, fail: bool| {
            let writer = bed.ours.clone();
            bed.resources.run(move |resources| async move {
                let txn = resources.db().begin().await?;
                resources.get_many_in(&txn, &BOOKS, &writer, &[second, first]).await?;
                for id in [first, second] {
                    let fields = map(json!({ "title": title }));
                    let none = &automate_store::resource::NoHooks;
                    resources.update_in(&txn, &BOOKS, &writer, none, id, fields, None).await?;
                }
                if fail {
                    return Err(ResourceError::Refused("no".to_owned()));
                }
                txn.commit().await.map_err(|error| automate_store::error::store_error(error).into())
            }).await
        };
        assert!(matches!(change("never", true).await, Err(ResourceError::Refused(_))));
        assert_eq!(of(&bed.list(&[]).await, "title"), ["A book", "A book"]);
        change("both", false).await.unwrap();
        assert_eq!(of(&bed.list(&[]).await, "title"), ["both", "both"]);
        assert!(bed.resources.audit().verify(None).await.unwrap().findings.is_empty());
    }
}
