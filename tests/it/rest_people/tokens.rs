//! `/tokens`.

use automate_tests::both_databases;
use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::bed::{Caller, House, logged};

both_databases! {
    async fn a_tokens_secret_is_shown_once(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.viewer.email).await;
        let body = json!({ "name": "deploy", "scopes": ["workflows:read"] });
        let key = Uuid::from_u128(9).to_string();
        let headers = [("Idempotency-Key", key.as_str())];
        let created = node.send_with(&session, "POST", "/tokens", Some(&body), &headers).await;
        assert_eq!(created.status, 201, "{created:?}");
        let made = created.json();
        let secret = made["token"].as_str().unwrap().to_owned();
        assert!(secret.starts_with(&format!("aut_{}_", made["prefix"].as_str().unwrap())));
        let again = node.send_with(&session, "POST", "/tokens", Some(&body), &headers).await;
        assert_eq!(again.problem(), (409, "ANSWER_NOT_KEPT".to_owned()), "it is not kept for a repetition");
        let path = format!("/tokens/{}", created.id());
        let shown = node.get(&session, &path).await;
        assert_eq!((shown.status, shown.headers["etag"].as_str()), (200, "\"1\""));
        assert_eq!(shown.json()["scopes"], json!(["workflows:read"]));
        let list = node.get(&session, "/tokens?name=deploy").await;
        for answer in [&shown, &list] {
            assert!(!answer.text.contains(&secret[18..]) && !answer.text.contains("hash"), "{answer:?}");
        }
        assert_eq!(list.json()["results"].as_array().unwrap().len(), 1, "the repetition made none");
        let token = Caller::Token(secret);
        assert_eq!(node.get(&token, "/workflows").await.status, 200);
        assert_eq!(node.get(&token, "/executions").await.problem(), (403, "SCOPE_REQUIRED".to_owned()));
    }

    async fn a_token_is_renamed_ended_revoked_and_deleted(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.viewer.email).await;
        let created = node.post(&session, "/tokens", json!({ "name": "one", "scopes": ["workflows:read"] })).await;
        let (path, token) = (format!("/tokens/{}", created.id()), created.json()["token"].as_str().unwrap().to_owned());
        let token = Caller::Token(token);
        let end = automate_core::clock::now() + TimeDelta::days(1);
        let changed = node.patch(&session, &path, json!({ "name": "two", "expires_at": end })).await;
        assert_eq!((changed.status, changed.json()["name"].clone()), (200, json!("two")), "{changed:?}");
        assert!(changed.json()["expires_at"].is_string());
        let past = json!({ "expires_at": automate_core::clock::now() - TimeDelta::days(1) });
        assert_eq!(node.patch(&session, &path, past.clone()).await.status, 422);
        let mut new = past;
        (new["name"], new["scopes"]) = (json!("past"), json!(["workflows:read"]));
        assert_eq!(node.post(&session, "/tokens", new).await.status, 422);
        let kept = node.patch(&session, &path, json!({ "name": "three" })).await;
        assert!(kept.json()["expires_at"].is_string(), "what is not given stays");
        let forever = node.patch(&session, &path, json!({ "expires_at": null })).await;
        assert_eq!(forever.json()["expires_at"], json!(null));
        assert_eq!(node.get(&token, "/workflows").await.status, 200);
        let revoked = node.send(&session, "POST", &format!("{path}/revoke"), None).await;
        assert!(revoked.status == 200 && revoked.json()["revoked_at"].is_string(), "{revoked:?}");
        assert_eq!(node.get(&token, "/workflows").await.status, 401);
        assert_eq!(node.get(&session, &path).await.status, 200);
        assert_eq!(node.delete(&session, &path).await.status, 204);
        assert_eq!(node.get(&session, &path).await.status, 404);
        for action in ["token.create", "token.update", "token.revoke", "token.delete"] {
            assert!(!logged(&house, &house.ours, action).await.is_empty(), "{action}");
        }
    }

    async fn a_deleted_token_is_dead_at_once(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.viewer.email).await;
        let created = node.post(&session, "/tokens", json!({ "name": "one", "scopes": ["workflows:read"] })).await;
        let token = Caller::Token(created.json()["token"].as_str().unwrap().to_owned());
        assert_eq!(node.get(&token, "/workflows").await.status, 200);
        assert_eq!(node.delete(&session, &format!("/tokens/{}", created.id())).await.status, 204);
        assert_eq!(node.get(&token, "/workflows").await.status, 401);
    }

    async fn a11_tokens_of_others_take_a_permission(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.viewer.email).await;
        let theirs = node.get(&house.ours.admin.token, "/tokens?limit=200").await.json();
        let theirs = theirs["results"].as_array().unwrap();
        assert_eq!(theirs.len(), 4, "admins see those of the tenant");
        let own = node.get(&session, "/tokens").await.json();
        assert_eq!(own["results"].as_array().unwrap().len(), 1);
        let other = theirs.iter().find(|token| token["user_id"] == json!(house.ours.editor.id)).unwrap();
        let path = format!("/tokens/{}", other["id"].as_str().unwrap());
        for (method, path, body) in [
            ("GET", path.clone(), None),
            ("PATCH", path.clone(), Some(json!({ "name": "mine" }))),
            ("DELETE", path.clone(), None),
            ("POST", format!("{path}/revoke"), None),
        ] {
            let answer = node.send(&session, method, &path, body.as_ref()).await;
            assert_eq!(answer.status, 404, "{method} {answer:?}");
        }
        assert_eq!(node.get(&house.ours.editor.token, "/session").await.status, 200);
        assert_eq!(node.delete(&house.ours.admin.token, &path).await.status, 204);
        assert_eq!(node.get(&house.ours.editor.token, "/session").await.status, 401);
    }

    async fn r2_scopes_are_checked_by_name(db: TestDatabase) {
        let house = House::over(&db).await;
        for (scopes, code) in [
            (json!(["workflows:rea"]), "UNKNOWN_SCOPE"),
            (json!(["*"]), "UNKNOWN_SCOPE"),
            (json!([]), "REQUIRED"),
        ] {
            let body = json!({ "name": "t", "scopes": scopes });
            let answer = house.node.post(&house.ours.admin.token, "/tokens", body).await;
            assert_eq!((answer.status, answer.json()["errors"][0]["code"].clone()), (422, json!(code)), "{scopes}");
        }
    }
}
