//! The verbs that both stores share, each as one unit of work on the database.

use std::sync::Arc;
use std::time::Duration;

use automate_core::clock::Clock;
use automate_core::ids::OutboxId;
use automate_core::limits;
use automate_core::outbox::{
    Claim, ClaimState, NewOutboxItem, OutboxFilter, OutboxItem, OutboxStats, ReapReport, ReapRequest,
};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};

use super::operate::{self, Failure};
use super::{OutboxOptions, insert, reap};
use crate::db::Database;
use crate::error::store_error;

/// Pages that one requeue or purge works through.
const MAX_PAGES: usize = 10_000;

/// What operators do with dead letters.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chore {
    Requeue,
    Purge,
}

/// A database with a clock and a way to keep rows.
#[derive(Clone)]
pub(super) struct Queue {
    pub(super) db: Database,
    pub(super) options: OutboxOptions,
    clock: Arc<dyn Clock>,
}

impl Queue {
    pub(super) fn new(db: &Database, clock: Arc<dyn Clock>, options: OutboxOptions) -> Self {
        Self { db: db.clone(), options, clock }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) async fn enqueue_all(&self, items: &[NewOutboxItem]) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        let (items, now) = (items.to_vec(), self.now());
        self.db
            .run(move |db| async move {
                if items.len() <= limits::OUTBOX_BATCH {
                    // One statement, so no transaction needs to be opened around it.
                    return insert::enqueue(db.orm(), &items, now).await;
                }
                let transaction = db.begin().await?;
                insert::enqueue(&transaction, &items, now).await?;
                transaction.commit().await.map_err(store_error)
            })
            .await
    }

    pub(super) async fn mark_failure(
        &self,
        claim: Claim,
        failure: Failure,
        code: &str,
        error: &str,
    ) -> Result<ClaimState, StoreError> {
        let (code, error, now) = (code.to_owned(), error.to_owned(), self.now());
        self.db
            .run(move |db| async move { operate::mark_failure(db.orm(), now, claim, failure, &code, &error).await })
            .await
    }

    pub(super) async fn stats(&self) -> Result<OutboxStats, StoreError> {
        let now = self.now();
        self.db.run(move |db| async move { operate::stats(db.orm_reader(), now).await }).await
    }

    pub(super) async fn next_due_in(&self) -> Result<Option<Duration>, StoreError> {
        let now = self.now();
        self.db.run(move |db| async move { operate::next_due_in(db.orm_reader(), now).await }).await
    }

    pub(super) async fn stale_count(&self, threshold: Duration) -> Result<i64, StoreError> {
        let now = self.now();
        self.db.run(move |db| async move { operate::stale_count(db.orm_reader(), now, threshold).await }).await
    }

    pub(super) async fn list(&self, filter: &OutboxFilter) -> Result<Vec<OutboxItem>, StoreError> {
        operate::check_filter(filter)?;
        let (filter, now) = (filter.clone(), self.now());
        self.db.run(move |db| async move { operate::list(db.orm_reader(), now, &filter).await }).await
    }

    pub(super) async fn reap_stale(&self, request: &ReapRequest) -> Result<ReapReport, StoreError> {
        let (request, now) = (request.clone(), self.now());
        self.db
            .run(move |db| async move {
                if request.dry_run {
                    return reap::reap(db.orm_reader(), now, &request).await;
                }
                // Mostly there is nothing to reap, and then nobody has to wait for the write lock.
                if operate::stale_count(db.orm_reader(), now, request.stale_threshold).await? == 0 {
                    return Ok(ReapReport::default());
                }
                let transaction = db.begin().await?;
                let report = reap::reap(&transaction, now, &request).await?;
                transaction.commit().await.map_err(store_error)?;
                Ok(report)
            })
            .await
    }

    /// Works through what a filter means, page by page, a transaction each.
    pub(super) async fn chore(&self, chore: Chore, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError> {
        operate::check_filter(filter)?;
        let states = match chore {
            Chore::Requeue => "'FAILED'",
            Chore::Purge => "'FAILED', 'COMPLETED'",
        };
        let (mut done, mut after, mut left) = (0, None, if filter.limit == 0 { usize::MAX } else { filter.limit });
        for _ in 0..MAX_PAGES {
            let page = left.min(limits::OUTBOX_BATCH);
            if page == 0 {
                break;
            }
            let (filter, now) = (filter.clone(), self.now());
            let (ids, changed) = self
                .db
                .run(move |db| async move {
                    let ids = operate::matching(db.orm_reader(), now, states, &filter, after, page).await?;
                    let changed = if dry_run || ids.is_empty() {
                        ids.len() as u64
                    } else {
                        perform(&db, now, chore, &ids).await?
                    };
                    Ok((ids, changed))
                })
                .await?;
            done += changed;
            after = ids.last().copied();
            left -= ids.len();
            if ids.len() < page {
                break;
            }
        }
        Ok(done)
    }
}

async fn perform(db: &Database, now: DateTime<Utc>, chore: Chore, ids: &[OutboxId]) -> Result<u64, StoreError> {
    let transaction = db.begin().await?;
    let changed = match chore {
        Chore::Requeue => operate::requeue(&transaction, now, ids).await?,
        Chore::Purge => operate::purge(&transaction, now, ids).await?,
    };
    transaction.commit().await.map_err(store_error)?;
    Ok(changed)
}
