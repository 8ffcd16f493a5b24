//! Which rows of a model somebody sees: the admin's own conditions, and what is not in the trash.

use automate_store::resource::{Comparison, ListQuery, Row, Selection};
use serde_json::Value;
use uuid::Uuid;

use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::Cx;

/// The query with the admin's own conditions, without what is in the trash. Everything that reads
/// rows goes through it: lists, counts, pickers, exports, actions.
pub(crate) fn narrowed(admin: &dyn AnyAdmin, cx: &Cx, query: ListQuery) -> ListQuery {
    let query = admin.queryset(cx, query);
    match admin.spec().deleted_at {
        Some(column) => query.filter(column, Comparison::IsNull, vec![Value::Bool(true)]),
        None => query,
    }
}

/// The query with the admin's own conditions, and only what is in the trash.
pub(crate) fn trashed(admin: &dyn AnyAdmin, cx: &Cx, query: ListQuery) -> ListQuery {
    let query = admin.queryset(cx, query);
    match admin.spec().deleted_at {
        Some(column) => query.filter(column, Comparison::IsNull, vec![Value::Bool(false)]),
        None => query,
    }
}

/// One row as somebody sees it, also from the trash.
///
/// # Errors
/// `NotFound` where there is none, where it is another tenant's, and where the admin's own conditions
/// leave it out.
pub(crate) async fn row(admin: &dyn AnyAdmin, cx: &Cx, id: Uuid) -> Result<Row, AdminError> {
    let (spec, resources) = (admin.spec(), cx.state().resources());
    if spec.model.keys.len() != 1 {
        // A row with a key of several columns has no address of its own.
        return Err(AdminError::NotFound);
    }
    let plain = ListQuery { limit: 1, fields: vec![spec.model.key], ..ListQuery::default() };
    let query = admin.queryset(cx, plain.clone());
    if query != plain {
        let query = query.filter(spec.model.key, Comparison::Equal, vec![Value::String(id.to_string())]);
        if resources.list(spec.model, &cx.writer(), &query).await?.results.is_empty() {
            return Err(AdminError::NotFound);
        }
    }
    Ok(resources.get(spec.model, &cx.writer(), id, &Selection::default()).await?)
}

/// Whether a row is in the trash.
pub(crate) fn is_trashed(admin: &dyn AnyAdmin, row: &Row) -> bool {
    admin.spec().deleted_at.is_some_and(|column| row.fields.get(column).is_some_and(|value| !value.is_null()))
}
