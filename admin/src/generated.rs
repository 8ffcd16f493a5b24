//! The pages of every model.

mod actions;
mod autocomplete;
mod called;
mod conflict;
mod delete;
mod export;
mod fields;
mod form;
mod history;
mod import;
mod inlines;
mod list;
mod narrow;
mod runs;
mod save;
mod store;
mod trash;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::erased::AnyAdmin;
use crate::http::Fields;
use crate::spec::Spec;
use crate::state::AdminState;

pub(crate) use called::{called, sees_all};
pub(crate) use list::shown_time;
pub(crate) use narrow::{is_trashed, narrowed, row, trashed};
pub(crate) use runs::serve as serve_runs;
pub use store::{delete_row, save_row};

/// The admin whose page it is.
#[derive(Clone)]
pub(crate) struct Here(pub(crate) Arc<dyn AnyAdmin>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Here {
    type Rejection = http::StatusCode;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or(http::StatusCode::NOT_FOUND)
    }
}

/// The routes of a model's pages.
pub(crate) fn routes(spec: &Spec) -> Router<AdminState> {
    let url = spec.url();
    Router::new()
        .route(&url, get(list::show))
        .route(&format!("{url}edit/"), post(list::submit_edits))
        .route(&format!("{url}actions/"), post(actions::choose))
        .route(&format!("{url}runs/"), get(actions::list))
        .route(&format!("{url}runs/{{id}}/"), get(actions::show).post(actions::confirm))
        .route(&format!("{url}runs/{{id}}/cancel/"), post(actions::cancel))
        .route(&format!("{url}export/"), get(export::download))
        .route(&format!("{url}autocomplete/"), get(autocomplete::show))
        .merge(of_rows(spec))
}

/// The list of a model with the parameters that it had.
pub(crate) fn back_to_list(spec: &Spec, query: &str) -> String {
    let query = Fields::parse(query.trim_start_matches('?').as_bytes()).unwrap_or_default();
    format!("{}{}", spec.url(), list::or_all(&query))
}

/// A time in the zone of whoever looks, for templates.
pub(crate) fn local(prefs: &crate::http::Prefs, at: &chrono::DateTime<chrono::Utc>) -> String {
    prefs.time(*at)
}

/// The pages of single rows.
fn of_rows(spec: &Spec) -> Router<AdminState> {
    let at = |below: &str| format!("{}{below}", spec.url());
    Router::new()
        .route(&at("add/"), get(form::add).post(save::add))
        .route(&at("history/"), get(history::of_model))
        .route(&at("import/"), get(import::show).post(import::post))
        .route(&at("{id}/change/"), get(form::change).post(save::change))
        .route(&at("{id}/delete/"), get(delete::show).post(delete::run))
        .route(&at("{id}/restore/"), get(trash::show).post(trash::run))
        .route(&at("{id}/history/"), get(history::of_row))
}
