//! Saved views: which rows of a list somebody looks at again and again, kept for themselves or for
//! everybody in their tenant; and with which of them a list begins.

use automate_core::ids::{TenantId, UserId};
use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};
use serde_json::{Map, json};
use uuid::Uuid;

use crate::db::Database;
use crate::error::store_error;
use crate::models::views::SAVED_VIEWS;
use crate::resource::{FieldProblem, ResourceError, Resources, Writer, codes, no_hooks};

/// A view as somebody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedView {
    /// Its id.
    pub id: Uuid,
    /// The list that it is of.
    pub page: String,
    /// What it is called.
    pub name: String,
    /// What the list's address has behind the `?`.
    pub query: String,
    /// Whether everybody in the tenant sees it.
    pub shared: bool,
    /// Whether it belongs to whoever asked.
    pub mine: bool,
    /// Whether the list begins with it for whoever asked.
    pub default: bool,
}

const COLUMNS: &str = "v.id, v.page, v.name, v.query, v.shared, v.owner_id, d.view_id AS default_id \
    FROM saved_views v LEFT JOIN saved_view_defaults d \
    ON d.view_id = v.id AND d.tenant_id = v.tenant_id AND d.page = v.page AND d.user_id = $2";

/// The views of a page that somebody sees: their own and those that are shared, by name.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Database, tenant: TenantId, user: UserId, page: &str) -> Result<Vec<SavedView>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE v.tenant_id = $1 AND v.page = $3 AND (v.owner_id = $2 OR v.shared) \
         ORDER BY v.name, v.id LIMIT {}",
        limits::SAVED_VIEWS_SHOWN
    );
    read(db, sql, vec![tenant.0.into(), user.0.into(), page.into()], user).await
}

/// One view that somebody sees.
///
/// # Errors
/// `NotFound`, also where it is somebody else's own; `Store`.
pub async fn get(db: &Database, tenant: TenantId, user: UserId, id: Uuid) -> Result<SavedView, ResourceError> {
    let sql = format!("SELECT {COLUMNS} WHERE v.tenant_id = $1 AND v.id = $3 AND (v.owner_id = $2 OR v.shared)");
    let mut found = read(db, sql, vec![tenant.0.into(), user.0.into(), id.into()], user).await?;
    found.pop().ok_or(ResourceError::NotFound(SAVED_VIEWS.noun))
}

async fn read(db: &Database, sql: String, values: Vec<Value>, user: UserId) -> Result<Vec<SavedView>, StoreError> {
    db.run(move |db| async move {
        let reader = db.orm_reader();
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        let rows = reader.query_all_raw(statement).await.map_err(store_error)?;
        let view = |row: &QueryResult| -> Result<SavedView, DbErr> {
            let owner: Uuid = row.try_get("", "owner_id")?;
            let default: Option<Uuid> = row.try_get("", "default_id")?;
            Ok(SavedView {
                id: row.try_get("", "id")?,
                page: row.try_get("", "page")?,
                name: row.try_get("", "name")?,
                query: row.try_get("", "query")?,
                shared: row.try_get("", "shared")?,
                mine: owner == user.0,
                default: default.is_some(),
            })
        };
        rows.iter().map(view).collect::<Result<Vec<_>, DbErr>>().map_err(store_error)
    })
    .await
}

/// What somebody wants to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewView {
    /// The list.
    pub page: String,
    /// What it is called. A view of theirs with this name on this page is replaced.
    pub name: String,
    /// What the list's address has behind the `?`.
    pub query: String,
    /// Whether everybody in the tenant is to see it. Who may do so is for the caller to ask.
    pub shared: bool,
}

