//! What tenants use, known to a second.
//!
//! A tenant with a limit is counted in the database at most once a second and process; what this
//! process admits in between is added to the count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_core::clock;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::policy::{AdmitError, PolicyRefusal, TenantPolicy};
use automate_core::store::StoreError;
use automate_migrations::first_uuid_at;
use automate_store::db::Database;
use automate_store::error::store_error;
use chrono::{DateTime, Days, NaiveTime, Utc};
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::Instant;

/// When an overfull queue should be tried again.
const QUEUE_RETRY: Duration = Duration::from_secs(10);

/// The counts of tenants with limits.
pub(super) struct Usage {
    db: Database,
    counts: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<Option<Count>>>>>,
}

struct Count {
    taken_at: Instant,
    day: DateTime<Utc>,
    today: u64,
    live: u64,
}

impl Usage {
    pub(super) fn new(db: Database) -> Self {
        Self { db, counts: Mutex::default() }
    }

    /// Whether so many executions more fit, and counts them if so.
    pub(super) async fn admit(&self, tenant: TenantId, policy: &TenantPolicy, starts: u64) -> Result<(), AdmitError> {
        let count = {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            if counts.len() >= limits::POLICIES_KEPT {
                counts.clear();
            }
            counts.entry(tenant).or_default().clone()
        };
        let now = clock::now();
        let day = midnight(now);
        // One at a time counts; the others wait for it rather than counting too.
        let mut count = count.lock().await;
        let current = match count.take().filter(|c| c.taken_at.elapsed() < limits::USAGE_AGE && c.day == day) {
            Some(current) => current,
            None => self.count(tenant, day, policy).await?,
        };
        let current = count.insert(current);
        if let Some(most) = policy.executions_per_day.filter(|most| current.today + starts > *most) {
            let message = format!("{} executions were started today, at most {most} a day are allowed", current.today);
            let left = (next_midnight(now) - now).to_std().unwrap_or_default();
            return Err(PolicyRefusal::new("executions_per_day", message).retry_after(left).into());
        }
        if let Some(most) = policy.max_queued_executions.filter(|most| current.live + starts > *most) {
            let message = format!("{} executions have not ended, at most {most} are allowed", current.live);
            return Err(PolicyRefusal::new("max_queued_executions", message).retry_after(QUEUE_RETRY).into());
        }
        current.today += starts;
        current.live += starts;
        Ok(())
    }

    async fn count(&self, tenant: TenantId, day: DateTime<Utc>, policy: &TenantPolicy) -> Result<Count, StoreError> {
        let taken_at = Instant::now();
        let (per_day, queued) = (policy.executions_per_day, policy.max_queued_executions);
        let (today, live) = self
            .db
            .run(move |db| async move {
                // One more than allowed says enough: counting on would cost for nothing.
                let today = match per_day {
                    None => 0,
                    Some(most) => {
                        let sql = "SELECT count(*) AS n FROM (SELECT 1 FROM executions \
                                   WHERE tenant_id = $1 AND id >= $2 LIMIT $3) AS found";
                        number(&db, sql, vec![tenant.0.into(), first_uuid_at(day).into(), bound(most)]).await?
                    }
                };
                let live = match queued {
                    None => 0,
                    Some(most) => {
                        let sql = "SELECT count(*) AS n FROM (SELECT 1 FROM outbox WHERE tenant_id = $1 \
                                   AND kind = 'execution' AND status IN ('PENDING', 'RETRY', 'RUNNING') LIMIT $2) AS found";
                        number(&db, sql, vec![tenant.0.into(), bound(most)]).await?
                    }
                };
                Ok((today, live))
            })
            .await?;
        Ok(Count { taken_at, day, today, live })
    }
}

fn bound(most: u64) -> sea_orm::Value {
    i64::try_from(most.saturating_add(1)).unwrap_or(i64::MAX).into()
}

pub(super) async fn number(db: &Database, sql: &str, values: Vec<sea_orm::Value>) -> Result<u64, StoreError> {
    let orm = db.orm_reader();
    let statement = Statement::from_sql_and_values(orm.get_database_backend(), sql, values);
    let row = orm.query_one_raw(statement).await.map_err(store_error)?;
    let n: i64 = row.map_or(Ok(0), |row| row.try_get("", "n")).map_err(store_error)?;
    Ok(n.unsigned_abs())
}

/// The beginning of a day of UTC.
pub(super) fn midnight(now: DateTime<Utc>) -> DateTime<Utc> {
    now.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// The beginning of the next one.
pub(super) fn next_midnight(now: DateTime<Utc>) -> DateTime<Utc> {
    midnight(now) + Days::new(1)
}
