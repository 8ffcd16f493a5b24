//! How many executions a second the store takes, and how long one takes when there is nothing else.
//!
//! `cargo run --release -p automate_store --example throughput -- sqlite:///tmp/probe.db 8`
//!
//! The database is migrated and filled; use an empty one. An execution is an accept with event,
//! request, delivery key and a born-leased item, and then one checkpoint of three steps that ends it,
//! or five checkpoints of one step each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use automate_core::clock;
use automate_core::ids::{EventId, ExecutionId, OutboxId, TenantId};
use automate_core::outbox::Claim;
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{
    Accept, Accepted, Checkpoint, DeliveryKey, ExecutionUpdate, NewEvent, NewExecution, NewLease, NewTrigger,
    NewVersion, NewWebhookRequest, StepRecord, Store, StoreError, Then, TriggerRecord,
};
use automate_store::db::{ConnectOptions, Database};
use automate_store::{EngineStoreOptions, open_with};

/// Executions that are under way at the same time.
const CLIENTS: usize = 512;
const PAYLOAD: &str = r#"{"order":{"id":4711,"total":"19.90","lines":[{"sku":"A-1","count":2},{"sku":"B-7","count":1}]},"customer":{"id":12,"mail":"someone@example.invalid"}}"#;
const HEADERS: &str =
    r#"{"content-type":"application/json","user-agent":"shop/1.0","x-request-id":"0198","x-signature":"***"}"#;

static KEY: AtomicU64 = AtomicU64::new(0);

fn accept(trigger: &TriggerRecord) -> Accept {
    let (id, now) = (EventId::new(), clock::now());
    Accept {
        tenant_id: TenantId::DEFAULT,
        event: Some(NewEvent {
            id,
            event_type: "webhook.orders".to_owned(),
            source: "webhook".to_owned(),
            payload: PAYLOAD.into(),
            headers: Some(HEADERS.into()),
            correlation_id: id.to_string(),
            received_at: now,
            depth: 0,
        }),
        request: Some(NewWebhookRequest {
            id,
            path: "orders".to_owned(),
            method: "POST".to_owned(),
            headers: HEADERS.into(),
            body: None,
            body_bytes: i64::try_from(PAYLOAD.len()).unwrap_or(0),
            remote_addr: Some("127.0.0.1".to_owned()),
            signature: "ok".to_owned(),
            http_status: 202,
            received_at: now,
        }),
        delivery: Some(DeliveryKey {
            scope: "hook:orders".to_owned(),
            key: format!("{}-{}", std::process::id(), KEY.fetch_add(1, Ordering::Relaxed)),
        }),
        starts: vec![NewExecution {
            id: ExecutionId::new(),
            outbox_id: OutboxId::new(),
            workflow_id: trigger.workflow_id,
            workflow: trigger.workflow.clone(),
            version_id: trigger.version_id,
            version: trigger.version,
            trigger_id: Some(trigger.id),
            trigger: r#"{"kind":"webhook","path":"orders"}"#.into(),
            dedupe_key: None,
            input: None,
            priority: 100,
            correlation_id: id.to_string(),
            parent_id: None,
            replay_of: None,
            adopted: Vec::new(),
            event_id: None,
            created_at: now,
            lease: Some(NewLease { owner: "probe".to_owned(), lease: Duration::from_secs(60) }),
        }],
    }
}

