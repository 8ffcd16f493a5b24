//! Who is let in, to what, and how often.

use automate_tests::both_databases;
use serde_json::json;

use super::site::{Site, faults};

both_databases! {
    async fn r1_whoever_is_not_known_gets_401_and_tokens_in_addresses_400(db: TestDatabase) {
        let site = Site::over(&db).await;
        for who in ["", "expired", "revoked", "orphan"] {
            let answer = site.ask(who, "GET", "/api/v1/books").send().await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHENTICATED"), "{who}");
            assert!(answer.headers["www-authenticate"].starts_with("Bearer realm="), "{answer:?}");
        }
        let basic = site.ask("", "GET", "/api/v1/books").header("authorization", "Basic YTpi").send().await;
        assert_eq!(basic.status, 401);
        for query in ["token=x", "access_token=aut_admin", "api_key=1", "Authorization=Bearer", "author=aut_admin"] {
            for who in ["", "admin"] {
                let answer = site.ask(who, "GET", &format!("/api/v1/books?{query}")).send().await;
                assert_eq!((answer.status, answer.code().as_str()), (400, "CREDENTIALS_IN_QUERY"), "{query}");
                assert!(!answer.text.contains("aut_admin"));
            }
        }
    }

    async fn r3_a_token_without_an_owner_has_no_role_to_fall_back_to(db: TestDatabase) {
        let site = Site::over(&db).await;
        assert_eq!(site.ask("orphan", "GET", "/api/v1/books").send().await.status, 401);
        let nothing = site.ask("nothing", "GET", "/api/v1/books").send().await;
        assert_eq!((nothing.status, nothing.code().as_str()), (403, "PERMISSION_REQUIRED"));
    }

    async fn r2_a_missing_scope_or_permission_is_named_and_audited(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("Ours", 1).await;
        for (method, target) in [
            ("POST", "/api/v1/books".to_owned()),
            ("PATCH", format!("/api/v1/books/{id}")),
            ("DELETE", format!("/api/v1/books/{id}")),
            ("POST", format!("/api/v1/books/{id}/lend")),
        ] {
            let answer = site.ask("reader", method, &target).json(&json!({})).send().await;
            assert_eq!((answer.status, answer.code().as_str()), (403, "SCOPE_REQUIRED"), "{method} {target}");
            assert!(answer.json()["detail"].as_str().unwrap().contains("`books:write`"), "{answer:?}");
        }
        let answer = site.ask("viewer", "DELETE", &format!("/api/v1/books/{id}")).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (403, "PERMISSION_REQUIRED"));
        assert!(answer.json()["detail"].as_str().unwrap().contains("`library.delete_book`"), "{answer:?}");
        assert_eq!(site.ask("viewer", "GET", "/api/v1/books").send().await.status, 200);
        const QUERY: &str = "SELECT count(*) FROM audit_log WHERE action = 'api.refuse' AND outcome = 'refused'";
        let refusals: i64 = match (site.db.postgres(), site.db.sqlite_reader()) {
            (Some(pool), _) => sqlx::query_scalar(QUERY).fetch_one(pool).await.unwrap(),
            (None, Some(pool)) => sqlx::query_scalar(QUERY).fetch_one(pool).await.unwrap(),
            (None, None) => unreachable!("a database is one of the two"),
        };
        assert_eq!(refusals, 5);
    }

    async fn strangers_are_asked_who_they_are_before_anything_else(db: TestDatabase) {
        let site = Site::over(&db).await;
        assert_eq!(site.ask("", "GET", "/api/v1/nonsense").send().await.status, 401);
        assert_eq!(site.ask("nothing", "GET", "/api/v1/nonsense").send().await.status, 404);
        assert_eq!(site.ask("", "GET", "/api/v1/books?unknown=1").send().await.status, 401);
        assert_eq!(site.ask("nothing", "GET", "/api/v1/books?unknown=1").send().await.status, 403);
        assert_eq!(site.ask("", "POST", "/api/v1/books").body(b"not json").send().await.status, 401);
    }

    async fn a_session_changes_something_only_with_its_csrf_token(db: TestDatabase) {
        let site = Site::over(&db).await;
        let cookie = "automate_session=admin";
        let body = json!({ "title": "A", "author": "B", "pages": 1 });
        let look = site.ask("", "GET", "/api/v1/books").header("cookie", cookie).send().await;
        assert_eq!(look.status, 200);
        let forged = site.ask("", "POST", "/api/v1/books").header("cookie", cookie).json(&body).send().await;
        assert_eq!((forged.status, forged.code().as_str()), (403, "CSRF_FAILED"));
        let ask = site.ask("", "POST", "/api/v1/books").header("cookie", cookie).header("x-csrf-token", "csrf");
        assert_eq!(ask.json(&body).send().await.status, 201);
        assert_eq!(site.books().await, 1);
    }

    async fn r13_beyond_the_limit_there_is_429_with_when_to_come_back(db: TestDatabase) {
        let site = Site::with(&db, Site::strict(3)).await;
        let mut left = Vec::new();
        for _ in 0..3 {
            let answer = site.get("/api/v1/books").await;
            assert_eq!((answer.status, answer.headers["ratelimit-limit"].as_str()), (200, "3"));
            left.push(answer.headers["ratelimit-remaining"].clone());
        }
        assert_eq!(left, ["2", "1", "0"]);
        let refused = site.get("/api/v1/books").await;
        assert_eq!((refused.status, refused.code().as_str()), (429, "RATE_LIMITED"));
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.headers["ratelimit-remaining"], "0");
        assert_eq!(site.ask("viewer", "GET", "/api/v1/books").send().await.status, 200, "others are not harmed");
    }

    async fn a_view_and_a_token_may_have_limits_of_their_own(db: TestDatabase) {
        let site = Site::over(&db).await;
        let rare: Vec<u16> = [site.get("/api/v1/books/rare").await, site.get("/api/v1/books/rare").await, site.get("/api/v1/books/rare").await]
            .map(|answer| answer.status)
            .to_vec();
        assert_eq!(rare, [204, 204, 429]);
        assert_eq!(site.get("/api/v1/books").await.status, 200);
        let slow = site.ask("slow", "GET", "/api/v1/books").send().await;
        assert_eq!(slow.headers["ratelimit-limit"], "10", "60 a minute, 10 at once");
    }

    async fn r13_guessing_tokens_is_slowed_down_by_address(db: TestDatabase) {
        let mut settings = Site::strict(1_000);
        settings.failures = automate_api::v1::base::Limit::per_minute(60).burst(5);
        let site = Site::with(&db, settings).await;
        let mut statuses = Vec::new();
        for _ in 0..7 {
            statuses.push(site.ask("expired", "GET", "/api/v1/books").send().await.status);
        }
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
        assert_eq!(site.get("/api/v1/books").await.status, 200, "whoever is known is let in");
    }

    async fn a9_fields_that_are_not_the_clients_are_refused(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("Ours", 1).await;
        for (name, value) in [
            ("role", json!("admin")),
            ("tenant_id", json!("01900000-0000-7000-8000-000000000002")),
            ("is_admin", json!(true)),
            ("id", json!("01900000-0000-7000-8000-000000000009")),
            ("created_at", json!("2020-01-01T00:00:00Z")),
            ("row_version", json!(7)),
        ] {
            let mut body = json!({ "title": "A", "author": "B", "pages": 1 });
            body[name] = value.clone();
            let created = site.post("/api/v1/books", &body).await;
            assert_eq!((created.status, created.code().as_str()), (400, "UNKNOWN_FIELD"), "{name}");
            assert_eq!(faults(&created)[&format!("/{name}")], "UNKNOWN_FIELD");
            let ask = site.ask("admin", "PATCH", &format!("/api/v1/books/{id}"));
            assert_eq!(ask.json(&json!({ name: value })).send().await.status, 400, "{name}");
            let lend = site.post(&format!("/api/v1/books/{id}/lend"), &json!({ "to": "x", "days": 1, name: 1 })).await;
            assert_eq!(lend.status, 400, "{name}");
        }
        assert_eq!(site.books().await, 1);
    }
}
