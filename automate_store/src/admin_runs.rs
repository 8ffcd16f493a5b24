//! Runs of the admin over many rows: a selection that was frozen, what is done with each of its rows,
//! and how that went.
//!
//! A run is a draft until somebody confirms it. Then whoever holds its lease works on it, row by
//! row; where that process dies, another takes the lease when it has run out, and goes on with the
//! rows that have no result. Nothing that a process which lost its lease has to say is stored.

mod rows;
mod work;

use automate_core::audit::AuditEntry;
use automate_core::clock::now;
use automate_core::ids::{TenantId, UserId, first_v7_at, new_v7};
use automate_core::limits;
use automate_core::store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, Value};
use uuid::Uuid;

use self::rows::{all, execute, run_of};
use crate::audit::AuditLog;
use crate::db::Database;
use crate::error::store_error;

pub use work::{Claimed, RowResult, TakenRow, claim, finish, next, open, record, release};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStatus {
    /// It waits for somebody to confirm it.
    Draft,
    /// It waits for a process.
    Queued,
    /// Some process has it.
    Running,
    /// Every row has a result.
    Completed,
    /// Somebody ended it.
    Cancelled,
    /// It could not go on; [`AdminRun::error`] says why.
    Failed,
}

impl RunStatus {
    const ALL: [Self; 6] = [Self::Draft, Self::Queued, Self::Running, Self::Completed, Self::Cancelled, Self::Failed];

    /// The word that is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| StoreError::Corrupt(format!("a run of the admin is `{text}`")))
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRun {
    /// Its id.
    pub id: Uuid,
    /// Whose rows.
    pub tenant: TenantId,
    /// The model's name.
    pub model: String,
    /// The action's key.
    pub action: String,
    /// Where it stands.
    pub status: RunStatus,
    /// How many rows it has.
    pub rows: u64,
    /// Whether more rows matched than a run has.
    pub capped: bool,
    /// Who asked for it.
    pub user: UserId,
    /// What people call them.
    pub actor: String,
    /// Names the request in which it was asked for.
    pub correlation_id: String,
    /// From where it was asked for.
    pub address: String,
    /// Why it could not go on.
    pub error: Option<String>,
    /// When the rows were selected.
    pub created_at: DateTime<Utc>,
    /// When a process began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub finished_at: Option<DateTime<Utc>>,
    /// Since when somebody wants it ended.
    pub cancel_requested_at: Option<DateTime<Utc>>,
}

/// A selection that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Whose rows.
    pub tenant: TenantId,
    /// The model's name.
    pub model: String,
    /// The action's key.
    pub action: String,
    /// Who asks for it.
    pub user: UserId,
    /// What people call them.
    pub actor: String,
    /// Names the request.
    pub correlation_id: String,
    /// From where.
    pub address: String,
    /// Whether more rows matched than a run has.
    pub capped: bool,
    /// The rows.
    pub ids: Vec<Uuid>,
}

/// Rows that one `INSERT` has: SQLite takes 32 766 values.
const INSERTED: usize = 1_000;
/// How long runs that are over are kept.
const KEPT: TimeDelta = TimeDelta::days(90);

/// Keeps a selection as a draft; answers with its id. Drafts that nobody confirmed in time, and runs
/// that were over long ago, are deleted.
///
/// # Errors
/// Those of the database.
pub async fn draft(db: &Database, new: NewRun) -> Result<Uuid, StoreError> {
    db.run(move |db| async move {
        let txn = db.begin().await?;
        let (id, at) = (new_v7(), now());
        tidy(&txn, new.tenant, new.user, at).await?;
        let rows = i32::try_from(new.ids.len()).map_err(|_| StoreError::Internal("a run is too long".to_owned()))?;
        let sql = "INSERT INTO admin_runs (id, tenant_id, model, action, status, rows, capped, user_id, actor, \
             correlation_id, address, created_at) VALUES ($1, $2, $3, $4, 'draft', $5, $6, $7, $8, $9, $10, $11)";
        let values = vec![
            id.into(),
            new.tenant.0.into(),
            new.model.into(),
            new.action.into(),
            rows.into(),
            new.capped.into(),
            new.user.0.into(),
            new.actor.into(),
            new.correlation_id.into(),
            new.address.into(),
            at.into(),
        ];
        execute(&txn, sql, values).await?;
        for (chunk, ids) in new.ids.chunks(INSERTED).enumerate() {
            let mut values: Vec<Value> = vec![id.into()];
            let mut places = Vec::with_capacity(ids.len());
            for (index, row) in ids.iter().enumerate() {
                let position = i32::try_from(chunk * INSERTED + index).unwrap_or(i32::MAX);
                places.push(format!("($1, ${}, ${}, 'pending')", values.len() + 1, values.len() + 2));
                values.push(position.into());
                values.push((*row).into());
            }
            let sql =
                format!("INSERT INTO admin_run_items (run_id, position, row_id, status) VALUES {}", places.join(", "));
            execute(&txn, &sql, values).await?;
        }
        txn.commit().await.map_err(store_error)?;
        Ok(id)
    })
    .await
}

