//! Storing what forms hold, through the service for rows.

use automate_store::resource::Row;
use serde_json::{Map, Value};

use crate::error::AdminError;
use crate::http::Cx;
use crate::spec::Spec;

/// Stores a new row, or changes one: what [`save_model`](crate::BaseModelAdmin::save_model) does where
/// nobody says otherwise.
pub(crate) async fn save_row(
    cx: &Cx,
    spec: &Spec,
    row: Option<&Row>,
    mut fields: Map<String, Value>,
    version: Option<i64>,
) -> Result<Row, AdminError> {
    let resources = cx.state().resources();
    if let Some((created_by, updated_by)) = spec.authors {
        let who = Value::String(cx.principal().actor.name.clone());
        if row.is_none() {
            fields.insert(created_by.to_owned(), who.clone());
        }
        fields.insert(updated_by.to_owned(), who);
    }
    let stored = match row {
        None => resources.create(spec.model, &cx.writer(), &spec.hooks, fields).await?,
        Some(row) => {
            let id = row.id(spec.model).ok_or(AdminError::NotFound)?;
            resources.update(spec.model, &cx.writer(), &spec.hooks, id, fields, version).await?
        }
    };
    Ok(stored)
}

/// Deletes a row: what [`delete_model`](crate::BaseModelAdmin::delete_model) does where nobody says
/// otherwise.
pub(crate) async fn delete_row(cx: &Cx, spec: &Spec, row: &Row) -> Result<(), AdminError> {
    let id = row.id(spec.model).ok_or(AdminError::NotFound)?;
    cx.state().resources().delete(spec.model, &cx.writer(), &spec.hooks, id, row.version).await?;
    Ok(())
}
