//! The open tab: the table of steps, logs, events, audit entries.

use std::collections::BTreeMap;

use askama::Template;
use automate_core::status::StepStatus;
use automate_store::follow::FollowedStep;
use automate_store::models::audit::AUDIT;
use automate_store::resource::{Comparison, ListQuery, exact_id};
use automate_store::search::{self, NotedLine, NotedQuery};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::super::{timeline, words};
use super::events::{Event, events};
use super::{Loaded, io, picture};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Shell};

/// Steps of a page: with the timeline above, a page stays well below 250 kB.
const STEPS: usize = 50;
/// Log lines of a page.
const LINES: usize = 200;
/// Events that are shown.
const EVENTS: usize = 500;
/// Entries of the audit log that are shown.
const ENTRIES: u64 = 50;
/// Characters of a line that are shown; the rest can be copied from the API.
const LINE_CHARS: usize = 2_000;

/// The open tab, rendered. That of the steps is one of the parts that are kept fresh.
pub(super) async fn body(cx: &Cx, shell: &Shell, loaded: &Loaded, tab: &str) -> Result<String, AdminError> {
    let may = super::TABS.iter().find(|(name, ..)| *name == tab);
    if let Some((_, label, permission)) = may
        && !cx.can(permission)
    {
        return Ok(Refused { label, permission }.render()?);
    }
    match tab {
        "graph" => picture::tab(cx, loaded).await,
        "io" => io::tab(cx, shell, loaded).await,
        "logs" => logs(cx, shell, loaded).await,
        "events" => happened(cx, shell, loaded).await,
        "audit" => audit(cx, shell, loaded).await,
        _ => Ok(String::new()),
    }
}

#[derive(Template)]
#[template(path = "admin/execution/refused.html")]
struct Refused<'a> {
    label: &'a str,
    permission: &'a str,
}

/// A link with a count.
pub(super) struct Choice {
    label: String,
    count: usize,
    url: String,
    current: bool,
}

/// A step in the table.
struct StepRow<'a> {
    anchor: String,
    step: &'a FollowedStep,
    status: &'static str,
    took: String,
    code: String,
    message: String,
    io_url: String,
    logs_url: String,
    rerun_url: String,
}

#[derive(Template)]
#[template(path = "admin/execution/steps.html")]
pub(super) struct StepsTable<'a> {
    shell: &'a Shell,
    rows: Vec<StepRow<'a>>,
    states: Vec<Choice>,
    chosen: String,
    clear_url: String,
    total: usize,
    first: usize,
    previous: String,
    next: String,
    payload: bool,
}

/// The address of the page with other parameters.
fn at(loaded: &Loaded, pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    let fields = Fields::of(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    format!("{}{}#tabs", words::execution(loaded.id), fields.to_query())
}

/// Where a step is shown, from the execution's own page: pictures have hundreds of such addresses.
pub(super) fn of_step(path: &str) -> String {
    format!("{}#tabs", Fields::of(vec![("step".to_owned(), path.to_owned())]).to_query())
}

impl<'a> StepsTable<'a> {
    pub(super) fn of(cx: &Cx, shell: &'a Shell, loaded: &'a Loaded) -> Result<Self, AdminError> {
        let query = cx.query();
        let (state, chosen) = (query.text("state").to_owned(), query.text("step").to_owned());
        if !state.is_empty() && state.parse::<StepStatus>().is_err() {
            return Err(AdminError::Query(format!("there is no state `{state}` of steps")));
        }
        let page: usize = match query.text("page") {
            "" => 1,
            page => page
                .parse()
                .ok()
                .filter(|page| (1..=1_000).contains(page))
                .ok_or_else(|| AdminError::Query("`page` is a number from 1".to_owned()))?,
        };
        let is_chosen =
            |step: &&FollowedStep| chosen.is_empty() || step.path == chosen || timeline::kind_of(&step.path) == chosen;
        let of_step: Vec<&FollowedStep> = loaded.followed.steps.iter().filter(is_chosen).collect();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for step in &of_step {
            *counts.entry(step.status.as_str()).or_default() += 1;
        }
        let shown: Vec<&FollowedStep> =
            of_step.iter().copied().filter(|step| state.is_empty() || step.status.as_str() == state).collect();
        let link = |state: &str, page: usize| {
            let page = if page > 1 { page.to_string() } else { String::new() };
            at(loaded, &[("state", state), ("step", &chosen), ("page", &page)])
        };
        let mut states =
            vec![Choice { label: "all".to_owned(), count: of_step.len(), url: link("", 1), current: state.is_empty() }];
        states.extend(counts.iter().map(|(word, count)| Choice {
            label: (*word).to_owned(),
            count: *count,
            url: link(word, 1),
            current: state == *word,
        }));
        let first = (page - 1) * STEPS;
        let rerun = loaded.execution.status.is_terminal() && cx.can("execution.replay");
        let rows = shown.iter().skip(first).take(STEPS).map(|step| {
            let text = |name: &str| step.error.as_ref().and_then(|error| error[name].as_str()).unwrap_or_default();
            let from = Fields::of(vec![("from".to_owned(), step.path.clone())]).to_query();
            StepRow {
                anchor: format!("step-{}", step.path),
                status: step.status.as_str(),
                took: words::took(step.started_at, step.finished_at),
                code: text("code").to_owned(),
                message: words::shortened(text("message"), 160),
                io_url: at(loaded, &[("tab", "io"), ("step", &step.path)]),
                logs_url: at(loaded, &[("tab", "logs"), ("step", &step.path)]),
                rerun_url: if rerun { format!("{}replay/{from}", words::execution(loaded.id)) } else { String::new() },
                step,
            }
        });
        Ok(Self {
            shell,
            rows: rows.collect(),
            states,
            clear_url: at(loaded, &[("state", &state)]),
            total: shown.len(),
            first,
            previous: if page > 1 { link(&state, page - 1) } else { String::new() },
            next: if shown.len() > first + STEPS { link(&state, page + 1) } else { String::new() },
            payload: cx.can(super::PAYLOAD),
            chosen,
        })
    }
}

#[derive(Template)]
#[template(path = "admin/execution/logs.html")]
struct Logs<'a> {
    shell: &'a Shell,
    lines: Vec<NotedLine>,
    levels: Vec<Choice>,
    level: String,
    step: String,
    text: String,
    next: String,
    filtered: bool,
    here: String,
}

