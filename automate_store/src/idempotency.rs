//! Answers kept for repeated requests: one key, one effect, one answer.
//!
//! A request claims its key before it does anything, and stores its answer when it has one. Whoever
//! comes with the same key in between is told to wait; whoever comes after gets the stored answer.
//! An answer that is stored in the transaction of its effect ([`IdempotencyKeys::complete_in`])
//! cannot be lost; one that is stored after it is lost when the process dies in between, and the
//! key may be claimed again after [`limits::IDEMPOTENCY_LOST`].

use std::sync::Mutex;
use std::sync::{Arc, PoisonError};

use automate_core::clock::now;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::db::Database;
use crate::error::store_error;

/// The key of a request: the client's word, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's tenant, where there is one.
    pub tenant: Option<TenantId>,
    /// The caller: `token:…`, `user:…`.
    pub principal: String,
    /// The client's word.
    pub key: String,
}

/// A key that is held by a request under way. Nobody else holds it until the request is answered,
/// given up, or lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedKey {
    /// The key.
    pub key: RequestKey,
    /// When it was claimed; a later claim makes this one worthless.
    pub claimed_at: DateTime<Utc>,
}

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Headers, as a JSON object of text.
    pub headers: String,
    /// The body; none where it is not kept, because it is shown once only or is too long.
    pub body: Option<Vec<u8>>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is ours: do it.
    Ours(ClaimedKey),
    /// It was done: this was the answer.
    Answered(KeptAnswer),
    /// It is being done.
    UnderWay,
    /// The key was used for another request.
    OtherRequest,
}

/// The keys in the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IdempotencyKeys {
    db: Database,
    /// When old keys were last looked for, in this process.
    purged: Arc<Mutex<Option<DateTime<Utc>>>>,
}

impl IdempotencyKeys {
    /// The keys of a database.
    #[must_use]
    pub fn new(db: Database) -> Self {
        Self { db, purged: Arc::default() }
    }

    /// Claims a key for a request with this hash.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn claim(&self, key: RequestKey, request_hash: [u8; 32]) -> Result<Claim, StoreError> {
        if self.is_time_to_purge()
            && let Err(error) = self.db.run(purge).await
        {
            tracing::warn!(%error, "expired idempotency keys were not deleted");
        }
        let work = move |db: Database| async move {
            let now = now();
            let txn = db.begin().await?;
            let claim = claim_in(&txn, key, &request_hash, now).await?;
            txn.commit().await.map_err(store_error)?;
            Ok(claim)
        };
        self.db.run(work).await
    }

    /// Keeps the answer of a claimed request. Nothing happens where the claim is not held any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn complete(&self, claimed: ClaimedKey, answer: KeptAnswer) -> Result<(), StoreError> {
        let work = move |db: Database| async move {
            let txn = db.begin().await?;
            keep(&txn, &claimed, answer).await?;
            txn.commit().await.map_err(store_error)
        };
        self.db.run(work).await
    }

    /// Keeps the answer within the transaction of the effect.
    ///
    /// # Errors
    /// `Conflict` where the claim is not held any more: somebody else does it now, and this
    /// transaction must be given up. Those of the database.
    pub async fn complete_in(
        &self,
        txn: &DatabaseTransaction,
        claimed: &ClaimedKey,
        answer: KeptAnswer,
    ) -> Result<(), StoreError> {
        if keep(txn, claimed, answer).await? {
            return Ok(());
        }
        Err(StoreError::Conflict("the idempotency key was claimed by a repetition of the request".to_owned()))
    }

    /// Gives a claimed key up: the request had no effect and may be repeated. A key that has its
    /// answer stays.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release(&self, claimed: ClaimedKey) -> Result<(), StoreError> {
        let work = move |db: Database| async move {
            let txn = db.begin().await?;
            let sql = "DELETE FROM idempotency_keys \
                       WHERE tenant_id = $1 AND principal = $2 AND key = $3 AND created_at = $4 AND status IS NULL";
            let values = place(&claimed.key).into_iter().chain([claimed.claimed_at.into()]);
            execute(&txn, sql, values.collect()).await?;
            txn.commit().await.map_err(store_error)
        };
        self.db.run(work).await
    }

    fn is_time_to_purge(&self) -> bool {
        let now = now();
        let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        let due = purged.is_none_or(|last| now - last > TimeDelta::minutes(1));
        if due {
            *purged = Some(now);
        }
        due
    }
}

