//! Rows that are created, changed and deleted.

use automate_tests::both_databases;
use serde_json::json;

use super::site::{Site, faults};

both_databases! {
    async fn a_row_lives_and_dies(db: TestDatabase) {
        let site = Site::over(&db).await;
        let body = json!({ "title": "Always Coming Home", "author": "Ursula", "pages": 523 });
        let created = site.post("/api/v1/books", &body).await;
        assert_eq!(created.status, 201, "{created:?}");
        let row = created.json();
        let location = created.headers["location"].clone();
        assert_eq!(location, format!("/api/v1/books/{}", row["id"].as_str().unwrap()));
        assert_eq!((row["title"].clone(), row["note"].clone()), (body["title"].clone(), json!(null)));
        assert_eq!(row.get("tenant_id"), None);
        assert_eq!(site.get(&location).await.json(), row);
        let changed = site.ask("admin", "PATCH", &location).json(&json!({ "note": "long" })).send().await.json();
        assert_eq!((changed["note"].clone(), changed["pages"].clone()), (json!("long"), json!(523)));
        assert_eq!(site.ask("admin", "DELETE", &location).send().await.status, 204);
        assert_eq!(site.get(&location).await.status, 404);
        assert_eq!(site.ask("admin", "DELETE", &location).send().await.status, 404);
    }

    async fn every_fault_of_the_input_is_told(db: TestDatabase) {
        let site = Site::over(&db).await;
        let answer = site.post("/api/v1/books", &json!({ "title": "x".repeat(101), "pages": "many" })).await;
        assert_eq!((answer.status, answer.code().as_str()), (422, "INVALID_INPUT"), "{answer:?}");
        assert_eq!(faults(&answer).len(), 3, "{answer:?}");
        let refused = site.post("/api/v1/books", &json!({ "title": "Forbidden", "author": "x", "pages": 1 })).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "REFUSED"));
        assert_eq!(site.books().await, 0);
    }

    async fn an_operation_of_ones_own_reads_its_body_and_its_query(db: TestDatabase) {
        let site = Site::over(&db).await;
        let id = site.book("One", 1).await;
        let target = format!("/api/v1/books/{id}/lend");
        let lent = site.post(&format!("{target}?copies=3"), &json!({ "to": "Shevek", "days": 7 })).await;
        assert_eq!((lent.status, lent.json()), (202, json!({ "book": id, "to": "Shevek", "days": 7, "copies": 3 })));
        for query in ["copies=0", "copies=10", "copies=03", "copies=3.0", "copies=+3", "copies="] {
            assert_eq!(site.post(&format!("{target}?{query}"), &json!({ "to": "x", "days": 1 })).await.status, 400, "{query}");
        }
        let wrong = site.post(&target, &json!({ "to": "x", "days": "soon" })).await;
        assert_eq!((wrong.status, wrong.code().as_str()), (422, "INVALID_INPUT"));
        let missing = site.post(&target, &json!({ "to": "x" })).await;
        assert_eq!(missing.status, 422);
    }
}
