//! Drafts, versions and triggers.

use automate_core::store::{NewTrigger, StoreError};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::store_conformance::*;

both_databases! {
    async fn the_default_tenant_is_there(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        assert_eq!(store.tenant("default").await.unwrap(), TENANT);
        assert!(matches!(store.tenant("nobody").await, Err(StoreError::NotFound(_))));
        store.close().await;
    }

    async fn publishing_makes_versions_switches_triggers_and_clears_the_draft(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let draft = store.save_draft(TENANT, "orders", "Orders", "What comes in", "slug: orders", None).await.unwrap();
        assert_eq!((draft.live_version, draft.draft.as_deref()), (None, Some("slug: orders")));
        let first = store.publish(TENANT, document("orders", "one")).await.unwrap();
        assert_eq!((first.number, first.workflow_id), (1, draft.id));
        let old = store.triggers().await.unwrap();
        let mut changed = document("orders", "two");
        changed.triggers.push(NewTrigger { kind: "manual".to_owned(), key: String::new(), position: 1 });
        let second = store.publish(TENANT, changed).await.unwrap();
        assert_eq!(second.number, 2);
        let workflow = store.workflow(TENANT, "orders").await.unwrap();
        assert_eq!((workflow.live_version, workflow.live_version_id), (Some(2), Some(second.id)));
        assert_eq!(workflow.draft, None);
        assert!(workflow.row_version > draft.row_version);
        let triggers = store.triggers().await.unwrap();
        assert_eq!(triggers.iter().map(|t| (t.kind.as_str(), t.version)).collect::<Vec<_>>(), [("webhook", 2), ("manual", 2)]);
        assert!(triggers.iter().all(|trigger| trigger.version_id == second.id && trigger.id != old[0].id));
        let versions = store.versions(TENANT, "orders").await.unwrap();
        assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(store.version(first.id).await.unwrap(), first);
        store.close().await;
    }

    async fn publishing_what_is_live_changes_nothing(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let first = store.publish(TENANT, document("orders", "one")).await.unwrap();
        let (workflow, triggers) = (store.workflow(TENANT, "orders").await.unwrap(), store.triggers().await.unwrap());
        assert_eq!(store.publish(TENANT, document("orders", "one")).await.unwrap(), first);
        assert_eq!(store.workflow(TENANT, "orders").await.unwrap(), workflow);
        assert_eq!(store.triggers().await.unwrap(), triggers);
        store.close().await;
    }

    async fn rolling_back_is_a_new_version_with_the_old_document(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let first = store.publish(TENANT, document("orders", "one")).await.unwrap();
        store.publish(TENANT, document("orders", "two")).await.unwrap();
        let back = store.publish(TENANT, document("orders", "one")).await.unwrap();
        assert_eq!((back.number, &back.sha256, &back.document), (3, &first.sha256, &first.document));
        assert_ne!(back.id, first.id);
        store.close().await;
    }

    async fn publishing_at_once_gives_each_its_number(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let calls: Vec<_> = (0..10)
            .map(|n| {
                move |store: std::sync::Arc<dyn automate_core::store::Store>| async move {
                    store.publish(TENANT, document("orders", &format!("sha-{n}"))).await.unwrap().number
                }
            })
            .collect();
        let mut numbers = together(&store, calls).await;
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
        assert_eq!(store.triggers().await.unwrap().len(), 1);
        store.close().await;
    }

    async fn a_draft_saved_over_a_change_is_a_conflict(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let first = store.save_draft(TENANT, "orders", "Orders", "", "one", None).await.unwrap();
        let second = store.save_draft(TENANT, "orders", "Orders", "", "two", Some(first.row_version)).await.unwrap();
        let late = store.save_draft(TENANT, "orders", "Orders", "", "three", Some(first.row_version)).await;
        assert!(matches!(late, Err(StoreError::Conflict(_))));
        assert_eq!(store.workflow(TENANT, "orders").await.unwrap(), second);
        let nowhere = store.save_draft(TENANT, "returns", "Returns", "", "one", Some(4)).await;
        assert!(matches!(nowhere, Err(StoreError::Conflict(_))));
        assert!(matches!(store.workflow(TENANT, "returns").await, Err(StoreError::NotFound(_))));
        store.close().await;
    }

    async fn workflows_are_listed_by_slug_and_tenant(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        for slug in ["zebra", "apple"] {
            published(&*store, slug).await;
        }
        let slugs: Vec<_> = store.workflows(TENANT).await.unwrap().into_iter().map(|workflow| workflow.slug).collect();
        assert_eq!(slugs, ["apple", "zebra"]);
        assert_eq!(store.workflows(automate_core::ids::TenantId::new()).await.unwrap(), []);
        store.close().await;
    }
}
