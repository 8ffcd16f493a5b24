//! `/admin/executions/`: executions are searched for, and things are done to many of them.

mod bulk;
mod newer;
mod report;

use askama::Template;
use automate_core::ids::v7_time;
use automate_store::overview::{self, Counts};
use automate_store::search::{self, FoundExecution, FoundPage, PageOf, Queued};
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, Utc};
use http::StatusCode;

use super::grammar::{self, Fault, KNOWN, Query};
use super::words;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::state::AdminState;
use crate::views::ViewBar;

/// The permission for looking at executions.
pub(super) const VIEW: &str = "executions.view_execution";
/// Rows of a page.
const ROWS: usize = 50;
/// The name of this list among those of which views are kept.
const PAGE: &str = "executions.execution-search";
/// Searches that come with the program.
const SHIPPED: &[(&str, &str)] = &[
    ("Failing now", "state:failed created:<24h"),
    ("Stuck", "is:stuck"),
    ("Slowest today", "created:today sort:slowest"),
    ("Waiting", "state:waiting"),
];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/executions/", get(show))
        .route("/admin/executions/live", get(newer::live))
        .route("/admin/executions/bulk/", get(bulk::ask).post(bulk::start))
        .route("/admin/executions/bulk/{id}/", get(report::show))
        .route("/admin/executions/bulk/{id}/live", get(report::live))
        .route("/admin/executions/bulk/{id}/cancel/", axum::routing::post(report::cancel))
}

/// A link of a group of which one is chosen.
pub(super) struct Choice {
    pub(super) label: String,
    pub(super) count: String,
    pub(super) url: String,
    pub(super) current: bool,
}

/// A row of the list.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) workflow: String,
    pub(super) version: i32,
    pub(super) status: &'static str,
    pub(super) code: String,
    pub(super) error: String,
    pub(super) trigger: String,
    pub(super) is_test: bool,
    pub(super) created_at: DateTime<Utc>,
    pub(super) took: String,
}

impl Row {
    pub(super) fn of(found: &FoundExecution, now: DateTime<Utc>) -> Self {
        let end = found.finished_at.or_else(|| (!found.status.is_terminal()).then_some(now));
        let (code, error) = found
            .error
            .as_ref()
            .map(|error| (error.code.clone(), words::shortened(&error.message, 120)))
            .unwrap_or_default();
        Self {
            id: found.id.to_string(),
            url: words::execution(found.id),
            workflow: found.workflow.clone(),
            version: found.version,
            status: found.status.as_str(),
            code,
            error,
            trigger: words::started_by(&found.trigger),
            is_test: words::is_test(&found.trigger, found.version),
            created_at: found.created_at,
            took: words::took(found.started_at.or(Some(found.created_at)), end),
        }
    }
}

#[derive(Template)]
#[template(path = "admin/executions/list.html")]
struct ListPage {
    shell: Shell,
    q: String,
    faults: Vec<(Fault, String)>,
    chips: Vec<(String, String)>,
    states: Vec<Choice>,
    shipped: Vec<Choice>,
    views: ViewBar,
    rows: Vec<Row>,
    /// What the search looked at, where that is not everything.
    bound: String,
    further: String,
    newer: String,
    older: String,
    operations: Vec<(&'static str, &'static str)>,
    known: &'static [(&'static str, &'static str)],
    is_search: bool,
    drawn: String,
}

fn checked(cx: &Cx, known: &[&str]) -> Result<(), AdminError> {
    match cx.query().pairs().iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(AdminError::Query(format!("there is no parameter `{name}`"))),
        None => Ok(()),
    }
}

fn place(cx: &Cx, name: &str) -> Result<Option<uuid::Uuid>, AdminError> {
    let wrong = || AdminError::Query(format!("`{name}` is not an id"));
    cx.query().get(name).map(|id| automate_store::resource::exact_id(id).ok_or_else(wrong)).transpose()
}

