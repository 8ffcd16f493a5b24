//! How far an execution is, without what it works on: for whoever follows it as it goes.

use automate_core::ids::{ExecutionId, TenantId};
use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{FailedAttempt, StoreError};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::db::Database;
use crate::error::store_error;

/// How far an execution is.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// Where it stands.
    pub status: ExecutionStatus,
    /// From 1; grows with each retry of the whole in place.
    pub attempt: i32,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When this attempt of it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub error: Option<Value>,
    /// Its steps, in the order they began.
    pub steps: Vec<FollowedStep>,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowedStep {
    /// Its place.
    pub path: String,
    /// Its name in the document.
    pub step_id: String,
    /// The order in which steps began.
    pub seq: i32,
    /// The action, or the kind of step.
    pub uses: String,
    /// Where it stands.
    pub status: StepStatus,
    /// The attempt, from 1; 0 where none began.
    pub attempt: i32,
    /// Grows when somebody has it repeated.
    pub rerun: i32,
    /// Why it failed.
    pub error: Option<Value>,
    /// Attempts that failed, those before a repetition too.
    pub attempts: Vec<FailedAttempt>,
    /// When it goes on.
    pub wake_at: Option<DateTime<Utc>>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

const EXECUTION: &str = "SELECT status, attempt, created_at, started_at, finished_at, error FROM executions \
    WHERE id = $1 AND tenant_id = $2";
const STEPS: &str = "SELECT path, step_id, seq, uses, status, attempt, rerun, error, attempts, wake_at, started_at, \
    finished_at FROM steps WHERE execution_id = $1 AND tenant_id = $2 ORDER BY seq, path";

/// How far an execution is; `None` where the tenant has no such execution. Where it has ended, so
/// have the steps that are told: the execution is read first.
///
/// # Errors
/// Those of the database.
pub async fn follow(db: &Database, tenant: TenantId, id: ExecutionId) -> Result<Option<Followed>, StoreError> {
    db.run(move |db| async move {
        let reader = db.orm_reader();
        let read = |sql| {
            let values = vec![id.0.into(), tenant.0.into()];
            Statement::from_sql_and_values(reader.get_database_backend(), sql, values)
        };
        let Some(row) = reader.query_one_raw(read(EXECUTION)).await.map_err(store_error)? else { return Ok(None) };
        let mut followed = Followed {
            status: word(&row, "status")?,
            attempt: get(&row, "attempt")?,
            created_at: get(&row, "created_at")?,
            started_at: get(&row, "started_at")?,
            finished_at: get(&row, "finished_at")?,
            error: json(&row, "error")?,
            steps: Vec::new(),
        };
        let rows = reader.query_all_raw(read(STEPS)).await.map_err(store_error)?;
        followed.steps = rows.iter().map(step).collect::<Result<_, _>>()?;
        Ok(Some(followed))
    })
    .await
}

fn step(row: &QueryResult) -> Result<FollowedStep, StoreError> {
    Ok(FollowedStep {
        path: get(row, "path")?,
        step_id: get(row, "step_id")?,
        seq: get(row, "seq")?,
        uses: get(row, "uses")?,
        status: word(row, "status")?,
        attempt: get(row, "attempt")?,
        rerun: get(row, "rerun")?,
        error: json(row, "error")?,
        attempts: json(row, "attempts")?.unwrap_or_default(),
        wake_at: get(row, "wake_at")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
    })
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    get::<String>(row, column)?.parse().map_err(|error| StoreError::Corrupt(format!("column `{column}`: {error}")))
}

fn json<T: DeserializeOwned>(row: &QueryResult, column: &str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = get(row, column)?;
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("column `{column}`: {error}")))
    };
    text.map(read).transpose()
}
