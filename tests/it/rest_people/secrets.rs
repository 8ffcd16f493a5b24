//! `/secrets`.

use automate_tests::both_databases;
use serde_json::{Value, json};

use super::bed::{House, logged};

/// What must be nowhere.
const CANARY: &str = "canary-7f3a-of-the-secrets-resource";

both_databases! {
    async fn s5_a_secret_is_set_rotated_and_deleted_and_never_shown(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, editor) = (&house.node, &house.ours.editor.token);
        let mut answers = Vec::new();
        let created = node.post(editor, "/secrets", json!({ "key": "SLACK", "value": CANARY })).await;
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(created.headers["location"], "/api/v1/secrets/SLACK");
        assert_eq!((created.json()["key"].clone(), created.json()["version"].clone()), (json!("SLACK"), json!(1)));
        let again = node.post(editor, "/secrets", json!({ "key": "SLACK", "value": CANARY })).await;
        assert_eq!(again.problem(), (409, "CONFLICT".to_owned()));
        let put = node.send(editor, "PUT", "/secrets/SLACK", Some(&json!({ "value": format!("{CANARY}-2") }))).await;
        assert_eq!((put.status, put.json()["version"].clone()), (200, json!(2)), "{put:?}");
        let rotated = node.post(editor, "/secrets/SLACK/rotate", json!({ "value": format!("{CANARY}-3") })).await;
        assert_eq!((rotated.status, rotated.json()["version"].clone()), (200, json!(3)), "{rotated:?}");
        let made = node.send(editor, "PUT", "/secrets/NEW", Some(&json!({ "value": CANARY }))).await;
        assert_eq!((made.status, made.json()["version"].clone()), (200, json!(1)));
        let shown = node.get(editor, "/secrets/SLACK").await;
        let numbers: Vec<Value> =
            shown.json()["versions"].as_array().unwrap().iter().map(|version| version["version"].clone()).collect();
        assert_eq!(numbers, [json!(3), json!(2), json!(1)]);
        let list = node.get(editor, "/secrets").await;
        let keys: Vec<(Value, Value)> = list.json()["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| (secret["key"].clone(), secret["version"].clone()))
            .collect();
        assert_eq!(keys, [(json!("NEW"), json!(1)), (json!("SLACK"), json!(3))]);
        let newest = node.secrets.get(house.ours.id, "SLACK").await.unwrap().unwrap();
        assert_eq!(newest.expose_secret(), format!("{CANARY}-3"));
        for query in ["?fields=value", "?fields=ciphertext", "?value=x", "?expand=versions", "?search=canary"] {
            answers.push(node.get(editor, &format!("/secrets{query}")).await);
        }
        assert_eq!(node.delete(editor, "/secrets/SLACK").await.status, 204);
        assert_eq!(node.delete(editor, "/secrets/SLACK").await.status, 404);
        assert_eq!(node.post(editor, "/secrets/SLACK/rotate", json!({ "value": CANARY })).await.status, 404);
        answers.extend([created, again, put, rotated, made, shown, list]);
        answers.push(node.get(&house.ours.root.token, "/audit?limit=200").await);
        for answer in answers {
            assert!(!answer.text.contains(CANARY), "{answer:?}");
        }
        for (action, times) in [("secret.create", 2), ("secret.rotate", 2), ("secret.delete", 1)] {
            assert_eq!(logged(&house, &house.ours, action).await.len(), times, "{action}");
        }
    }

    async fn s10_names_are_for_those_with_the_permission_and_foreign_ones_are_absent(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let set = node.post(&house.ours.editor.token, "/secrets", json!({ "key": "OURS", "value": "some-long-value" })).await;
        assert_eq!(set.status, 201);
        let viewer = &house.ours.viewer.token;
        let (there, absent) = (node.get(viewer, "/secrets/OURS").await, node.get(viewer, "/secrets/ABSENT").await);
        assert_eq!((there.status, there.anonymous()), (403, absent.anonymous()));
        assert_eq!(node.get(viewer, "/secrets").await.status, 403);
        let changer = house.person(&house.ours, "changer", &["secrets.change_secret"]).await;
        for key in ["OURS", "ABSENT"] {
            let put = node.send(&changer.token, "PUT", &format!("/secrets/{key}"), Some(&json!({ "value": "x-long-value" }))).await;
            assert_eq!(put.problem(), (403, "PERMISSION_REQUIRED".to_owned()), "{key}");
        }
        let theirs = &house.theirs.admin.token;
        let (foreign, absent) = (node.get(theirs, "/secrets/OURS").await, node.get(theirs, "/secrets/ABSENT").await);
        assert_eq!((foreign.status, foreign.anonymous()), (404, absent.anonymous()));
        let own = node.send(theirs, "PUT", "/secrets/OURS", Some(&json!({ "value": "their-own-value" }))).await;
        assert_eq!(own.json()["version"], 1, "the same name in another tenant is another secret");
    }

    async fn values_and_names_that_cannot_be_are_refused_without_repeating_them(db: TestDatabase) {
        let house = House::over(&db).await;
        let (node, editor) = (&house.node, &house.ours.editor.token);
        for key in ["", ".", "..", "a b", "a/b", "é", "a\u{0}", &"k".repeat(129)] {
            let answer = node.post(editor, "/secrets", json!({ "key": key, "value": CANARY })).await;
            assert!(matches!(answer.status, 400 | 422), "{key:?}: {answer:?}");
            assert!(!answer.text.contains(CANARY));
        }
        for value in [json!(""), json!(null), json!(7), json!([CANARY]), json!({ CANARY: CANARY }), json!("x".repeat(70_000))] {
            let answer = node.send(editor, "PUT", "/secrets/K", Some(&json!({ "value": value }))).await;
            assert_eq!(answer.status, 422, "{answer:?}");
            assert!(!answer.text.contains(CANARY), "{answer:?}");
        }
        assert_eq!(node.send(editor, "PUT", "/secrets/..", Some(&json!({ "value": "x" }))).await.status, 404);
        assert_eq!(node.get(editor, "/secrets/K").await.status, 404);
    }
}
