//! The queue on SQLite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_core::clock::Clock;
use automate_core::limits;
use automate_core::outbox::{
    Claim, ClaimRequest, ClaimState, ClaimedItem, NewOutboxItem, OutboxFilter, OutboxItem, OutboxStats, OutboxStore,
    ReapReport, ReapRequest,
};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult};
use uuid::Uuid;

use super::OutboxOptions;
use super::operate::Failure;
use super::queue::{Chore, Queue};
use super::row::{COLUMNS, claimed, get, states};
use super::statement::{Sql, microseconds};
use crate::db::{Backend, Database};
use crate::error::store_error;

const BACKEND: DbBackend = DbBackend::Sqlite;

/// The queue on SQLite: one connection writes, in immediate transactions, so that processes that
/// share the file take turns, and every write says again which state it expects. Times go by the
/// clock of the process, which is the machine's.
#[derive(Clone)]
pub struct OptimisticClaimOutboxStore {
    queue: Queue,
}

impl OptimisticClaimOutboxStore {
    /// The queue of a SQLite database.
    ///
    /// # Errors
    /// `Internal` where the database is another.
    pub fn new(db: &Database, clock: Arc<dyn Clock>, options: OutboxOptions) -> Result<Self, StoreError> {
        if db.backend() != Backend::Sqlite {
            return Err(StoreError::Internal("OptimisticClaimOutboxStore needs SQLite".to_owned()));
        }
        Ok(Self { queue: Queue::new(db, clock, options) })
    }

    /// Runs a statement over claims, given by its part before the claims, and tells which were held.
    async fn batch(&self, mut sql: Sql, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        sql.push(" WHERE status = 'RUNNING' AND (id, lease_token) IN ");
        sql.push("(SELECT unhex(c.value ->> 0), c.value ->> 1 FROM json_each(").bind(as_json(claims));
        sql.push(") c) RETURNING id, lease_token");
        let held = self
            .queue
            .db
            .run(move |db| async move {
                let rows = sql.rows(db.orm()).await?;
                rows.iter()
                    .map(|row| Ok((get(row, "id")?, get(row, "lease_token")?)))
                    .collect::<Result<Vec<(Uuid, i64)>, StoreError>>()
            })
            .await?;
        Ok(states(claims, &held))
    }

    fn update(&self, text: &str) -> Sql {
        Sql::new(BACKEND, self.queue.now(), text)
    }
}

/// Claims as `[["hex id", token], …]`.
fn as_json(claims: &[Claim]) -> String {
    let rows: Vec<String> =
        claims.iter().map(|claim| format!("[\"{}\",{}]", claim.id.0.simple(), claim.token)).collect();
    format!("[{}]", rows.join(","))
}

async fn something_is_ready<C: ConnectionTrait>(connection: &C, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let mut sql = Sql::new(BACKEND, now, "SELECT 1 AS one FROM outbox INDEXED BY outbox_due");
    sql.push(" WHERE status IN ('PENDING', 'RETRY') AND next_attempt_at <= ").now().push(" LIMIT 1");
    Ok(sql.row(connection).await?.is_some())
}

/// The ids of the ready items: priority by priority, so that within each of them `next_attempt_at`
/// bounds the scan of the index and items that are not due cost nothing.
async fn ready(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    limit: usize,
    kinds: &[String],
) -> Result<Vec<Uuid>, StoreError> {
    let kinds = if kinds.is_empty() { None } else { Some(serde_json::Value::from(kinds.to_vec()).to_string()) };
    let mut ids = Vec::new();
    let mut level: Option<i16> = None;
    while ids.len() < limit {
        let mut sql = Sql::new(BACKEND, now, "SELECT priority FROM outbox INDEXED BY outbox_ready");
        sql.push(" WHERE status IN ('PENDING', 'RETRY')");
        if let Some(level) = level {
            sql.push(" AND priority > ").bind(level);
        }
        sql.push(" ORDER BY priority LIMIT 1");
        let Some(row) = sql.row(transaction).await? else { break };
        let priority: i16 = get(&row, "priority")?;
        level = Some(priority);

        let mut sql = Sql::new(BACKEND, now, "SELECT id FROM outbox INDEXED BY outbox_ready");
        sql.push(" WHERE status IN ('PENDING', 'RETRY') AND priority = ").bind(priority);
        sql.push(" AND next_attempt_at <= ").now();
        if let Some(kinds) = &kinds {
            sql.push(" AND kind IN (SELECT value FROM json_each(").bind(kinds.as_str()).push("))");
        }
        sql.push(" ORDER BY next_attempt_at, id LIMIT ").bind(i64::try_from(limit - ids.len()).unwrap_or(0));
        for row in sql.rows(transaction).await? {
            ids.push(get(&row, "id")?);
        }
    }
    Ok(ids)
}

