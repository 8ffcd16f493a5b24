//! The outbox: what is queued, what workers have, what is dead.

mod item;
mod reaping;

use askama::Template;
use automate_core::ids::OutboxId;
use automate_core::limits;
use automate_core::status::OutboxStatus;
use automate_store::outbox::shown::{self, ItemsQuery, Place, QueueOf, ShownItem, Standing};
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};

use super::confirm::takes_only;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell, iso};
use crate::state::AdminState;

/// Rows of a page.
const ROWS: u64 = 50;
/// What the list shows, as addresses and people name it.
const STATES: &[(&str, &str, Standing)] = &[
    ("", "All", Standing::Any),
    ("waiting", "Waiting", Standing::Waiting),
    ("running", "In flight", Standing::InFlight),
    ("dead", "Dead letters", Standing::Dead),
    ("done", "Done and kept", Standing::Done),
];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/outbox/", get(list))
        .route("/admin/outbox/reap/", get(reaping::ask).post(reaping::reap))
        .route("/admin/outbox/{id}/", get(item::show))
        .route("/admin/outbox/{id}/requeue/", get(item::ask_requeue).post(item::requeue))
        .route("/admin/outbox/{id}/discard/", get(item::ask_discard).post(item::discard))
}

/// An item as a row of a table.
pub(super) struct ItemRow {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) key: String,
    /// The page of the execution that it is about; empty where it is about none.
    pub(super) execution: String,
    pub(super) state: &'static str,
    pub(super) attempts: String,
    pub(super) due: Option<DateTime<Utc>>,
    pub(super) owner: String,
    pub(super) since: Option<DateTime<Utc>>,
    pub(super) until: Option<DateTime<Utc>>,
    pub(super) code: String,
    pub(super) error: String,
    pub(super) updated: DateTime<Utc>,
}

impl ItemRow {
    pub(super) fn of(item: ShownItem, now: DateTime<Utc>) -> Self {
        let execution = item.execution().map(|id| format!("/admin/executions/{id}/")).unwrap_or_default();
        let waits = matches!(item.status, OutboxStatus::Pending | OutboxStatus::Retry);
        let running = item.status == OutboxStatus::Running;
        Self {
            id: item.id.to_string(),
            execution,
            state: state_word(&item, now),
            attempts: format!("{} of {}", item.attempt_count, item.max_attempts),
            due: waits.then_some(item.next_attempt_at),
            owner: item.lease_owner.unwrap_or_default(),
            since: running.then_some(item.updated_at),
            until: item.lease_expires_at,
            code: item.last_error_code.unwrap_or_default(),
            error: item.last_error.unwrap_or_default(),
            updated: item.updated_at,
            kind: item.kind,
            key: item.key,
        }
    }
}

/// The word of the sheet for where an item stands.
fn state_word(item: &ShownItem, now: DateTime<Utc>) -> &'static str {
    match item.status {
        OutboxStatus::Pending if item.next_attempt_at > now => "scheduled",
        OutboxStatus::Pending => "pending",
        OutboxStatus::Retry => "retry",
        OutboxStatus::Running => "running",
        OutboxStatus::Completed => "done",
        OutboxStatus::Failed => "dead",
    }
}

/// A number that is counted up to a bound.
pub(crate) fn counted(number: u64) -> String {
    if number >= limits::ADMIN_COUNTED { format!("{}k+", limits::ADMIN_COUNTED / 1_000) } else { number.to_string() }
}

/// A duration as people read it: `1m 04s`.
pub(super) fn lasted(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds().max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes:02}m"),
        _ => format!("{days}d {hours:02}h"),
    }
}

/// All kinds together.
pub(super) fn total<'q>(queues: impl Iterator<Item = &'q QueueOf>) -> QueueOf {
    queues.fold(QueueOf::default(), |sum, queue| QueueOf {
        ready: sum.ready + queue.ready,
        scheduled: sum.scheduled + queue.scheduled,
        running: sum.running + queue.running,
        stale: sum.stale + queue.stale,
        dead: sum.dead + queue.dead,
        oldest_ready: sum.oldest_ready.into_iter().chain(queue.oldest_ready).min(),
    })
}

/// A choice above or beside a list.
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) url: String,
    pub(super) current: bool,
}

