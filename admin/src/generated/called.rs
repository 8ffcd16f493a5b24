//! What rows are called, for pickers, searches and whatever else names rows: of those alone that
//! somebody sees.

use automate_store::resource::ListQuery;

use super::list::{judged, plain, rows_of, sees};
use super::narrowed;
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::Cx;

/// The rows of a question that somebody sees, as `(key, what it is called)`, and whether there are more
/// than the question takes.
///
/// # Errors
/// Those of the service for rows.
pub(crate) async fn called(
    admin: &dyn AnyAdmin,
    cx: &Cx,
    query: ListQuery,
) -> Result<(Vec<(String, String)>, bool), AdminError> {
    let (spec, key) = (admin.spec(), admin.spec().model.key);
    let text = if sees(cx, spec, spec.text) { spec.text } else { key };
    let fields = judged(spec, if text == key { vec![key] } else { vec![key, text] });
    let query = narrowed(admin, cx, ListQuery { fields, ..query });
    let page = cx.state().resources().list(spec.model, &cx.writer(), &query).await?;
    let more = page.next.is_some();
    let pair = |row: automate_store::resource::Row| (plain(row.fields.get(key)), plain(row.fields.get(text)));
    Ok((rows_of(cx, spec, page).into_iter().map(pair).collect(), more))
}

/// Whether somebody sees all rows of a model that are theirs to see by its permission.
pub(crate) fn sees_all(admin: &dyn AnyAdmin, cx: &Cx) -> bool {
    let plain = ListQuery::default();
    admin.spec().may.is_none() && narrowed(admin, cx, plain.clone()) == plain
}
