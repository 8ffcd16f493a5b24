//! `/groups`.

use automate_tests::both_databases;
use serde_json::json;

use super::bed::{House, logged};

both_databases! {
    async fn a_group_is_created_shown_changed_and_deleted(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let new = json!({ "name": "on call", "description": "At night.", "permissions": ["workflow.run", "execution.retry"] });
        let created = node.post(admin, "/groups", new).await;
        assert_eq!(created.status, 201, "{created:?}");
        let path = format!("/groups/{}", created.id());
        assert_eq!(created.headers["location"], format!("/api/v1{path}"));
        assert_eq!(created.json()["permissions"], json!(["execution.retry", "workflow.run"]));
        assert_eq!(node.get(admin, &path).await.json(), created.json());
        let changed = node.patch(admin, &path, json!({ "permissions": ["workflow.run"] })).await;
        assert_eq!((changed.status, changed.json()["permissions"].clone()), (200, json!(["workflow.run"])));
        assert_eq!((changed.json()["name"].clone(), changed.headers["etag"].as_str()), (json!("on call"), "\"2\""));
        let late = node.send_with(admin, "PATCH", &path, Some(&json!({ "name": "x" })), &[("If-Match", "\"1\"")]).await;
        assert_eq!(late.status, 412);
        let taken = node.post(admin, "/groups", json!({ "name": "on call" })).await;
        assert_eq!(taken.problem(), (409, "CONFLICT".to_owned()));
        assert_eq!(node.delete(admin, &path).await.status, 204);
        assert_eq!(node.get(admin, &path).await.status, 404);
        assert_eq!(logged(&house, &house.ours, "group.delete").await.len(), 1);
    }

    async fn groups_are_listed_with_their_permissions(db: TestDatabase) {
        let house = House::over(&db).await;
        let page = house.node.get(&house.ours.admin.token, "/groups?count=true").await.json();
        let names: Vec<&str> =
            page["results"].as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["admin", "editor", "operator", "viewer"]);
        assert_eq!(page["count"], 4);
        assert_eq!(page["results"][0]["permissions"], json!(["*"]));
    }

    async fn a_permission_that_there_is_not_is_refused(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, root) = (&house.node, &house.ours.root.token);
        for unknown in ["workflow.runs", "workflows.view", "people.view_user ", "*.*", "", "workflow.run\u{0}"] {
            let body = json!({ "name": "g", "permissions": [unknown] });
            let answer = node.post(root, "/groups", body).await;
            assert!(matches!(answer.status, 400 | 422), "{unknown:?}: {answer:?}");
            let body = json!({ "email": "g@ours.example", "permissions": [unknown] });
            assert!(matches!(node.post(root, "/users", body).await.status, 400 | 422), "{unknown:?}");
        }
        let answer = node.post(root, "/groups", json!({ "name": "g", "permissions": ["shop.view_order"] })).await;
        assert_eq!(answer.json()["errors"][0]["code"], "UNKNOWN_PERMISSION");
    }
}
