//! `/connections`.

use std::time::{Duration, Instant};

use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{House, logged};

both_databases! {
    async fn a_connection_is_created_changed_tested_and_deleted(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, editor) = (&house.node, &house.ours.editor.token);
        let set = node.post(editor, "/secrets", json!({ "key": "CRM", "value": "the-right-token" })).await;
        assert_eq!(set.status, 201);
        let new = json!({ "connector": "crm", "name": "team", "fields": { "token": "$secret:CRM", "team": "blue" } });
        let created = node.post(editor, "/connections", new).await;
        assert_eq!(created.status, 201, "{created:?}");
        let path = format!("/connections/{}", created.id());
        assert_eq!(created.json()["fields"], json!({ "team": "blue", "token": "$secret:CRM" }));
        assert_eq!(node.get(editor, &path).await.json(), created.json());
        let tested = node.send(editor, "POST", &format!("{path}/test"), None).await;
        assert_eq!((tested.status, tested.json()), (200, json!({ "status": "ok", "reason": null })), "{tested:?}");
        let changed = node.patch(editor, &path, json!({ "fields": { "token": "$secret:GONE" } })).await;
        assert_eq!((changed.status, changed.headers["etag"].as_str()), (200, "\"2\""), "{changed:?}");
        let tested = node.send(editor, "POST", &format!("{path}/test"), None).await.json();
        assert_eq!(tested["status"], "failing", "{tested}");
        assert_eq!(node.delete(editor, &path).await.status, 204);
        assert_eq!(node.get(editor, &path).await.status, 404);
        assert_eq!(node.get(editor, "/secrets/CRM").await.status, 200, "a secret that is named stays");
        for action in ["connection.create", "connection.update", "connection.test", "connection.delete"] {
            assert!(!logged(&house, &house.ours, action).await.is_empty(), "{action}");
        }
    }

    async fn a_value_of_a_secret_field_becomes_a_secret_of_its_own(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, editor) = (&house.node, &house.ours.editor.token);
        let new = json!({ "connector": "crm", "name": "team", "fields": { "token": "the-right-token" } });
        let created = node.post(editor, "/connections", new).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.json()["fields"]["token"], "$secret:connection.team.token");
        let path = format!("/connections/{}", created.id());
        let tested = node.send(editor, "POST", &format!("{path}/test"), None).await.json();
        assert_eq!(tested["status"], "ok", "{tested}");
        let wrong = node.patch(editor, &path, json!({ "fields": { "token": "a-wrong-canary-token" } })).await;
        assert_eq!(wrong.status, 200);
        let failing = node.send(editor, "POST", &format!("{path}/test"), None).await;
        assert_eq!(failing.json()["status"], "failing");
        assert_eq!(node.get(editor, "/secrets/connection.team.token").await.json()["version"], 2);
        let log = node.get(&house.ours.root.token, "/audit?limit=200").await;
        for answer in [&created, &wrong, &failing, &log] {
            assert!(!answer.text.contains("the-right-token") && !answer.text.contains("canary"), "{answer:?}");
        }
        let named = node.patch(editor, &path, json!({ "fields": { "token": "$secret:OTHER" } })).await;
        assert_eq!(named.status, 200);
        assert_eq!(node.get(editor, "/secrets/connection.team.token").await.status, 404, "nothing names it any more");
        node.patch(editor, &path, json!({ "fields": { "token": "the-right-token" } })).await;
        assert_eq!(node.delete(editor, &path).await.status, 204);
        assert_eq!(node.get(editor, "/secrets/connection.team.token").await.status, 404);
    }

    async fn a_secret_value_takes_the_right_to_store_secrets(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let maker = house.person(&house.ours, "maker", &["connectors.add_connection"]).await;
        let plain = json!({ "connector": "crm", "name": "team", "fields": { "token": "the-right-token" } });
        assert_eq!(node.post(&maker.token, "/connections", plain.clone()).await.problem(), (403, "PERMISSION_REQUIRED".to_owned()));
        let narrow = house.token(&house.ours, &house.ours.editor, &["connections:write"]).await;
        assert_eq!(node.post(&narrow, "/connections", plain).await.problem(), (403, "SCOPE_REQUIRED".to_owned()));
        let named = json!({ "connector": "crm", "name": "team", "fields": { "token": "$secret:CRM" } });
        assert_eq!(node.post(&maker.token, "/connections", named).await.status, 201);
        let none = node.get(&house.ours.admin.token, "/secrets").await.json();
        assert_eq!(none["results"], json!([]));
    }

    async fn fields_are_those_of_the_connector(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, editor) = (&house.node, &house.ours.editor.token);
        let new = |connector: &str, name: &str, fields: Value| json!({ "connector": connector, "name": name, "fields": fields });
        let good = json!({ "token": "$secret:CRM" });
        for (body, code) in [
            (new("crm", "a", json!({ "token": "$secret:CRM", "tokne": "x" })), "UNKNOWN_CONNECTION_FIELD"),
            (new("crm", "a", json!({ "team": "x" })), "REQUIRED"),
            (new("crm", "a", json!({ "token": "$secret:a b" })), "INVALID_REFERENCE"),
            (new("crm", "a", json!({ "token": 7 })), "WRONG_TYPE"),
            (new("crm", "a", json!([])), "WRONG_TYPE"),
            (new("nothing", "a", good.clone()), "UNKNOWN_CONNECTOR"),
            (new("log", "a", json!({})), "UNKNOWN_CONNECTOR"),
            (new("crm", "a.b", good.clone()), "INVALID_NAME"),
            (new("crm", "", good.clone()), "INVALID_NAME"),
        ] {
            let answer = node.post(editor, "/connections", body.clone()).await;
            assert_eq!((answer.status, answer.json()["errors"][0]["code"].clone()), (422, json!(code)), "{body}");
        }
        assert_eq!(node.post(editor, "/connections", new("crm", "a", good.clone())).await.status, 201);
        let twice = node.post(editor, "/connections", new("crm", "a", json!({ "token": "a-value-of-a-token" }))).await;
        assert_eq!(twice.problem(), (409, "CONFLICT".to_owned()));
        let secrets = node.get(editor, "/secrets").await.json();
        assert_eq!(secrets["results"], json!([]), "what was refused left no secret behind");
    }

    async fn a_test_that_hangs_is_given_up(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, editor) = (&house.node, &house.ours.editor.token);
        let new = json!({ "connector": "crm", "name": "slow", "fields": { "token": "the-slow-token" } });
        let path = format!("/connections/{}/test", node.post(editor, "/connections", new).await.id());
        let begun = Instant::now();
        let tested = node.send(editor, "POST", &path, None).await;
        assert_eq!((tested.status, tested.json()["status"].clone()), (200, json!("failing")), "{tested:?}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
