//! Rows of another tenant are as if they were not there.

use automate_core::ids::new_v7;
use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{Caller, House, Node, Tenant};

/// One row of each kind in a tenant, by where it is.
async fn rows(node: &Node, tenant: &Tenant) -> Vec<(&'static str, String)> {
    let admin = &tenant.admin.token;
    let secret = node.post(admin, "/secrets", json!({ "key": "THEIRS", "value": "their-own-value" })).await;
    assert_eq!(secret.status, 201, "{secret:?}");
    let connection =
        json!({ "connector": "crm", "name": "team", "fields": { "token": "$secret:THEIRS", "team": "blue" } });
    let connection = node.post(admin, "/connections", connection).await;
    assert_eq!(connection.status, 201, "{connection:?}");
    let first = |list: Value| list["results"][0]["id"].as_str().unwrap().to_owned();
    vec![
        ("users", tenant.viewer.id.to_string()),
        ("groups", tenant.group(node, "viewer").await.to_string()),
        ("tokens", first(node.get(admin, "/tokens").await.json())),
        ("connections", connection.id().to_string()),
        ("audit", first(node.get(admin, "/audit").await.json())),
        ("secrets", "THEIRS".to_owned()),
    ]
}

both_databases! {
    async fn a11_another_tenants_row_and_one_that_never_was_are_answered_alike(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        for (resource, id) in rows(node, &house.theirs).await {
            let never = if resource == "secrets" { "NEVER".to_owned() } else { new_v7().to_string() };
            for caller in [&house.ours.admin.token, &house.ours.root.token] {
                let mut requests = vec![("GET", String::new(), Value::Null)];
                match resource {
                    "users" => requests.extend([
                        ("PATCH", String::new(), json!({ "name": "x" })),
                        ("DELETE", String::new(), Value::Null),
                        ("POST", "/password".to_owned(), json!({ "password": "rather unlikely words" })),
                        ("POST", "/logout".to_owned(), Value::Null),
                        ("DELETE", "/totp".to_owned(), Value::Null),
                    ]),
                    "groups" => requests.extend([
                        ("PATCH", String::new(), json!({ "name": "x" })),
                        ("DELETE", String::new(), Value::Null),
                    ]),
                    "tokens" => requests.extend([
                        ("PATCH", String::new(), json!({ "name": "x" })),
                        ("DELETE", String::new(), Value::Null),
                        ("POST", "/revoke".to_owned(), Value::Null),
                    ]),
                    "connections" => requests.extend([
                        ("PATCH", String::new(), json!({ "fields": {} })),
                        ("DELETE", String::new(), Value::Null),
                        ("POST", "/test".to_owned(), Value::Null),
                    ]),
                    "secrets" => requests.extend([
                        ("POST", "/rotate".to_owned(), json!({ "value": "another-value" })),
                        ("DELETE", String::new(), Value::Null),
                    ]),
                    _ => {}
                }
                for (method, rest, body) in requests {
                    let body = Some(&body).filter(|body| !body.is_null());
                    let foreign = node.send(caller, method, &format!("/{resource}/{id}{rest}"), body).await;
                    let absent = node.send(caller, method, &format!("/{resource}/{never}{rest}"), body).await;
                    assert_eq!(foreign.status, 404, "{method} {resource}{rest}: {foreign:?}");
                    assert_eq!(foreign.anonymous(), absent.anonymous(), "{method} {resource}{rest}");
                }
            }
        }
        for (resource, id) in [("users", house.theirs.viewer.id.to_string())] {
            assert_eq!(node.get(&house.theirs.admin.token, &format!("/{resource}/{id}")).await.status, 200);
        }
    }

    async fn lists_have_the_rows_of_ones_own_tenant_only(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        rows(node, &house.theirs).await;
        for resource in ["users", "groups", "tokens", "connections", "secrets", "audit"] {
            let list = node.get(&house.ours.admin.token, &format!("/{resource}?limit=200")).await;
            assert_eq!(list.status, 200, "{list:?}");
            for foreign in ["theirs.example", "THEIRS", &house.theirs.id.to_string()] {
                assert!(!list.text.contains(foreign), "{resource}: {foreign}");
            }
        }
    }

    async fn r4_ids_are_compared_whole(db: TestDatabase) {
        let house = House::over(&db).await;
        let id = house.ours.viewer.id.to_string();
        for near in [&id[..35], &id.to_uppercase(), &id.replace('-', ""), &format!("{id}0"), &format!("{{{id}}}")] {
            if *near == id {
                continue;
            }
            let answer = house.node.get(&house.ours.admin.token, &format!("/users/{near}")).await;
            assert!(answer.status == 404 || (near.eq_ignore_ascii_case(&id) && answer.status == 200), "{near}: {answer:?}");
        }
    }

    async fn r1_who_is_not_known_sees_nothing(db: TestDatabase) {
        let house = House::over(&db).await;
        let strangers = [Caller::Nobody, Caller::Token("aut_x".to_owned()), Caller::Session("a".repeat(43), "x".to_owned())];
        for stranger in &strangers {
            for path in ["/session", "/users", "/groups", "/tokens", "/tenants", "/audit", "/secrets", "/connections", "/providers"] {
                let answer = house.node.get(stranger, path).await;
                assert_eq!(answer.status, 401, "{path}");
                assert!(answer.headers["www-authenticate"].starts_with("Bearer"));
            }
        }
    }
}
