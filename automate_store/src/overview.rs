//! What a tenant's work comes to at a glance. Everything is counted as far as an index reaches and
//! to a bound, so that it takes as long with a million executions as with a thousand.

use automate_core::clock;
use automate_core::ids::{ExecutionId, TenantId, first_v7_at};
use automate_core::limits;
use automate_core::outbox::EXECUTION_KIND;
use automate_core::store::{ExecutionError, StoreError};
use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use sea_orm::Value;

use crate::db::Database;
use crate::search::{IN_INDEX, STUCK_AFTER, get, select};

/// Minutes of the lines.
pub const MINUTES: usize = 30;

/// Numbers, each counted up to `limits::COUNTED_SHOWN` and one more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Executions that wait to be begun.
    pub pending: u64,
    /// Executions that workers hold.
    pub running: u64,
    /// Executions that wait for a time or a person.
    pub waiting: u64,
    /// Executions that failed.
    pub failed: u64,
    /// Executions that were cancelled.
    pub cancelled: u64,
    /// Executions that were accepted within a day and failed.
    pub failing: u64,
    /// Executions whose worker has not been heard of, or that are due for too long.
    pub stuck: u64,
    /// Executions whose item is a dead letter.
    pub dead: u64,
    /// Items of any kind that are ready.
    pub due: u64,
}

/// A minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub at: DateTime<Utc>,
    /// Executions that were accepted, up to `limits::COUNTED_PER_MINUTE`.
    pub accepted: u64,
    /// Those of them that failed, up to the same.
    pub failed: u64,
    /// How long those that ended took, in milliseconds: the middle one, and the one that 19 of 20
    /// were faster than; of up to `limits::TIMED_PER_MINUTE`.
    pub took: Option<(i64, i64)>,
}

/// Executions that failed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureGroup {
    /// The workflow.
    pub workflow: String,
    /// The error's code.
    pub code: String,
    /// The step that is to blame.
    pub step: Option<String>,
    /// The message of the newest.
    pub message: String,
    /// How many.
    pub count: u64,
    /// The newest.
    pub newest: ExecutionId,
    /// When that was accepted.
    pub newest_at: DateTime<Utc>,
}

/// A worker that holds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusyWorker {
    /// The name under which it holds leases.
    pub owner: String,
    /// Items that it holds.
    pub items: u64,
    /// Since when it holds the oldest.
    pub since: DateTime<Utc>,
    /// When its leases end, the first of them.
    pub lease_until: Option<DateTime<Utc>>,
}

/// Everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// When this was so.
    pub at: DateTime<Utc>,
    /// Numbers.
    pub counts: Counts,
    /// Since when the oldest ready item is due.
    pub oldest_due: Option<DateTime<Utc>>,
    /// The minutes up to now, the oldest first.
    pub minutes: Vec<Minute>,
    /// Failures of the last day, the most frequent first, of the newest `limits::GROUPED_FAILURES`.
    pub failures: Vec<FailureGroup>,
    /// Workers that hold something of the tenant.
    pub workers: Vec<BusyWorker>,
}

fn counted(inner: &str, most: u64) -> String {
    format!("(SELECT count(*) FROM (SELECT 1 AS one FROM {inner} LIMIT {most}) c)")
}

/// Counts a tenant's executions by where they stand, and what of them needs somebody, in one
/// statement.
///
/// # Errors
/// Those of the database.
pub async fn counts(db: &Database, tenant: TenantId) -> Result<Counts, StoreError> {
    db.run(move |db| async move { count(&db, tenant, clock::now()).await }).await
}