fn step(id: ExecutionId, seq: i32) -> StepRecord {
    let now = clock::now();
    StepRecord {
        path: format!("step-{seq}"),
        step_id: format!("step-{seq}"),
        seq,
        uses: "http.request".to_owned(),
        status: StepStatus::Completed,
        attempt: 1,
        rerun: 0,
        idempotency_key: format!("{id}/step-{seq}/0"),
        input: Some(r#"{"url":"https://example.invalid/orders","headers":{"authorization":"$secret:TOKEN"}}"#.into()),
        output: Some(r#"{"status":200,"body":{"ok":true,"id":4711}}"#.into()),
        error: None,
        attempts: Vec::new(),
        wake_at: None,
        started_at: Some(now),
        finished_at: Some(now),
    }
}

fn checkpoint(id: ExecutionId, claim: Claim, steps: std::ops::RangeInclusive<i32>, end: bool) -> Checkpoint {
    let now = clock::now();
    Checkpoint {
        claim,
        execution_id: id,
        tenant_id: TenantId::DEFAULT,
        steps: steps.map(|seq| step(id, seq)).collect(),
        logs: Vec::new(),
        execution: end.then(|| ExecutionUpdate {
            status: ExecutionStatus::Completed,
            started_at: Some(now),
            finished_at: Some(now),
            output: Some(r#"{"ok":true}"#.into()),
            error: None,
        }),
        then: if end { Then::Finish } else { Then::Hold },
        publish: Vec::new(),
    }
}

async fn execution(store: &dyn Store, trigger: &TriggerRecord, checkpoints: i32) -> Result<(), StoreError> {
    let accepted = store.accept(accept(trigger)).await?;
    let Accepted::Stored { executions, .. } = accepted else {
        return Err(StoreError::Internal(format!("not stored: {accepted:?}")));
    };
    let execution = executions.first().ok_or_else(|| StoreError::Internal("nothing was started".into()))?;
    let claim = execution.claim.ok_or_else(|| StoreError::Internal("not born leased".into()))?;
    if checkpoints == 1 {
        store.checkpoint(checkpoint(execution.id, claim, 1..=3, true)).await?;
    } else {
        for n in 1..=checkpoints {
            store.checkpoint(checkpoint(execution.id, claim, n..=n, n == checkpoints)).await?;
        }
    }
    Ok(())
}

async fn saturated(store: &Arc<dyn Store>, trigger: &TriggerRecord, checkpoints: i32, time: Duration) -> f64 {
    let begun = Instant::now();
    let done = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (store, done, trigger) = (Arc::clone(store), Arc::clone(&done), trigger.clone());
            tokio::spawn(async move {
                while begun.elapsed() < time {
                    match execution(&*store, &trigger, checkpoints).await {
                        Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            eprintln!("{error}");
                            return;
                        }
                    };
                }
            })
        })
        .collect();
    for client in clients {
        if let Err(error) = client.await {
            eprintln!("{error}");
        }
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

async fn alone(store: &dyn Store, trigger: &TriggerRecord) -> Result<(Duration, Duration), StoreError> {
    let mut times = Vec::new();
    for _ in 0..400 {
        let begun = Instant::now();
        execution(store, trigger, 1).await?;
        times.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    Ok((at(50), at(99)))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), StoreError> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "sqlite:///tmp/automate-throughput.db".to_owned());
    let number = |text: Option<String>| text.and_then(|text| text.parse::<usize>().ok());
    let seconds = number(arguments.next()).unwrap_or(5);
    let mut options = EngineStoreOptions::default();
    options.accept_connections = number(arguments.next()).unwrap_or(options.accept_connections);
    options.checkpoint_connections = number(arguments.next()).unwrap_or(options.checkpoint_connections);

    let db = Database::connect(&url, &ConnectOptions::default()).await?;
    db.migrate_up(None).await?;
    let store = open_with(&db, &options)?;
    let version = NewVersion {
        slug: "orders".to_owned(),
        title: "Orders".to_owned(),
        description: String::new(),
        document: "{}".to_owned(),
        source: "{}".to_owned(),
        sha256: "probe".to_owned(),
        author: "probe".to_owned(),
        note: String::new(),
        expected: None,
        triggers: vec![NewTrigger { kind: "webhook".to_owned(), key: "orders".to_owned(), position: 0 }],
    };
    store.publish(TenantId::DEFAULT, version).await?;
    let trigger = store.triggers().await?.into_iter().next();
    let trigger = trigger.ok_or_else(|| StoreError::Internal("the trigger is not there".into()))?;

    alone(&*store, &trigger).await?;
    let (p50, p99) = alone(&*store, &trigger).await?;
    println!("alone, accept and one checkpoint: p50 {p50:?}, p99 {p99:?}");
    let time = Duration::from_secs(u64::try_from(seconds).unwrap_or(5));
    for checkpoints in [1, 5, 1] {
        let rate = saturated(&store, &trigger, checkpoints, time).await;
        println!("{checkpoints} checkpoint(s) an execution: {rate:.0} executions/s");
    }
    store.close().await;
    Ok(())
}
