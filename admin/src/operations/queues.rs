//! Queues by the kind of work, and the processes that take it.

mod workers;

use askama::Template;
use automate_store::outbox::processes::{self, Process};
use automate_store::outbox::shown::{self, QueueOf};
use axum::Router;
use axum::routing::get;
use chrono::TimeDelta;

use super::confirm::takes_only;
use super::outbox::{counted, lasted, total};
use super::words::are;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

/// How long ready work lies there before nobody can be said to look after it: workers look at least
/// every few seconds.
const SILENCE: TimeDelta = TimeDelta::seconds(30);

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/queues/", get(queues)).route("/admin/workers/", get(workers::show))
}

/// What to say where work waits and no worker takes it; empty otherwise.
async fn silence(cx: &Cx, sum: &QueueOf, known: &[Process]) -> Result<String, AdminError> {
    let Some(oldest) = sum.oldest_ready.filter(|oldest| cx.now() - *oldest > SILENCE) else { return Ok(String::new()) };
    if shown::somebody_works(cx.state().database()).await? {
        return Ok(String::new());
    }
    let waits = format!("{} ready, the oldest for {}", are(counted(sum.ready), "item"), lasted(oldest, cx.now()));
    let idle = known.iter().filter(|process| !process.gone && process.beat.concurrency > 0).count();
    Ok(match idle {
        0 => format!(
            "No worker is at work, and {waits}. Start one: `automate worker`, or `automate serve`, which has one inside."
        ),
        idle => format!(
            "{waits}, and no worker takes it: {} idle. Look at what they take (`worker.queues`), and at their logs.",
            are(idle, "worker")
        ),
    })
}

struct QueueRow {
    kind: String,
    ready: String,
    scheduled: String,
    running: String,
    stale: u64,
    dead: String,
    oldest: String,
}

#[derive(Template)]
#[template(path = "admin/queues/queues.html")]
struct QueuesPage {
    shell: Shell,
    silence: String,
    rows: Vec<QueueRow>,
}

async fn queues(cx: Cx) -> Reply {
    cx.require("outbox.view_item")?;
    takes_only(&cx, &[])?;
    let queues = shown::queues(cx.state().database(), cx.tenant()?).await?;
    let known = processes::list(cx.state().database()).await?;
    let silence = silence(&cx, &total(queues.values()), &known).await?;
    let now = cx.now();
    let row = |(kind, queue): (String, QueueOf)| QueueRow {
        kind,
        ready: counted(queue.ready),
        scheduled: counted(queue.scheduled),
        running: counted(queue.running),
        stale: queue.stale,
        dead: counted(queue.dead),
        oldest: queue.oldest_ready.map(|oldest| lasted(oldest, now)).unwrap_or_default(),
    };
    cx.page(&QueuesPage { shell: cx.shell("Queues"), silence, rows: queues.into_iter().map(row).collect() })
}