#[derive(Template)]
#[template(path = "admin/outbox/list.html")]
struct OutboxPage {
    shell: Shell,
    ready: String,
    scheduled: String,
    running: String,
    stale: u64,
    dead: String,
    /// How long the oldest ready item has waited; empty where none does.
    oldest: String,
    states: Vec<Choice>,
    kinds: Vec<Choice>,
    rows: Vec<ItemRow>,
    filtered: bool,
    next: String,
    first: String,
    may_requeue: bool,
}

async fn list(cx: Cx) -> Reply {
    cx.require("outbox.view_item")?;
    takes_only(&cx, &["state", "kind", "after"])?;
    let (tenant, db, now) = (cx.tenant()?, cx.state().database(), cx.now());
    let (state, kind) = (cx.query().text("state").to_owned(), cx.query().text("kind").to_owned());
    let Some((_, _, standing)) = STATES.iter().find(|(name, ..)| *name == state) else {
        return Err(AdminError::Query("there is no such state".to_owned()));
    };
    let after = match cx.query().text("after") {
        "" => None,
        text => Some(read_place(text).ok_or_else(|| AdminError::Query("`after` is no place in this list".to_owned()))?),
    };
    let queues = shown::queues(db, tenant).await?;
    let query =
        ItemsQuery { standing: *standing, kind: Some(kind.clone()).filter(|k| !k.is_empty()), after, limit: ROWS };
    let (items, next) = shown::items(db, tenant, query).await?;

    let query = cx.query().without(&["after"]);
    let link = |name: &str, value: &str| {
        let fields = if value.is_empty() { query.without(&[name]) } else { query.with(name, value) };
        format!("/admin/outbox/{}", fields.to_query())
    };
    let states = STATES
        .iter()
        .map(|(name, label, _)| Choice {
            label: (*label).to_owned(),
            url: link("state", name),
            current: *name == state,
        })
        .collect();
    let all = std::iter::once(("All kinds".to_owned(), String::new()));
    let kinds = all.chain(queues.keys().map(|kind| (kind.clone(), kind.clone())));
    let kinds =
        kinds.map(|(label, value)| Choice { label, url: link("kind", &value), current: value == kind }).collect();
    let sum = total(queues.values());
    cx.page(&OutboxPage {
        shell: cx.shell("Outbox"),
        ready: counted(sum.ready),
        scheduled: counted(sum.scheduled),
        running: counted(sum.running),
        stale: sum.stale,
        dead: counted(sum.dead),
        oldest: sum.oldest_ready.map(|oldest| lasted(oldest, now)).unwrap_or_default(),
        states,
        kinds,
        rows: items.into_iter().map(|item| ItemRow::of(item, now)).collect(),
        filtered: !state.is_empty() || !kind.is_empty(),
        next: next.map(|place| format!("/admin/outbox/{}", after_of(&query, place))).unwrap_or_default(),
        first: if after.is_some() { format!("/admin/outbox/{}", query.to_query()) } else { String::new() },
        may_requeue: cx.can("outbox.requeue"),
    })
}

fn after_of(query: &Fields, place: Place) -> String {
    query.with("after", format!("{}~{}", iso(&place.at), place.id)).to_query()
}

fn read_place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('~')?;
    let at = DateTime::parse_from_rfc3339(at).ok()?.with_timezone(&Utc);
    Some(Place { at, id: OutboxId(automate_store::resource::exact_id(id)?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_never_seconds_only() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let told: Vec<String> = [0, 59, 64, 3_661, 90_000].iter().map(|s| lasted(at(0), at(*s))).collect();
        assert_eq!(told, ["0s", "59s", "1m 04s", "1h 01m", "1d 01h"]);
        assert_eq!(lasted(at(10), at(0)), "0s");
    }

    #[test]
    fn a_place_survives_its_address() {
        let place = Place {
            at: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap_or_default(),
            id: OutboxId::new(),
        };
        let query = after_of(&Fields::default(), place);
        let fields = Fields::parse(query.trim_start_matches('?').as_bytes()).unwrap_or_default();
        assert_eq!(read_place(fields.text("after")), Some(place));
        for bad in ["", "~", "2026-11-21T18:00:00Z", "x~y"] {
            assert_eq!(read_place(bad), None, "{bad}");
        }
    }
}
