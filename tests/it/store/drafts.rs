//! Drafts that were tested: kept apart from the versions, for as long as an execution needs them.

use std::time::Duration;

use automate_core::clock;
use automate_core::ids::{OutboxId, TenantId, VersionId};
use automate_core::limits;
use automate_core::store::{DRAFT, NewDraft, NewExecution, Store, StoreError, VersionRecord, WorkflowRecord};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::store_conformance::*;

fn draft(workflow: &WorkflowRecord, source: &str) -> NewDraft {
    NewDraft {
        workflow_id: workflow.id,
        document: "{}".to_owned(),
        source: source.to_owned(),
        sha256: "canonical".to_owned(),
        author: "a test".to_owned(),
    }
}

async fn saved(store: &dyn Store, source: &str) -> WorkflowRecord {
    store.save_draft(TENANT, "orders", "Orders", "", source, None).await.unwrap()
}

fn start_of_draft(kept: &VersionRecord) -> NewExecution {
    NewExecution {
        workflow_id: kept.workflow_id,
        version_id: kept.id,
        version: DRAFT,
        trigger: r#"{"kind":"test","effects":"off"}"#.into(),
        ..leased_start()
    }
}

both_databases! {
    async fn a_kept_draft_is_no_version_and_the_same_text_is_kept_once(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = saved(&*store, "one").await;
        let kept = store.keep_draft(TENANT, draft(&workflow, "one")).await.unwrap();
        assert_eq!((kept.number, kept.workflow_id, kept.source.as_str()), (DRAFT, workflow.id, "one"));
        assert_eq!(store.keep_draft(TENANT, draft(&workflow, "one")).await.unwrap(), kept);
        // One canonical form, and another order in the text.
        let other = store.keep_draft(TENANT, draft(&workflow, "one, in another order")).await.unwrap();
        assert_ne!(other.id, kept.id);
        assert_eq!(store.version(kept.id).await.unwrap(), kept);
        // Nothing else of the workflow knows of it, and the numbers begin at 1.
        assert_eq!(store.versions(TENANT, "orders").await.unwrap(), []);
        assert_eq!(store.triggers().await.unwrap(), []);
        assert_eq!(store.workflow(TENANT, "orders").await.unwrap(), workflow);
        assert_eq!(store.publish(TENANT, document("orders", "canonical")).await.unwrap().number, 1);
        assert_eq!(store.versions(TENANT, "orders").await.unwrap().len(), 1);
        store.close().await;
    }

    async fn drafts_are_kept_of_workflows_of_the_tenant_only(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = saved(&*store, "one").await;
        let foreign = store.keep_draft(TenantId::new(), draft(&workflow, "one")).await;
        assert!(matches!(foreign, Err(StoreError::NotFound(_))));
        let kept = store.keep_draft(TENANT, draft(&workflow, "one")).await.unwrap();
        assert!(matches!(store.use_draft(TenantId::new(), kept.id).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.use_draft(TENANT, VersionId::new()).await, Err(StoreError::NotFound(_))));
        store.use_draft(TENANT, kept.id).await.unwrap();
        assert_eq!(count(&t.db, "SELECT count(*) FROM tested_drafts").await, 1);
        store.close().await;
    }

    async fn the_same_draft_tested_by_many_at_once_is_kept_once(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = saved(&*store, "one").await;
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let draft = draft(&workflow, "one");
                move |store: std::sync::Arc<dyn Store>| async move { store.keep_draft(TENANT, draft).await.unwrap().id }
            })
            .collect();
        let mut ids = together(&store, calls).await;
        ids.dedup();
        assert_eq!(ids.len(), 1);
        store.close().await;
    }

    async fn upkeep_deletes_drafts_that_nothing_runs_and_none_that_something_may_yet_run(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = saved(&*store, "one").await;
        let ran = store.keep_draft(TENANT, draft(&workflow, "ran")).await.unwrap();
        let unused = store.keep_draft(TENANT, draft(&workflow, "unused")).await.unwrap();
        let started = stored(store.accept(manual(vec![start_of_draft(&ran)])).await.unwrap()).remove(0);
        store.checkpoint(end(started.id, started.claim.unwrap())).await.unwrap();
        let long_ago = clock::now() - limits::TESTED_DRAFT_KEPT - Duration::from_secs(60);
        change(&t.db, "UPDATE tested_drafts SET used_at = $1", vec![long_ago.into()]).await;
        let new = store.keep_draft(TENANT, draft(&workflow, "its execution comes next")).await.unwrap();
        store.maintain(None).await.unwrap();
        assert!(matches!(store.version(unused.id).await, Err(StoreError::NotFound(_))));
        assert!(matches!(store.use_draft(TENANT, unused.id).await, Err(StoreError::NotFound(_))));
        assert_eq!(store.version(ran.id).await.unwrap(), ran);
        assert_eq!(store.version(new.id).await.unwrap(), new);
        // When the execution has gone by retention, the draft goes.
        change(&t.db, "DELETE FROM executions", Vec::new()).await;
        store.maintain(None).await.unwrap();
        assert!(matches!(store.version(ran.id).await, Err(StoreError::NotFound(_))));
        store.close().await;
    }

    async fn of_too_many_drafts_the_oldest_go_whose_executions_have_ended(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let workflow = saved(&*store, "one").await;
        let running = store.keep_draft(TENANT, draft(&workflow, "running")).await.unwrap();
        stored(store.accept(manual(vec![start_of_draft(&running)])).await.unwrap());
        let over = store.keep_draft(TENANT, draft(&workflow, "over")).await.unwrap();
        let execution = NewExecution { outbox_id: OutboxId::new(), ..start_of_draft(&over) };
        let ended = stored(store.accept(manual(vec![execution])).await.unwrap()).remove(0);
        store.checkpoint(end(ended.id, ended.claim.unwrap())).await.unwrap();
        for n in 0..limits::TESTED_DRAFTS {
            store.keep_draft(TENANT, draft(&workflow, &format!("draft {n}"))).await.unwrap();
        }
        assert_eq!(store.version(running.id).await.unwrap(), running);
        assert!(matches!(store.version(over.id).await, Err(StoreError::NotFound(_))));
        assert_eq!(count(&t.db, "SELECT count(*) FROM tested_drafts").await, i64::try_from(limits::TESTED_DRAFTS).unwrap() + 1);
        store.close().await;
    }
}
