//! Changes that must not overwrite what others wrote; answers that need not be sent again.

use automate_tests::both_databases;
use serde_json::json;

use super::site::Site;

both_databases! {
    async fn a_change_names_the_version_that_it_is_based_on(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("One", 1).await;
        let target = format!("/api/v1/books/{id}");
        let row = site.get(&target).await;
        let tag = row.headers["etag"].clone();
        let change = async |tag: &str, pages: i64| {
            site.ask("admin", "PATCH", &target).header("if-match", tag).json(&json!({ "pages": pages })).send().await
        };
        let changed = change(&tag, 2).await;
        assert_eq!((changed.status, changed.json()["pages"].clone()), (200, json!(2)));
        let now = changed.headers["etag"].clone();
        assert_ne!(now, tag);
        let late = change(&tag, 3).await;
        assert_eq!((late.status, late.code().as_str()), (412, "CHANGED"));
        assert_eq!(late.headers["etag"], now, "the version that it is at");
        assert_eq!(change(&format!("{tag}, {now}"), 4).await.status, 200, "one of several");
        assert_eq!(change("\"x\"", 5).await.status, 412);
        assert_eq!(change(&format!("W/{tag}"), 5).await.status, 412);
        assert_eq!(change("nonsense", 5).await.status, 400);
        assert_eq!(change("*", 6).await.status, 200);
        assert_eq!(site.get(&target).await.json()["pages"], 6);
        let unconditional = site.ask("admin", "PATCH", &target).json(&json!({ "pages": 7 })).send().await;
        assert_eq!(unconditional.status, 200);
        let late = site.ask("admin", "DELETE", &target).header("if-match", &tag).send().await;
        assert_eq!(late.status, 412);
        let current = unconditional.headers["etag"].clone();
        assert_eq!(site.ask("admin", "DELETE", &target).header("if-match", &current).send().await.status, 204);
        assert_eq!(site.books().await, 0);
    }

    async fn what_the_client_has_is_not_sent_again(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("One", 1).await;
        let target = format!("/api/v1/books/{id}");
        let tag = site.get(&target).await.headers["etag"].clone();
        let again = site.ask("admin", "GET", &target).header("if-none-match", &tag).send().await;
        assert_eq!((again.status, again.text.as_str(), again.headers["etag"].as_str()), (304, "", tag.as_str()));
        let part = site.get(&format!("{target}?fields=title")).await;
        assert_ne!(part.headers["etag"], tag, "another view of the same version is something else");
        site.ask("admin", "PATCH", &target).json(&json!({ "pages": 2 })).send().await;
        let changed = site.ask("admin", "GET", &target).header("if-none-match", &tag).send().await;
        assert_eq!((changed.status, changed.json()["pages"].clone()), (200, json!(2)));
    }

    async fn a_condition_where_none_is_looked_at_is_refused_and_not_passed_over(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("One", 1).await;
        let ask = site.ask("admin", "POST", &format!("/api/v1/books/{id}/lend")).header("if-match", "\"1\"");
        let answer = ask.json(&json!({ "to": "x", "days": 1 })).send().await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "CONDITION_NOT_SUPPORTED"));
    }
}
