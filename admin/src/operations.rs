//! The pages on which runs are operated.

mod audit;
pub(crate) mod confirm;
mod connections;
mod connectors;
mod dead;
mod editor;
mod execution;
mod executions;
mod grammar;
pub(crate) mod graph;
mod help;
mod live;
mod once;
mod outbox;
mod overview;
mod palette;
mod policies;
mod providers;
mod queues;
mod referring;
mod secrets;
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

pub(crate) use outbox::counted;

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
        .merge(connectors::routes())
        .merge(connections::routes())
        .merge(providers::routes())
        .merge(policies::routes())
        .merge(secrets::routes())
        .merge(audit::routes())
        .merge(palette::routes())
        .merge(help::routes())
        .merge(workflows::routes())
}
