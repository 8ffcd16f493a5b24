//! One execution, and what its steps logged.

use automate_core::ids::{ExecutionId, TenantId};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{COLUMNS, FoundExecution, Made, found, get, inside, select};
use crate::db::Database;

/// One execution, without what it works on; `None` where the tenant has no such one.
///
/// # Errors
/// Those of the database.
pub async fn one(db: &Database, tenant: TenantId, id: ExecutionId) -> Result<Option<FoundExecution>, StoreError> {
    db.run(move |db| async move {
        let sql = format!("SELECT {COLUMNS} FROM executions WHERE id = $1 AND tenant_id = $2");
        select(&db, &sql, vec![id.0.into(), tenant.0.into()]).await?.first().map(found).transpose()
    })
    .await
}

/// Which log lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotedQuery {
    /// Only of these levels; all where empty.
    pub levels: Vec<String>,
    /// Only of this step.
    pub path: Option<String>,
    /// Only those with this text.
    pub text: Option<String>,
    /// Only those after this one.
    pub after: Option<Uuid>,
    /// Rows of the page.
    pub limit: usize,
}

/// A log line.
#[derive(Debug, Clone, PartialEq)]
pub struct NotedLine {
    /// Its id.
    pub id: Uuid,
    /// The path of the step.
    pub path: String,
    /// Its attempt.
    pub attempt: i32,
    /// When.
    pub at: DateTime<Utc>,
    /// How loud.
    pub level: String,
    /// What it says.
    pub message: String,
}

/// A page of log lines, the oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Noted {
    /// The lines.
    pub lines: Vec<NotedLine>,
    /// There are more behind them.
    pub more: bool,
}

/// What the steps of an execution logged, without the fields, which take a permission.
///
/// # Errors
/// Those of the database.
pub async fn logs(db: &Database, tenant: TenantId, id: ExecutionId, query: NotedQuery) -> Result<Noted, StoreError> {
    db.run(move |db| async move {
        let mut made = Made { values: Vec::new() };
        let mut conditions = format!("execution_id = {} AND tenant_id = {}", made.bind(id.0), made.bind(tenant.0));
        if !query.levels.is_empty() {
            let places: Vec<String> = query.levels.iter().map(|level| made.bind(level.as_str())).collect();
            conditions.push_str(&format!(" AND level IN ({})", places.join(", ")));
        }
        if let Some(path) = &query.path {
            conditions.push_str(&format!(" AND path = {}", made.bind(path.as_str())));
        }
        if let Some(text) = &query.text {
            let text = made.bind(inside(&text.to_lowercase()));
            conditions.push_str(&format!(" AND lower(message) LIKE {text} ESCAPE '!'"));
        }
        if let Some(after) = query.after {
            conditions.push_str(&format!(" AND id > {}", made.bind(after)));
        }
        let sql = format!(
            "SELECT id, path, attempt, at, level, message FROM step_logs WHERE {conditions} ORDER BY id LIMIT {}",
            query.limit.saturating_add(1)
        );
        let rows = select(&db, &sql, made.values).await?;
        let line = |row| -> Result<NotedLine, StoreError> {
            Ok(NotedLine {
                id: get(row, "id")?,
                path: get(row, "path")?,
                attempt: get(row, "attempt")?,
                at: get(row, "at")?,
                level: get(row, "level")?,
                message: get(row, "message")?,
            })
        };
        let mut lines = rows.iter().map(line).collect::<Result<Vec<_>, _>>()?;
        let more = lines.len() > query.limit;
        lines.truncate(query.limit);
        Ok(Noted { lines, more })
    })
    .await
}

/// A text that changes when something of an execution changes that pages show: its state, or how far
/// its steps are. `None` where the tenant has no such execution.
///
/// # Errors
/// Those of the database.
pub async fn pulse(db: &Database, tenant: TenantId, id: ExecutionId) -> Result<Option<String>, StoreError> {
    db.run(move |db| async move {
        let sql = "SELECT e.status AS status, e.attempt AS attempt, \
             CASE WHEN e.cancel_requested_at IS NULL THEN 0 ELSE 1 END AS cancelling, s.status AS step, s.n AS n, \
             s.tries AS tries FROM executions e LEFT JOIN (SELECT status, count(*) AS n, sum(attempt + rerun) AS tries \
             FROM steps WHERE execution_id = $1 AND tenant_id = $2 GROUP BY status) s ON 1 = 1 \
             WHERE e.id = $1 AND e.tenant_id = $2 ORDER BY 4";
        let rows = select(&db, sql, vec![id.0.into(), tenant.0.into()]).await?;
        let mut pulse = String::new();
        for row in &rows {
            let (status, attempt, cancelling): (String, i32, i32) =
                (get(row, "status")?, get(row, "attempt")?, get(row, "cancelling")?);
            let (step, n, tries): (Option<String>, Option<i64>, Option<i64>) =
                (get(row, "step")?, get(row, "n")?, get(row, "tries")?);
            pulse.push_str(&format!("{status} {attempt} {cancelling} {step:?} {n:?} {tries:?};"));
        }
        Ok((!rows.is_empty()).then_some(pulse))
    })
    .await
}
