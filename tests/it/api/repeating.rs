//! Requests that are sent again.

use automate_tests::both_databases;
use futures_util::future::join_all;
use serde_json::json;

use super::site::Site;

both_databases! {
    async fn r14_the_same_key_has_one_effect_and_one_answer(db: TestDatabase) {
        let site = Site::over(&db).await;
        let body = json!({ "title": "One", "author": "x", "pages": 1 });
        let ask = || site.ask("admin", "POST", "/api/v1/books").header("idempotency-key", "order-1").json(&body);
        let first = ask().send().await;
        let again = ask().send().await;
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!((again.json(), again.headers["location"].as_str()), (first.json(), first.headers["location"].as_str()));
        assert_eq!(again.headers["etag"], first.headers["etag"]);
        assert_eq!((first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"].as_str()), (None, "true"));
        assert_eq!(site.books().await, 1);
        let other = site.ask("admin", "POST", "/api/v1/books").header("idempotency-key", "order-1");
        let other = other.json(&json!({ "title": "Two", "author": "x", "pages": 1 })).send().await;
        assert_eq!((other.status, other.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"));
        let somebody_else = site.ask("other", "POST", "/api/v1/books").header("idempotency-key", "order-1").json(&body);
        assert_eq!(somebody_else.send().await.status, 201, "a key belongs to its caller");
        assert_eq!(site.books().await, 2);
        // Another process knows it, too.
        let second = Site::again(&db, Default::default()).await;
        let ask = second.ask("admin", "POST", "/api/v1/books").header("idempotency-key", "order-1").json(&body);
        assert_eq!(ask.send().await.json(), first.json());
    }

    async fn r14_a_hundred_at_once_with_one_key_are_one(db: TestDatabase) {
        let site = Site::over(&db).await;
        let body = json!({ "title": "One", "author": "x", "pages": 1 });
        let all = (0..100).map(|_| {
            site.ask("admin", "POST", "/api/v1/books").header("idempotency-key", "order-1").json(&body).send()
        });
        let answers = join_all(all).await;
        assert_eq!(site.books().await, 1);
        let created: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        let waiting = answers.iter().filter(|answer| answer.status == 409 && answer.headers.contains_key("retry-after"));
        assert_eq!(created.len() + waiting.count(), 100, "{answers:?}");
        assert!(created.iter().all(|answer| answer.json() == created[0].json()));
        assert_eq!(created.iter().filter(|answer| !answer.headers.contains_key("idempotent-replayed")).count(), 1);
    }

    async fn r14_a_refusal_is_repeated_and_a_failure_of_ours_may_be_tried_again(db: TestDatabase) {
        let site = Site::over(&db).await;
        let ask = |key: &str, title: &str| {
            let body = json!({ "title": title, "author": "x", "pages": 1 });
            site.ask("admin", "POST", "/api/v1/books").header("idempotency-key", key).json(&body)
        };
        assert_eq!(ask("k", "Forbidden").send().await.status, 409);
        let again = ask("k", "Forbidden").send().await;
        assert_eq!((again.status, again.headers["idempotent-replayed"].as_str()), (409, "true"));
        assert_eq!(again.code(), "REFUSED");
        let broken = || site.ask("admin", "POST", "/api/v1/books/break").header("idempotency-key", "b");
        assert_eq!(broken().header("x-how", "panic").send().await.status, 500);
        assert_eq!(broken().header("x-how", "store").send().await.status, 500);
        assert_eq!(broken().send().await.status, 204, "nothing was done before, so it is done now");
        assert_eq!(broken().send().await.headers["idempotent-replayed"], "true");
    }

    async fn r14_a_request_that_was_lost_with_its_process_may_be_repeated(db: TestDatabase) {
        let site = Site::over(&db).await;
        let ask = || {
            let body = json!({ "title": "One", "author": "x", "pages": 1 });
            site.ask("admin", "POST", "/api/v1/books").header("idempotency-key", "k").json(&body)
        };
        assert_eq!(ask().send().await.status, 201);
        // As a process leaves it that died before it began: claimed, unanswered.
        execute(&site, "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL").await;
        let early = ask().send().await;
        assert_eq!((early.status, early.code().as_str()), (409, "REQUEST_UNDER_WAY"));
        let long_ago = automate_core::clock::now() - chrono::TimeDelta::minutes(6);
        age(&site, long_ago).await;
        assert_eq!(ask().send().await.status, 201);
        // And a day later the key is free.
        let yesterday = automate_core::clock::now() - chrono::TimeDelta::hours(25);
        age(&site, yesterday).await;
        let later = ask().send().await;
        assert_eq!((later.status, later.headers.get("idempotent-replayed")), (201, None));
        assert_eq!(site.books().await, 3);
    }

    async fn r14_what_is_shown_once_is_not_shown_twice(db: TestDatabase) {
        let site = Site::over(&db).await;
        let ask = || site.ask("admin", "POST", "/api/v1/books/card").header("idempotency-key", "k");
        assert_eq!(ask().send().await.json()["secret"], "once");
        let again = ask().send().await;
        assert_eq!((again.status, again.code().as_str()), (409, "ANSWER_NOT_KEPT"));
    }

    async fn keys_that_are_none_are_refused(db: TestDatabase) {
        let site = Site::over(&db).await;
        for key in ["", "a b", "ä", &"x".repeat(256)] {
            let ask = site.ask("admin", "POST", "/api/v1/books/import").header("idempotency-key", key);
            assert_eq!(ask.send().await.status, 400, "{key}");
        }
        let twice = site.ask("admin", "POST", "/api/v1/books/import").header("idempotency-key", "a");
        assert_eq!(twice.header("idempotency-key", "b").send().await.status, 400);
    }
}

async fn execute(site: &Site, sql: &'static str) {
    match (site.db.postgres(), site.db.sqlite_writer()) {
        (Some(pool), _) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
        (None, Some(pool)) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
        (None, None) => unreachable!("a database is one of the two"),
    }
}

/// Moves all keys to a time.
async fn age(site: &Site, at: chrono::DateTime<chrono::Utc>) {
    const SQL: &str = "UPDATE idempotency_keys SET created_at = $1";
    match (site.db.postgres(), site.db.sqlite_writer()) {
        (Some(pool), _) => drop(sqlx::query(SQL).bind(at).execute(pool).await.unwrap()),
        (None, Some(pool)) => drop(sqlx::query(SQL).bind(at).execute(pool).await.unwrap()),
        (None, None) => unreachable!("a database is one of the two"),
    }
}
