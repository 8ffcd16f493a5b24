//! What the tests of the engine's store are made of: small accepts, checkpoints and documents, and
//! looks into the tables. The tests themselves run on both databases, in `it/store.rs`.

use std::sync::Arc;
use std::time::Duration;

use automate_core::clock;
use automate_core::ids::{EventId, ExecutionId, OutboxId, TenantId, VersionId, WorkflowId};
use automate_core::outbox::Claim;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{
    Accept, Accepted, AcceptedExecution, Checkpoint, DeliveryKey, ExecutionUpdate, NewEvent, NewExecution, NewLease,
    NewTrigger, NewVersion, NewWebhookRequest, StepRecord, Store, Then, TriggerRecord,
};
use automate_store::db::Database;
use sea_orm::{ConnectionTrait, Statement, Value};

/// The tenant of the tests.
pub const TENANT: TenantId = TenantId::DEFAULT;

/// A document to be published, with a webhook trigger on the workflow's own slug.
#[must_use]
pub fn document(slug: &str, sha256: &str) -> NewVersion {
    NewVersion {
        slug: slug.to_owned(),
        title: format!("The workflow {slug}"),
        description: String::new(),
        document: format!(r#"{{"slug":"{slug}","of":"{sha256}"}}"#),
        source: format!("slug: {slug}\n"),
        sha256: sha256.to_owned(),
        author: "a test".to_owned(),
        note: String::new(),
        expected: None,
        triggers: vec![NewTrigger { kind: "webhook".to_owned(), key: slug.to_owned(), position: 0 }],
    }
}

/// Publishes a workflow and answers with its trigger.
///
/// # Panics
/// Where the store does not do it.
pub async fn published(store: &dyn Store, slug: &str) -> TriggerRecord {
    let sha256 = format!("{slug}-{}", OutboxId::new());
    store.publish(TENANT, document(slug, &sha256)).await.expect("publishing");
    let triggers = store.triggers().await.expect("triggers");
    triggers.into_iter().find(|trigger| trigger.workflow == slug).expect("the trigger of what was published")
}

/// A start of no stored workflow.
#[must_use]
pub fn start() -> NewExecution {
    NewExecution {
        id: ExecutionId::new(),
        outbox_id: OutboxId::new(),
        workflow_id: WorkflowId::new(),
        workflow: "orders".to_owned(),
        version_id: VersionId::new(),
        version: 1,
        trigger_id: None,
        trigger: r#"{"kind":"manual"}"#.into(),
        dedupe_key: None,
        input: None,
        priority: 100,
        correlation_id: "c-1".to_owned(),
        parent_id: None,
        replay_of: None,
        adopted: Vec::new(),
        event_id: None,
        created_at: clock::now(),
        lease: None,
    }
}

/// The same, leased from birth.
#[must_use]
pub fn leased_start() -> NewExecution {
    NewExecution { lease: Some(NewLease { owner: "worker-1".to_owned(), lease: Duration::from_secs(60) }), ..start() }
}

/// A start of a published workflow.
#[must_use]
pub fn start_of(trigger: &TriggerRecord) -> NewExecution {
    NewExecution {
        workflow_id: trigger.workflow_id,
        workflow: trigger.workflow.clone(),
        version_id: trigger.version_id,
        version: trigger.version,
        trigger_id: Some(trigger.id),
        trigger: r#"{"kind":"webhook"}"#.into(),
        ..start()
    }
}

/// An accept without an event, as of a manual run.
#[must_use]
pub fn manual(starts: Vec<NewExecution>) -> Accept {
    Accept { tenant_id: TENANT, event: None, request: None, delivery: None, starts }
}

/// An accept of a webhook's delivery with everything that one stores.
#[must_use]
pub fn delivery(key: &str, starts: Vec<NewExecution>) -> Accept {
    let id = EventId::new();
    let now = clock::now();
    Accept {
        tenant_id: TENANT,
        event: Some(NewEvent {
            id,
            event_type: "webhook.orders".to_owned(),
            source: "webhook".to_owned(),
            payload: r#"{"order":{"id":4711,"total":"19.90"}}"#.into(),
            headers: Some(r#"{"content-type":"application/json"}"#.into()),
            correlation_id: "c-1".to_owned(),
            received_at: now,
            depth: 0,
        }),
        request: Some(NewWebhookRequest {
            id,
            path: "orders".to_owned(),
            method: "POST".to_owned(),
            headers: r#"{"content-type":"application/json","x-signature":"***"}"#.into(),
            body: None,
            body_bytes: 39,
            remote_addr: Some("127.0.0.1".to_owned()),
            signature: "ok".to_owned(),
            http_status: 202,
            received_at: now,
        }),
        delivery: Some(DeliveryKey { scope: "hook:orders".to_owned(), key: key.to_owned() }),
        starts,
    }
}

/// What an accept started.
///
/// # Panics
/// Where it stored nothing.
pub fn stored(accepted: Accepted) -> Vec<AcceptedExecution> {
    match accepted {
        Accepted::Stored { executions, .. } => executions,
        other => panic!("expected it to be stored: {other:?}"),
    }
}

/// Accepts one leased execution and answers with it and its claim.
///
/// # Panics
/// Where the store does not do it.
pub async fn running(store: &dyn Store) -> (ExecutionId, Claim) {
    let accepted = store.accept(manual(vec![leased_start()])).await.expect("accepting");
    let execution = stored(accepted).remove(0);
    (execution.id, execution.claim.expect("a claim from birth"))
}

/// Accepts one execution that nobody holds.
///
/// # Panics
/// Where the store does not do it.
pub async fn pending(store: &dyn Store) -> ExecutionId {
    let accepted = store.accept(manual(vec![start()])).await.expect("accepting");
    stored(accepted).remove(0).id
}

/// A step.
#[must_use]
pub fn step(path: &str, seq: i32, status: StepStatus) -> StepRecord {
    let now = clock::now();
    StepRecord {
        path: path.to_owned(),
        step_id: path.rsplit('/').next().unwrap_or(path).to_owned(),
        seq,
        uses: "http.request".to_owned(),
        status,
        attempt: 1,
        rerun: 0,
        idempotency_key: format!("key-{path}"),
        input: Some(r#"{"url":"https://example.invalid/","headers":{"authorization":"$secret:TOKEN"}}"#.into()),
        output: status.is_finished().then(|| r#"{"status":200,"body":{"ok":true}}"#.into()),
        error: None,
        attempts: Vec::new(),
        wake_at: None,
        started_at: Some(now),
        finished_at: status.is_finished().then_some(now),
    }
}

/// A checkpoint that changes nothing yet.
#[must_use]
pub fn checkpoint(execution_id: ExecutionId, claim: Claim, then: Then) -> Checkpoint {
    Checkpoint {
        claim,
        execution_id,
        tenant_id: TENANT,
        steps: Vec::new(),
        logs: Vec::new(),
        execution: None,
        then,
        publish: Vec::new(),
    }
}

/// The new state of an execution.
#[must_use]
pub fn update(status: ExecutionStatus) -> ExecutionUpdate {
    let now = clock::now();
    ExecutionUpdate {
        status,
        started_at: Some(now),
        finished_at: status.is_terminal().then_some(now),
        output: None,
        error: None,
    }
}

/// The checkpoint that ends an execution of three steps.
#[must_use]
pub fn end(execution_id: ExecutionId, claim: Claim) -> Checkpoint {
    Checkpoint {
        steps: ["fetch", "enrich", "tell"]
            .into_iter()
            .zip(1..)
            .map(|(path, seq)| step(path, seq, StepStatus::Completed))
            .collect(),
        execution: Some(update(ExecutionStatus::Completed)),
        ..checkpoint(execution_id, claim, Then::Finish)
    }
}

/// A look into the tables: the first column of the first row, as a number.
///
/// # Panics
/// Where the statement fails.
pub async fn count(db: &Database, sql: &str) -> i64 {
    let statement = Statement::from_string(db.orm().get_database_backend(), sql);
    let row = db.orm().query_one_raw(statement).await.expect(sql).expect("a row");
    row.try_get_by_index(0).expect("a number")
}

/// A change behind the store's back.
///
/// # Panics
/// Where the statement fails.
pub async fn change(db: &Database, sql: &str, values: Vec<Value>) -> u64 {
    let statement = Statement::from_sql_and_values(db.orm().get_database_backend(), sql, values);
    db.orm().execute_raw(statement).await.expect(sql).rows_affected()
}

/// Makes the claims of an execution's item old, as the reaper and another worker would.
///
/// # Panics
/// Where the statement fails.
pub async fn take_over(db: &Database, claim: Claim) {
    let sql = "UPDATE outbox SET lease_token = lease_token + 1, lease_owner = 'worker-2' WHERE id = $1";
    assert_eq!(change(db, sql, vec![claim.id.0.into()]).await, 1);
}

/// Runs many calls at the same time and answers in their order.
///
/// # Panics
/// Where one panics.
pub async fn together<T, F, C>(store: &Arc<dyn Store>, calls: Vec<C>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
    C: FnOnce(Arc<dyn Store>) -> F,
{
    let tasks: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call(Arc::clone(store)))).collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(task.await.expect("a call"));
    }
    answers
}