/// Keeps a view of one's own; answers with its id.
///
/// # Errors
/// `Invalid` with what is wrong by field, also where somebody has too many; `NotFound` for whoever
/// has no account or no tenant; `Store`.
pub async fn save(resources: &Resources, writer: &Writer, new: NewView) -> Result<Uuid, ResourceError> {
    let none = || ResourceError::NotFound(SAVED_VIEWS.noun);
    let tenant = writer.principal.tenant.ok_or_else(none)?;
    let user = writer.principal.user.ok_or_else(none)?;
    if new.name.trim().is_empty() {
        let problem = FieldProblem::new("name", codes::REQUIRED, "is needed");
        return Err(ResourceError::Invalid(vec![problem]));
    }
    let writer = writer.clone();
    resources
        .run(move |resources| async move {
            let txn = resources.db().begin().await?;
            let backend = txn.get_database_backend();
            let name = new.name.trim();
            let sql = "SELECT id, name FROM saved_views WHERE tenant_id = $1 AND page = $2 AND owner_id = $3";
            let values: Vec<Value> = vec![tenant.0.into(), new.page.as_str().into(), user.0.into()];
            let rows =
                txn.query_all_raw(Statement::from_sql_and_values(backend, sql, values)).await.map_err(store_error)?;
            let mut known = None;
            for row in &rows {
                let their: String = row.try_get("", "name").map_err(store_error)?;
                if their == name {
                    known = Some(row.try_get::<Uuid>("", "id").map_err(store_error)?);
                }
            }
            let mut fields = Map::new();
            fields.insert("query".to_owned(), json!(new.query));
            fields.insert("shared".to_owned(), json!(new.shared));
            let hooks = no_hooks();
            let row = match known {
                Some(id) => resources.update_in(&txn, &SAVED_VIEWS, &writer, &*hooks, id, fields, None).await?,
                None if rows.len() >= limits::SAVED_VIEWS_PER_PAGE => {
                    let message = format!("you have {} views of this list; delete one first", rows.len());
                    return Err(ResourceError::Invalid(vec![FieldProblem::new("name", codes::TOO_MUCH, message)]));
                }
                None => {
                    fields.insert("page".to_owned(), json!(new.page));
                    fields.insert("owner_id".to_owned(), json!(user.0));
                    fields.insert("name".to_owned(), json!(name));
                    resources.create_in(&txn, &SAVED_VIEWS, &writer, &*hooks, fields).await?
                }
            };
            txn.commit().await.map_err(store_error)?;
            row.id(&SAVED_VIEWS).ok_or_else(none)
        })
        .await
}

/// Deletes a view that the caller sees. Whether they may delete one of somebody else's is for the
/// caller to ask.
///
/// # Errors
/// `NotFound`, `Store`.
pub async fn delete(resources: &Resources, writer: &Writer, id: Uuid) -> Result<(), ResourceError> {
    resources.delete(&SAVED_VIEWS, writer, &no_hooks(), id, None).await
}

/// With which view a page begins for somebody; with none where `view` is.
///
/// # Errors
/// `NotFound` where they do not see the view, or it is of another page; `Store`.
pub async fn set_default(
    resources: &Resources,
    writer: &Writer,
    page: &str,
    view: Option<Uuid>,
) -> Result<(), ResourceError> {
    let none = || ResourceError::NotFound(SAVED_VIEWS.noun);
    let tenant = writer.principal.tenant.ok_or_else(none)?;
    let user = writer.principal.user.ok_or_else(none)?;
    let page = page.to_owned();
    resources
        .run(move |resources| async move {
            let txn = resources.db().begin().await?;
            let backend = txn.get_database_backend();
            let key = || -> Vec<Value> { vec![tenant.0.into(), page.as_str().into(), user.0.into()] };
            let sql = "DELETE FROM saved_view_defaults WHERE tenant_id = $1 AND page = $2 AND user_id = $3";
            txn.execute_raw(Statement::from_sql_and_values(backend, sql, key())).await.map_err(store_error)?;
            if let Some(view) = view {
                // Only a view of this page that they see is selected, and so inserted.
                let sql = "INSERT INTO saved_view_defaults (tenant_id, page, user_id, view_id) \
                     SELECT tenant_id, page, $3, id FROM saved_views \
                     WHERE tenant_id = $1 AND page = $2 AND (owner_id = $3 OR shared) AND id = $4";
                let mut values = key();
                values.push(view.into());
                let done =
                    txn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map_err(store_error)?;
                if done.rows_affected() != 1 {
                    return Err(none());
                }
            }
            txn.commit().await.map_err(|error| store_error(error).into())
        })
        .await
}
