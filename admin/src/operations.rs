//! The pages on which runs are operated.

mod overview;

use axum::Router;
use axum::routing::get;

use crate::state::AdminState;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/", get(overview::show))
}
