//! `/admin/`: what needs somebody, and how things go.

mod lines;

use askama::Template;
use automate_store::overview::{BusyWorker, FailureGroup, Overview, overview};
use chrono::{DateTime, Utc};

use self::lines::Line;
use super::executions::VIEW;
use super::words;
use crate::http::{Cx, Reply, Shell};

/// Groups of failures that are shown.
const GROUPS: usize = 10;

/// A number that leads to what it counts.
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    url: String,
    tone: &'static str,
}

struct Failure {
    url: String,
    newest_url: String,
    newest: String,
    group: FailureGroup,
}

#[derive(Template)]
#[template(path = "admin/overview.html")]
struct OverviewPage {
    shell: Shell,
    /// Whether there is anything for whoever asks.
    allowed: bool,
    at: DateTime<Utc>,
    tiles: Vec<Tile>,
    lines: Vec<Line>,
    failures: Vec<Failure>,
    more_failures: usize,
    workers: Vec<BusyWorker>,
    quiet: bool,
}

pub(super) async fn show(cx: Cx) -> Reply {
    let shell = cx.shell("Overview");
    let Some(tenant) = cx.principal().tenant.filter(|_| cx.can(VIEW)) else {
        return cx.page(&OverviewPage {
            shell,
            allowed: false,
            at: cx.now(),
            tiles: Vec::new(),
            lines: Vec::new(),
            failures: Vec::new(),
            more_failures: 0,
            workers: Vec::new(),
            quiet: false,
        });
    };
    let Overview { at, counts, oldest_due, minutes, failures, workers } =
        overview(cx.state().database(), tenant).await?;
    let quiet = counts.failing == 0 && counts.stuck == 0 && counts.dead == 0;
    let tile = |label, n: u64, tone, note: String, q: &str| Tile {
        label,
        value: words::capped(n),
        note,
        url: words::search(q),
        tone: if n > 0 { tone } else { "" },
    };
    let none = |n: u64, none: &str, some: &str| if n == 0 { none.to_owned() } else { some.to_owned() };
    let age = oldest_due.map(|since| format!("the oldest for {}", words::duration(at - since)));
    let tiles = vec![
        tile(
            "Failing",
            counts.failing,
            "bad",
            none(counts.failing, "none in the last 24 h", "failed in the last 24 h"),
            "state:failed created:<24h",
        ),
        tile(
            "Stuck",
            counts.stuck,
            "bad",
            none(counts.stuck, "nothing is late", "no worker has been heard of, or due for 5 min"),
            "is:stuck",
        ),
        tile(
            "Dead letters",
            counts.dead,
            "bad",
            none(counts.dead, "none", "set aside; somebody has to decide"),
            "is:dead",
        ),
        tile("Due", counts.due, "", age.unwrap_or_else(|| "nothing waits for a worker".to_owned()), "state:pending"),
        tile("Running", counts.running, "", "held by workers now".to_owned(), "state:running"),
        tile("Waiting", counts.waiting, "", "for a time, a signal or a person".to_owned(), "state:waiting"),
    ];
    let more_failures = failures.len().saturating_sub(GROUPS);
    let failures = failures.into_iter().take(GROUPS).map(|group| {
        let mut q = format!("state:failed workflow:{} created:<24h", words::quoted(&group.workflow));
        if !group.code.is_empty() {
            q.push_str(&format!(" error:{}", words::quoted(&group.code)));
        }
        Failure {
            url: words::search(&q),
            newest_url: words::execution(group.newest),
            newest: group.newest.to_string(),
            group,
        }
    });
    let lines = lines::of(&minutes);
    cx.page(&OverviewPage {
        shell,
        allowed: true,
        at,
        tiles,
        lines,
        failures: failures.collect(),
        more_failures,
        workers,
        quiet,
    })
}