fn place(key: &RequestKey) -> [Value; 3] {
    let tenant = key.tenant.map_or_else(Uuid::nil, |tenant| tenant.0);
    [tenant.into(), key.principal.clone().into(), key.key.clone().into()]
}

async fn claim_in(
    txn: &DatabaseTransaction,
    key: RequestKey,
    request_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Claim, StoreError> {
    let values = || place(&key).into_iter().chain([request_hash.to_vec().into(), now.into()]).collect();
    let sql = "INSERT INTO idempotency_keys (tenant_id, principal, key, request_hash, created_at) \
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, principal, key) DO NOTHING";
    if execute(txn, sql, values()).await? == 1 {
        return Ok(Claim::Ours(ClaimedKey { key, claimed_at: now }));
    }
    let backend = txn.get_database_backend();
    let lock = if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" };
    let sql = format!(
        "SELECT request_hash, status, headers, body, created_at FROM idempotency_keys \
         WHERE tenant_id = $1 AND principal = $2 AND key = $3{lock}"
    );
    let statement = Statement::from_sql_and_values(backend, &sql, place(&key));
    // It was given up between the two statements: whoever asks again finds it free.
    let Some(row) = txn.query_one_raw(statement).await.map_err(store_error)? else { return Ok(Claim::UnderWay) };
    let (hash, answer, claimed_at) = read(&row)?;
    let expired = claimed_at < now - within(limits::IDEMPOTENCY_KEPT);
    if !expired && hash != request_hash {
        return Ok(Claim::OtherRequest);
    }
    match answer {
        Some(answer) if !expired => Ok(Claim::Answered(answer)),
        None if !expired && claimed_at >= now - within(limits::IDEMPOTENCY_LOST) => Ok(Claim::UnderWay),
        _ => {
            let sql = "UPDATE idempotency_keys \
                       SET request_hash = $4, created_at = $5, status = NULL, headers = NULL, body = NULL \
                       WHERE tenant_id = $1 AND principal = $2 AND key = $3";
            execute(txn, sql, values()).await?;
            Ok(Claim::Ours(ClaimedKey { key, claimed_at: now }))
        }
    }
}

/// The hash of the request, its answer, and when it was claimed.
type Kept = (Vec<u8>, Option<KeptAnswer>, DateTime<Utc>);

fn read(row: &QueryResult) -> Result<Kept, StoreError> {
    let hash: Vec<u8> = row.try_get("", "request_hash").map_err(store_error)?;
    let status: Option<i16> = row.try_get("", "status").map_err(store_error)?;
    let answer = match status {
        Some(status) => Some(KeptAnswer {
            status: u16::try_from(status).map_err(|_| StoreError::Corrupt("the status of a kept answer".to_owned()))?,
            headers: row.try_get::<Option<String>>("", "headers").map_err(store_error)?.unwrap_or_default(),
            body: row.try_get("", "body").map_err(store_error)?,
        }),
        None => None,
    };
    Ok((hash, answer, row.try_get("", "created_at").map_err(store_error)?))
}

/// Keeps an answer; `false` where the claim is not held any more.
async fn keep<C: ConnectionTrait>(txn: &C, claimed: &ClaimedKey, answer: KeptAnswer) -> Result<bool, StoreError> {
    let sql = "UPDATE idempotency_keys SET status = $5, headers = $6, body = $7 \
               WHERE tenant_id = $1 AND principal = $2 AND key = $3 AND created_at = $4 AND status IS NULL";
    let status = i16::try_from(answer.status).unwrap_or(i16::MAX);
    let values = place(&claimed.key).into_iter().chain([
        claimed.claimed_at.into(),
        status.into(),
        answer.headers.into(),
        answer.body.into(),
    ]);
    Ok(execute(txn, sql, values.collect()).await? == 1)
}

async fn purge(db: Database) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    let sql = "DELETE FROM idempotency_keys WHERE (tenant_id, principal, key) IN \
               (SELECT tenant_id, principal, key FROM idempotency_keys WHERE created_at < $1 \
                ORDER BY created_at LIMIT $2)";
    let values = vec![(now() - within(limits::IDEMPOTENCY_KEPT)).into(), limits::IDEMPOTENCY_PURGE.into()];
    execute(&txn, sql, values).await?;
    txn.commit().await.map_err(store_error)
}

fn within(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

async fn execute<C: ConnectionTrait>(txn: &C, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
    let statement = Statement::from_sql_and_values(txn.get_database_backend(), sql, values);
    Ok(txn.execute_raw(statement).await.map_err(store_error)?.rows_affected())
}
