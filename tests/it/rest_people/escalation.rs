//! Nobody gives others, or themselves, more than they have.

use automate_core::access::all_permissions;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{Caller, House, PASSWORD};

/// What a clerk may do: everything about people, and nothing else.
const CLERK: &[&str] = &[
    "people.view_user",
    "people.add_user",
    "people.change_user",
    "people.delete_user",
    "people.view_group",
    "people.add_group",
    "people.change_group",
    "people.delete_group",
    "people.view_token",
    "people.change_token",
    "people.delete_token",
];

both_databases! {
    async fn a_clerk_makes_nobody_who_may_do_more(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let clerk = house.person(&house.ours, "clerk", CLERK).await;
        let admin_group = house.ours.group(node, "admin").await;
        for more in [
            json!({ "permissions": ["*"] }),
            json!({ "permissions": ["workflow.publish"] }),
            json!({ "groups": [admin_group] }),
            json!({ "is_superuser": true }),
            json!({ "is_staff": true }),
        ] {
            let mut new = more.clone();
            (new["email"], new["password"]) = (json!("mallory@ours.example"), json!(PASSWORD));
            let made = node.post(&clerk.token, "/users", new).await;
            assert_eq!(made.problem(), (403, "FORBIDDEN".to_owned()), "{more}");
            let own = node.patch(&clerk.token, &format!("/users/{}", clerk.id), more.clone()).await;
            assert_eq!(own.problem(), (403, "FORBIDDEN".to_owned()), "{more}");
        }
        let none = node.get(&house.ours.admin.token, "/users?email__icontains=mallory").await.json();
        assert_eq!(none["results"], json!([]), "nothing of it was stored");
        let foreign = json!({ "email": "m@ours.example", "groups": [house.theirs.group(node, "viewer").await] });
        assert_eq!(node.post(&clerk.token, "/users", foreign).await.status, 422, "a group of another tenant");
        let equal = json!({ "email": "second@ours.example", "permissions": ["people.view_user"] });
        assert_eq!(node.post(&clerk.token, "/users", equal).await.status, 201);
    }

    async fn a_clerk_gives_no_group_more_than_they_have(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let clerk = house.person(&house.ours, "clerk", CLERK).await;
        for permission in ["*", "workflow.publish", "secrets.view_secret"] {
            let made = node.post(&clerk.token, "/groups", json!({ "name": "gang", "permissions": [permission] })).await;
            assert_eq!(made.problem(), (403, "FORBIDDEN".to_owned()), "{permission}");
        }
        let own = node.post(&clerk.token, "/groups", json!({ "name": "desk", "permissions": ["people.view_user"] })).await;
        assert_eq!(own.status, 201, "{own:?}");
        let path = format!("/groups/{}", own.id());
        assert_eq!(node.patch(&clerk.token, &path, json!({ "permissions": ["*"] })).await.status, 403);
        let admins = format!("/groups/{}", house.ours.group(node, "admin").await);
        assert_eq!(node.delete(&clerk.token, &admins).await.status, 403);
        assert_eq!(node.patch(&clerk.token, &admins, json!({ "permissions": [] })).await.status, 403);
    }

    async fn who_may_do_less_takes_over_nobody_who_may_do_more(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let clerk = house.person(&house.ours, "clerk", CLERK).await;
        for above in [&house.ours.root, &house.ours.admin, &house.ours.viewer] {
            let path = format!("/users/{}", above.id);
            for (method, path, body) in [
                ("PATCH", path.clone(), json!({ "email": "mine@ours.example" })),
                ("PATCH", path.clone(), json!({ "is_active": false })),
                ("POST", format!("{path}/password"), json!({ "password": "rather unlikely words" })),
                ("POST", format!("{path}/logout"), Value::Null),
                ("DELETE", format!("{path}/totp"), Value::Null),
                ("DELETE", path.clone(), Value::Null),
            ] {
                let body = Some(&body).filter(|body| !body.is_null());
                let answer = node.send(&clerk.token, method, &path, body).await;
                assert_eq!(answer.problem(), (403, "FORBIDDEN".to_owned()), "{method} {path}");
            }
        }
        let below = house.person(&house.ours, "below", &["people.view_user"]).await;
        let password = json!({ "password": "rather unlikely words" });
        assert_eq!(node.post(&clerk.token, &format!("/users/{}/password", below.id), password).await.status, 204);
    }

    async fn nobody_makes_a_token_for_others_or_with_more_scopes(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let narrow = house.token(&house.ours, &house.ours.admin, &["tokens:write", "workflows:read"]).await;
        for scopes in [json!(["admin"]), json!(["workflows:write"]), json!(["workflows:read", "secrets:read"])] {
            let answer = node.post(&narrow, "/tokens", json!({ "name": "more", "scopes": scopes })).await;
            assert_eq!(answer.problem(), (403, "FORBIDDEN".to_owned()), "{scopes}");
        }
        let same = node.post(&narrow, "/tokens", json!({ "name": "same", "scopes": ["workflows:read"] })).await;
        assert_eq!(same.status, 201, "{same:?}");
        let for_root = json!({ "name": "root", "scopes": ["workflows:read"], "user_id": house.ours.root.id });
        for caller in [&house.ours.admin.token, &narrow] {
            let answer = node.post(caller, "/tokens", for_root.clone()).await;
            assert_eq!(answer.problem(), (403, "SUPERUSER_REQUIRED".to_owned()));
        }
        let for_editor = json!({ "name": "editor", "scopes": ["workflows:read"], "user_id": house.ours.editor.id });
        assert_eq!(node.post(&house.ours.root.token, "/tokens", for_editor).await.status, 201);
        let foreign = json!({ "name": "x", "scopes": ["workflows:read"], "user_id": house.theirs.editor.id });
        assert_eq!(node.post(&house.ours.root.token, "/tokens", foreign).await.status, 422);
    }

    async fn a_token_that_ends_leaves_none_behind_that_does_not(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.admin.email).await;
        let end = automate_core::clock::now() + chrono::TimeDelta::hours(1);
        let short = json!({ "name": "short", "scopes": ["tokens:write"], "expires_at": end });
        let short = node.post(&session, "/tokens", short).await;
        let (path, short) = (format!("/tokens/{}", short.id()), short.json()["token"].as_str().unwrap().to_owned());
        let short = Caller::Token(short);
        let later = end + chrono::TimeDelta::hours(1);
        for new in [json!({}), json!({ "expires_at": null }), json!({ "expires_at": later })] {
            let mut new = new;
            (new["name"], new["scopes"]) = (json!("long"), json!(["tokens:write"]));
            assert_eq!(node.post(&short, "/tokens", new.clone()).await.status, 403, "{new}");
        }
        for change in [json!({ "expires_at": null }), json!({ "expires_at": later })] {
            assert_eq!(node.patch(&short, &path, change.clone()).await.status, 403, "{change}");
        }
        let sooner = json!({ "expires_at": end - chrono::TimeDelta::minutes(1) });
        assert_eq!(node.patch(&short, &path, sooner).await.status, 200);
    }

    async fn a_tokens_scopes_are_not_got_around_through_an_account(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let narrow = house.token(&house.ours, &house.ours.root, &["users:write", "groups:write", "workflows:write"]).await;
        let new = |permissions: Value| json!({ "email": "via@ours.example", "password": PASSWORD, "permissions": permissions });
        for permissions in [json!(["*"]), json!(["secrets.view_secret"]), json!(["workflow.run", "audit.view_entry"])] {
            assert_eq!(node.post(&narrow, "/users", new(permissions.clone())).await.status, 403, "{permissions}");
            let group = json!({ "name": "via", "permissions": permissions });
            assert_eq!(node.post(&narrow, "/groups", group).await.status, 403, "{permissions}");
        }
        for more in [json!({ "is_superuser": true }), json!({ "is_staff": true })] {
            let path = format!("/users/{}", house.ours.viewer.id);
            assert_eq!(node.patch(&narrow, &path, more.clone()).await.status, 403, "{more}");
        }
        let password = json!({ "password": "rather unlikely words" });
        for above in [&house.ours.admin, &house.ours.editor] {
            let path = format!("/users/{}/password", above.id);
            assert_eq!(node.post(&narrow, &path, password.clone()).await.status, 403);
        }
        assert_eq!(node.post(&narrow, "/users", new(json!(["workflow.run"]))).await.status, 201);
    }

    async fn an_admin_of_a_tenant_makes_no_superuser(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin);
        for path in [format!("/users/{}", admin.id), format!("/users/{}", house.ours.viewer.id)] {
            let answer = node.patch(&admin.token, &path, json!({ "is_superuser": true })).await;
            assert_eq!(answer.problem(), (403, "FORBIDDEN".to_owned()));
        }
        let root = format!("/users/{}/password", house.ours.root.id);
        let answer = node.post(&admin.token, &root, json!({ "password": "rather unlikely words" })).await;
        assert_eq!(answer.problem(), (403, "FORBIDDEN".to_owned()));
        let all: Vec<String> = all_permissions();
        assert_eq!(node.post(&admin.token, "/groups", json!({ "name": "all", "permissions": all })).await.status, 201);
    }

    async fn who_only_looks_changes_nothing(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let reader = house
            .token(&house.ours, &house.ours.root, &[
                "users:read", "groups:read", "tokens:read", "tenants:read", "policies:read", "secrets:read",
                "connections:read", "providers:read",
            ])
            .await;
        for (method, path) in [
            ("POST", "/users".to_owned()),
            ("PATCH", format!("/users/{}", house.ours.viewer.id)),
            ("DELETE", format!("/users/{}", house.ours.viewer.id)),
            ("POST", format!("/users/{}/password", house.ours.viewer.id)),
            ("POST", format!("/users/{}/logout", house.ours.viewer.id)),
            ("POST", "/groups".to_owned()),
            ("POST", "/tokens".to_owned()),
            ("POST", "/tenants".to_owned()),
            ("POST", format!("/tenants/{}/suspend", house.theirs.id)),
            ("PUT", format!("/tenants/{}/policy", house.ours.id)),
            ("POST", "/secrets".to_owned()),
            ("PUT", "/secrets/K".to_owned()),
            ("POST", "/secrets/K/rotate".to_owned()),
            ("DELETE", "/secrets/K".to_owned()),
            ("POST", "/connections".to_owned()),
            ("POST", format!("/connections/{}/test", house.ours.viewer.id)),
            ("POST", "/audit/verify".to_owned()),
        ] {
            let answer = node.send(&reader, method, &path, None).await;
            assert_eq!(answer.problem(), (403, "SCOPE_REQUIRED".to_owned()), "r2 {method} {path}");
        }
    }
}
