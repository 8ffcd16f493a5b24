//! Taking a row out of the trash.

use askama::Template;
use automate_store::resource::{Row, exact_id};
use axum::extract::Path;

use super::form::{allowed, title};
use super::store::restore_row;
use super::{Here, is_trashed, row};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply, Shell};
use crate::spec::Verb;

#[derive(Template)]
#[template(path = "admin/model/restore.html")]
struct RestorePage {
    shell: Shell,
    noun: String,
    name: String,
    back: String,
}

/// A row that is in the trash, for whoever could put it there.
async fn found(cx: &Cx, admin: &dyn AnyAdmin, id: &str) -> Result<Row, AdminError> {
    allowed(cx, admin, Verb::View, None)?;
    let row = row(admin, cx, exact_id(id).ok_or(AdminError::NotFound)?).await?;
    allowed(cx, admin, Verb::View, Some(&row))?;
    allowed(cx, admin, Verb::Delete, Some(&row))?;
    if is_trashed(admin, &row) { Ok(row) } else { Err(AdminError::NotFound) }
}

pub(super) async fn show(cx: Cx, here: Here, Path(id): Path<String>) -> Reply {
    let (admin, spec) = (&*here.0, here.0.spec());
    let row = found(&cx, admin, &id).await?;
    let name = title(admin, &row);
    let shell = cx.shell(format!("Restore {} “{name}”", spec.noun)).crumb(&spec.plural, spec.url());
    cx.page(&RestorePage { shell, noun: spec.noun.clone(), name, back: spec.row_url(&id) })
}

pub(super) async fn run(cx: Cx, here: Here, Path(id): Path<String>) -> Reply {
    let (admin, spec) = (&*here.0, here.0.spec());
    let row = found(&cx, admin, &id).await?;
    restore_row(&cx, spec, &row).await?;
    let text = format!("The {} “{}” is out of the trash.", spec.noun, title(admin, &row));
    cx.done(&spec.row_url(&id), Flash::success(text))
}