async fn show(cx: Cx) -> Reply {
    cx.require(VIEW)?;
    let tenant = cx.tenant()?;
    checked(&cx, &["q", "before", "after", "view"])?;
    let views = ViewBar::of(&cx, PAGE).await?;
    if let Some(to) = views.begins_with(&cx) {
        return cx.go(&to);
    }
    let q = cx.query().text("q").to_owned();
    let page = PageOf { before: place(&cx, "before")?, after: place(&cx, "after")?, limit: ROWS };
    let counts = overview::counts(cx.state().database(), tenant).await?;
    // Before anything is read: what the page may not show is not selected with all that it finds.
    let drawn = cx.now();
    let parsed = grammar::parse(&q, drawn, cx.prefs().zone);
    let (query, faults) = match parsed {
        Ok(query) => (query, Vec::new()),
        Err(faults) => (Query { text: q.clone(), ..Query::default() }, faults),
    };
    let found = if faults.is_empty() {
        search::executions(cx.state().database(), tenant, query.search.clone(), page).await?
    } else {
        FoundPage::default()
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    cx.page_with(status, &list_page(&cx, views, query, faults, counts, (found, page), drawn))
}

fn list_page(
    cx: &Cx,
    views: ViewBar,
    query: Query,
    faults: Vec<Fault>,
    counts: Counts,
    (found, page): (FoundPage, PageOf),
    drawn: DateTime<Utc>,
) -> ListPage {
    let at = |name: &str, id: &str| {
        let fields = Fields::of(vec![("q".to_owned(), query.text.clone()), (name.to_owned(), id.to_owned())]);
        let fields = if query.text.is_empty() { fields.without(&["q"]) } else { fields };
        format!("/admin/executions/{}", fields.to_query())
    };
    let (first, last) = (found.rows.first().map(|row| row.id), found.rows.last().map(|row| row.id));
    let slowest = query.search.slowest;
    let held = query.search.queued == Some(Queued::Held);
    // Going back there is always more: the rows that one came from.
    let behind = if page.after.is_some() { true } else { found.more };
    let before = if page.after.is_some() { found.more } else { page.before.is_some() };
    let (bound, further) = match found.looked_to {
        Some(id) => {
            let most = words::grouped(automate_core::limits::SEARCHED_EXECUTIONS);
            let asc = query.search.parent.or(query.search.replay_of).or(query.search.event).is_some();
            let text = if asc {
                format!("Looked at the {most} executions that were accepted after it.")
            } else {
                let when = v7_time(id).map(|at| format!(", back to {}", cx.prefs().time(at))).unwrap_or_default();
                format!("Looked at {most} executions{when}. There may be more in older ones.")
            };
            (text, if slowest || asc { String::new() } else { at("before", &id.to_string()) })
        }
        None => (String::new(), String::new()),
    };
    let states = [
        ("failed", Some(counts.failed)),
        ("waiting", Some(counts.waiting)),
        ("running", Some(counts.running)),
        ("pending", Some(counts.pending)),
        ("cancelled", Some(counts.cancelled)),
        ("completed", None),
    ];
    let states = states.map(|(state, count)| {
        let current = query.terms.iter().any(|term| term.text == format!("state:{state}"));
        let text = if current { query.with("state", "") } else { query.with("state", state) };
        Choice {
            label: state.to_owned(),
            count: count.map(words::capped).unwrap_or_default(),
            url: words::search(&text),
            current,
        }
    });
    let shipped = SHIPPED.iter().map(|(label, q)| Choice {
        label: (*label).to_owned(),
        count: match *label {
            "Failing now" => words::capped(counts.failing),
            "Stuck" => words::capped(counts.stuck),
            _ => String::new(),
        },
        url: words::search(q),
        current: query.text == *q,
    });
    let operations = bulk::offered(cx);
    let mut shell = cx.shell("Executions");
    if page.before.is_none() && page.after.is_none() && faults.is_empty() && !slowest {
        let seen = first.map(|id| id.to_string()).unwrap_or_default();
        let fields = Fields::of(vec![("q".to_owned(), query.text.clone()), ("seen".to_owned(), seen)]);
        shell = shell.live(format!("/admin/executions/live{}", fields.to_query()));
    }
    ListPage {
        shell: shell.refused(!faults.is_empty()),
        chips: query
            .terms
            .iter()
            .enumerate()
            .map(|(n, t)| (t.text.clone(), words::search(&query.without(n))))
            .collect(),
        faults: faults
            .into_iter()
            .map(|fault| {
                let url =
                    fault.instead.as_ref().map(|instead| words::search(&query.text.replacen(&fault.term, instead, 1)));
                (fault, url.unwrap_or_default())
            })
            .collect(),
        states: states.into(),
        shipped: shipped.collect(),
        views,
        rows: found.rows.iter().map(|row| held_runs(Row::of(row, drawn), held)).collect(),
        bound,
        further,
        newer: first.filter(|_| before && !slowest).map(|id| at("after", &id.to_string())).unwrap_or_default(),
        older: last.filter(|_| behind && !slowest).map(|id| at("before", &id.to_string())).unwrap_or_default(),
        operations,
        known: KNOWN,
        is_search: !query.text.is_empty(),
        drawn: crate::http::iso(&drawn),
        q: query.text,
    }
}

/// What a worker holds runs, although its row may still say what it was before.
fn held_runs(row: Row, held: bool) -> Row {
    if held && row.status == "pending" { Row { status: "running", ..row } } else { row }
}
