//! The pages on which runs are operated.

mod execution;
mod executions;
mod grammar;
#[expect(dead_code, reason = "pages that draw it follow")]
pub(crate) mod graph;
mod live;
mod once;
mod overview;
mod timeline;
pub(crate) mod words;

use axum::Router;
use axum::routing::get;

use crate::state::AdminState;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/", get(overview::show)).merge(executions::routes()).merge(execution::routes())
}
