//! The pages on which runs are operated.

mod confirm;
mod dead;
mod editor;
mod execution;
mod executions;
mod grammar;
pub(crate) mod graph;
mod live;
mod once;
mod outbox;
mod overview;
mod queues;
mod test_run;
mod timeline;
mod versions;
mod webhooks;
pub(crate) mod words;
mod workflow;
mod workflows;

use axum::Router;
use axum::routing::get;

use crate::state::AdminState;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/", get(overview::show))
        .merge(dead::routes())
        .merge(execution::routes())
        .merge(executions::routes())
        .merge(outbox::routes())
        .merge(queues::routes())
        .merge(webhooks::routes())
        .merge(workflows::routes())
}
