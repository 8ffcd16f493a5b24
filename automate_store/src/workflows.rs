//! What pages about workflows read: rows without what they do not show, bounded, by indexes that exist.

use automate_core::ids::{ExecutionId, TenantId, WorkflowId};
use automate_core::limits;
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable, Value};
use uuid::Uuid;

use crate::db::Database;
use crate::error::store_error;
use crate::like::escaped;

/// A workflow in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedWorkflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its name in documents and addresses.
    pub slug: String,
    /// What people see.
    pub title: String,
    /// The version that runs.
    pub live_version: Option<i32>,
    /// Whether it has a draft.
    pub has_draft: bool,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// What starts it: the kind, and the path or the pattern.
    pub triggers: Vec<(String, String)>,
    /// Its newest execution.
    pub last: Option<ListedExecution>,
    /// How many of its newest `limits::RECENT_EXECUTIONS` failed.
    pub failed: u64,
}

/// An execution in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedExecution {
    /// Its id.
    pub id: ExecutionId,
    /// Where it stands.
    pub status: String,
    /// The version that it runs.
    pub version: i32,
    /// What made it start, as JSON.
    pub trigger: String,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A version in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// From 1.
    pub number: i32,
    /// The SHA-256 of the document in its canonical form, in hex.
    pub sha256: String,
    /// Who published it.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// A version with what it was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenVersion {
    /// What lists show of it.
    pub listed: ListedVersion,
    /// What it was written as.
    pub source: String,
}

/// A page of a tenant's workflows by slug, those after `after` whose slug or title has all of `words`.
/// One more than `limit` tells that there is a next page.
///
/// # Errors
/// Those of the database.
pub async fn list(
    db: &Database,
    tenant: TenantId,
    words: &[String],
    after: &str,
    limit: u64,
) -> Result<Vec<ListedWorkflow>, StoreError> {
    let mut sql = "SELECT id, slug, title, live_version, CASE WHEN draft IS NULL THEN 0 ELSE 1 END AS has_draft, \
                   updated_at FROM workflows WHERE tenant_id = $1 AND slug > $2"
        .to_owned();
    let mut values: Vec<Value> = vec![tenant.0.into(), after.into()];
    for word in words.iter().take(limits::LIST_SEARCH_TERMS) {
        values.push(format!("%{}%", escaped(&word.to_lowercase())).into());
        let n = values.len();
        sql += &format!(" AND (lower(slug) LIKE ${n} ESCAPE '!' OR lower(title) LIKE ${n} ESCAPE '!')");
    }
    sql += &format!(" ORDER BY slug LIMIT {limit}");
    db.run(move |db| async move {
        let mut workflows = Vec::new();
        for row in rows(&db, &sql, values).await? {
            workflows.push(ListedWorkflow {
                id: WorkflowId(get(&row, "id")?),
                slug: get(&row, "slug")?,
                title: get(&row, "title")?,
                live_version: get(&row, "live_version")?,
                has_draft: get::<i32>(&row, "has_draft")? != 0,
                updated_at: get(&row, "updated_at")?,
                triggers: Vec::new(),
                last: None,
                failed: 0,
            });
        }
        add_triggers(&db, tenant, &mut workflows).await?;
        add_executions(&db, tenant, &mut workflows).await?;
        Ok(workflows)
    })
    .await
}

async fn add_triggers(db: &Database, tenant: TenantId, workflows: &mut [ListedWorkflow]) -> Result<(), StoreError> {
    if workflows.is_empty() {
        return Ok(());
    }
    let mut values: Vec<Value> = vec![tenant.0.into()];
    let ids = places(workflows.iter().map(|workflow| workflow.id.0.into()), &mut values);
    let sql = format!(
        "SELECT workflow_id, kind, key FROM triggers WHERE tenant_id = $1 AND workflow_id IN ({ids}) ORDER BY position"
    );
    for row in rows(db, &sql, values).await? {
        let id: Uuid = get(&row, "workflow_id")?;
        if let Some(workflow) = workflows.iter_mut().find(|workflow| workflow.id.0 == id) {
            workflow.triggers.push((get(&row, "kind")?, get(&row, "key")?));
        }
    }
    Ok(())
}

async fn add_executions(db: &Database, tenant: TenantId, workflows: &mut [ListedWorkflow]) -> Result<(), StoreError> {
    if workflows.is_empty() {
        return Ok(());
    }
    // For each of the page's workflows the newest few, from the index that has them together.
    let mut values: Vec<Value> = vec![tenant.0.into()];
    let mut parts = Vec::with_capacity(workflows.len());
    for workflow in workflows.iter() {
        values.push(workflow.slug.clone().into());
        parts.push(format!(
            "SELECT * FROM (SELECT {EXECUTION}, workflow FROM {} 1) newest{n}",
            newest(values.len()),
            n = values.len()
        ));
    }
    for row in rows(db, &parts.join(" UNION ALL "), values).await? {
        let slug: String = get(&row, "workflow")?;
        if let Some(workflow) = workflows.iter_mut().find(|workflow| workflow.slug == slug) {
            workflow.last = Some(execution(&row)?);
        }
    }
    let mut values: Vec<Value> = vec![tenant.0.into()];
    let mut parts = Vec::with_capacity(workflows.len());
    let most = limits::RECENT_EXECUTIONS;
    for workflow in workflows.iter().filter(|workflow| workflow.last.is_some()) {
        values.push(workflow.slug.clone().into());
        parts.push(format!(
            "SELECT workflow, count(*) AS n FROM (SELECT workflow, status FROM {} {most}) recent{n} \
             WHERE status = 'failed' GROUP BY workflow",
            newest(values.len()),
            n = values.len()
        ));
    }
    if parts.is_empty() {
        return Ok(());
    }
    for row in rows(db, &parts.join(" UNION ALL "), values).await? {
        let slug: String = get(&row, "workflow")?;
        let count: i64 = get(&row, "n")?;
        if let Some(workflow) = workflows.iter_mut().find(|workflow| workflow.slug == slug) {
            workflow.failed = u64::try_from(count).unwrap_or(0);
        }
    }
    Ok(())
}

