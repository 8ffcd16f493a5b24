//! `/providers`.

use automate_tests::both_databases;
use serde_json::json;

use super::bed::House;

both_databases! {
    async fn providers_are_shown_with_models_and_prices_and_without_keys(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, viewer) = (&house.node, &house.ours.viewer.token);
        let list = node.get(viewer, "/providers").await;
        assert_eq!(list.status, 200, "{list:?}");
        let names: Vec<String> = list.json()["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|provider| provider["name"].as_str().unwrap().to_owned())
            .collect();
        assert!(names.contains(&"default".to_owned()), "{names:?}");
        let one = node.get(viewer, "/providers/default").await.json();
        assert_eq!((one["kind"].clone(), one["models"].clone()), (json!("echo"), json!(["echo-1"])));
        assert_eq!(one["prices"]["echo-1"], json!({ "input": 150_000, "output": 1_000_000, "cached_input": 150_000 }));
        assert_eq!(node.get(viewer, "/providers/absent").await.status, 404);
        let blind = house.person(&house.ours, "blind", &[]).await;
        assert_eq!(node.get(&blind.token, "/providers").await.problem(), (403, "PERMISSION_REQUIRED".to_owned()));
    }
}
