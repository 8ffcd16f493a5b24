//! Storing what forms hold, through the service for rows.

use std::sync::Arc;

use async_trait::async_trait;
use automate_store::resource::{ResourceError, ResourceHooks, Row, Writer};
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};

use crate::error::AdminError;
use crate::http::Cx;
use crate::spec::Spec;

/// Hooks that put in columns which nobody types in, such as who changed a row.
pub(crate) struct Stamped {
    pub(crate) inner: Arc<dyn ResourceHooks>,
    /// Into the row whatever is typed, and whatever the inner hooks do.
    pub(crate) moved: Map<String, Value>,
    /// Into every row that is changed.
    pub(crate) always: Map<String, Value>,
    /// Into new rows besides.
    pub(crate) created: Map<String, Value>,
}

#[async_trait]
impl ResourceHooks for Stamped {
    async fn before_save(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        old: Option<&Row>,
        fields: &mut Map<String, Value>,
    ) -> Result<(), ResourceError> {
        fields.extend(self.moved.clone());
        self.inner.before_save(txn, writer, old, fields).await?;
        fields.extend(self.moved.clone());
        // Where nothing was changed, nobody has changed it.
        let changed = |old: &Row| fields.iter().any(|(name, value)| old.fields.get(name) != Some(value));
        if old.is_none_or(changed) {
            fields.extend(self.always.clone());
        }
        if old.is_none() {
            fields.extend(self.created.clone());
        }
        Ok(())
    }

    async fn after_save(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        old: Option<&Row>,
        new: &Row,
    ) -> Result<(), ResourceError> {
        self.inner.after_save(txn, writer, old, new).await
    }

    async fn before_delete(&self, txn: &DatabaseTransaction, writer: &Writer, old: &Row) -> Result<(), ResourceError> {
        self.inner.before_delete(txn, writer, old).await
    }
}

/// The model's hooks, which put in who changes a row, and `moved`.
fn stamped_with(cx: &Cx, spec: &Spec, moved: Map<String, Value>) -> Arc<dyn ResourceHooks> {
    let who = Value::String(cx.principal().actor.name.clone());
    let one = |column: &str| Map::from_iter([(column.to_owned(), who.clone())]);
    let (created, always) = spec.authors.map(|(by, last)| (one(by), one(last))).unwrap_or_default();
    Arc::new(Stamped { inner: Arc::clone(&spec.hooks), moved, always, created })
}

/// The model's hooks, which put in who changes a row.
pub(crate) fn stamped(cx: &Cx, spec: &Spec) -> Arc<dyn ResourceHooks> {
    stamped_with(cx, spec, Map::new())
}

/// Stores a new row, or changes one: what [`save_model`](crate::BaseModelAdmin::save_model) does where
/// nobody says otherwise.
///
/// # Errors
/// Those of the service for rows.
pub async fn save_row(
    cx: &Cx,
    spec: &Spec,
    row: Option<&Row>,
    fields: Map<String, Value>,
    version: Option<i64>,
) -> Result<Row, AdminError> {
    let (resources, hooks) = (cx.state().resources(), stamped(cx, spec));
    let stored = match row {
        None => resources.create(spec.model, &cx.writer(), &hooks, fields).await?,
        Some(row) => {
            let id = row.id(spec.model).ok_or(AdminError::NotFound)?;
            resources.update(spec.model, &cx.writer(), &hooks, id, fields, version).await?
        }
    };
    Ok(stored)
}

/// Deletes a row: what [`delete_model`](crate::BaseModelAdmin::delete_model) does where nobody says
/// otherwise. A row of a model with a trash goes there.
///
/// # Errors
/// Those of the service for rows.
pub async fn delete_row(cx: &Cx, spec: &Spec, row: &Row) -> Result<(), AdminError> {
    let trashed = spec.deleted_at.filter(|column| row.fields.get(*column).is_none_or(Value::is_null));
    if let Some(column) = trashed {
        return move_row(cx, spec, row, column, Value::String(crate::http::iso(&cx.now()))).await;
    }
    let id = row.id(spec.model).ok_or(AdminError::NotFound)?;
    Ok(cx.state().resources().delete(spec.model, &cx.writer(), &spec.hooks, id, row.version).await?)
}

/// Takes a row out of the trash.
///
/// # Errors
/// Those of the service for rows.
pub(crate) async fn restore_row(cx: &Cx, spec: &Spec, row: &Row) -> Result<(), AdminError> {
    let column = spec.deleted_at.ok_or(AdminError::NotFound)?;
    move_row(cx, spec, row, column, Value::Null).await
}

async fn move_row(cx: &Cx, spec: &Spec, row: &Row, column: &str, at: Value) -> Result<(), AdminError> {
    let id = row.id(spec.model).ok_or(AdminError::NotFound)?;
    let hooks = stamped_with(cx, spec, Map::from_iter([(column.to_owned(), at)]));
    let resources = cx.state().resources();
    resources.update(spec.model, &cx.writer(), &hooks, id, Map::new(), row.version).await?;
    Ok(())
}
