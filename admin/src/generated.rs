//! The pages of every model.

mod list;
mod narrow;
mod store;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::erased::AnyAdmin;
use crate::spec::Spec;
use crate::state::AdminState;

#[expect(unused_imports, reason = "pages of models use them")]
pub(crate) use narrow::{is_trashed, narrowed, row, trashed};
pub(crate) use store::{delete_row, save_row};

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
    Router::new().route(&url, get(list::show))
}
