//! Lists and rows.

use automate_tests::both_databases;
use serde_json::json;

use super::site::{Site, TENANT, faults};

both_databases! {
    async fn a_list_is_cut_into_pages_by_cursor_and_by_offset(db: TestDatabase) {
        let site = Site::over(&db).await;
        for n in 0..7 {
            site.book(&format!("Book {n}"), n).await;
        }
        let mut seen = Vec::new();
        let mut target = "/api/v1/books?limit=3&ordering=pages".to_owned();
        loop {
            let page = site.get(&target).await.json();
            seen.extend(page["results"].as_array().unwrap().iter().map(|row| row["pages"].as_i64().unwrap()));
            let Some(next) = page["next"].as_str() else { break };
            target = format!("/api/v1/books?limit=3&ordering=pages&cursor={next}");
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        let page = site.get("/api/v1/books?limit=2&offset=4&ordering=-pages&count=true").await.json();
        assert_eq!(page["count"], 7);
        assert_eq!(page["results"].as_array().unwrap().iter().map(|r| r["pages"].clone()).collect::<Vec<_>>(), [2, 1]);
    }

    async fn a_list_is_filtered_searched_and_shown_in_part(db: TestDatabase) {
        let site = Site::over(&db).await;
        site.book("The Dispossessed", 341).await;
        site.book("The Lathe of Heaven", 184).await;
        let titles = async |query: &str| {
            let page = site.get(&format!("/api/v1/books?{query}")).await.json();
            assert!(page["results"].is_array(), "{query}: {page}");
            page["results"].as_array().unwrap().iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(titles("pages__gte=200").await, ["The Dispossessed"]);
        assert_eq!(titles("search=lathe").await, ["The Lathe of Heaven"]);
        assert_eq!(titles("search=ursula&ordering=-title").await, ["The Lathe of Heaven", "The Dispossessed"]);
        let part = site.get("/api/v1/books?fields=title&search=lathe").await.json();
        assert_eq!(part["results"][0], json!({ "title": "The Lathe of Heaven" }));
    }

    async fn several_values_come_with_commas_or_one_by_one(db: TestDatabase) {
        let site = Site::over(&db).await;
        site.book("The Dispossessed", 341).await;
        for query in ["fields=title,pages", "fields=title&fields=pages"] {
            let page = site.get(&format!("/api/v1/books?{query}")).await.json();
            assert_eq!(page["results"][0], json!({ "title": "The Dispossessed", "pages": 341 }), "{query}");
        }
        for query in ["fields=title&fields=title", "fields=title&fields=isbn13", "ordering=title,title"] {
            assert_eq!(site.get(&format!("/api/v1/books?{query}")).await.status, 400, "{query}");
        }
    }

    async fn r5_limits_offsets_and_cursors_that_make_no_sense_are_refused(db: TestDatabase) {
        let site = Site::over(&db).await;
        for n in 0..3 {
            site.book(&format!("Book {n}"), n).await;
        }
        for query in ["limit=1000000000", "limit=-1", "limit=0", "limit=x", "offset=1000000000000", "offset=-1", "cursor=x"] {
            let answer = site.get(&format!("/api/v1/books?{query}")).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "INVALID_PARAMETER"), "{query}");
        }
        let page = site.get("/api/v1/books?limit=1").await.json();
        let cursor = page["next"].as_str().unwrap();
        let foreign = site.ask("other", "GET", &format!("/api/v1/books?limit=1&cursor={cursor}")).send().await;
        assert_eq!(foreign.status, 400, "a cursor of another tenant");
        let refiltered = site.get(&format!("/api/v1/books?limit=1&pages=1&cursor={cursor}")).await;
        assert_eq!(refiltered.status, 400, "a cursor of another list");
        let mut tampered = cursor.to_owned().into_bytes();
        // Within the place that it names.
        tampered[16] = if tampered[16] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(tampered).unwrap();
        assert_eq!(site.get(&format!("/api/v1/books?limit=1&cursor={tampered}")).await.status, 400);
    }

    async fn r6_hidden_columns_and_strange_names_cannot_be_filtered_or_ordered_by(db: TestDatabase) {
        let site = Site::over(&db).await;
        for query in [
            "ordering=tenant_id",
            "ordering=row_version",
            "ordering=title%3Bdrop",
            "ordering=title%20desc",
            "tenant_id=00000000-0000-7000-8000-000000000001",
            "row_version=1",
            "title%3Bdrop=1",
            "title__regex=x",
            "author%00=x",
            "fields=tenant_id",
            "expand=steps",
            "pages__icontains=1",
        ] {
            let answer = site.get(&format!("/api/v1/books?{query}")).await;
            assert_eq!(answer.status, 400, "{query}: {answer:?}");
        }
    }

    async fn r12_a_parameter_twice_or_unknown_is_refused_and_method_overrides_are_ignored(db: TestDatabase) {
        let site = Site::over(&db).await;
        let twice = site.get("/api/v1/books?author=a&author=b").await;
        assert_eq!((twice.status, faults(&twice)["author"].as_str()), (400, "DUPLICATE_PARAMETER"));
        let unknown = site.get("/api/v1/books?autor=a&x=1").await;
        assert_eq!(faults(&unknown).len(), 2, "every fault is told: {unknown:?}");
        let id = site.book("Kept", 1).await;
        for header in ["x-http-method-override", "x-method-override", "x-http-method"] {
            let ask = site.ask("admin", "POST", &format!("/api/v1/books/{id}")).header(header, "DELETE");
            assert_eq!(ask.send().await.status, 405);
            let ask = site.ask("admin", "GET", &format!("/api/v1/books/{id}")).header(header, "DELETE");
            assert_eq!(ask.send().await.status, 200);
        }
        assert_eq!(site.get(&format!("/api/v1/books/{id}?_method=DELETE")).await.status, 400);
        assert_eq!(site.books().await, 1);
        let conflicting = site.ask("admin", "PATCH", &format!("/api/v1/books/{id}")).json(&json!({ "id": "x", "pages": 2 }));
        assert_eq!(conflicting.send().await.status, 400, "the id is the path's to say");
    }

    async fn another_tenants_rows_are_not_there(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("Ours", 1).await;
        let as_other = async |method: &str, body: Option<serde_json::Value>| {
            let ask = site.ask("other", method, &format!("/api/v1/books/{id}"));
            let ask = match body { Some(body) => ask.json(&body), None => ask };
            ask.send().await.status
        };
        assert_eq!(as_other("GET", None).await, 404);
        assert_eq!(as_other("PATCH", Some(json!({ "pages": 2 }))).await, 404);
        assert_eq!(as_other("DELETE", None).await, 404);
        let list = site.ask("other", "GET", "/api/v1/books?count=true").send().await.json();
        assert_eq!((list["results"].clone(), list["count"].clone()), (json!([]), json!(0)));
        let nobody = site.ask("stateless", "GET", "/api/v1/books").send().await;
        assert_eq!((nobody.status, nobody.code().as_str()), (403, "TENANT_REQUIRED"));
    }

    async fn the_systems_own_rows_are_served(db: TestDatabase) {
        let site = Site::over(&db).await;
        let document = "workflow: hello\non: [{ manual: true }]\nsteps: [{ id: see, set: { x: \"{{ inputs.n }}\" } }]\noutput: { x: \"{{ vars.x }}\" }";
        let engine = site.api.engine();
        engine.publish(TENANT, document, "test", "").await.unwrap();
        let request = automate_core::runtime::StartRequest {
            tenant_id: TENANT,
            workflow: "hello".to_owned(),
            version: None,
            input: Some(json!({ "n": 5 })),
            source: "test".to_owned(),
            correlation_id: "c-1".to_owned(),
            run_here: true,
        };
        let id = engine.start(request).await.unwrap();
        engine.wait_until_ended(TENANT, id, std::time::Duration::from_secs(30)).await.unwrap();
        let workflows = site.get("/api/v1/workflows").await.json();
        assert_eq!(workflows["results"][0]["slug"], "hello");
        let list = site.get("/api/v1/executions?status=completed&ordering=-created_at").await.json();
        assert_eq!(list["results"][0]["id"], json!(id.to_string()));
        assert_eq!(list["results"][0].get("input"), None, "lists leave payloads out");
        let row = site.get(&format!("/api/v1/executions/{id}?expand=steps")).await.json();
        assert_eq!((row["workflow"].clone(), row["input"].clone()), (json!("hello"), json!({ "n": 5 })), "{row}");
        assert_eq!((row["steps"][0]["id"].clone(), row["steps"][0]["status"].clone()), (json!("see"), json!("completed")));
        assert_eq!(row["steps"][0].get("tenant_id"), None);
        let masked = site.ask("viewer", "GET", &format!("/api/v1/executions/{id}?expand=steps")).send().await.json();
        assert_eq!((masked["input"].clone(), masked["steps"][0]["input"].clone()), (json!(null), json!(null)));
    }
}
