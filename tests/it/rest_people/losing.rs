//! What is taken back is gone on every node within five seconds.

use std::time::{Duration, Instant};

use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Caller, House, Node, PASSWORD};

/// Asks again and again until the answer is this one.
async fn becomes(node: &Node, who: &Caller, target: &str, status: u16) {
    let begun = Instant::now();
    loop {
        let answer = node.get(who, target).await.status;
        if answer == status {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{target} answers {answer} and not {status}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

both_databases! {
    async fn a17_deactivation_ends_sessions_and_tokens_on_all_nodes(db: TestDatabase) {
        let house = House::over(&db).await;
        let other = house.another_node(&db).await;
        let editor = &house.ours.editor;
        let session = other.log_in(&editor.email).await;
        assert_eq!(other.get(&session, "/workflows").await.status, 200);
        assert_eq!(other.get(&editor.token, "/workflows").await.status, 200);
        let path = format!("/users/{}", editor.id);
        let off = house.node.patch(&house.ours.admin.token, &path, json!({ "is_active": false })).await;
        assert_eq!(off.status, 200, "{off:?}");
        assert_eq!(house.node.get(&editor.token, "/workflows").await.status, 401, "here at once");
        becomes(&other, &editor.token, "/workflows", 401).await;
        becomes(&other, &session, "/workflows", 401).await;
        let on = house.node.patch(&house.ours.admin.token, &path, json!({ "is_active": true })).await;
        assert_eq!(on.status, 200);
        becomes(&other, &editor.token, "/workflows", 200).await;
        assert_eq!(other.get(&session, "/workflows").await.status, 401, "sessions do not come back");
    }

    async fn a17_who_leaves_a_group_loses_its_permissions_on_all_nodes(db: TestDatabase) {
        let house = House::over(&db).await;
        let other = house.another_node(&db).await;
        let editor = &house.ours.editor;
        let session = other.log_in(&editor.email).await;
        assert_eq!(other.get(&session, "/secrets").await.status, 200);
        let path = format!("/users/{}", editor.id);
        let left = house.node.patch(&house.ours.admin.token, &path, json!({ "groups": [] })).await;
        assert_eq!(left.status, 200, "{left:?}");
        becomes(&other, &session, "/secrets", 403).await;
        becomes(&other, &editor.token, "/secrets", 403).await;
    }

    async fn a17_a_groups_permissions_are_gone_with_it_on_all_nodes(db: TestDatabase) {
        let house = House::over(&db).await;
        let other = house.another_node(&db).await;
        let viewer = &house.ours.viewer.token;
        assert_eq!(other.get(viewer, "/workflows").await.status, 200);
        let path = format!("/groups/{}", house.ours.group(&house.node, "viewer").await);
        let fewer = house.node.patch(&house.ours.admin.token, &path, json!({ "permissions": ["executions.view_execution"] })).await;
        assert_eq!(fewer.status, 200, "{fewer:?}");
        becomes(&other, viewer, "/workflows", 403).await;
        assert_eq!(other.get(viewer, "/executions").await.status, 200);
        assert_eq!(house.node.delete(&house.ours.admin.token, &path).await.status, 204);
        becomes(&other, viewer, "/executions", 403).await;
    }

    async fn a17_a_changed_password_ends_other_sessions_on_all_nodes(db: TestDatabase) {
        let house = House::over(&db).await;
        let other = house.another_node(&db).await;
        let viewer = &house.ours.viewer;
        let (here, there) = (house.node.log_in(&viewer.email).await, other.log_in(&viewer.email).await);
        assert_eq!(other.get(&there, "/session").await.status, 200);
        let body = json!({ "old_password": PASSWORD, "new_password": "a longer walk by the sea" });
        let changed = house.node.post(&here, "/session/password", body).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        becomes(&other, &there, "/session", 401).await;
        assert_eq!(other.get(&changed.session(), "/session").await.status, 200);
    }

    async fn a17_a_suspended_tenant_is_locked_out_on_all_nodes(db: TestDatabase) {
        let house = House::over(&db).await;
        let other = house.another_node(&db).await;
        let admin = &house.theirs.admin;
        let session = other.log_in(&admin.email).await;
        assert_eq!(other.get(&session, "/users").await.status, 200);
        assert_eq!(other.get(&admin.token, "/users").await.status, 200);
        let path = format!("/tenants/{}/suspend", house.theirs.id);
        let suspended = house.node.send(&house.ours.root.token, "POST", &path, None).await;
        assert_eq!((suspended.status, suspended.json()["status"].clone()), (200, json!("suspended")), "{suspended:?}");
        becomes(&other, &session, "/users", 401).await;
        becomes(&other, &admin.token, "/users", 401).await;
        let body = json!({ "email": admin.email, "password": PASSWORD });
        assert_eq!(other.post(&Caller::Nobody, "/session", body).await.status, 401);
        assert_eq!(other.get(&house.ours.admin.token, "/users").await.status, 200, "other tenants go on");
        let path = format!("/tenants/{}/resume", house.theirs.id);
        assert_eq!(house.node.send(&house.ours.root.token, "POST", &path, None).await.status, 200);
        becomes(&other, &admin.token, "/users", 200).await;
        let default = format!("/tenants/{}/suspend", house.ours.id);
        assert_eq!(house.node.send(&house.ours.root.token, "POST", &default, None).await.status, 409);
    }

    async fn r3_a_token_whose_owner_is_gone_is_worth_nothing(db: TestDatabase) {
        let house = House::over(&db).await;
        let other = house.another_node(&db).await;
        let editor = &house.ours.editor;
        assert_eq!(other.get(&editor.token, "/workflows").await.status, 200);
        assert_eq!(house.node.delete(&house.ours.admin.token, &format!("/users/{}", editor.id)).await.status, 204);
        becomes(&other, &editor.token, "/workflows", 401).await;
    }
}
