//! The queue's verbs, handed on to the outbox's own store; what makes work ready gives a hint.

use std::time::Duration;

use async_trait::async_trait;
use automate_core::outbox::{
    Claim, ClaimRequest, ClaimState, ClaimedItem, NewOutboxItem, OutboxFilter, OutboxItem, OutboxStats, OutboxStore,
    ReapReport, ReapRequest,
};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};

use super::EngineStore;

#[async_trait]
impl OutboxStore for EngineStore {
    async fn enqueue_all(&self, items: &[NewOutboxItem]) -> Result<(), StoreError> {
        self.outbox.enqueue_all(items).await?;
        self.hints.work();
        Ok(())
    }

    async fn claim_batch(&self, request: &ClaimRequest) -> Result<Vec<ClaimedItem>, StoreError> {
        self.outbox.claim_batch(request).await
    }

    async fn mark_success(&self, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError> {
        self.outbox.mark_success(claims).await
    }

    async fn mark_retry(
        &self,
        claim: Claim,
        next_attempt_at: DateTime<Utc>,
        code: &str,
        error: &str,
    ) -> Result<ClaimState, StoreError> {
        self.outbox.mark_retry(claim, next_attempt_at, code, error).await
    }

    async fn mark_failed(&self, claim: Claim, code: &str, error: &str) -> Result<ClaimState, StoreError> {
        self.outbox.mark_failed(claim, code, error).await
    }

    async fn extend_lease(&self, claims: &[Claim], lease: Duration) -> Result<Vec<ClaimState>, StoreError> {
        self.outbox.extend_lease(claims, lease).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError> {
        let states = self.outbox.release(claims).await?;
        self.hints.work();
        Ok(states)
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        self.outbox.stats().await
    }

    async fn next_due_in(&self) -> Result<Option<Duration>, StoreError> {
        self.outbox.next_due_in().await
    }

    async fn reap_stale(&self, request: &ReapRequest) -> Result<ReapReport, StoreError> {
        self.outbox.reap_stale(request).await
    }

    async fn stale_count(&self, stale_threshold: Duration) -> Result<i64, StoreError> {
        self.outbox.stale_count(stale_threshold).await
    }

    async fn list(&self, filter: &OutboxFilter) -> Result<Vec<OutboxItem>, StoreError> {
        self.outbox.list(filter).await
    }

    async fn requeue(&self, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError> {
        let count = self.outbox.requeue(filter, dry_run).await?;
        if count > 0 && !dry_run {
            self.hints.work();
        }
        Ok(count)
    }

    async fn purge(&self, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError> {
        self.outbox.purge(filter, dry_run).await
    }
}
