//! The pages of every model.

mod conflict;
mod delete;
mod fields;
mod form;
mod history;
mod inlines;
mod list;
mod narrow;
mod save;
mod store;
mod trash;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::erased::AnyAdmin;
use crate::spec::Spec;
use crate::state::AdminState;

pub(crate) use narrow::{is_trashed, narrowed, row};
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
    Router::new().route(&url, get(list::show)).merge(of_rows(spec))
}

/// The pages of single rows.
fn of_rows(spec: &Spec) -> Router<AdminState> {
    let at = |below: &str| format!("{}{below}", spec.url());
    Router::new()
        .route(&at("add/"), get(form::add).post(save::add))
        .route(&at("history/"), get(history::of_model))
        .route(&at("{id}/change/"), get(form::change).post(save::change))
        .route(&at("{id}/delete/"), get(delete::show).post(delete::run))
        .route(&at("{id}/restore/"), get(trash::show).post(trash::run))
        .route(&at("{id}/history/"), get(history::of_row))
}
