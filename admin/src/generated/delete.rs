//! Deleting one row: a page that says what goes with it, and the deed.

use std::collections::BTreeSet;

use askama::Template;
use automate_core::limits;
use automate_store::resource::{Comparison, ListQuery, Model, ResourceError, Row, exact_id};
use axum::extract::Path;
use http::StatusCode;
use serde_json::Value;

use super::form::{allowed, title};
use super::{Here, called, is_trashed, row, sees_all};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply, Shell};
use crate::spec::Verb;

/// Related rows that are counted, at most: the page must open at once, however many there are.
const COUNTED: u64 = limits::LIST_LIMIT_MAX;
/// Those of them that are named.
const NAMED: u8 = 5;

/// Rows that name the row.
#[derive(Debug)]
struct Related {
    title: String,
    count: String,
    /// The first of them.
    first: Vec<String>,
}

#[derive(Template)]
#[template(path = "admin/model/delete.html")]
struct DeletePage {
    shell: Shell,
    noun: String,
    name: String,
    /// Whether it goes to the trash first.
    trash: bool,
    related: Vec<Related>,
    version: String,
    back: String,
    /// Why it was not deleted.
    refused: String,
}

async fn found(cx: &Cx, admin: &dyn AnyAdmin, id: &str) -> Result<Row, AdminError> {
    allowed(cx, admin, Verb::View, None)?;
    let row = row(admin, cx, exact_id(id).ok_or(AdminError::NotFound)?).await?;
    allowed(cx, admin, Verb::View, Some(&row))?;
    allowed(cx, admin, Verb::Delete, Some(&row))?;
    Ok(row)
}

pub(super) async fn show(cx: Cx, here: Here, Path(id): Path<String>) -> Reply {
    let row = found(&cx, &*here.0, &id).await?;
    page(&cx, &*here.0, &row, StatusCode::OK, String::new()).await
}

async fn page(cx: &Cx, admin: &dyn AnyAdmin, row: &Row, status: StatusCode, refused: String) -> Reply {
    let spec = admin.spec();
    let id = row.id(spec.model).map(|id| id.to_string()).unwrap_or_default();
    let name = title(admin, row);
    let trash = spec.deleted_at.is_some() && !is_trashed(admin, row);
    let page = DeletePage {
        shell: cx
            .shell(format!("Delete {} “{name}”", spec.noun))
            .crumb(&spec.plural, spec.url())
            .crumb(&name, spec.row_url(&id))
            .refused(!refused.is_empty()),
        noun: spec.noun.clone(),
        trash,
        related: if trash { Vec::new() } else { related(cx, admin, row).await? },
        version: row.version.map(|version| version.to_string()).unwrap_or_default(),
        back: spec.row_url(&id),
        name,
        refused,
    };
    cx.page_with(status, &page)
}

/// The rows that name a row: those of its inlines, and those of every model that refers to its model.
async fn related(cx: &Cx, admin: &dyn AnyAdmin, row: &Row) -> Result<Vec<Related>, AdminError> {
    let spec = admin.spec();
    let Some(key) = row.fields.get(spec.model.key) else { return Ok(Vec::new()) };
    let mut places: Vec<(&'static Model, &'static str, String)> = Vec::new();
    let mut known: BTreeSet<(&str, &str)> = BTreeSet::new();
    for inline in &spec.inlines {
        if known.insert((inline.model.name, inline.foreign_key)) {
            places.push((inline.model, inline.foreign_key, inline.title.clone()));
        }
    }
    for other in cx.state().site().admins() {
        let other = other.spec();
        for column in &other.model.columns {
            if column.references.is_some_and(|model| model.name == spec.model.name)
                && known.insert((other.model.name, column.name))
            {
                places.push((other.model, column.name, other.plural.clone()));
            }
        }
    }
    let mut related = Vec::new();
    // A page has a few queries; what names a model more often than this is not counted.
    for (model, column, title) in places.into_iter().take(6) {
        if !cx.can(&model.permission_for("view")) {
            continue;
        }
        let other = cx.state().site().of(model.name);
        let text = other.map_or(model.key, |admin| admin.spec().text);
        let query = ListQuery { limit: COUNTED, fields: vec![model.key, text], ..ListQuery::default() };
        let query = query.filter(column, Comparison::Equal, vec![key.clone()]);
        let page = cx.state().resources().list(model, &cx.writer(), &query).await?;
        if page.results.is_empty() {
            continue;
        }
        let more = if page.next.is_some() { "+" } else { "" };
        // All of them are counted, since all of them are in the way; those that they see are named.
        let first = match other.filter(|admin| !sees_all(&***admin, cx)) {
            Some(admin) => {
                let (rows, _) = called(&**admin, cx, ListQuery { limit: u64::from(NAMED), ..query }).await?;
                rows.into_iter().map(|(_, text)| text).collect()
            }
            None => {
                let texts = page.results.iter().filter_map(|row| row.get(text).and_then(Value::as_str));
                texts.take(usize::from(NAMED)).map(str::to_owned).collect()
            }
        };
        related.push(Related { title, count: format!("{}{more}", page.results.len()), first });
    }
    Ok(related)
}

pub(super) async fn run(cx: Cx, here: Here, Path(id): Path<String>, posted: crate::http::Fields) -> Reply {
    let admin = &*here.0;
    let row = found(&cx, admin, &id).await?;
    let spec = admin.spec();
    let seen = posted.text("row_version");
    if row.version.is_some_and(|version| seen != version.to_string()) {
        let why = "It was changed since this page was opened. Look at it again, and decide again.";
        return page(&cx, admin, &row, StatusCode::CONFLICT, why.to_owned()).await;
    }
    let trash = spec.deleted_at.is_some() && !is_trashed(admin, &row);
    let name = title(admin, &row);
    match admin.delete(&cx, &row).await {
        Ok(()) if trash => cx.done(&spec.url(), Flash::success(format!("The {} “{name}” is in the trash.", spec.noun))),
        Ok(()) => cx.done(&spec.url(), Flash::success(format!("The {} “{name}” was deleted.", spec.noun))),
        Err(AdminError::Resource(ResourceError::Changed { .. })) => {
            let why = "It was changed since this page was opened. Look at it again, and decide again.";
            page(&cx, admin, &row, StatusCode::CONFLICT, why.to_owned()).await
        }
        Err(AdminError::Resource(ResourceError::Conflict(why) | ResourceError::Refused(why))) => {
            page(&cx, admin, &row, StatusCode::CONFLICT, format!("It was not deleted: {why}.")).await
        }
        Err(other) => Err(other),
    }
}