async fn tidy(txn: &DatabaseTransaction, tenant: TenantId, user: UserId, at: DateTime<Utc>) -> Result<(), StoreError> {
    let age = TimeDelta::from_std(limits::ADMIN_RUN_DRAFT).unwrap_or(TimeDelta::days(1));
    let old = "DELETE FROM admin_runs WHERE status = 'draft' AND created_at < $1";
    execute(txn, old, vec![(at - age).into()]).await?;
    let many = format!(
        "DELETE FROM admin_runs WHERE id IN (SELECT id FROM admin_runs WHERE tenant_id = $1 AND user_id = $2 \
         AND status = 'draft' ORDER BY id DESC LIMIT 1000 OFFSET {})",
        limits::ADMIN_RUN_DRAFTS - 1
    );
    execute(txn, &many, vec![tenant.0.into(), user.0.into()]).await?;
    let over = "DELETE FROM admin_runs WHERE id IN (SELECT id FROM admin_runs WHERE tenant_id = $1 AND id < $2 \
         AND status IN ('completed', 'cancelled', 'failed') ORDER BY id LIMIT 10)";
    execute(txn, over, vec![tenant.0.into(), first_v7_at(at - KEPT).into()]).await?;
    Ok(())
}

/// A run of a tenant.
///
/// # Errors
/// `NotFound`, those of the database.
pub async fn get(db: &Database, tenant: TenantId, id: Uuid) -> Result<AdminRun, StoreError> {
    db.run(move |db| async move {
        let sql = format!("SELECT {} FROM admin_runs WHERE tenant_id = $1 AND id = $2", rows::COLUMNS);
        let found = all(db.orm_reader(), &sql, vec![tenant.0.into(), id.into()]).await?;
        found.first().map_or_else(|| Err(StoreError::NotFound("the run".to_owned())), run_of)
    })
    .await
}

/// Confirms a draft of somebody's own: it is queued, or begun at once by whoever names a `lease`.
/// `entry` is put on record with it. Answers `false` where it was confirmed before: a second press of
/// the button does nothing.
///
/// # Errors
/// Those of the database.
pub async fn confirm(
    db: &Database,
    audit: &AuditLog,
    run: &AdminRun,
    lease: Option<Uuid>,
    entry: AuditEntry,
) -> Result<bool, StoreError> {
    let (audit, id, tenant, user) = (audit.clone(), run.id, run.tenant, run.user);
    db.run(move |db| async move {
        let txn = db.begin().await?;
        let (at, status) = (now(), if lease.is_some() { RunStatus::Running } else { RunStatus::Queued });
        let sql = "UPDATE admin_runs SET status = $1, lease_id = $2, lease_until = $3, started_at = $4 \
             WHERE id = $5 AND tenant_id = $6 AND user_id = $7 AND status = 'draft'";
        let values = vec![
            status.as_str().into(),
            lease.into(),
            lease.map(|_| work::until(at)).into(),
            lease.map(|_| at).into(),
            id.into(),
            tenant.0.into(),
            user.0.into(),
        ];
        if execute(&txn, sql, values).await? != 1 {
            return Ok(false);
        }
        audit.append(&txn, entry).await?;
        txn.commit().await.map_err(store_error)?;
        Ok(true)
    })
    .await
}

