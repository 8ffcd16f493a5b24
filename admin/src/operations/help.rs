//! Help: keys, what states mean, where the documentation is.

use askama::Template;
use axum::Router;
use axum::routing::get;

use super::confirm::takes_only;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

/// A state, and what it means.
type Meaning = (&'static str, &'static str);

/// Where executions and steps stand.
const RUNS: &[Meaning] = &[
    ("pending", "accepted, and waiting for a worker"),
    ("running", "a worker has it"),
    ("waiting", "waits for a time, a signal or a retry, and holds no worker"),
    ("completed", "ended well"),
    ("failed", "ended badly; its failing step says why"),
    ("cancelled", "ended because somebody wanted it"),
    ("skipped", "a step whose condition did not hold"),
    ("outcome_unknown", "a step that may have had its effect when the worker died; somebody decides"),
];

/// Where items of the outbox stand.
const ITEMS: &[Meaning] = &[
    ("pending", "ready to be taken"),
    ("scheduled", "not before its time"),
    ("retry", "failed, and will be tried again"),
    ("running", "a worker has it under a lease"),
    ("done", "done, and kept because the outbox keeps done work"),
    ("dead", "a dead letter: kept until somebody requeues or discards it"),
];

/// What became of requests to webhooks.
const REQUESTS: &[Meaning] = &[
    ("ok", "its signature was right, and it was taken"),
    ("duplicate", "was delivered before; nothing was started"),
    ("error", "has the id of an earlier delivery and another body; nothing was started"),
    ("refused", "was not signed as it must be, or could not be read"),
];

#[derive(Template)]
#[template(path = "admin/help/page.html")]
struct HelpPage {
    shell: Shell,
    glossary: [(&'static str, &'static [Meaning]); 3],
    version: &'static str,
}

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/help/", get(show))
}

async fn show(cx: Cx) -> Reply {
    takes_only(&cx, &[])?;
    cx.page(&HelpPage {
        shell: cx.shell("Help"),
        glossary: [("Executions and steps", RUNS), ("Items of the outbox", ITEMS), ("Requests to webhooks", REQUESTS)],
        version: env!("CARGO_PKG_VERSION"),
    })
}
