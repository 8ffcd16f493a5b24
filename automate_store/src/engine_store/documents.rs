//! Workflows, drafts, versions and triggers.

use automate_core::clock;
use automate_core::ids::{TenantId, TriggerId, VersionId, WorkflowId, new_v7};
use automate_core::store::{NewVersion, StoreError, TriggerRecord, VersionRecord, WorkflowRecord};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

use super::drafts;
use super::entities::{tenants, triggers, workflow_versions, workflows};
use crate::db::Database;
use crate::error::store_error;

/// A draft to be saved.
pub(super) struct Draft {
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) source: String,
    pub(super) expected: Option<i32>,
}

fn workflow_record(row: workflows::Model) -> WorkflowRecord {
    WorkflowRecord {
        id: WorkflowId(row.id),
        tenant_id: TenantId(row.tenant_id),
        slug: row.slug,
        title: row.title,
        description: row.description,
        live_version: row.live_version,
        live_version_id: row.live_version_id.map(VersionId),
        draft: row.draft,
        row_version: row.row_version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn version_record(row: workflow_versions::Model) -> VersionRecord {
    VersionRecord {
        id: VersionId(row.id),
        tenant_id: TenantId(row.tenant_id),
        workflow_id: WorkflowId(row.workflow_id),
        number: row.number,
        document: row.document,
        source: row.source,
        sha256: row.sha256,
        author: row.author,
        note: row.note,
        created_at: row.created_at,
    }
}

fn trigger_record(row: triggers::Model) -> TriggerRecord {
    TriggerRecord {
        id: TriggerId(row.id),
        tenant_id: TenantId(row.tenant_id),
        workflow_id: WorkflowId(row.workflow_id),
        workflow: row.workflow,
        version_id: VersionId(row.version_id),
        version: row.version,
        kind: row.kind,
        key: row.key,
        position: row.position,
    }
}

fn no_workflow(slug: &str) -> StoreError {
    StoreError::NotFound(format!("workflow `{slug}`"))
}

/// The tenant of a slug.
pub(super) async fn tenant(db: Database, slug: String) -> Result<TenantId, StoreError> {
    let row = tenants::Entity::find().filter(tenants::Column::Slug.eq(&slug)).one(db.orm_reader()).await;
    let row = row.map_err(store_error)?.ok_or_else(|| StoreError::NotFound(format!("tenant `{slug}`")))?;
    Ok(TenantId(row.id))
}

/// The row of a slug, locked; made where there is none.
async fn locked_workflow(
    txn: &DatabaseTransaction,
    tenant: TenantId,
    slug: &str,
) -> Result<workflows::Model, StoreError> {
    let now = clock::now();
    let fresh = workflows::ActiveModel {
        id: Set(new_v7()),
        tenant_id: Set(tenant.0),
        slug: Set(slug.to_owned()),
        title: Set(String::new()),
        description: Set(String::new()),
        live_version: Set(None),
        live_version_id: Set(None),
        draft: Set(None),
        row_version: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
    };
    workflows::Entity::insert(fresh)
        .on_conflict(
            OnConflict::columns([workflows::Column::TenantId, workflows::Column::Slug]).do_nothing().to_owned(),
        )
        .exec_without_returning(txn)
        .await
        .map_err(store_error)?;
    workflows::Entity::find()
        .filter(workflows::Column::TenantId.eq(tenant.0))
        .filter(workflows::Column::Slug.eq(slug))
        .lock_exclusive()
        .one(txn)
        .await
        .map_err(store_error)?
        .ok_or_else(|| no_workflow(slug))
}

/// Whether a row is at the version that the caller has seen. A fresh one is at 0.
fn as_expected(row: &workflows::Model, expected: Option<i32>) -> Result<(), StoreError> {
    match expected {
        Some(expected) if row.row_version != expected => Err(StoreError::Conflict(format!(
            "workflow `{}` has changed since: its version is {}, not {expected}",
            row.slug, row.row_version
        ))),
        _ => Ok(()),
    }
}

/// Saves a draft.
pub(super) async fn save_draft(db: Database, tenant: TenantId, draft: Draft) -> Result<WorkflowRecord, StoreError> {
    let txn = db.begin().await?;
    let row = locked_workflow(&txn, tenant, &draft.slug).await?;
    as_expected(&row, draft.expected)?;
    let next = row.row_version + 1;
    let mut row = row.into_active_model();
    row.title = Set(draft.title);
    row.description = Set(draft.description);
    row.draft = Set(Some(draft.source));
    row.row_version = Set(next);
    row.updated_at = Set(clock::now());
    let row = row.update(&txn).await.map_err(store_error)?;
    txn.commit().await.map_err(store_error)?;
    Ok(workflow_record(row))
}

/// Publishes. Answers the version and whether anything changed.
pub(super) async fn publish(
    db: Database,
    tenant: TenantId,
    new: NewVersion,
) -> Result<(VersionRecord, bool), StoreError> {
    let txn = db.begin().await?;
    let workflow = locked_workflow(&txn, tenant, &new.slug).await?;
    as_expected(&workflow, new.expected)?;
    if let Some(live) = workflow.live_version_id {
        let live = workflow_versions::Entity::find_by_id(live).one(&txn).await.map_err(store_error)?;
        if let Some(live) = live.filter(|live| live.sha256 == new.sha256) {
            txn.rollback().await.map_err(store_error)?;
            return Ok((version_record(live), false));
        }
    }
    let last = workflow_versions::Entity::find()
        .filter(workflow_versions::Column::WorkflowId.eq(workflow.id))
        .order_by_desc(workflow_versions::Column::Number)
        .one(&txn)
        .await
        .map_err(store_error)?;
    let now = clock::now();
    let version = workflow_versions::ActiveModel {
        id: Set(new_v7()),
        tenant_id: Set(tenant.0),
        workflow_id: Set(workflow.id),
        number: Set(last.map_or(1, |last| last.number + 1)),
        document: Set(new.document),
        source: Set(new.source),
        sha256: Set(new.sha256),
        author: Set(new.author),
        note: Set(new.note),
        created_at: Set(now),
    };
    let version = version.insert(&txn).await.map_err(store_error)?;
    triggers::Entity::delete_many()
        .filter(triggers::Column::WorkflowId.eq(workflow.id))
        .exec(&txn)
        .await
        .map_err(store_error)?;
    let rows: Vec<_> = new
        .triggers
        .into_iter()
        .map(|trigger| triggers::ActiveModel {
            id: Set(new_v7()),
            tenant_id: Set(tenant.0),
            workflow_id: Set(workflow.id),
            workflow: Set(new.slug.clone()),
            version_id: Set(version.id),
            version: Set(version.number),
            kind: Set(trigger.kind),
            key: Set(trigger.key),
            position: Set(trigger.position),
            created_at: Set(now),
        })
        .collect();
    if !rows.is_empty() {
        triggers::Entity::insert_many(rows).exec_without_returning(&txn).await.map_err(store_error)?;
    }
    let next = workflow.row_version + 1;
    let mut workflow = workflow.into_active_model();
    workflow.title = Set(new.title);
    workflow.description = Set(new.description);
    workflow.live_version = Set(Some(version.number));
    workflow.live_version_id = Set(Some(version.id));
    workflow.draft = Set(None);
    workflow.row_version = Set(next);
    workflow.updated_at = Set(now);
    workflow.update(&txn).await.map_err(store_error)?;
    txn.commit().await.map_err(store_error)?;
    Ok((version_record(version), true))
}

/// A workflow by its slug.
pub(super) async fn workflow(db: Database, tenant: TenantId, slug: String) -> Result<WorkflowRecord, StoreError> {
    let row = workflows::Entity::find()
        .filter(workflows::Column::TenantId.eq(tenant.0))
        .filter(workflows::Column::Slug.eq(&slug))
        .one(db.orm_reader())
        .await
        .map_err(store_error)?;
    row.map(workflow_record).ok_or_else(|| no_workflow(&slug))
}

/// All workflows of a tenant, by slug.
pub(super) async fn workflows(db: Database, tenant: TenantId) -> Result<Vec<WorkflowRecord>, StoreError> {
    let rows = workflows::Entity::find()
        .filter(workflows::Column::TenantId.eq(tenant.0))
        .order_by_asc(workflows::Column::Slug)
        .all(db.orm_reader())
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(workflow_record).collect())
}

/// A version or a kept draft by its id, of any tenant.
pub(super) async fn version(db: Database, id: VersionId) -> Result<VersionRecord, StoreError> {
    let row = workflow_versions::Entity::find_by_id(id.0).one(db.orm_reader()).await.map_err(store_error)?;
    match row {
        Some(row) => Ok(version_record(row)),
        None => drafts::kept(&db, id).await?.ok_or_else(|| StoreError::NotFound(format!("version {id}"))),
    }
}

/// The versions of a workflow, newest first.
pub(super) async fn versions(db: Database, tenant: TenantId, slug: String) -> Result<Vec<VersionRecord>, StoreError> {
    let workflow = workflow(db.clone(), tenant, slug).await?;
    let rows = workflow_versions::Entity::find()
        .filter(workflow_versions::Column::WorkflowId.eq(workflow.id.0))
        .order_by_desc(workflow_versions::Column::Number)
        .all(db.orm_reader())
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(version_record).collect())
}

/// The live triggers of all tenants.
pub(super) async fn triggers(db: Database) -> Result<Vec<TriggerRecord>, StoreError> {
    let rows = triggers::Entity::find()
        .order_by_asc(triggers::Column::Workflow)
        .order_by_asc(triggers::Column::Position)
        .order_by_asc(triggers::Column::Id)
        .all(db.orm_reader())
        .await
        .map_err(store_error)?;
    Ok(rows.into_iter().map(trigger_record).collect())
}
