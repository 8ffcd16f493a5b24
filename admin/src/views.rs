//! Saved views: lists that somebody keeps, for themselves or for everybody in their tenant, and with
//! which of them a page begins. Pages of models and of the operations part use them alike.
//!
//! A page is named as its permission is: `executions.execution` is seen by whoever has
//! `executions.view_execution`.

use askama::Template;
use automate_governance::identity::safe_next;
use automate_store::resource::{ResourceError, exact_id};
use automate_store::saved_views::{self, NewView, SavedView};
use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http::StatusCode;
use uuid::Uuid;

use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::state::AdminState;

/// The permission that shows a view to others.
pub const SHARE: &str = "savedview.share";
/// What `?view=` says where a page is to begin without a view.
pub const ALL: &str = "all";
/// Parameters that are about where one is in a list, and no part of a view.
const PLACE: &[&str] = &["p", "cursor", "page", "view"];

/// A view above a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewLink {
    /// The view.
    pub view: SavedView,
    /// Where it leads.
    pub url: String,
    /// Whether the list shows exactly it.
    pub current: bool,
}

/// The views above a list: `{% include "admin/views.html" %}` takes it as `views`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewBar {
    /// The views.
    pub links: Vec<ViewLink>,
    /// Where the list is without any view.
    pub all_url: String,
    /// Whether the list shows all.
    pub all: bool,
    /// Where views are kept and changed.
    pub manage_url: String,
    /// Whether the list shows something that is no view yet.
    pub unsaved: bool,
}

/// What a view is of an address: without where one is in the list.
#[must_use]
pub fn query_of(query: &Fields) -> String {
    query.without(PLACE).to_query().trim_start_matches('?').to_owned()
}

impl ViewBar {
    /// The views of a page for whoever asks.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn of(cx: &Cx, page: &str) -> Result<Self, AdminError> {
        let views = list(cx, page).await?;
        let path = cx.path();
        let here = query_of(cx.query());
        let links: Vec<ViewLink> = views
            .into_iter()
            .map(|view| ViewLink {
                url: if view.query.is_empty() {
                    format!("{path}?view={ALL}")
                } else {
                    format!("{path}?{}", view.query)
                },
                current: view.query == here,
                view,
            })
            .collect();
        let next = format!("{path}{}", cx.query().to_query());
        let manage = Fields::of(vec![
            ("page".to_owned(), page.to_owned()),
            ("query".to_owned(), here.clone()),
            ("next".to_owned(), next),
        ]);
        Ok(Self {
            all_url: format!("{path}?view={ALL}"),
            all: here.is_empty(),
            unsaved: !here.is_empty() && !links.iter().any(|link| link.current),
            manage_url: format!("/admin/views/{}", manage.to_query()),
            links,
        })
    }

    /// Where a page begins that was opened without parameters: with the default view of whoever asks.
    #[must_use]
    pub fn begins_with(&self, cx: &Cx) -> Option<String> {
        let link = self.links.iter().find(|link| link.view.default && !link.view.query.is_empty())?;
        cx.query().pairs().is_empty().then(|| link.url.clone())
    }
}

/// The views of a page that somebody sees: their own, and those that are shared.
///
/// # Errors
/// Those of the database.
pub async fn list(cx: &Cx, page: &str) -> Result<Vec<SavedView>, AdminError> {
    let (Some(tenant), Some(user)) = (cx.principal().tenant, cx.principal().user) else { return Ok(Vec::new()) };
    Ok(saved_views::list(cx.state().database(), tenant, user, page).await?)
}

/// Keeps a view; one of theirs with the same name is replaced.
///
/// # Errors
/// `Forbidden` where it is to be shared and they may not, or may not see the page; `Resource` with
/// what is wrong by field.
pub async fn save(cx: &Cx, new: NewView) -> Result<Uuid, AdminError> {
    require_page(cx, &new.page)?;
    if new.shared {
        cx.require(SHARE)?;
    }
    Ok(saved_views::save(cx.state().resources(), &cx.writer(), new).await?)
}

/// Deletes a view: one of theirs, or a shared one where they may share.
///
/// # Errors
/// `NotFound`, `Forbidden`.
pub async fn delete(cx: &Cx, id: Uuid) -> Result<(), AdminError> {
    let view = seen(cx, id).await?;
    if !view.mine {
        cx.require(SHARE)?;
    }
    Ok(saved_views::delete(cx.state().resources(), &cx.writer(), id).await?)
}

