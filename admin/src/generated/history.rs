//! What was done to rows, as the audit log tells it.

use askama::Template;
use automate_store::models::audit::AUDIT;
use automate_store::resource::{Comparison, ListQuery, Ordering, exact_id};
use axum::extract::Path;
use serde_json::{Map, Value};

use super::form::{allowed, title};
use super::{Here, row};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::spec::{Spec, Verb};

/// Entries of a page.
const ENTRIES: u64 = 50;

/// One field of a change.
#[derive(Debug)]
struct Change {
    label: String,
    from: String,
    to: String,
}

#[derive(Debug)]
struct Entry {
    at: String,
    shown_at: String,
    actor: String,
    action: String,
    outcome: String,
    object: String,
    url: String,
    changes: Vec<Change>,
    /// What is no change of fields.
    facts: String,
}

#[derive(Template)]
#[template(path = "admin/model/history.html")]
struct HistoryPage {
    shell: Shell,
    entries: Vec<Entry>,
    of_row: bool,
    newer: String,
    older: String,
}

pub(super) async fn of_row(cx: Cx, here: Here, Path(id): Path<String>) -> Reply {
    let (admin, spec) = (&*here.0, here.0.spec());
    cx.require("audit.view_entry")?;
    allowed(&cx, admin, Verb::View, None)?;
    let row = row(admin, &cx, exact_id(&id).ok_or(AdminError::NotFound)?).await?;
    allowed(&cx, admin, Verb::View, Some(&row))?;
    let name = title(admin, &row);
    let shell = cx.shell(format!("History of {name}")).crumb(&spec.plural, spec.url()).crumb(name, spec.row_url(&id));
    show(&cx, spec, shell, Some(&id)).await
}

pub(super) async fn of_model(cx: Cx, here: Here) -> Reply {
    let spec = here.0.spec();
    cx.require("audit.view_entry")?;
    allowed(&cx, &*here.0, Verb::View, None)?;
    let shell =
        cx.shell(format!("History of {}", crate::column::in_sentence(&spec.plural))).crumb(&spec.plural, spec.url());
    show(&cx, spec, shell, None).await
}

async fn show(cx: &Cx, spec: &Spec, shell: Shell, id: Option<&str>) -> Reply {
    if let Some((name, _)) = cx.query().pairs().iter().find(|(name, _)| name != "cursor") {
        return Err(AdminError::Query(format!("there is no parameter `{name}`")));
    }
    let mut query = ListQuery {
        limit: ENTRIES,
        cursor: cx.query().get("cursor").map(str::to_owned),
        ordering: vec![Ordering { column: "seq", descending: true }],
        fields: vec!["at", "actor", "action", "outcome", "object_id", "changes"],
        ..ListQuery::default()
    };
    let is = |text: &str| vec![Value::String(text.to_owned())];
    query = query.filter("object_type", Comparison::Equal, is(spec.model.noun));
    if let Some(id) = id {
        query = query.filter("object_id", Comparison::Equal, is(id));
    }
    let page = cx.state().resources().list(&AUDIT, &cx.writer(), &query).await?;
    let link = |cursor: &Option<String>| {
        let to = |cursor: &String| Fields::default().with("cursor", cursor.as_str()).to_query();
        cursor.as_ref().map(to).unwrap_or_default()
    };
    let entries = page.results.iter().map(|entry| told(cx, spec, entry)).collect();
    let (newer, older) = (link(&page.previous), link(&page.next));
    cx.page(&HistoryPage { shell, entries, of_row: id.is_some(), newer, older })
}

fn told(cx: &Cx, spec: &Spec, entry: &Map<String, Value>) -> Entry {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut changes = Vec::new();
    let mut facts = Map::new();
    for (name, change) in entry.get("changes").and_then(Value::as_object).into_iter().flatten() {
        let is_change = change.as_object().is_some_and(|change| change.contains_key("to"));
        if !is_change {
            facts.insert(name.clone(), change.clone());
        } else if !spec.sensitive.contains(&name.as_str()) {
            let kind = spec.model.column(name).map(|column| column.kind);
            let side = |side: &str| {
                let value = change.get(side).unwrap_or(&Value::Null);
                let kind = kind.unwrap_or(automate_store::resource::ColumnKind::Text);
                super::fields::shown_text(kind, value, cx.prefs())
            };
            changes.push(Change { label: spec.label(name), from: side("from"), to: side("to") });
        }
    }
    let object = text("object_id");
    let url = if exact_id(&object).is_some() { spec.row_url(&object) } else { String::new() };
    Entry {
        shown_at: super::fields::shown_text(
            automate_store::resource::ColumnKind::Time,
            entry.get("at").unwrap_or(&Value::Null),
            cx.prefs(),
        ),
        at: text("at"),
        actor: text("actor"),
        action: text("action"),
        outcome: text("outcome"),
        object,
        url,
        changes,
        facts: if facts.is_empty() { String::new() } else { Value::Object(facts).to_string() },
    }
}
