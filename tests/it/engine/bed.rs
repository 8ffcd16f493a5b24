//! A test bed: engines over one database, as processes would be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_core::expr::secret::Scrubber;
use automate_core::ids::{EventId, ExecutionId, TenantId};
use automate_core::runtime::{Engine, Ports, Received, Settings, StartRequest, WebhookDelivery};
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use automate_core::status::ExecutionStatus;
use automate_core::store::{ExecutionRecord, NewWebhookRequest, StepRecord};
use automate_store::db::Database;
use automate_tests::postgres::TestDatabase;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::actions::{Actions, World};

/// Secrets of the tests.
struct Secrets(BTreeMap<String, String>);

#[async_trait]
impl SecretResolver for Secrets {
    async fn resolve(&self, _tenant: TenantId, key: &str) -> Result<SecretValue, SecretError> {
        match self.0.get(key) {
            Some(value) => Ok(SecretValue::new(value.clone())),
            None => Err(SecretError::NotFound { key: key.to_owned(), asked: vec!["tests".to_owned()] }),
        }
    }
}

/// One process: an engine and its worker.
pub(crate) struct Process {
    pub(crate) engine: Engine,
    stop: CancellationToken,
    worker: Option<JoinHandle<()>>,
}

impl Process {
    /// Stops as SIGTERM does.
    pub(crate) async fn drain(mut self) {
        self.stop.cancel();
        if let Some(worker) = self.worker.take() {
            worker.await.expect("the worker ends in order");
        }
    }
}

pub(crate) struct Bed {
    pub(crate) db: TestDatabase,
    pub(crate) world: Arc<World>,
}

impl Bed {
    pub(crate) fn new(db: TestDatabase) -> Self {
        Self { db, world: World::new() }
    }

    /// Short times, so that tests are.
    pub(crate) fn settings() -> Settings {
        Settings {
            lease: Duration::from_secs(2),
            reap_interval: Duration::from_millis(200),
            drain: Duration::from_secs(2),
            concurrency: 16,
            ..Settings::default()
        }
    }

    /// An engine without a worker.
    pub(crate) async fn engine(&self, settings: Settings) -> Engine {
        self.engine_with(settings, |_, _| {}).await
    }

    /// The same, with ports of the test's own.
    pub(crate) async fn engine_with(&self, settings: Settings, adapt: impl FnOnce(&Database, &mut Ports)) -> Engine {
        let database = self.db.open_again().await;
        let store = automate_store::open(&database).expect("the store opens");
        let secrets = Secrets(BTreeMap::from([("TOKEN".to_owned(), "canary-5f0a7c9e11".to_owned())]));
        let mut ports =
            Ports::new(store, Arc::new(Actions(self.world.clone())), Arc::new(secrets), Arc::new(Scrubber::new()));
        adapt(&database, &mut ports);
        Engine::new(ports, settings)
    }

    pub(crate) async fn process(&self) -> Process {
        self.process_with(Self::settings()).await
    }

    pub(crate) async fn process_with(&self, settings: Settings) -> Process {
        Self::working(self.engine(settings).await)
    }

    /// An engine with its worker.
    pub(crate) fn working(engine: Engine) -> Process {
        let stop = CancellationToken::new();
        let worker = tokio::spawn({
            let (engine, stop) = (engine.clone(), stop.clone());
            async move { engine.run_worker(stop).await }
        });
        Process { engine, stop, worker: Some(worker) }
    }
}

/// Publishes a document.
pub(crate) async fn publish(engine: &Engine, source: &str) {
    if let Err(error) = engine.publish(TenantId::DEFAULT, source, "test", "").await {
        panic!("{error}: {error:?}");
    }
}

/// Starts a workflow by hand.
pub(crate) async fn start(engine: &Engine, workflow: &str, input: Value) -> ExecutionId {
    let request = StartRequest {
        tenant_id: TenantId::DEFAULT,
        workflow: workflow.to_owned(),
        version: None,
        input: Some(input),
        source: "test".to_owned(),
        correlation_id: "corr-1".to_owned(),
        run_here: false,
    };
    engine.start(request).await.expect("it starts")
}

/// Delivers a webhook to `hooks/default/PATH`, verified by its first target.
pub(crate) async fn deliver(engine: &Engine, path: &str, delivery_id: Option<&str>, payload: Value) -> Received {
    let endpoint = engine.webhook_endpoint("default", path).await.expect("a lookup").expect("somebody listens");
    let verified: Vec<usize> = (0..endpoint.targets.len()).collect();
    engine.deliver(&endpoint, &verified, delivery(delivery_id, path, payload)).await.expect("it is accepted")
}

pub(crate) fn delivery(delivery_id: Option<&str>, path: &str, payload: Value) -> WebhookDelivery {
    let text = payload.to_string();
    WebhookDelivery {
        payload_text: text.as_str().into(),
        payload,
        headers: json!({"x-test": "1"}),
        delivery_id: delivery_id.map(str::to_owned),
        correlation_id: "corr-2".to_owned(),
        request: NewWebhookRequest {
            id: EventId::new(),
            path: path.to_owned(),
            method: "POST".to_owned(),
            headers: "{}".into(),
            body: None,
            body_bytes: i64::try_from(text.len()).expect("a length"),
            remote_addr: None,
            signature: "ok".to_owned(),
            http_status: 202,
            received_at: automate_core::clock::now(),
        },
    }
}

/// Waits for the end of an execution.
pub(crate) async fn ended(engine: &Engine, id: ExecutionId) -> ExecutionRecord {
    let record =
        engine.wait_until_ended(TenantId::DEFAULT, id, Duration::from_secs(30)).await.expect("the store answers");
    match record {
        Some(record) => record,
        None => {
            let record = engine.ports().store.execution(TenantId::DEFAULT, id).await.expect("a row");
            panic!("execution {id} did not end: {record:?}, steps {:?}", steps(engine, id).await);
        }
    }
}

/// Waits until an execution has a status.
pub(crate) async fn reaches(engine: &Engine, id: ExecutionId, status: ExecutionStatus) -> ExecutionRecord {
    for _ in 0..500 {
        let record = engine.ports().store.execution(TenantId::DEFAULT, id).await.expect("a row");
        if record.status == status {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("execution {id} did not reach {status} within ten seconds");
}

pub(crate) async fn steps(engine: &Engine, id: ExecutionId) -> Vec<StepRecord> {
    engine.ports().store.steps(TenantId::DEFAULT, id).await.expect("steps")
}

pub(crate) async fn step(engine: &Engine, id: ExecutionId, path: &str) -> StepRecord {
    let all = steps(engine, id).await;
    all.into_iter().find(|step| step.path == path).unwrap_or_else(|| panic!("step {path} is on record"))
}