async fn lease(
    transaction: &DatabaseTransaction,
    now: DateTime<Utc>,
    request: &ClaimRequest,
    ids: &[Uuid],
) -> Result<Vec<QueryResult>, StoreError> {
    let ids: Vec<String> = ids.iter().map(|id| format!("\"{}\"", id.simple())).collect();
    let mut sql = Sql::new(BACKEND, now, "UPDATE outbox AS o SET status = 'RUNNING', lease_token = lease_token + 1");
    sql.push(", lease_owner = ").bind(request.owner.as_str());
    sql.push(", lease_expires_at = ").bind_time(now + chrono::Duration::microseconds(microseconds(request.lease)));
    sql.push(", updated_at = ").now();
    sql.push(" WHERE id IN (SELECT unhex(value) FROM json_each(").bind(format!("[{}]", ids.join(",")));
    sql.push(")) AND status IN ('PENDING', 'RETRY') RETURNING ").push(&COLUMNS.replace("o.", ""));
    sql.rows(transaction).await
}

impl std::fmt::Debug for OptimisticClaimOutboxStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OptimisticClaimOutboxStore").field("options", &self.queue.options).finish_non_exhaustive()
    }
}

#[async_trait]
impl OutboxStore for OptimisticClaimOutboxStore {
    async fn enqueue_all(&self, items: &[NewOutboxItem]) -> Result<(), StoreError> {
        self.queue.enqueue_all(items).await
    }

    async fn claim_batch(&self, request: &ClaimRequest) -> Result<Vec<ClaimedItem>, StoreError> {
        let limit = request.limit.min(limits::OUTBOX_BATCH);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let (request, now) = (request.clone(), self.queue.now());
        self.queue
            .db
            .run(move |db| async move {
                // Looking does not need the write lock, and mostly there is nothing.
                if !something_is_ready(db.orm_reader(), now).await? {
                    return Ok(Vec::new());
                }
                let transaction = db.begin().await?;
                let ids = ready(&transaction, now, limit, &request.kinds).await?;
                let rows = if ids.is_empty() { Vec::new() } else { lease(&transaction, now, &request, &ids).await? };
                transaction.commit().await.map_err(store_error)?;
                Ok(claimed(&rows))
            })
            .await
    }

    async fn mark_success(&self, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError> {
        let mut sql = self.update("DELETE FROM outbox");
        if self.queue.options.keep_completed {
            sql = self.update("UPDATE outbox SET status = 'COMPLETED', lease_owner = NULL, lease_expires_at = NULL");
            sql.push(", lost_leases = 0, updated_at = ").now();
        }
        self.batch(sql, claims).await
    }

    async fn mark_retry(
        &self,
        claim: Claim,
        next_attempt_at: DateTime<Utc>,
        code: &str,
        error: &str,
    ) -> Result<ClaimState, StoreError> {
        self.queue.mark_failure(claim, Failure::Retry(next_attempt_at), code, error).await
    }

    async fn mark_failed(&self, claim: Claim, code: &str, error: &str) -> Result<ClaimState, StoreError> {
        self.queue.mark_failure(claim, Failure::Dead, code, error).await
    }

    async fn extend_lease(&self, claims: &[Claim], lease: Duration) -> Result<Vec<ClaimState>, StoreError> {
        let mut sql = self.update("UPDATE outbox SET lease_expires_at = ");
        sql.bind_time(self.queue.now() + chrono::Duration::microseconds(microseconds(lease)));
        self.batch(sql, claims).await
    }

    async fn release(&self, claims: &[Claim]) -> Result<Vec<ClaimState>, StoreError> {
        let mut sql = self.update("UPDATE outbox SET lease_owner = NULL, lease_expires_at = NULL");
        sql.push(", status = CASE WHEN attempt_count > 0 THEN 'RETRY' ELSE 'PENDING' END, updated_at = ").now();
        self.batch(sql, claims).await
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        self.queue.stats().await
    }

    async fn next_due_in(&self) -> Result<Option<Duration>, StoreError> {
        self.queue.next_due_in().await
    }

    async fn reap_stale(&self, request: &ReapRequest) -> Result<ReapReport, StoreError> {
        self.queue.reap_stale(request).await
    }

    async fn stale_count(&self, stale_threshold: Duration) -> Result<i64, StoreError> {
        self.queue.stale_count(stale_threshold).await
    }

    async fn list(&self, filter: &OutboxFilter) -> Result<Vec<OutboxItem>, StoreError> {
        self.queue.list(filter).await
    }

    async fn requeue(&self, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError> {
        self.queue.chore(Chore::Requeue, filter, dry_run).await
    }

    async fn purge(&self, filter: &OutboxFilter, dry_run: bool) -> Result<u64, StoreError> {
        self.queue.chore(Chore::Purge, filter, dry_run).await
    }
}
