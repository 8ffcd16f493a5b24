//! The pages on which runs are operated.

#[expect(dead_code, reason = "pages that draw it follow")]
pub(crate) mod graph;
mod overview;

use axum::Router;
use axum::routing::get;

use crate::state::AdminState;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/", get(overview::show))
}
