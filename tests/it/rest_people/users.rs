//! `/users`.

use automate_tests::both_databases;
use serde_json::json;
use uuid::Uuid;

use super::bed::{Caller, House, PASSWORD, logged};

both_databases! {
    async fn a_user_is_created_shown_changed_and_deleted(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let viewer = house.ours.group(node, "viewer").await;
        let new = json!({
            "email": "Grace@ours.example", "name": "Grace", "password": "compilers are useful",
            "groups": [viewer], "permissions": ["workflow.run"],
        });
        let created = node.post(admin, "/users", new).await;
        assert_eq!(created.status, 201, "{created:?}");
        let id = created.id();
        assert_eq!(created.headers["location"], format!("/api/v1/users/{id}"));
        assert_eq!(created.headers["etag"], "\"1\"");
        let body = created.json();
        assert_eq!(body["groups"], json!([viewer]));
        assert_eq!(body["permissions"], json!(["workflow.run"]));
        assert_eq!((body["is_active"].clone(), body["tenant_id"].clone()), (json!(true), json!(house.ours.id)));
        for hidden in ["password_hash", "password", "totp_secret", "totp_last_step", "email_key"] {
            assert!(body.get(hidden).is_none(), "{hidden}");
        }
        let shown = node.get(admin, &format!("/users/{id}")).await;
        assert_eq!((shown.json(), shown.headers["etag"].as_str()), (body, "\"1\""));
        let brief = node.get(admin, &format!("/users/{id}?fields=email")).await;
        assert_eq!(brief.json(), json!({ "email": "Grace@ours.example" }));

        let changed = node.patch(admin, &format!("/users/{id}"), json!({ "name": "Grace H.", "groups": [] })).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!((changed.json()["name"].clone(), changed.json()["groups"].clone()), (json!("Grace H."), json!([])));
        assert_eq!(changed.json()["permissions"], json!(["workflow.run"]), "what is not given stays");
        let session = node.post(&Caller::Nobody, "/session", json!({ "email": "grace@ours.example", "password": "compilers are useful" })).await;
        assert_eq!(session.status, 200, "{session:?}");
        assert_eq!(node.delete(admin, &format!("/users/{id}")).await.status, 204);
        assert_eq!(node.get(admin, &format!("/users/{id}")).await.status, 404);
        assert_eq!(node.get(&session.session(), "/session").await.status, 401);
        for action in ["user.create", "user.change", "user.delete"] {
            let entries = logged(&house, &house.ours, action).await;
            assert!(entries.iter().any(|entry| entry["object_id"] == json!(id.to_string())), "{action}: {entries:?}");
        }
    }

    async fn users_are_listed_filtered_and_searched_with_their_groups(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let list = |query: &'static str| async move {
            let answer = node.get(admin, &format!("/users{query}")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.json()["results"].as_array().unwrap().clone()
        };
        assert_eq!(list("").await.len(), 4);
        let found = list("?search=viewer").await;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["groups"], json!([house.ours.group(node, "viewer").await]));
        assert_eq!(list("?is_superuser=true").await.len(), 1);
        assert_eq!(list("?email__icontains=theirs").await.len(), 0);
        for wrong in ["?password_hash=x", "?email_key=x", "?ordering=password_hash", "?fields=password_hash", "?tenant_id=x"] {
            assert_eq!(node.get(admin, &format!("/users{wrong}")).await.status, 400, "{wrong}");
        }
    }

    async fn a20_a_user_that_was_changed_meanwhile_is_not_changed_again(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let path = format!("/users/{}", house.ours.viewer.id);
        let body = json!({ "name": "V." });
        let first = node.send_with(admin, "PATCH", &path, Some(&body), &[("If-Match", "\"1\"")]).await;
        assert_eq!((first.status, first.headers["etag"].as_str()), (200, "\"2\""), "{first:?}");
        for method in ["PATCH", "DELETE"] {
            let body = Some(&body).filter(|_| method == "PATCH");
            let late = node.send_with(admin, method, &path, body, &[("If-Match", "\"1\"")]).await;
            assert_eq!((late.status, late.headers["etag"].as_str()), (412, "\"2\""), "{method}");
        }
    }

    async fn one_address_is_one_users_in_every_tenant_and_spelling(db: TestDatabase) {
        let house = House::over(&db).await;
        for email in [house.ours.viewer.email.to_uppercase(), house.theirs.viewer.email.clone()] {
            let answer = house.node.post(&house.ours.admin.token, "/users", json!({ "email": email })).await;
            assert_eq!(answer.problem(), (409, "CONFLICT".to_owned()), "{email}");
        }
        for wrong in ["", "no-address", "a@b@c", "a\u{0}@b.example", "a@b.example\r\nBcc: x"] {
            let answer = house.node.post(&house.ours.admin.token, "/users", json!({ "email": wrong })).await;
            assert!(matches!(answer.status, 400 | 422), "{wrong:?}: {answer:?}");
        }
    }

    async fn a_password_is_given_to_others_and_their_sessions_end(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let session = node.log_in(&house.ours.viewer.email).await;
        let path = format!("/users/{}/password", house.ours.viewer.id);
        let weak = node.post(admin, &path, json!({ "password": "password1234" })).await;
        assert_eq!(weak.problem(), (422, "INVALID_INPUT".to_owned()));
        assert!(!weak.text.contains("password1234"), "{weak:?}");
        let done = node.post(admin, &path, json!({ "password": "rather unlikely words" })).await;
        assert_eq!(done.status, 204, "{done:?}");
        assert_eq!(node.get(&session, "/session").await.status, 401);
        assert_eq!(node.get(&house.ours.viewer.token, "/session").await.status, 200, "tokens stay unless asked");
        let body = json!({ "password": "still unlikely words", "revoke_tokens": true });
        assert_eq!(node.post(admin, &path, body).await.status, 204);
        assert_eq!(node.get(&house.ours.viewer.token, "/session").await.status, 401);
        let old = json!({ "email": house.ours.viewer.email, "password": PASSWORD });
        assert_eq!(node.post(&Caller::Nobody, "/session", old).await.status, 401);
        let own = format!("/users/{}/password", house.ours.admin.id);
        let taken_over = node.post(admin, &own, json!({ "password": "rather unlikely words" })).await;
        assert_eq!(taken_over.problem(), (409, "OWN_PASSWORD".to_owned()), "without the old one");
    }

    async fn somebody_is_logged_out_everywhere(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.viewer.email).await;
        let path = format!("/users/{}/logout", house.ours.viewer.id);
        assert_eq!(node.send(&house.ours.admin.token, "POST", &path, None).await.status, 204);
        assert_eq!(node.get(&session, "/session").await.status, 401);
        let factor = format!("/users/{}/totp", house.ours.viewer.id);
        assert_eq!(node.delete(&house.ours.admin.token, &factor).await.status, 204);
    }

    async fn nobody_takes_their_own_access_away(db: TestDatabase) {
        let house = House::over(&db).await;
        let path = format!("/users/{}", house.ours.admin.id);
        let admin = &house.ours.admin.token;
        assert_eq!(house.node.delete(admin, &path).await.status, 409);
        assert_eq!(house.node.patch(admin, &path, json!({ "is_active": false })).await.status, 409);
        assert_eq!(house.node.get(admin, &path).await.json()["is_active"], true);
    }

    async fn r14_a_repeated_request_makes_one_user(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let body = json!({ "email": "once@ours.example" });
        let key = Uuid::from_u128(7).to_string();
        let headers = [("Idempotency-Key", key.as_str())];
        let first = node.send_with(admin, "POST", "/users", Some(&body), &headers).await;
        let second = node.send_with(admin, "POST", "/users", Some(&body), &headers).await;
        assert_eq!((first.status, second.status), (201, 201), "{second:?}");
        assert_eq!(first.json(), second.json());
        assert_eq!(second.headers["idempotent-replayed"], "true");
        let other = json!({ "email": "twice@ours.example" });
        assert_eq!(node.send_with(admin, "POST", "/users", Some(&other), &headers).await.status, 422);
    }
}
