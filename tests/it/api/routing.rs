//! Addresses, methods, and answers about neither.

use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;

both_databases! {
    async fn the_index_names_the_resources_to_everybody(db: TestDatabase) {
        let site = Site::over(&db).await;
        let index = site.ask("", "GET", "/api/v1").send().await;
        assert_eq!(index.status, 200, "{index:?}");
        let names: Vec<_> = index.json()["resources"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
        assert!(names.contains(&json!("executions")) && names.contains(&json!("books")), "{names:?}");
    }

    async fn a_method_that_an_address_does_not_take_is_405_and_options_names_those_it_takes(db: TestDatabase) {
        let site = Site::over(&db).await;
        for method in ["DELETE", "PUT", "PATCH", "TRACE", "PROPFIND"] {
            let answer = site.ask("admin", method, "/api/v1/books").send().await;
            assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "GET, POST, HEAD, OPTIONS"), "{method}");
        }
        let options = site.ask("", "OPTIONS", "/api/v1/books").send().await;
        assert_eq!((options.status, options.headers["allow"].as_str()), (204, "GET, POST, HEAD, OPTIONS"));
        let id = site.book("One", 1).await;
        let head = site.ask("admin", "HEAD", &format!("/api/v1/books/{id}")).send().await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_eq!(head.headers["content-type"], "application/json");
        assert!(head.headers.contains_key("etag") && head.headers["content-length"] != "0", "{head:?}");
        assert_eq!(site.ask("", "HEAD", "/api/v1/books").send().await.status, 401);
    }

    async fn a15_a_parameter_that_cannot_name_a_row_names_none(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("One", 1).await;
        assert_eq!(site.get(&format!("/api/v1/books/{id}")).await.status, 200);
        let upper = id.to_uppercase();
        let bare = id.replace('-', "");
        for strange in [
            "..%2f..%2fetc%2fpasswd", "..%5c", "%2e%2e", "%252e%252e%252f", "%00", "x", "1", "-1", "%ff",
            &format!("{id}%00"), &format!("{id}%20"), &format!("{id}%0a"), &format!("{{{id}}}"),
            &upper, &bare, &format!("{id}/"), &format!("{id}.json"), &"a".repeat(1_000),
        ] {
            let answer = site.get(&format!("/api/v1/books/{strange}")).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "NOT_FOUND"), "{strange}");
        }
    }

    async fn r4_an_id_is_compared_as_a_whole(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("One", 1).await;
        for other in [format!("{}0", &id[..35]), format!("{}f", &id[..35]), id[..35].to_owned(), format!("{id}0")] {
            if other != id {
                assert_eq!(site.get(&format!("/api/v1/books/{other}")).await.status, 404, "{other}");
            }
        }
    }

    async fn r15_what_breaks_inside_stays_inside(db: TestDatabase) {
        let site = Site::over(&db).await;
        for how in ["panic", "store"] {
            let ask = site.ask("admin", "POST", "/api/v1/books/break").header("x-how", how);
            let answer = ask.header("x-correlation-id", "mine").send().await;
            assert_eq!((answer.status, answer.code().as_str()), (500, "INTERNAL"), "{how}");
            assert_eq!(answer.json()["correlation_id"], "mine");
            for inner in ["SELECT", "secret", ".rs", "users", "panic"] {
                assert!(!answer.text.contains(inner), "{how}: {answer:?}");
            }
        }
        let slow = site.ask("admin", "POST", "/api/v1/books/break").header("x-how", "slow").send().await;
        assert_eq!((slow.status, slow.code().as_str()), (503, "TIMED_OUT"));
        assert!(slow.headers.contains_key("retry-after"));
        assert_eq!(site.get("/api/v1/books").await.status, 200);
    }

    async fn every_answer_carries_the_correlation_id_and_is_not_cached(db: TestDatabase) {
        let site = Site::over(&db).await;
        for target in ["/api/v1", "/api/v1/books", "/api/v1/nothing", "/api/v1/books?x=1"] {
            let answer = site.ask("admin", "GET", target).header("x-correlation-id", "c-9").send().await;
            assert_eq!(answer.headers["x-correlation-id"], "c-9", "{target}");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        }
    }
}
