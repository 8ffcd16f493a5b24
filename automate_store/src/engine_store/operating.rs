//! The verbs for operating executions, handed on.

use async_trait::async_trait;
use automate_core::ids::{BulkId, ExecutionId, TenantId};
use automate_core::outbox::Claim;
use automate_core::store::{
    BulkApplied, BulkItem, BulkItemQuery, BulkPage, BulkRecord, BulkWork, ExecutionFacts, NewBulk, NewSignal,
    OperateStore, Selected, Selection, SignalOutcome, SignalRecord, StoreError,
};

use super::{EngineStore, bulk, bulk_work, facts, signals};

#[async_trait]
impl OperateStore for EngineStore {
    async fn signal(&self, tenant: TenantId, id: ExecutionId, signal: NewSignal) -> Result<SignalOutcome, StoreError> {
        let now = self.clock.now();
        let outcome = self.db.run(move |db| signals::send(db, now, tenant, id, signal)).await?;
        if matches!(outcome, SignalOutcome::Stored { .. }) {
            self.hints.work();
        }
        Ok(outcome)
    }

    async fn signals(&self, tenant: TenantId, id: ExecutionId) -> Result<Vec<SignalRecord>, StoreError> {
        self.db.run(move |db| signals::of(db, tenant, id)).await
    }

    async fn signal_counts(&self, ids: &[ExecutionId]) -> Result<Vec<(ExecutionId, u64)>, StoreError> {
        let ids = ids.to_vec();
        self.db.run(move |db| signals::counts(db, ids)).await
    }

    async fn execution_facts(&self, tenant: TenantId, id: ExecutionId) -> Result<ExecutionFacts, StoreError> {
        let now = self.clock.now();
        self.db.run(move |db| facts::load(db, now, tenant, id)).await
    }

    async fn bulk_select(&self, tenant: TenantId, selection: &Selection) -> Result<Selected, StoreError> {
        let selection = selection.clone();
        self.db.run(move |db| bulk::preview(db, tenant, selection)).await
    }

    async fn bulk_start(&self, tenant: TenantId, new: NewBulk) -> Result<BulkRecord, StoreError> {
        let now = self.clock.now();
        let record = self.db.run(move |db| bulk::start(db, now, tenant, new)).await?;
        self.hints.work();
        Ok(record)
    }

    async fn bulk(&self, tenant: TenantId, id: BulkId) -> Result<BulkRecord, StoreError> {
        self.db.run(move |db| bulk::of(db, tenant, id)).await
    }

    async fn bulks(&self, tenant: TenantId, page: &BulkPage) -> Result<Vec<BulkRecord>, StoreError> {
        let page = page.clone();
        self.db.run(move |db| bulk::list(db, tenant, page)).await
    }

    async fn bulk_items(
        &self,
        tenant: TenantId,
        id: BulkId,
        query: &BulkItemQuery,
    ) -> Result<Vec<BulkItem>, StoreError> {
        let query = query.clone();
        self.db.run(move |db| bulk::items_of(db, tenant, id, query)).await
    }

    async fn bulk_cancel(&self, tenant: TenantId, id: BulkId) -> Result<BulkRecord, StoreError> {
        let now = self.clock.now();
        self.db.run(move |db| bulk::cancel(db, now, tenant, id)).await
    }

    async fn bulk_next(&self, claim: Claim, id: BulkId, limit: usize) -> Result<BulkWork, StoreError> {
        let now = self.clock.now();
        self.db.run(move |db| bulk_work::next(db, now, claim, id, limit)).await
    }

    async fn bulk_apply(
        &self,
        id: BulkId,
        position: i32,
        outcome: Option<BulkApplied>,
    ) -> Result<BulkApplied, StoreError> {
        let now = self.clock.now();
        let applied = self.db.run(move |db| bulk_work::apply(db, now, id, position, outcome)).await?;
        self.hints.work();
        Ok(applied)
    }

    async fn bulk_finish(&self, claim: Claim, id: BulkId) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.db.run(move |db| bulk_work::finish(db, now, claim, id)).await
    }
}
