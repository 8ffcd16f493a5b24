//! The engine's store: the verbs of [`automate_core::store::Store`] on PostgreSQL and SQLite.
//!
//! `accept` and `checkpoint` go through group commit and are written per database; everything else
//! is rare and written once. Every unit of work runs in a task of its own ([`Database::run`]).

mod accepting;
mod bulk;
mod bulk_work;
mod documents;
mod drafts;
mod entities;
mod facts;
mod hints;
mod history;
mod nul;
mod operate;
mod operating;
mod postgres;
mod progress;
mod queue;
mod rows;
mod signals;
mod sqlite;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_core::clock::{Clock, SystemClock};
use automate_core::ids::{EventId, ExecutionId, TenantId, VersionId};
use automate_core::outbox::OutboxStore;
use automate_core::store::{
    Accept, Accepted, CancelOutcome, Checkpoint, CheckpointAck, EventRecord, ExecutionQuery, ExecutionRecord,
    LoadedExecution, NewDraft, NewVersion, NewWebhookRequest, Resolution, StepLog, StepRecord, Store, StoreError,
    StoreHealth, TriggerRecord, VersionRecord, WorkflowRecord,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::hints::Hints;
pub(crate) use self::progress::Progress;
use crate::committer::Committer;
use crate::db::Database;
use crate::outbox::OutboxOptions;

/// How long chores may take.
const UPKEEP_TIME: Duration = Duration::from_secs(600);

/// How the store works.
#[derive(Clone)]
pub struct EngineStoreOptions {
    /// Read on SQLite only; PostgreSQL goes by its own.
    pub clock: Arc<dyn Clock>,
    /// How the queue treats its rows.
    pub outbox: OutboxOptions,
    /// Connections to PostgreSQL that commit accepts.
    pub accept_connections: usize,
    /// Connections to PostgreSQL that commit checkpoints.
    pub checkpoint_connections: usize,
    /// Whether hints of other processes are listened for on PostgreSQL.
    pub listen: bool,
}

impl Default for EngineStoreOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            outbox: OutboxOptions::default(),
            accept_connections: 1,
            checkpoint_connections: 2,
            listen: true,
        }
    }
}

/// Opens the store on a database, with the usual options. Call it inside a tokio runtime.
///
/// # Errors
/// None for a database that [`Database::connect`] opened.
pub fn open(db: &Database) -> Result<Arc<dyn Store>, StoreError> {
    open_with(db, &EngineStoreOptions::default())
}

/// Opens the store on a database. Call it inside a tokio runtime: it starts the committers.
///
/// # Errors
/// None for a database that [`Database::connect`] opened.
pub fn open_with(db: &Database, options: &EngineStoreOptions) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(EngineStore::new(db, options)?))
}

/// The store on either database.
struct EngineStore {
    db: Database,
    clock: Arc<dyn Clock>,
    outbox: Arc<dyn OutboxStore>,
    accepts: Arc<Committer>,
    checkpoints: Arc<Committer>,
    hints: Hints,
    background: TaskTracker,
    closed: CancellationToken,
}

impl EngineStore {
    fn new(db: &Database, options: &EngineStoreOptions) -> Result<Self, StoreError> {
        let outbox = crate::outbox::open(db, Arc::clone(&options.clock), options.outbox)?;
        let hints = Hints::default();
        let (background, closed) = (TaskTracker::new(), CancellationToken::new());
        let (accepts, checkpoints) = match (db.postgres(), db.sqlite_writer()) {
            (Some(pool), _) => {
                background.spawn(hints.clone().send(pool.clone(), closed.clone()));
                if options.listen {
                    background.spawn(hints.clone().listen(pool.clone(), closed.clone()));
                }
                (
                    Arc::new(postgres::committer(pool, &hints, options.accept_connections)),
                    Arc::new(postgres::committer(pool, &hints, options.checkpoint_connections)),
                )
            }
            (None, Some(writer)) => {
                let committer = Arc::new(sqlite::committer(writer, &hints, &options.clock));
                (Arc::clone(&committer), committer)
            }
            (None, None) => return Err(StoreError::Internal("a database of neither kind".into())),
        };
        background.close();
        Ok(Self {
            db: db.clone(),
            clock: Arc::clone(&options.clock),
            outbox,
            accepts,
            checkpoints,
            hints,
            background,
            closed,
        })
    }
}

#[async_trait]
impl Store for EngineStore {
    async fn accept(&self, mut accept: Accept) -> Result<Accepted, StoreError> {
        nul::clean_accept(&mut accept);
        self.accepts.accept(accept).await
    }

    async fn checkpoint(&self, mut checkpoint: Checkpoint) -> Result<CheckpointAck, StoreError> {
        nul::clean_checkpoint(&mut checkpoint);
        self.checkpoints.checkpoint(checkpoint).await
    }

    async fn record_request(&self, tenant: TenantId, request: NewWebhookRequest) -> Result<(), StoreError> {
        let accept =
            Accept { tenant_id: tenant, event: None, request: Some(request), delivery: None, starts: Vec::new() };
        self.accept(accept).await.map(|_| ())
    }

    async fn load_executions(
        &self,
        ids: &[ExecutionId],
    ) -> Result<Vec<(ExecutionId, Result<LoadedExecution, StoreError>)>, StoreError> {
        let ids = ids.to_vec();
        self.db.run(|db| history::load(db, ids)).await
    }

