//! The pages on which runs are operated.

mod editor;
pub(crate) mod graph;
mod overview;
mod test_run;
mod versions;
mod workflow;
mod workflows;

use axum::Router;
use axum::routing::get;

use crate::state::AdminState;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/", get(overview::show)).merge(workflows::routes())
}
