//! The worker's side of an operation over many executions.
//!
//! Each execution is gone through in a transaction together with its mark, or, where it starts a new
//! execution, under a key of which there is one: a worker that dies in between leaves nothing half
//! done and nothing done twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::Engine;
use super::super::active::Held;
use super::bulk::Parameters;
use super::rerun::Storing;
use super::{OperateError, RerunRequest};
use crate::ids::BulkId;
use crate::limits;
use crate::outbox::ClaimedItem;
use crate::status::{BulkItemStatus, BulkOperation};
use crate::store::{BulkApplied, BulkItem, BulkRecord, StoreError};

/// The longest pause between attempts while the database is away or the queue is full.
const AWAY: Duration = Duration::from_secs(5);

/// Why a worker stops before the end.
enum Stop {
    /// The claim is gone; another worker goes on.
    LeaseLost,
    /// The process drains.
    Draining,
    /// The operation itself cannot be used.
    Refused(StoreError),
}

impl Engine {
    /// Works through an operation until it is done, ended, or the claim is lost.
    pub(in crate::runtime) async fn run_bulk(&self, held: Arc<Held>, claimed: ClaimedItem) {
        let store = &self.ports().store;
        let stopped = match claimed.item.key.parse::<BulkId>() {
            Ok(id) => Through { engine: self, held: &held, id }.go().await,
            Err(error) => Err(Stop::Refused(StoreError::Corrupt(format!("the key of {}: {error}", claimed.item.id)))),
        };
        let marked = match stopped {
            Ok(()) => Ok(()),
            Err(Stop::LeaseLost) => {
                tracing::warn!(item = %claimed.item.id, "lease lost: another worker goes on with this bulk operation");
                Ok(())
            }
            Err(Stop::Draining) => store.release(&[held.claim]).await.map(|_| ()),
            Err(Stop::Refused(error)) => {
                tracing::error!(item = %claimed.item.id, %error, "a bulk operation cannot go on and is set aside");
                store.mark_failed(held.claim, error.code(), &error.to_string()).await.map(|_| ())
            }
        };
        if let Err(error) = marked {
            tracing::warn!(item = %claimed.item.id, %error, "an item could not be marked; its lease will run out");
        }
        self.inner.active.let_go(&held);
    }
}

struct Through<'a> {
    engine: &'a Engine,
    held: &'a Held,
    id: BulkId,
}

impl Through<'_> {
    async fn go(&self) -> Result<(), Stop> {
        let store = &self.engine.ports().store;
        let mut due = Instant::now();
        // The first look says how fast it goes.
        let mut page = 1;
        loop {
            let work = self.patiently(|| store.bulk_next(self.held.claim, self.id, page)).await?;
            if work.next.is_empty() || work.bulk.cancel_requested_at.is_some() {
                return self.patiently(|| store.bulk_finish(self.held.claim, self.id)).await;
            }
            let rate = u32::try_from(work.bulk.rate).unwrap_or(1).max(1);
            // About a second's worth, so that an end that was asked for is seen soon.
            page = usize::try_from(rate).unwrap_or(limits::BULK_PAGE).clamp(1, limits::BULK_PAGE);
            for item in &work.next {
                self.wait_until(due).await?;
                // What was late is not made up for: the rate is never passed.
                due = due.max(Instant::now()) + Duration::from_secs(1) / rate;
                self.one(&work.bulk, item).await?;
            }
        }
    }

    async fn one(&self, bulk: &BulkRecord, item: &BulkItem) -> Result<(), Stop> {
        let outcome = match bulk.operation {
            BulkOperation::Replay => Some(self.replay(bulk, item).await?),
            BulkOperation::Cancel | BulkOperation::Retry | BulkOperation::Requeue => None,
        };
        let store = &self.engine.ports().store;
        let applied = match self.patiently(|| store.bulk_apply(self.id, item.position, outcome.clone())).await {
            Err(Stop::Refused(error)) => {
                // It is this execution that cannot be used, not the operation.
                let failed = BulkApplied::new(BulkItemStatus::Failed, error.code(), error.to_string());
                self.patiently(|| store.bulk_apply(self.id, item.position, Some(failed.clone()))).await?
            }
            applied => applied?,
        };
        if bulk.operation == BulkOperation::Cancel && applied.status == BulkItemStatus::Done {
            let active = &self.engine.inner.active;
            active.of_execution(item.execution_id).iter().for_each(|held| held.cancel.cancel());
            active.tell_ended(item.execution_id);
        }
        self.engine.inner.active.wake.notify_one();
        Ok(())
    }

    async fn replay(&self, bulk: &BulkRecord, item: &BulkItem) -> Result<BulkApplied, Stop> {
        let parameters: Parameters = serde_json::from_value(bulk.parameters.clone()).unwrap_or_default();
        let request = RerunRequest { from: parameters.from, input: None, version: parameters.version };
        // A second worker, or this one after its death, finds the execution that the first one made.
        let key = format!("bulk:{}:{}", self.id, item.position);
        let mut pause = Duration::from_millis(100);
        loop {
            let storing = Storing { run_here: false, dedupe_key: Some(key.clone()) };
            match self.engine.rerun_as(bulk.tenant_id, item.execution_id, &request, storing).await {
                Ok(id) => {
                    let done = BulkApplied::new(BulkItemStatus::Done, "REPLAYED", format!("runs again as {id}"));
                    return Ok(BulkApplied { result_id: Some(id), ..done });
                }
                Err(error) if error.is_transient() => {
                    self.wait_until(Instant::now() + pause).await?;
                    pause = (pause * 2).min(AWAY);
                }
                Err(error) => {
                    let status = match &error {
                        OperateError::NotEnded { .. } | OperateError::Store(StoreError::NotFound(_)) => {
                            BulkItemStatus::Skipped
                        }
                        _ => BulkItemStatus::Failed,
                    };
                    return Ok(BulkApplied::new(status, error.code(), error.to_string()));
                }
            }
        }
    }

    /// Waits, unless the claim or the process ends first.
    async fn wait_until(&self, due: Instant) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = self.held.lost.cancelled() => Err(Stop::LeaseLost),
            () = self.engine.inner.active.draining.cancelled() => Err(Stop::Draining),
            () = tokio::time::sleep_until(due.into()) => Ok(()),
        }
    }

    /// Tries a verb for as long as the lease can be trusted, where the database is away.
    async fn patiently<T, F>(&self, verb: impl Fn() -> F) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = Duration::from_millis(100);
        loop {
            match verb().await {
                Ok(done) => return Ok(done),
                Err(StoreError::LeaseLost) => return Err(Stop::LeaseLost),
                Err(error) if error.is_transient() => {
                    tracing::debug!(bulk = %self.id, %error, "a bulk operation is tried again");
                    self.wait_until(Instant::now() + pause).await?;
                    pause = (pause * 2).min(AWAY);
                }
                Err(error) => return Err(Stop::Refused(error)),
            }
        }
    }
}
