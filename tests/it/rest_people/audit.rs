//! `/audit`.

use automate_tests::both_databases;
use serde_json::json;

use super::bed::{House, logged};

both_databases! {
    async fn the_log_is_listed_filtered_and_shown(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let created = node
            .send_with(admin, "POST", "/groups", Some(&json!({ "name": "g" })), &[("X-Correlation-ID", "trace-7")])
            .await;
        let list = node.get(admin, "/audit?action=group.create&correlation_id=trace-7").await;
        assert_eq!(list.status, 200, "{list:?}");
        let entry = list.json()["results"][0].clone();
        assert_eq!(entry["object_id"], created.id().to_string());
        assert_eq!((entry["actor_kind"].clone(), entry["outcome"].clone()), (json!("token"), json!("done")));
        assert!(entry.get("hash").is_none() && entry.get("tenant_id").is_none());
        let one = node.get(admin, &format!("/audit/{}", entry["id"].as_str().unwrap())).await.json();
        assert_eq!(one["changes"]["name"], "g");
        let at = entry["at"].as_str().unwrap();
        let since = node.get(admin, &format!("/audit?at__gte={at}&action=group.create")).await.json();
        assert_eq!(since["results"].as_array().unwrap().len(), 1);
        let before = node.get(admin, &format!("/audit?at__lt={at}&action=group.create")).await.json();
        assert_eq!(before["results"], json!([]));
        assert_eq!(node.get(admin, "/audit?outcome=done&object_type=group&limit=1").await.status, 200);
        assert_eq!(node.get(admin, "/audit?outcome=perhaps").await.status, 400);
        assert_eq!(node.get(&house.ours.editor.token, "/audit").await.status, 403);
    }

    async fn nobody_writes_the_log(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, root) = (&house.node, &house.ours.root.token);
        let id = node.get(root, "/audit?limit=1").await.json()["results"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(node.post(root, "/audit", json!({})).await.status, 405);
        for method in ["PATCH", "PUT", "DELETE"] {
            assert_eq!(node.send(root, method, &format!("/audit/{id}"), None).await.status, 405, "{method}");
        }
    }

    async fn the_chain_is_checked_on_request(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let answer = node.send(admin, "POST", "/audit/verify", None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let report = answer.json();
        assert_eq!((report["whole"].clone(), report["findings"].clone()), (json!(true), json!([])));
        assert!(report["entries"].as_u64().unwrap() > 0);
        assert_eq!(report["head"]["seq"], report["entries"]);
        assert_eq!(node.send(&house.ours.editor.token, "POST", "/audit/verify", None).await.status, 403);
    }

    async fn refusals_and_log_ins_are_on_record(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.viewer.email).await;
        assert_eq!(node.get(&session, "/users").await.status, 403);
        node.delete(&session, "/session").await;
        for (action, outcome) in [("user.login", "done"), ("api.refuse", "refused"), ("user.logout", "done")] {
            let entries = logged(&house, &house.ours, action).await;
            assert!(entries.iter().any(|entry| entry["outcome"] == outcome), "{action}: {entries:?}");
        }
    }
}
