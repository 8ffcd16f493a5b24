//! The processes of the installation: what each is, whether it lives, and what of the tenant's it holds.

use std::collections::BTreeMap;

use askama::Template;
use automate_store::outbox::processes::{self, Process};
use automate_store::outbox::shown::{self, ItemsQuery, Standing};
use chrono::{DateTime, Utc};

use super::silence;
use crate::http::{Cx, Reply, Shell};
use crate::operations::confirm::takes_only;
use crate::operations::outbox::{ItemRow, total};
use crate::operations::words::many;

/// Leases that the page of workers shows.
const LEASES: u64 = 200;
/// Characters of the last part of a worker's name, which tells its starts apart.
const START_CHARS: usize = 32;

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

/// A process that has said that it lives.
struct ProcessRow {
    owner: String,
    host: String,
    pid: String,
    role: String,
    version: String,
    /// The word for its state, and the style of it.
    state: &'static str,
    style: &'static str,
    gone: bool,
    takes: String,
    slots: String,
    /// Items of the tenant that it holds.
    holds: String,
    since: DateTime<Utc>,
    beat: DateTime<Utc>,
}

/// `(word, style)` of a process, where it holds so many items of the tenant.
fn state_of(process: &Process, holds: usize) -> (&'static str, &'static str) {
    match () {
        () if process.gone => ("gone", "failed"),
        () if process.beat.draining => ("stopping", "waiting"),
        () if process.beat.concurrency == 0 => ("accepts only", "enabled"),
        () if process.beat.running > 0 || holds > 0 => ("working", "running"),
        () => ("idle", "active"),
    }
}

impl ProcessRow {
    fn of(process: Process, holds: usize) -> Self {
        let (state, style) = state_of(&process, holds);
        let (host, pid) = place_of(&process.beat.owner);
        let beat = process.beat;
        Self {
            host,
            pid,
            state,
            style,
            gone: process.gone,
            takes: match beat.queues.join(", ") {
                _ if beat.concurrency == 0 => "nothing".to_owned(),
                all if all.is_empty() => "all kinds".to_owned(),
                some => some,
            },
            slots: if beat.concurrency == 0 {
                String::new()
            } else {
                format!("{} of {}", beat.running, beat.concurrency)
            },
            holds: if holds == 0 { String::new() } else { many(holds, "item") },
            since: process.started_at,
            beat: process.beat_at,
            owner: beat.owner,
            role: beat.role,
            version: beat.version,
        }
    }
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
    processes: Vec<ProcessRow>,
    rows: Vec<WorkerRow>,
    cut: bool,
    may_requeue: bool,
}

pub(super) async fn show(cx: Cx) -> Reply {
    cx.require("outbox.view_item")?;
    takes_only(&cx, &[])?;
    let (db, tenant, now) = (cx.state().database(), cx.tenant()?, cx.now());
    let query = ItemsQuery { standing: Standing::InFlight, kind: None, after: None, limit: LEASES };
    let (items, next) = shown::items(db, tenant, query).await?;
    let queues = shown::queues(db, tenant).await?;
    let known = processes::list(db).await?;
    let silence = silence(&cx, &total(queues.values()), &known).await?;
    let mut by_owner: BTreeMap<String, Vec<ItemRow>> = BTreeMap::new();
    for item in items {
        let row = ItemRow::of(item, now);
        by_owner.entry(row.owner.clone()).or_default().push(row);
    }
    let process = |process: Process| {
        let holds = by_owner.get(&process.beat.owner).map_or(0, Vec::len);
        ProcessRow::of(process, holds)
    };
    let processes = known.into_iter().map(process).collect();
    let row = |(owner, work): (String, Vec<ItemRow>)| {
        let until = work.iter().filter_map(|row| row.until).min()?;
        let oldest = work.iter().filter_map(|row| row.since).min()?;
        let (host, pid) = place_of(&owner);
        Some(WorkerRow { owner, host, pid, until, lost: until < now, oldest, work })
    };
    cx.page(&WorkersPage {
        shell: cx.shell("Workers"),
        silence,
        processes,
        rows: by_owner.into_iter().filter_map(row).collect(),
        cut: next.is_some(),
        may_requeue: cx.can("outbox.requeue"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(concurrency: usize, running: usize, draining: bool, gone: bool) -> Process {
        let beat = processes::Beat {
            owner: "web-1-4711-0190a5b27c3d7e4f8a9b0c1d2e3f4a5b".to_owned(),
            role: "worker".to_owned(),
            version: "1".to_owned(),
            queues: vec!["execution".to_owned(), "mail".to_owned()],
            concurrency,
            running,
            draining,
        };
        Process { beat, started_at: DateTime::UNIX_EPOCH, beat_at: DateTime::UNIX_EPOCH, gone }
    }

    #[test]
    fn a_process_is_idle_or_works_or_stops_or_is_gone() {
        let word = |process: Process, holds| state_of(&process, holds).0;
        assert_eq!(word(process(4, 0, false, false), 0), "idle");
        assert_eq!(word(process(4, 1, false, false), 0), "working", "for another tenant");
        assert_eq!(word(process(4, 0, false, false), 2), "working", "since the last beat");
        assert_eq!(word(process(4, 1, true, false), 1), "stopping");
        assert_eq!(word(process(0, 0, false, false), 0), "accepts only");
        assert_eq!(word(process(4, 1, true, true), 1), "gone");
        let row = ProcessRow::of(process(4, 1, false, false), 1);
        assert_eq!(
            [row.host, row.pid, row.takes, row.slots, row.holds],
            ["web-1", "4711", "execution, mail", "1 of 4", "1 item"]
        );
    }

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
