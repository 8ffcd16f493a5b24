//! `/tenants`, their policies and their usage.

use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{House, logged};

both_databases! {
    async fn superusers_make_name_and_list_tenants(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, root) = (&house.node, &house.ours.root.token);
        let created = node.post(root, "/tenants", json!({ "slug": "globex", "name": "Globex" })).await;
        assert_eq!(created.status, 201, "{created:?}");
        let path = format!("/tenants/{}", created.id());
        assert_eq!(node.get(root, &path).await.json(), created.json());
        let renamed = node.patch(root, &path, json!({ "name": "Globex Ltd" })).await;
        assert_eq!((renamed.status, renamed.json()["name"].clone()), (200, json!("Globex Ltd")), "{renamed:?}");
        assert_eq!(node.patch(root, &path, json!({ "slug": "other" })).await.status, 400);
        let late = node.send_with(root, "PATCH", &path, Some(&json!({ "name": "x" })), &[("If-Match", "\"1\"")]).await;
        assert_eq!(late.status, 412, "{late:?}");
        let slugs = node.get(root, "/tenants").await.json();
        let slugs: Vec<&str> =
            slugs["results"].as_array().unwrap().iter().map(|tenant| tenant["slug"].as_str().unwrap()).collect();
        assert_eq!(slugs, ["acme", "default", "globex"]);
        for (slug, status) in [("globex", 409), ("admin", 422), ("A", 422), ("a--b", 422), ("", 422)] {
            let answer = node.post(root, "/tenants", json!({ "slug": slug, "name": "n" })).await;
            assert_eq!(answer.status, status, "{slug}");
        }
    }

    async fn everybody_else_sees_their_own_at_most(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let (own, other) = (format!("/tenants/{}", house.ours.id), format!("/tenants/{}", house.theirs.id));
        assert_eq!(node.get(admin, &own).await.json()["slug"], "default");
        for path in ["", "/policy", "/usage"] {
            assert_eq!(node.get(admin, &format!("{other}{path}")).await.status, 404, "{path}");
            assert_eq!(node.get(&house.ours.viewer.token, &format!("{own}{path}")).await.status, 403, "{path}");
        }
        assert_eq!(node.get(admin, "/tenants").await.problem(), (403, "SUPERUSER_REQUIRED".to_owned()));
        for (method, path, body) in [
            ("POST", "/tenants".to_owned(), json!({ "slug": "mine", "name": "Mine" })),
            ("PATCH", own.clone(), json!({ "name": "Mine" })),
            ("POST", format!("{own}/suspend"), Value::Null),
            ("POST", format!("{other}/suspend"), Value::Null),
        ] {
            let body = Some(&body).filter(|body| !body.is_null());
            assert_eq!(node.send(admin, method, &path, body).await.status, 403, "{method} {path}");
        }
        assert_eq!(node.send(admin, "PUT", &format!("{other}/policy"), Some(&json!({}))).await.status, 404);
    }

    async fn a_policy_is_replaced_as_a_whole_and_counts(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, admin) = (&house.node, &house.ours.admin.token);
        let path = format!("/tenants/{}/policy", house.ours.id);
        let empty = node.get(admin, &path).await;
        assert_eq!((empty.json(), empty.headers["etag"].as_str()), (json!({}), "\"0\""));
        let policy = json!({ "allowed_actions": ["http.*"], "executions_per_day": 10, "retention_days": 7 });
        let set = node.send_with(admin, "PUT", &path, Some(&policy), &[("If-Match", "\"0\"")]).await;
        assert_eq!((set.status, set.json(), set.headers["etag"].as_str()), (200, policy.clone(), "\"1\""), "{set:?}");
        assert_eq!(node.get(admin, &path).await.json(), policy);
        let late = node.send_with(admin, "PUT", &path, Some(&policy), &[("If-Match", "\"0\"")]).await;
        assert_eq!((late.status, late.headers["etag"].as_str()), (412, "\"1\""));
        let other = json!({ "denied_hosts": ["evil.example"] });
        assert_eq!(node.send(admin, "PUT", &path, Some(&other)).await.json(), other);
        let entries = logged(&house, &house.ours, "policy.change").await;
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["changes"]["executions_per_day"], json!({ "from": 10, "to": null }));
        for (wrong, status) in [
            (json!({ "executions_per_week": 1 }), 400),
            (json!({ "executions_per_day": -1 }), 422),
            (json!({ "executions_per_day": 1.5 }), 422),
            (json!({ "allowed_actions": ["*"] }), 422),
            (json!({ "allowed_hosts": ["https://x"] }), 422),
        ] {
            assert_eq!(node.send(admin, "PUT", &path, Some(&wrong)).await.status, status, "{wrong}");
        }
        assert_eq!(node.get(admin, &path).await.json(), other);
    }

    async fn a_policy_bounds_the_requests_of_its_tenant(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let path = format!("/tenants/{}/policy", house.theirs.id);
        let set = node.send(&house.ours.root.token, "PUT", &path, Some(&json!({ "requests_per_minute": 3 }))).await;
        assert_eq!(set.status, 200, "{set:?}");
        let mut statuses = Vec::new();
        for _ in 0..6 {
            statuses.push(node.get(&house.theirs.viewer.token, "/workflows").await.status);
        }
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3, "{statuses:?}");
        assert_eq!(node.get(&house.ours.viewer.token, "/workflows").await.status, 200, "others are not held up");
    }

    async fn usage_tells_of_today_and_of_the_days_before(db: TestDatabase) {
        let house = House::over(&db).await;
        let answer = house.node.get(&house.ours.admin.token, &format!("/tenants/{}/usage", house.ours.id)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let usage = answer.json();
        assert_eq!((usage["executions_today"].clone(), usage["days"].clone()), (json!(0), json!([])));
        assert_eq!(usage["day"], automate_core::clock::now().date_naive().to_string());
    }
}
