//! Drafts that were tested: what their executions run. They are kept apart from the versions, and go when no
//! execution needs them any more.

use automate_core::ids::{TenantId, VersionId, WorkflowId, new_v7};
use automate_core::limits;
use automate_core::store::{DRAFT, NewDraft, StoreError, VersionRecord};
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, QueryResult, TryGetable};
use uuid::Uuid;

use super::history::select_one;
use super::operate::{execute, for_update, sql_time};
use crate::db::{Backend, Database};
use crate::error::store_error;

const COLUMNS: &str = "id, tenant_id, workflow_id, document, source, sha256, author, created_at";

/// Keeps a draft for its test.
pub(super) async fn keep(
    db: Database,
    now: DateTime<Utc>,
    tenant: TenantId,
    draft: NewDraft,
) -> Result<VersionRecord, StoreError> {
    let txn = db.begin().await?;
    // Who tests the same text at the same moment waits here, and finds the row.
    let sql =
        format!("SELECT id FROM workflows WHERE id = $1 AND tenant_id = $2{}", for_update(txn.get_database_backend()));
    let workflow = draft.workflow_id;
    if select_one(&txn, &sql, vec![workflow.0.into(), tenant.0.into()]).await?.is_none() {
        return Err(StoreError::NotFound(format!("workflow {workflow}")));
    }
    // The source too: one canonical form has several, and the order in them matters to a `set`.
    let sql = "SELECT id FROM tested_drafts WHERE workflow_id = $1 AND tenant_id = $2 AND sha256 = $3 AND source = $4";
    let values = vec![workflow.0.into(), tenant.0.into(), draft.sha256.clone().into(), draft.source.clone().into()];
    let id: Uuid = match select_one(&txn, sql, values).await? {
        Some(row) => {
            let id = get(&row, "id")?;
            used(&txn, now, tenant, VersionId(id)).await?;
            id
        }
        None => {
            let (id, at) = (new_v7(), sql_time(txn.get_database_backend(), now));
            let sql = format!(
                "INSERT INTO tested_drafts ({COLUMNS}, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, {at}, {at})"
            );
            let values = vec![
                id.into(),
                tenant.0.into(),
                workflow.0.into(),
                draft.document.into(),
                draft.source.into(),
                draft.sha256.into(),
                draft.author.into(),
            ];
            execute(&txn, &sql, values).await?;
            forget_oldest(&txn, workflow, id).await?;
            id
        }
    };
    let sql = format!("SELECT {COLUMNS} FROM tested_drafts WHERE id = $1");
    let row = select_one(&txn, &sql, vec![id.into()]).await?;
    let kept = record(&row.ok_or_else(|| StoreError::NotFound(format!("draft {id}")))?)?;
    txn.commit().await.map_err(store_error)?;
    Ok(kept)
}

/// Notes that a draft is about to run again.
pub(super) async fn reuse(db: Database, now: DateTime<Utc>, tenant: TenantId, id: VersionId) -> Result<(), StoreError> {
    let txn = db.begin().await?;
    used(&txn, now, tenant, id).await?;
    txn.commit().await.map_err(store_error)
}

async fn used(
    txn: &DatabaseTransaction,
    now: DateTime<Utc>,
    tenant: TenantId,
    id: VersionId,
) -> Result<(), StoreError> {
    let at = sql_time(txn.get_database_backend(), now);
    let sql = format!("UPDATE tested_drafts SET used_at = {at} WHERE id = $1 AND tenant_id = $2");
    match execute(txn, &sql, vec![id.0.into(), tenant.0.into()]).await? {
        0 => Err(StoreError::NotFound("the draft that ran is no longer kept".to_owned())),
        _ => Ok(()),
    }
}

/// Makes room for one that is new.
async fn forget_oldest(txn: &DatabaseTransaction, workflow: WorkflowId, new: Uuid) -> Result<(), StoreError> {
    let sql = format!(
        "DELETE FROM tested_drafts WHERE workflow_id = $1 AND id <> $2 AND id NOT IN (SELECT id FROM tested_drafts \
         WHERE workflow_id = $1 ORDER BY used_at DESC, id DESC LIMIT {}) AND NOT EXISTS (SELECT 1 FROM executions e \
         WHERE e.version = {DRAFT} AND e.version_id = tested_drafts.id \
         AND e.status NOT IN ('completed', 'failed', 'cancelled'))",
        limits::TESTED_DRAFTS
    );
    execute(txn, &sql, vec![workflow.0.into(), new.into()]).await?;
    Ok(())
}

/// Deletes those that no execution needs. What was used lately may be about to get one.
pub(super) async fn forget_unneeded(db: &Database, now: DateTime<Utc>) -> Result<(), StoreError> {
    let kept = limits::TESTED_DRAFT_KEPT;
    let (before, values) = match db.backend() {
        Backend::Postgres => (format!("now() - make_interval(secs => {})", kept.as_secs()), Vec::new()),
        Backend::Sqlite => ("$1".to_owned(), vec![(now - kept).into()]),
    };
    let sql = format!(
        "DELETE FROM tested_drafts WHERE used_at < {before} AND NOT EXISTS (SELECT 1 FROM executions e \
         WHERE e.version = {DRAFT} AND e.version_id = tested_drafts.id)"
    );
    execute(db.orm(), &sql, values).await?;
    Ok(())
}

/// A draft that is kept, by its id, of any tenant.
pub(super) async fn kept(db: &Database, id: VersionId) -> Result<Option<VersionRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM tested_drafts WHERE id = $1");
    select_one(db.orm_reader(), &sql, vec![id.0.into()]).await?.as_ref().map(record).transpose()
}

fn record(row: &QueryResult) -> Result<VersionRecord, StoreError> {
    Ok(VersionRecord {
        id: VersionId(get(row, "id")?),
        tenant_id: TenantId(get(row, "tenant_id")?),
        workflow_id: WorkflowId(get(row, "workflow_id")?),
        number: DRAFT,
        document: get(row, "document")?,
        source: get(row, "source")?,
        sha256: get(row, "sha256")?,
        author: get(row, "author")?,
        note: String::new(),
        created_at: get(row, "created_at")?,
    })
}

fn get<T: TryGetable>(row: &QueryResult, column: &str) -> Result<T, StoreError> {
    row.try_get("", column).map_err(store_error)
}