async fn count(db: &Database, tenant: TenantId, now: DateTime<Utc>) -> Result<Counts, StoreError> {
    let most = limits::COUNTED_SHOWN + 1;
    let state = |state: &str, more: &str| {
        counted(&format!("executions WHERE tenant_id = $1 AND status = '{state}' AND {IN_INDEX}{more}"), most)
    };
    let item = |more: &str| counted(&format!("outbox WHERE tenant_id = $1 AND {more}"), most);
    let execution = format!("kind = '{EXECUTION_KIND}'");
    let ready = "status IN ('PENDING', 'RETRY')";
    let sql = format!(
        "SELECT {} AS pending, {} AS waiting, {} AS failed, {} AS cancelled, {} AS failing, {} AS running, \
         {} + {} AS stuck, {} AS dead, {} AS due",
        state("pending", ""),
        state("waiting", ""),
        state("failed", ""),
        state("cancelled", ""),
        state("failed", " AND id >= $2"),
        item(&format!("status = 'RUNNING' AND {execution}")),
        item(&format!("status = 'RUNNING' AND {execution} AND lease_expires_at < $3")),
        item(&format!("{ready} AND {execution} AND next_attempt_at < $4")),
        item(&format!("status = 'FAILED' AND {execution}")),
        item(&format!("{ready} AND next_attempt_at <= $3")),
    );
    let day = first_v7_at(now - TimeDelta::days(1));
    let values: Vec<Value> = vec![tenant.0.into(), day.into(), now.into(), (now - STUCK_AFTER).into()];
    let rows = select(db, &sql, values).await?;
    let row = rows.first().ok_or_else(|| StoreError::Internal("no count".to_owned()))?;
    let n = |column: &str| get::<i64>(row, column).map(|n| u64::try_from(n).unwrap_or(0));
    Ok(Counts {
        pending: n("pending")?,
        running: n("running")?,
        waiting: n("waiting")?,
        failed: n("failed")?,
        cancelled: n("cancelled")?,
        failing: n("failing")?,
        stuck: n("stuck")?,
        dead: n("dead")?,
        due: n("due")?,
    })
}

/// What a tenant's work comes to, in six statements.
///
/// # Errors
/// Those of the database.
pub async fn overview(db: &Database, tenant: TenantId) -> Result<Overview, StoreError> {
    db.run(move |db| async move {
        let at = clock::now();
        Ok(Overview {
            at,
            counts: count(&db, tenant, at).await?,
            oldest_due: oldest_due(&db, tenant, at).await?,
            minutes: minutes(&db, tenant, at).await?,
            failures: failures(&db, tenant, at).await?,
            workers: workers(&db, tenant).await?,
        })
    })
    .await
}