const LEVELS: &[&str] = &["debug", "info", "warn", "error"];

async fn logs(cx: &Cx, shell: &Shell, loaded: &Loaded) -> Result<String, AdminError> {
    let query = cx.query();
    let (level, step, text) = (query.text("level"), query.text("step"), query.text("text"));
    let from = match level {
        "" => 0,
        level => LEVELS
            .iter()
            .position(|word| *word == level)
            .ok_or_else(|| AdminError::Query(format!("there is no level `{level}`")))?,
    };
    let after = match query.get("after") {
        None => None,
        Some(id) => Some(exact_id(id).ok_or_else(|| AdminError::Query("`after` is not an id".to_owned()))?),
    };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let wanted = NotedQuery {
        // A level means itself and what is louder.
        levels: if from == 0 { Vec::new() } else { LEVELS.iter().skip(from).map(|word| (*word).to_owned()).collect() },
        path: some(step),
        text: some(text),
        after,
        limit: LINES,
    };
    let mut noted = search::logs(cx.state().database(), cx.tenant()?, loaded.id, wanted).await?;
    for line in &mut noted.lines {
        line.message = words::shortened(&line.message, LINE_CHARS);
    }
    let link = |level: &str, after: &str| {
        at(loaded, &[("tab", "logs"), ("level", level), ("step", step), ("text", text), ("after", after)])
    };
    let levels = LEVELS.iter().map(|word| Choice {
        label: (*word).to_owned(),
        count: 0,
        url: link(if *word == "debug" { "" } else { word }, ""),
        current: *word == level || (*word == "debug" && level.is_empty()),
    });
    let last = noted.lines.last().filter(|_| noted.more).map(|line| link(level, &line.id.to_string()));
    let logs = Logs {
        shell,
        levels: levels.collect(),
        level: level.to_owned(),
        step: step.to_owned(),
        text: text.to_owned(),
        next: last.unwrap_or_default(),
        filtered: from > 0 || !step.is_empty() || !text.is_empty() || after.is_some(),
        here: words::execution(loaded.id),
        lines: noted.lines,
    };
    Ok(logs.render()?)
}

#[derive(Template)]
#[template(path = "admin/execution/events.html")]
struct Events<'a> {
    shell: &'a Shell,
    events: Vec<Event>,
    left_out: usize,
    execution: &'a search::FoundExecution,
    same_event: String,
}

async fn happened(cx: &Cx, shell: &Shell, loaded: &Loaded) -> Result<String, AdminError> {
    let signals = cx.state().engine().signals(cx.tenant()?, loaded.id).await.map_err(super::refused)?;
    let mut all = events(&loaded.execution, &loaded.followed, &signals);
    let left_out = all.len().saturating_sub(EVENTS);
    all.drain(..left_out);
    let same_event = loaded.execution.event_id.map(|id| words::search(&format!("event:{id}"))).unwrap_or_default();
    let events = Events { shell, events: all, left_out, execution: &loaded.execution, same_event };
    Ok(events.render()?)
}

struct Entry {
    at: Option<DateTime<Utc>>,
    actor: String,
    action: String,
    outcome: String,
    changes: String,
}

#[derive(Template)]
#[template(path = "admin/execution/audit.html")]
struct Audit<'a> {
    shell: &'a Shell,
    entries: Vec<Entry>,
    more: bool,
}

async fn audit(cx: &Cx, shell: &Shell, loaded: &Loaded) -> Result<String, AdminError> {
    let query = ListQuery { limit: ENTRIES, ..ListQuery::default() };
    let query = query.filter("object_type", Comparison::Equal, vec![json!("execution")]).filter(
        "object_id",
        Comparison::Equal,
        vec![json!(loaded.id.to_string())],
    );
    let query = ListQuery { fields: vec!["at", "actor", "action", "outcome", "changes"], ..query };
    let page = cx.state().resources().list(&AUDIT, &cx.writer(), &query).await?;
    let entry = |row: &Map<String, Value>| {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let changes = row.get("changes").filter(|changes| !changes.is_null() && **changes != json!({}));
        Entry {
            at: text("at").parse().ok(),
            actor: text("actor"),
            action: text("action"),
            outcome: text("outcome"),
            changes: changes.map(|changes| words::shortened(&changes.to_string(), 400)).unwrap_or_default(),
        }
    };
    let entries = page.results.iter().map(entry).collect();
    Ok(Audit { shell, entries, more: page.next.is_some() }.render()?)
}