/// The newest executions of a workflow, of one version where it is given: then among the newest
/// `limits::VERSION_EXECUTIONS` of all.
///
/// # Errors
/// Those of the database.
pub async fn executions(
    db: &Database,
    tenant: TenantId,
    workflow: &str,
    version: Option<i32>,
    limit: u64,
) -> Result<Vec<ListedExecution>, StoreError> {
    let mut values: Vec<Value> = vec![tenant.0.into(), workflow.into()];
    let newest = newest(2);
    let sql = match version {
        None => format!("SELECT {EXECUTION} FROM {newest} {limit}"),
        Some(version) => {
            values.push(version.into());
            let most = limits::VERSION_EXECUTIONS;
            format!(
                "SELECT {EXECUTION} FROM (SELECT {EXECUTION} FROM {newest} {most}) newest WHERE version = $3 \
                 ORDER BY id DESC LIMIT {limit}"
            )
        }
    };
    db.run(move |db| async move { rows(&db, &sql, values).await?.iter().map(execution).collect() }).await
}

/// The executions of the workflow that is the `n`th parameter, newest first, up to the number of a
/// limit.
fn newest(n: usize) -> String {
    let is = of_workflow(&format!("${n}"));
    format!("executions WHERE tenant_id = $1 AND {is} ORDER BY workflow DESC, id DESC LIMIT")
}

/// That an execution is of a workflow, to be ordered by `workflow` and then by `id`.
///
/// A range of one, not an equality: of rows that are equal in `workflow` PostgreSQL knows that an index
/// of ids alone has them in the wanted order too. It then walks the executions of all workflows until
/// it has found enough of one, which for one with few takes as long as there are executions.
pub(crate) fn of_workflow(parameter: &str) -> String {
    format!("workflow BETWEEN {parameter} AND {parameter}")
}

/// The versions of a workflow, newest first, those before a number where it is given.
///
/// # Errors
/// Those of the database.
pub async fn versions(
    db: &Database,
    tenant: TenantId,
    workflow: WorkflowId,
    before: Option<i32>,
    limit: u64,
) -> Result<Vec<ListedVersion>, StoreError> {
    let sql = format!(
        "SELECT number, sha256, author, note, created_at FROM workflow_versions \
         WHERE tenant_id = $1 AND workflow_id = $2 AND number < $3 ORDER BY number DESC LIMIT {limit}"
    );
    let values: Vec<Value> = vec![tenant.0.into(), workflow.0.into(), before.unwrap_or(i32::MAX).into()];
    db.run(move |db| async move { rows(&db, &sql, values).await?.iter().map(listed_version).collect() }).await
}

/// A version by its number; `None` where the workflow has none such.
///
/// # Errors
/// Those of the database.
pub async fn version(
    db: &Database,
    tenant: TenantId,
    workflow: WorkflowId,
    number: i32,
) -> Result<Option<WrittenVersion>, StoreError> {
    const SQL: &str = "SELECT number, sha256, author, note, created_at, source FROM workflow_versions \
                       WHERE tenant_id = $1 AND workflow_id = $2 AND number = $3";
    let values: Vec<Value> = vec![tenant.0.into(), workflow.0.into(), number.into()];
    db.run(move |db| async move {
        let rows = rows(&db, SQL, values).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some(WrittenVersion { listed: listed_version(row)?, source: get(row, "source")? }))
    })
    .await
}

/// The slug of a tenant, which is part of its webhooks' addresses.
///
/// # Errors
/// `NotFound`, and those of the database.
pub async fn tenant_slug(db: &Database, tenant: TenantId) -> Result<String, StoreError> {
    let values: Vec<Value> = vec![tenant.0.into()];
    db.run(move |db| async move {
        let rows = rows(&db, "SELECT slug FROM tenants WHERE id = $1", values).await?;
        rows.first().map_or_else(|| Err(StoreError::NotFound("the tenant".to_owned())), |row| get(row, "slug"))
    })
    .await
}

const EXECUTION: &str = "id, status, version, trigger, created_at, started_at, finished_at";

fn execution(row: &QueryResult) -> Result<ListedExecution, StoreError> {
    Ok(ListedExecution {
        id: ExecutionId(get(row, "id")?),
        status: get(row, "status")?,
        version: get(row, "version")?,
        trigger: get(row, "trigger")?,
        created_at: get(row, "created_at")?,
        started_at: get(row, "started_at")?,
        finished_at: get(row, "finished_at")?,
    })
}

fn listed_version(row: &QueryResult) -> Result<ListedVersion, StoreError> {
    Ok(ListedVersion {
        number: get(row, "number")?,
        sha256: get(row, "sha256")?,
        author: get(row, "author")?,
        note: get(row, "note")?,
        created_at: get(row, "created_at")?,
    })
}

/// `$2, $3`, with the values put behind those that are there.
fn places(more: impl Iterator<Item = Value>, values: &mut Vec<Value>) -> String {
    let names = more.map(|value| {
        values.push(value);
        format!("${}", values.len())
    });
    names.collect::<Vec<_>>().join(", ")
}

async fn rows(db: &Database, sql: &str, values: Vec<Value>) -> Result<Vec<QueryResult>, StoreError> {
    let reader = db.orm_reader();
    let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
    reader.query_all_raw(statement).await.map_err(store_error)
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(|error| StoreError::Corrupt(format!("column `{column}`: {error}")))
}
