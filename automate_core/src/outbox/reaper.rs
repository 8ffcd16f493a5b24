//! Giving back what dead workers held. Every worker runs one; several at once are harmless, because
//! a lease is reaped by a conditional write and bumps the token.

use std::sync::Arc;
use std::time::Duration;

use super::{OutboxStore, ReapReport, ReapRequest};
use crate::limits;
use crate::store::StoreError;

/// Finds leases that have run out and puts their items back into the queue; an item that lost
/// [`limits::LOST_LEASES`] leases ([`limits::LOST_LEASES_IN_COMPANY`] where others were lost with it) is
/// set aside as `QUARANTINED`, since it may be what kills workers.
#[derive(Clone)]
pub struct OutboxReaper {
    /// How long past its end a lease must be. A little patience, for a worker that was only slow.
    pub stale_threshold: Duration,
    /// The most items in one run.
    pub max_batch: usize,
    /// When a reaped item becomes ready again.
    pub retry_delay: Duration,
    /// Only report what would be done.
    pub dry_run: bool,
    /// The queue.
    pub store: Arc<dyn OutboxStore>,
}

impl OutboxReaper {
    /// A reaper that acts at once on whatever has run out.
    #[must_use]
    pub fn new(store: Arc<dyn OutboxStore>) -> Self {
        Self {
            stale_threshold: Duration::ZERO,
            max_batch: limits::OUTBOX_BATCH,
            retry_delay: Duration::ZERO,
            dry_run: false,
            store,
        }
    }

    /// Reaps at most `max_batch` items, those longest dead first. A report as long as `max_batch`
    /// says that there may be more.
    ///
    /// # Errors
    /// Those of the store; nothing was changed then, unless the outcome is not known.
    pub async fn reap_stale_items(&self) -> Result<ReapReport, StoreError> {
        let report = self
            .store
            .reap_stale(&ReapRequest {
                stale_threshold: self.stale_threshold,
                max_batch: self.max_batch,
                retry_delay: self.retry_delay,
                max_lost_leases: limits::LOST_LEASES,
                max_lost_in_company: limits::LOST_LEASES_IN_COMPANY,
                dry_run: self.dry_run,
            })
            .await?;
        if !report.dry_run {
            for id in &report.requeued {
                tracing::warn!(%id, "a lease ran out; its item is back in the queue");
            }
            for id in &report.quarantined {
                tracing::error!(%id, "workers died holding this item again and again; it is set aside");
            }
        }
        Ok(report)
    }

    /// Counts the items that are to be reaped.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn stale_count(&self) -> Result<i64, StoreError> {
        self.store.stale_count(self.stale_threshold).await
    }
}

impl std::fmt::Debug for OutboxReaper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxReaper")
            .field("stale_threshold", &self.stale_threshold)
            .field("max_batch", &self.max_batch)
            .field("retry_delay", &self.retry_delay)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}
