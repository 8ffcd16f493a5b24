//! Storing what a form holds.

use std::sync::Arc;

use askama::Template;
use automate_store::resource::{ResourceError, Row, exact_id};
use axum::extract::Path;
use http::StatusCode;
use serde_json::Map;

use super::fields::{Plan, ROW_VERSION};
use super::form::{Page, allowed, note_forged, title};
use super::inlines::{Block, InlineChanges};
use super::{Here, conflict, row};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::spec::Verb;

#[derive(Template)]
#[template(path = "admin/model/once.html")]
struct OncePage {
    shell: Shell,
    name: String,
    secret: String,
    next: String,
}

pub(super) async fn add(cx: Cx, here: Here, posted: Fields) -> Reply {
    store(&cx, &*here.0, None, posted).await
}

pub(super) async fn change(cx: Cx, here: Here, Path(id): Path<String>, posted: Fields) -> Reply {
    let admin = &*here.0;
    allowed(&cx, admin, Verb::View, None)?;
    let id = exact_id(&id).ok_or(AdminError::NotFound)?;
    // A row that they may not see is answered as one that is no more.
    let seen = |row: Row| allowed(&cx, admin, Verb::View, Some(&row)).map(|()| row);
    let found = match row(admin, &cx, id).await.and_then(seen) {
        Ok(found) => found,
        Err(AdminError::NotFound) => return conflict::gone(&cx, admin, &posted),
        Err(other) => return Err(other),
    };
    if posted.has("_saveasnew") && admin.spec().save_as {
        return store(&cx, admin, None, posted.without(&[ROW_VERSION])).await;
    }
    store(&cx, admin, Some(&found), posted).await
}

async fn store(cx: &Cx, admin: &dyn AnyAdmin, row: Option<&Row>, posted: Fields) -> Reply {
    let spec = admin.spec();
    let verb = if row.is_some() { Verb::Change } else { Verb::Add };
    allowed(cx, admin, verb, row)?;
    let plan = Plan::of(cx, admin, row).await?;
    let blocks = Block::all(cx, spec, row).await?;
    let mut stored = row.map(|row| row.fields.clone()).unwrap_or_default();
    stored.extend(admin.initial(cx, row).await?);
    let page = Page { cx, admin, row, plan, blocks };
    if posted.has("_addrow") {
        return page.show(StatusCode::OK, &stored, Some(&posted), &FieldErrors::default()).await;
    }

    let mut errors = FieldErrors::default();
    let mut forged = page.plan.forged(spec, &posted);
    let known = row.map(|_| &stored);
    let mut fields = page.plan.read(cx, &posted, known.unwrap_or(&Map::new()), &mut errors);
    let mut changes = Vec::new();
    for block in &page.blocks {
        let of_block = block.changes(cx, &posted, &mut errors, &mut forged)?;
        if !of_block.is_empty() {
            changes.push((block.inline().clone(), of_block));
        }
    }
    let id = row.and_then(|row| row.id(spec.model)).map(|id| id.to_string()).unwrap_or_default();
    note_forged(cx, admin, &id, &forged).await?;
    if posted.has(conflict::RESOLVES) {
        // Of a form that was in conflict, only what somebody said is to be theirs.
        fields.retain(|name, _| posted.all(conflict::MINE).any(|mine| mine == name));
    }
    // What the row has already is not sent again: it may have become somebody else's meanwhile.
    fields.retain(|name, value| row.is_none() || stored.get(name) != Some(value));
    if errors.is_empty() {
        admin.clean(cx, row, &mut fields, &mut errors).await?;
    }
    if !errors.is_empty() {
        return page.show(StatusCode::UNPROCESSABLE_ENTITY, &stored, Some(&posted), &errors).await;
    }

    let version =
        posted.text(ROW_VERSION).parse::<i64>().ok().filter(|_| row.is_some() && spec.model.version.is_some());
    if let (Some(version), Some(now)) = (version, row.and_then(|row| row.version))
        && version != now
    {
        return conflict::show(&page, &posted, &stored, &fields, now).await;
    }
    let mut with_inlines = spec.clone();
    if !changes.is_empty() {
        with_inlines.hooks = Arc::new(InlineChanges {
            inner: Arc::clone(&spec.hooks),
            resources: cx.state().resources().clone(),
            key: spec.model.key,
            changes,
        });
    }
    let done = admin.save(cx, &with_inlines, row, fields.clone(), version).await;
    let status = match done {
        Ok(saved) => return after(cx, admin, row, &saved, &posted),
        Err(AdminError::Resource(ResourceError::Changed { current })) if row.is_some() => {
            let Some(now) = again(cx, admin, row).await? else { return conflict::gone(cx, admin, &posted) };
            return conflict::show(&page, &posted, &now.fields, &fields, now.version.unwrap_or(current)).await;
        }
        Err(AdminError::NotFound) if row.is_some() && again(cx, admin, row).await?.is_none() => {
            return conflict::gone(cx, admin, &posted);
        }
        Err(AdminError::Resource(ResourceError::Invalid(problems))) => {
            errors.extend(&problems);
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Err(AdminError::Resource(ResourceError::Conflict(message))) => {
            errors.add_form(message);
            StatusCode::CONFLICT
        }
        Err(AdminError::Resource(ResourceError::Refused(message))) => {
            errors.add_form(message);
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Err(other) => return Err(other),
    };
    page.show(status, &stored, Some(&posted), &errors).await
}

/// The row as it is now, where it still is.
async fn again(cx: &Cx, admin: &dyn AnyAdmin, row: Option<&Row>) -> Result<Option<Row>, AdminError> {
    let Some(id) = row.and_then(|row| row.id(admin.spec().model)) else { return Ok(None) };
    match super::row(admin, cx, id).await {
        Ok(row) => Ok(Some(row)),
        Err(AdminError::NotFound) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Where to after a row was stored.
fn after(cx: &Cx, admin: &dyn AnyAdmin, row: Option<&Row>, saved: &Row, posted: &Fields) -> Reply {
    let spec = admin.spec();
    let id = saved.id(spec.model).map(|id| id.to_string()).unwrap_or_default();
    let name = title(admin, saved);
    if let Some((what, secret)) = admin.shown_once(saved) {
        let shell = cx.shell(what).crumb(&spec.plural, spec.url());
        return cx.page(&OncePage { shell, name, secret, next: spec.url() });
    }
    let nothing = row.is_some_and(|row| row.version.is_some() && row.version == saved.version);
    let text = match row {
        None => format!("The {} “{name}” was added.", spec.noun),
        Some(_) if nothing => format!("The {} “{name}” was stored; none of its own fields differed.", spec.noun),
        Some(_) => format!("The {} “{name}” was changed.", spec.noun),
    };
    let to = if posted.has("_addanother") && spec.allows(cx, Verb::Add, None) {
        format!("{}add/", spec.url())
    } else if (posted.has("_continue") || posted.has("_saveasnew")) && !id.is_empty() {
        spec.row_url(&id)
    } else {
        spec.url()
    };
    cx.done(&to, Flash::success(text))
}