async fn oldest_due(db: &Database, tenant: TenantId, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, StoreError> {
    let sql = "SELECT next_attempt_at FROM outbox WHERE status IN ('PENDING', 'RETRY') AND next_attempt_at <= $2 \
               AND tenant_id = $1 ORDER BY next_attempt_at LIMIT 1";
    let rows = select(db, sql, vec![tenant.0.into(), now.into()]).await?;
    rows.first().map(|row| get(row, "next_attempt_at")).transpose()
}

async fn minutes(db: &Database, tenant: TenantId, now: DateTime<Utc>) -> Result<Vec<Minute>, StoreError> {
    let this = now.duration_trunc(TimeDelta::minutes(1)).unwrap_or(now);
    let first = this - TimeDelta::minutes(i64::try_from(MINUTES).unwrap_or(0) - 1);
    let mut minutes: Vec<Minute> = (0..MINUTES)
        .map(|n| Minute {
            at: first + TimeDelta::minutes(i64::try_from(n).unwrap_or(0)),
            accepted: 0,
            failed: 0,
            took: None,
        })
        .collect();
    let mut values: Vec<Value> = vec![tenant.0.into()];
    values.extend(minutes.iter().map(|minute| Value::from(first_v7_at(minute.at))));
    values.push(first_v7_at(this + TimeDelta::minutes(1)).into());
    let between = |n: usize| format!("executions WHERE tenant_id = $1 AND id >= ${} AND id < ${}", n + 2, n + 3);
    let branches: Vec<String> = (0..MINUTES)
        .map(|n| {
            let all = counted(&between(n), limits::COUNTED_PER_MINUTE);
            let failed =
                counted(&format!("{} AND status = 'failed' AND {IN_INDEX}", between(n)), limits::COUNTED_PER_MINUTE);
            format!("SELECT {n} AS minute, {all} AS accepted, {failed} AS failed")
        })
        .collect();
    for row in select(db, &branches.join(" UNION ALL "), values.clone()).await? {
        let n: i32 = get(&row, "minute")?;
        if let Some(minute) = usize::try_from(n).ok().and_then(|n| minutes.get_mut(n)) {
            minute.accepted = u64::try_from(get::<i64>(&row, "accepted")?).unwrap_or(0);
            minute.failed = u64::try_from(get::<i64>(&row, "failed")?).unwrap_or(0);
        }
    }
    let most = limits::TIMED_PER_MINUTE;
    let branches: Vec<String> = (0..MINUTES)
        .map(|n| {
            let range = between(n);
            format!(
                "SELECT * FROM (SELECT {n} AS minute, created_at, finished_at FROM {range} ORDER BY id DESC LIMIT {most}) m{n}"
            )
        })
        .collect();
    let mut took: Vec<Vec<i64>> = vec![Vec::new(); MINUTES];
    for row in select(db, &branches.join(" UNION ALL "), values).await? {
        let n: i32 = get(&row, "minute")?;
        let (created, finished): (DateTime<Utc>, Option<DateTime<Utc>>) =
            (get(&row, "created_at")?, get(&row, "finished_at")?);
        if let (Some(finished), Some(took)) = (finished, usize::try_from(n).ok().and_then(|n| took.get_mut(n))) {
            took.push((finished - created).num_milliseconds().max(0));
        }
    }
    for (minute, mut took) in minutes.iter_mut().zip(took) {
        took.sort_unstable();
        let of = |part: usize| took.get((took.len() * part / 100).min(took.len().saturating_sub(1))).copied();
        minute.took = of(50).zip(of(95));
    }
    Ok(minutes)
}

async fn failures(db: &Database, tenant: TenantId, now: DateTime<Utc>) -> Result<Vec<FailureGroup>, StoreError> {
    let sql = format!(
        "SELECT id, workflow, error, created_at FROM executions WHERE tenant_id = $1 AND status = 'failed' \
         AND {IN_INDEX} AND id >= $2 ORDER BY id DESC LIMIT {}",
        limits::GROUPED_FAILURES
    );
    let since = first_v7_at(now - TimeDelta::days(1));
    let mut groups: Vec<FailureGroup> = Vec::new();
    for row in select(db, &sql, vec![tenant.0.into(), since.into()]).await? {
        let error: Option<String> = get(&row, "error")?;
        let error: Option<ExecutionError> = error.and_then(|text| serde_json::from_str(&text).ok());
        let (code, message, step) = error.map(|e| (e.code, e.message, e.step)).unwrap_or_default();
        let workflow: String = get(&row, "workflow")?;
        let same = |group: &&mut FailureGroup| group.workflow == workflow && group.code == code && group.step == step;
        match groups.iter_mut().find(same) {
            Some(group) => group.count += 1,
            None => groups.push(FailureGroup {
                workflow,
                code,
                step,
                message,
                count: 1,
                newest: ExecutionId(get(&row, "id")?),
                newest_at: get(&row, "created_at")?,
            }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    Ok(groups)
}

async fn workers(db: &Database, tenant: TenantId) -> Result<Vec<BusyWorker>, StoreError> {
    let sql = format!(
        "SELECT lease_owner, count(*) AS n, min(updated_at) AS since, min(lease_expires_at) AS until FROM \
         (SELECT lease_owner, updated_at, lease_expires_at FROM outbox WHERE status = 'RUNNING' AND tenant_id = $1 \
         AND lease_owner IS NOT NULL LIMIT {}) held GROUP BY lease_owner ORDER BY n DESC LIMIT 20",
        limits::COUNTED_SHOWN
    );
    let rows = select(db, &sql, vec![tenant.0.into()]).await?;
    rows.iter()
        .map(|row| {
            Ok(BusyWorker {
                owner: get(row, "lease_owner")?,
                items: u64::try_from(get::<i64>(row, "n")?).unwrap_or(0),
                since: get(row, "since")?,
                lease_until: get(row, "until")?,
            })
        })
        .collect()
}
