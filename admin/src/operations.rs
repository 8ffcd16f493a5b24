//! The pages on which runs are operated.

mod confirm;
mod dead;
mod outbox;
mod overview;
mod queues;
mod webhooks;

use axum::Router;
use axum::routing::get;

use crate::state::AdminState;

/// The routes of these pages.
pub(crate) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/", get(overview::show))
        .merge(dead::routes())
        .merge(outbox::routes())
        .merge(queues::routes())
        .merge(webhooks::routes())
}