/// With which view a page begins for whoever asks; with none where `view` is.
///
/// # Errors
/// `NotFound` where they do not see the view.
pub async fn set_default(cx: &Cx, page: &str, view: Option<Uuid>) -> Result<(), AdminError> {
    Ok(saved_views::set_default(cx.state().resources(), &cx.writer(), page, view).await?)
}

async fn seen(cx: &Cx, id: Uuid) -> Result<SavedView, AdminError> {
    let user = cx.principal().user.ok_or(AdminError::NotFound)?;
    Ok(saved_views::get(cx.state().database(), cx.tenant()?, user, id).await?)
}

fn require_page(cx: &Cx, page: &str) -> Result<(), AdminError> {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b"_-".contains(&b));
    match page.split_once('.') {
        // A second list of the same rows has a name of its own behind a dash.
        Some((app, model)) if plain(app) && plain(model) => {
            cx.require(&format!("{app}.view_{}", model.split('-').next().unwrap_or(model)))
        }
        _ => Err(AdminError::NotFound),
    }
}

/// The pages on which views are kept.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/views/", get(show).post(submit))
        .route("/admin/views/default/", post(choose))
        .route("/admin/views/{id}/delete/", get(ask_delete).post(submit_delete))
}

#[derive(Template)]
#[template(path = "admin/views_manage.html")]
struct ManagePage {
    shell: Shell,
    page: String,
    query: String,
    next: String,
    name: String,
    shared: bool,
    can_share: bool,
    views: Vec<SavedView>,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "admin/views_delete.html")]
struct DeletePage {
    shell: Shell,
    view: SavedView,
    next: String,
}

fn next(fields: &Fields) -> String {
    let next = safe_next(fields.get("next"));
    if next.starts_with("/admin/") { next } else { "/admin/".to_owned() }
}

/// The way back, as a parameter of an address; for templates.
pub(crate) fn back(next: &str) -> String {
    Fields::of(vec![("next".to_owned(), next.to_owned())]).to_query()
}

async fn show(cx: Cx) -> Reply {
    manage(&cx, StatusCode::OK, cx.query(), FieldErrors::default()).await
}

async fn manage(cx: &Cx, status: StatusCode, fields: &Fields, errors: FieldErrors) -> Reply {
    let page = fields.text("page").to_owned();
    require_page(cx, &page)?;
    let next = next(fields);
    let form = ManagePage {
        shell: cx.shell("Views").crumb("The list", next.clone()).refused(!errors.is_empty()),
        query: fields.text("query").trim_start_matches('?').to_owned(),
        name: fields.text("name").to_owned(),
        shared: fields.has("shared"),
        can_share: cx.can(SHARE),
        views: list(cx, &page).await?,
        page,
        next,
        errors,
    };
    cx.page_with(status, &form)
}

async fn submit(cx: Cx, fields: Fields) -> Reply {
    let query = Fields::parse(fields.text("query").trim_start_matches('?').as_bytes())?;
    let new = NewView {
        page: fields.text("page").to_owned(),
        name: fields.text("name").to_owned(),
        query: query_of(&query),
        shared: fields.has("shared"),
    };
    let said = Flash::success(format!("The view “{}” was kept.", new.name));
    match save(&cx, new).await {
        Ok(_) => cx.done(&next(&fields), said),
        Err(AdminError::Resource(ResourceError::Invalid(problems))) => {
            let mut errors = FieldErrors::default();
            errors.extend(&problems);
            manage(&cx, StatusCode::UNPROCESSABLE_ENTITY, &fields, errors).await
        }
        Err(error) => Err(error),
    }
}

async fn choose(cx: Cx, fields: Fields) -> Reply {
    let page = fields.text("page");
    require_page(&cx, page)?;
    let view = match fields.text("view") {
        "" => None,
        id => Some(exact_id(id).ok_or(AdminError::NotFound)?),
    };
    set_default(&cx, page, view).await?;
    let said =
        if view.is_some() { "The list begins with this view now." } else { "The list begins with all rows now." };
    cx.done(&next(&fields), Flash::success(said))
}

async fn ask_delete(cx: Cx, Path(id): Path<String>) -> Reply {
    let view = seen(&cx, exact_id(&id).ok_or(AdminError::NotFound)?).await?;
    if !view.mine {
        cx.require(SHARE)?;
    }
    let page =
        DeletePage { shell: cx.shell(format!("Delete the view “{}”", view.name)), view, next: next(cx.query()) };
    cx.page(&page)
}

async fn submit_delete(cx: Cx, Path(id): Path<String>, fields: Fields) -> Reply {
    delete(&cx, exact_id(&id).ok_or(AdminError::NotFound)?).await?;
    cx.done(&next(&fields), Flash::success("The view was deleted."))
}
