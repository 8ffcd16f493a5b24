//! Members that are not taken, and lists of which one member is not.

use automate_tests::both_databases;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::bed::{Caller, House, PASSWORD};

both_databases! {
    async fn a9_members_that_are_not_taken_are_refused_by_name(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, root) = (&house.node, &house.ours.root.token);
        let bodies = [
            ("/users", json!({ "email": "x@ours.example" })),
            ("/groups", json!({ "name": "x" })),
            ("/tokens", json!({ "name": "x", "scopes": ["workflows:read"] })),
            ("/tenants", json!({ "slug": "x", "name": "x" })),
            ("/secrets", json!({ "key": "X", "value": "some-long-value" })),
            ("/connections", json!({ "connector": "crm", "name": "x", "fields": { "token": "$secret:X" } })),
        ];
        let extra = [
            "role", "tenant_id", "tenant", "is_admin", "id", "created_at", "row_version", "password_hash", "totp_secret",
            "hash", "status", "version", "__proto__",
        ];
        for (path, body) in &bodies {
            for name in extra {
                let mut body = body.clone();
                body[name] = json!("x");
                let answer = node.post(root, path, body).await;
                assert_eq!(answer.problem(), (400, "UNKNOWN_FIELD".to_owned()), "{path} {name}");
            }
        }
        let rows = [
            (format!("/users/{}", house.ours.viewer.id), "email_key"),
            (format!("/groups/{}", house.ours.group(node, "viewer").await), "tenant_id"),
            (format!("/tenants/{}", house.theirs.id), "slug"),
        ];
        for (path, name) in rows {
            for name in [name, "id", "created_at", "row_version"] {
                let answer = node.patch(root, &path, json!({ name: "x" })).await;
                assert_eq!(answer.problem(), (400, "UNKNOWN_FIELD".to_owned()), "{path} {name}");
            }
        }
        for path in ["/users", "/groups", "/tokens", "/secrets", "/connections"] {
            let list = node.get(root, &format!("{path}?limit=200")).await.text;
            assert!(!list.contains("\"x@ours.example\"") && !list.contains("\"name\":\"x\""), "nothing was stored: {path}");
        }
        let session = json!({ "email": house.ours.viewer.email, "password": PASSWORD, "tenant_id": "x" });
        assert_eq!(node.post(&Caller::Nobody, "/session", session).await.status, 400);
    }

    async fn a12_one_foreign_id_refuses_the_whole(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let (own, foreign) = (house.ours.group(node, "viewer").await, house.theirs.group(node, "viewer").await);
        let path = format!("/users/{}", house.ours.editor.id);
        let before = node.get(admin, &path).await.json();
        let answer = node.patch(admin, &path, json!({ "name": "changed", "groups": [own, foreign] })).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert_eq!(node.get(admin, &path).await.json(), before, "nothing was applied");
        let new = json!({ "email": "new@ours.example", "groups": [own, foreign] });
        assert_eq!(node.post(admin, "/users", new).await.status, 422);
        assert_eq!(node.get(admin, "/users?search=new").await.json()["results"], json!([]));
        let inner = json!({ "email": "new@ours.example", "groups": [{ "id": own, "tenant_id": house.theirs.id }] });
        assert_eq!(node.post(admin, "/users", inner).await.status, 422);
        assert_eq!(node.post(admin, "/users", json!([{ "email": "new@ours.example" }])).await.status, 422);
    }

    async fn r8_a_member_twice_is_refused(db: TestDatabase) {
        let house = House::over(&db).await;
        let Caller::Token(token) = &house.ours.admin.token else { unreachable!() };
        let body = r#"{"email":"x@ours.example","is_staff":false,"is_staff":true}"#;
        let request = format!(
            "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = tokio::net::TcpStream::connect(house.node.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }

    async fn wrong_kinds_are_told_and_break_nothing(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, root) = (&house.node, &house.ours.root.token);
        let values = [json!(null), json!(0), json!(1.5), json!(true), json!([]), json!({}), json!("\u{0}"), json!("x".repeat(100_000))];
        for (path, members) in [
            ("/users", &["email", "name", "password", "is_staff", "groups", "permissions"][..]),
            ("/groups", &["name", "description", "permissions"]),
            ("/tokens", &["name", "scopes", "expires_at", "rate_per_minute", "user_id"]),
            ("/tenants", &["slug", "name"]),
            ("/secrets", &["key", "value"]),
            ("/connections", &["connector", "name", "fields"]),
            ("/session", &["email", "password", "code"]),
        ] {
            for member in members {
                for value in &values {
                    let body: Value = json!({ *member: value });
                    let answer = node.post(root, path, body).await;
                    assert!(matches!(answer.status, 400 | 401 | 422 | 429), "{path} {member} {answer:?}");
                }
            }
        }
    }
}