    async fn cancel_requests(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionId>, StoreError> {
        let ids = ids.to_vec();
        self.db.run(|db| history::cancel_requests(db, ids)).await
    }

    async fn cancel(&self, tenant: TenantId, id: ExecutionId) -> Result<CancelOutcome, StoreError> {
        let now = self.clock.now();
        let outcome = self.db.run(move |db| operate::cancel(db, now, tenant, id)).await?;
        if !matches!(outcome, CancelOutcome::AlreadyEnded(_)) {
            self.hints.work();
        }
        Ok(outcome)
    }

    async fn retry_execution(&self, tenant: TenantId, id: ExecutionId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db.run(move |db| operate::retry(db, now, tenant, id)).await?;
        self.hints.work();
        Ok(())
    }

    async fn resolve_unknown(
        &self,
        tenant: TenantId,
        id: ExecutionId,
        path: &str,
        resolution: Resolution,
    ) -> Result<(), StoreError> {
        let (now, path) = (self.clock.now(), path.to_owned());
        self.db.run(move |db| operate::resolve(db, now, tenant, id, path, resolution)).await?;
        self.hints.work();
        Ok(())
    }

    async fn execution(&self, tenant: TenantId, id: ExecutionId) -> Result<ExecutionRecord, StoreError> {
        self.db.run(move |db| history::execution(db, tenant, id)).await
    }

    async fn executions(&self, tenant: TenantId, query: &ExecutionQuery) -> Result<Vec<ExecutionRecord>, StoreError> {
        let query = query.clone();
        self.db.run(move |db| history::executions(db, tenant, query)).await
    }

    async fn count_executions(&self, tenant: TenantId, query: &ExecutionQuery) -> Result<u64, StoreError> {
        let query = query.clone();
        self.db.run(move |db| history::count(db, tenant, query)).await
    }

    async fn steps(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<StepRecord>, StoreError> {
        self.db.run(move |db| history::steps(db, tenant, id)).await
    }

    async fn logs(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<StepLog>, StoreError> {
        self.db.run(move |db| history::logs(db, tenant, id)).await
    }

    async fn event(&self, tenant: TenantId, id: EventId) -> Result<EventRecord, StoreError> {
        self.db.run(move |db| history::event(db, tenant, id)).await
    }

    async fn tenant(&self, slug: &str) -> Result<TenantId, StoreError> {
        let slug = slug.to_owned();
        self.db.run(|db| documents::tenant(db, slug)).await
    }

    async fn save_draft(
        &self,
        tenant: TenantId,
        slug: &str,
        title: &str,
        description: &str,
        source: &str,
        expected: Option<i32>,
    ) -> Result<WorkflowRecord, StoreError> {
        let mut draft = documents::Draft {
            slug: slug.to_owned(),
            title: title.to_owned(),
            description: description.to_owned(),
            source: source.to_owned(),
            expected,
        };
        for text in [&mut draft.slug, &mut draft.title, &mut draft.description, &mut draft.source] {
            nul::clean(text);
        }
        self.db.run(move |db| documents::save_draft(db, tenant, draft)).await
    }

    async fn publish(&self, tenant: TenantId, mut version: NewVersion) -> Result<VersionRecord, StoreError> {
        nul::clean_version(&mut version);
        let (version, changed) = self.db.run(move |db| documents::publish(db, tenant, version)).await?;
        if changed {
            self.hints.triggers();
        }
        Ok(version)
    }

    async fn workflow(&self, tenant: TenantId, slug: &str) -> Result<WorkflowRecord, StoreError> {
        let slug = slug.to_owned();
        self.db.run(move |db| documents::workflow(db, tenant, slug)).await
    }

    async fn workflows(&self, tenant: TenantId) -> Result<Vec<WorkflowRecord>, StoreError> {
        self.db.run(move |db| documents::workflows(db, tenant)).await
    }

    async fn keep_draft(&self, tenant: TenantId, mut draft: NewDraft) -> Result<VersionRecord, StoreError> {
        nul::clean_draft(&mut draft);
        let now = self.clock.now();
        self.db.run(move |db| drafts::keep(db, now, tenant, draft)).await
    }

    async fn use_draft(&self, tenant: TenantId, id: VersionId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db.run(move |db| drafts::reuse(db, now, tenant, id)).await
    }

    async fn version(&self, id: VersionId) -> Result<VersionRecord, StoreError> {
        self.db.run(move |db| documents::version(db, id)).await
    }

    async fn versions(&self, tenant: TenantId, slug: &str) -> Result<Vec<VersionRecord>, StoreError> {
        let slug = slug.to_owned();
        self.db.run(move |db| documents::versions(db, tenant, slug)).await
    }

    async fn triggers(&self) -> Result<Vec<TriggerRecord>, StoreError> {
        self.db.run(documents::triggers).await
    }

    async fn wait_for_hint(&self, timeout: Duration) {
        self.hints.wait(timeout).await;
    }

    async fn health(&self) -> Result<StoreHealth, StoreError> {
        self.db.run(upkeep::health).await
    }

    async fn maintain(&self, retention: Option<Duration>) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db.run_within(UPKEEP_TIME, move |db| upkeep::maintain(db, now, retention)).await
    }

    async fn forget_before(&self, tenant: TenantId, cutoff: chrono::DateTime<chrono::Utc>) -> Result<(), StoreError> {
        let work = move |db: Database| async move { upkeep::delete_history(&db, Some(tenant), cutoff).await };
        self.db.run_within(UPKEEP_TIME, work).await
    }

    async fn close(&self) {
        self.accepts.close().await;
        self.checkpoints.close().await;
        self.closed.cancel();
        self.background.wait().await;
        self.db.close().await;
    }
}