/// Asks for the end of a run that is under way: rows that have no result yet are left alone. A draft
/// is deleted. Answers whether there was anything to end.
///
/// # Errors
/// Those of the database.
pub async fn cancel(
    db: &Database,
    audit: &AuditLog,
    tenant: TenantId,
    id: Uuid,
    entry: AuditEntry,
) -> Result<bool, StoreError> {
    let audit = audit.clone();
    db.run(move |db| async move {
        let txn = db.begin().await?;
        let drop = "DELETE FROM admin_runs WHERE id = $1 AND tenant_id = $2 AND status = 'draft'";
        let dropped = execute(&txn, drop, vec![id.into(), tenant.0.into()]).await?;
        let sql = "UPDATE admin_runs SET cancel_requested_at = $3 WHERE id = $1 AND tenant_id = $2 \
             AND status IN ('queued', 'running') AND cancel_requested_at IS NULL";
        let asked = execute(&txn, sql, vec![id.into(), tenant.0.into(), now().into()]).await?;
        if asked == 1 {
            audit.append(&txn, entry).await?;
        }
        txn.commit().await.map_err(store_error)?;
        Ok(dropped + asked > 0)
    })
    .await
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that it was done with.
    pub done: u64,
    /// Rows that it was not done with.
    pub failed: u64,
    /// Rows without a result.
    pub left: u64,
}

/// How far a run is.
///
/// # Errors
/// Those of the database.
pub async fn progress(db: &Database, tenant: TenantId, id: Uuid) -> Result<Progress, StoreError> {
    db.run(move |db| async move {
        let sql = "SELECT i.status, count(*) AS n FROM admin_run_items i JOIN admin_runs r ON r.id = i.run_id \
             WHERE r.tenant_id = $1 AND r.id = $2 GROUP BY i.status";
        let mut progress = Progress::default();
        for row in all(db.orm_reader(), sql, vec![tenant.0.into(), id.into()]).await? {
            let status: String = row.try_get("", "status").map_err(store_error)?;
            let n: i64 = row.try_get("", "n").map_err(store_error)?;
            let n = u64::try_from(n).unwrap_or(0);
            match status.as_str() {
                "done" => progress.done += n,
                "failed" => progress.failed += n,
                _ => progress.left += n,
            }
        }
        Ok(progress)
    })
    .await
}

/// The first rows of a run, as they were selected.
///
/// # Errors
/// Those of the database.
pub async fn sample(db: &Database, tenant: TenantId, id: Uuid, most: u64) -> Result<Vec<Uuid>, StoreError> {
    db.run(move |db| async move {
        let sql = format!(
            "SELECT i.row_id FROM admin_run_items i JOIN admin_runs r ON r.id = i.run_id \
             WHERE r.tenant_id = $1 AND r.id = $2 ORDER BY i.position LIMIT {most}"
        );
        let rows = all(db.orm_reader(), &sql, vec![tenant.0.into(), id.into()]).await?;
        rows.iter().map(|row| row.try_get("", "row_id").map_err(store_error)).collect()
    })
    .await
}

/// Rows of a run that it was not done with, and why.
///
/// # Errors
/// Those of the database.
pub async fn failed(db: &Database, tenant: TenantId, id: Uuid) -> Result<Vec<(Uuid, String)>, StoreError> {
    db.run(move |db| async move {
        let sql = format!(
            "SELECT i.row_id, i.message FROM admin_run_items i JOIN admin_runs r ON r.id = i.run_id \
             WHERE r.tenant_id = $1 AND r.id = $2 AND i.status = 'failed' ORDER BY i.position LIMIT {}",
            limits::ADMIN_RUN_FAILED_SHOWN
        );
        let rows = all(db.orm_reader(), &sql, vec![tenant.0.into(), id.into()]).await?;
        let one = |row: &sea_orm::QueryResult| {
            let message: Option<String> = row.try_get("", "message").map_err(store_error)?;
            Ok((row.try_get("", "row_id").map_err(store_error)?, message.unwrap_or_default()))
        };
        rows.iter().map(one).collect()
    })
    .await
}

/// The newest runs over rows of a model that were confirmed.
///
/// # Errors
/// Those of the database.
pub async fn recent(db: &Database, tenant: TenantId, model: &str, most: u64) -> Result<Vec<AdminRun>, StoreError> {
    let model = model.to_owned();
    db.run(move |db| async move {
        let sql = format!(
            "SELECT {} FROM admin_runs WHERE tenant_id = $1 AND model = $2 AND status <> 'draft' \
             ORDER BY id DESC LIMIT {most}",
            rows::COLUMNS
        );
        let found = all(db.orm_reader(), &sql, vec![tenant.0.into(), model.into()]).await?;
        found.iter().map(run_of).collect()
    })
    .await
}

fn statement<C: ConnectionTrait>(db: &C, sql: &str, values: Vec<Value>) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}
