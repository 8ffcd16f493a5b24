//! Queues by the kind of work, and the workers that hold some.

use std::collections::BTreeMap;

use askama::Template;
use automate_store::outbox::shown::{self, ItemsQuery, QueueOf, Standing};
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};

use super::confirm::takes_only;
use super::outbox::{ItemRow, counted, lasted, total};
use super::words::are;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

/// Leases that the page of workers shows.
const LEASES: u64 = 200;
/// How long ready work lies there before nobody can be said to look after it: workers look at least
/// every few seconds.
const SILENCE: TimeDelta = TimeDelta::seconds(30);
/// Characters of the last part of a worker's name, which tells its starts apart.
const START_CHARS: usize = 32;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/queues/", get(queues)).route("/admin/workers/", get(workers))
}

/// What to say where work waits and no worker gives a sign of life; empty otherwise.
async fn silence(cx: &Cx, sum: &QueueOf) -> Result<String, AdminError> {
    let Some(oldest) = sum.oldest_ready.filter(|oldest| cx.now() - *oldest > SILENCE) else { return Ok(String::new()) };
    if shown::somebody_works(cx.state().database()).await? {
        return Ok(String::new());
    }
    Ok(format!(
        "No worker is at work, and {} ready, the oldest for {}. Start one: `automate worker`, or `automate \
         serve`, which has one inside.",
        are(counted(sum.ready), "item"),
        lasted(oldest, cx.now())
    ))
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
    let silence = silence(&cx, &total(queues.values())).await?;
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

/// Where a worker runs, from the name under which it holds leases: `(host, process id)`. A name of
/// another make is a host alone.
fn place_of(owner: &str) -> (String, String) {
    let parts = owner.rsplit_once('-').and_then(|(rest, start)| {
        let (host, pid) = rest.rsplit_once('-')?;
        let is_ours = start.len() == START_CHARS && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
        is_ours.then(|| (host.to_owned(), pid.to_owned()))
    });
    parts.unwrap_or_else(|| (owner.to_owned(), String::new()))
}

struct WorkerRow {
    owner: String,
    host: String,
    pid: String,
    /// The ends of its leases: the next, and whether it has passed.
    until: DateTime<Utc>,
    lost: bool,
    oldest: DateTime<Utc>,
    work: Vec<ItemRow>,
}

#[derive(Template)]
#[template(path = "admin/queues/workers.html")]
struct WorkersPage {
    shell: Shell,
    silence: String,
    rows: Vec<WorkerRow>,
    cut: bool,
    may_requeue: bool,
}

async fn workers(cx: Cx) -> Reply {
    cx.require("outbox.view_item")?;
    takes_only(&cx, &[])?;
    let (db, tenant, now) = (cx.state().database(), cx.tenant()?, cx.now());
    let query = ItemsQuery { standing: Standing::InFlight, kind: None, after: None, limit: LEASES };
    let (items, next) = shown::items(db, tenant, query).await?;
    let queues = shown::queues(db, tenant).await?;
    let silence = silence(&cx, &total(queues.values())).await?;
    let mut by_owner: BTreeMap<String, Vec<ItemRow>> = BTreeMap::new();
    for item in items {
        let row = ItemRow::of(item, now);
        by_owner.entry(row.owner.clone()).or_default().push(row);
    }
    let row = |(owner, work): (String, Vec<ItemRow>)| {
        let until = work.iter().filter_map(|row| row.until).min()?;
        let oldest = work.iter().filter_map(|row| row.since).min()?;
        let (host, pid) = place_of(&owner);
        Some(WorkerRow { owner, host, pid, until, lost: until < now, oldest, work })
    };
    cx.page(&WorkersPage {
        shell: cx.shell("Workers"),
        silence,
        rows: by_owner.into_iter().filter_map(row).collect(),
        cut: next.is_some(),
        may_requeue: cx.can("outbox.requeue"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_worker_says_where_it_runs() {
        let told = |owner: &str| place_of(owner);
        let of = |host: &str, pid: &str| (host.to_owned(), pid.to_owned());
        assert_eq!(told("web-1-4711-0190a5b27c3d7e4f8a9b0c1d2e3f4a5b"), of("web-1", "4711"));
        assert_eq!(told("embedder"), of("embedder", ""));
        assert_eq!(told("a-b-c"), of("a-b-c", ""));
        assert_eq!(told(""), of("", ""));
    }
}
