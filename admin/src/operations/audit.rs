//! The audit log: who did what, and whether the log is what was written.

mod checking;
mod entry;
mod export;

use askama::Template;
use automate_core::limits;
use automate_store::models::audit::AUDIT;
use automate_store::resource::{Comparison, ListQuery, Ordering};
use axum::Router;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::confirm::takes_only;
use super::webhooks::read_time;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::state::AdminState;
use checking::{Checked, last_check};

/// The filters that are compared as they are, by the column.
const FILTERS: &[(&str, &str)] = &[
    ("actor", "actor"),
    ("action", "action"),
    ("object", "object_type"),
    ("id", "object_id"),
    ("outcome", "outcome"),
    ("request", "correlation_id"),
];
/// What can have become of a deed.
const OUTCOMES: &[&str] = &["done", "asked", "refused", "failed"];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/audit/", get(list))
        .route("/admin/audit/export/", get(export::export))
        .route("/admin/audit/verify/", post(checking::verify))
        .route("/admin/audit/{id}/", get(entry::show))
}

/// An entry as pages show it.
struct EntryRow {
    id: String,
    seq: i64,
    at: Option<DateTime<Utc>>,
    actor_kind: String,
    actor: String,
    action: String,
    object_type: String,
    object_id: String,
    outcome: String,
    address: String,
    correlation_id: String,
    agent: String,
}

impl EntryRow {
    fn of(row: &Map<String, Value>) -> Self {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            seq: row.get("seq").and_then(Value::as_i64).unwrap_or_default(),
            at: DateTime::parse_from_rfc3339(&text("at")).ok().map(|at| at.with_timezone(&Utc)),
            actor_kind: text("actor_kind"),
            actor: text("actor"),
            action: text("action"),
            object_type: text("object_type"),
            object_id: text("object_id"),
            outcome: text("outcome"),
            address: text("address"),
            correlation_id: text("correlation_id"),
            agent: text("agent"),
        }
    }

    /// The word of the sheet.
    fn state(&self) -> &'static str {
        match self.outcome.as_str() {
            "done" => "done",
            "asked" => "ok",
            "refused" => "refused",
            _ => "failed",
        }
    }
}

/// What an address asks for: conditions, and the places between which entries lie.
struct Wanted {
    query: ListQuery,
    /// The first place that is not looked at any more, going down.
    above: i64,
    /// The last place to look at.
    from: i64,
}

/// Reads the filters of an address. The log has no index by what one looks for, but its places are
/// without gaps: a look goes through so many of them.
async fn wanted(cx: &Cx, fields: &Fields) -> Result<Wanted, AdminError> {
    let (tenant, audit) = (cx.tenant()?, cx.state().audit());
    let mut query = ListQuery { ordering: vec![Ordering { column: "seq", descending: true }], ..ListQuery::default() };
    for (name, column) in FILTERS {
        let value = fields.text(name);
        if *name == "outcome" && !value.is_empty() && !OUTCOMES.contains(&value) {
            return Err(AdminError::Query("there is no such outcome".to_owned()));
        }
        if !value.is_empty() {
            query = query.filter(column, Comparison::Equal, vec![json!(value)]);
        }
    }
    let (from, before) = (read_time("from", fields.text("from"))?, read_time("before", fields.text("before"))?);
    let last = audit.last_place(tenant, before).await?;
    let above = match fields.text("after") {
        "" => last + 1,
        text => {
            let after: i64 =
                text.parse().map_err(|_| AdminError::Query("`after` is no place in the log".to_owned()))?;
            after.clamp(1, last + 1)
        }
    };
    let from = match from {
        None => 1,
        Some(from) => audit.last_place(tenant, Some(from)).await? + 1,
    };
    Ok(Wanted { query, above, from })
}

impl Wanted {
    /// The query for the places below `above`, as far as one look goes; and where the look ends.
    fn look(&self, above: i64) -> (ListQuery, i64) {
        let end = (above - limits::AUDIT_LOOKED_AT).max(self.from);
        let query = self.query.clone();
        let query = query.filter("seq", Comparison::Less, vec![json!(above)]);
        (query.filter("seq", Comparison::GreaterOrEqual, vec![json!(end)]), end)
    }
}

#[derive(Template)]
#[template(path = "admin/audit/list.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<EntryRow>,
    filters: Vec<(&'static str, &'static str, String)>,
    outcome: String,
    outcomes: &'static [&'static str],
    from: String,
    before: String,
    filtered: bool,
    /// The look ended at its bound, before the page was full.
    cut: bool,
    next: String,
    first: String,
    export: String,
    last: Option<Checked>,
    may_verify: bool,
}

async fn list(cx: Cx) -> Reply {
    cx.require("audit.view_entry")?;
    takes_only(&cx, &["actor", "action", "object", "id", "outcome", "request", "from", "before", "after"])?;
    let fields = cx.query();
    let wanted = wanted(&cx, fields).await?;
    let (query, end) = wanted.look(wanted.above);
    let page = cx.state().resources().list(&AUDIT, &cx.writer(), &query).await?;
    let rows: Vec<EntryRow> = page.results.iter().map(EntryRow::of).collect();
    let (next, cut) = match (&page.next, rows.last()) {
        (Some(_), Some(last)) => (Some(last.seq), false),
        _ if end > wanted.from => (Some(end), true),
        _ => (None, false),
    };
    let query = fields.without(&["after"]);
    let text = |name: &str| fields.text(name).to_owned();
    cx.page(&ListPage {
        shell: cx.shell("Audit log"),
        rows,
        filters: vec![
            ("actor", "Actor", text("actor")),
            ("action", "Action", text("action")),
            ("object", "Object", text("object")),
            ("id", "Object’s id", text("id")),
            ("request", "Request’s id", text("request")),
        ],
        outcome: text("outcome"),
        outcomes: OUTCOMES,
        from: text("from"),
        before: text("before"),
        filtered: !query.pairs().is_empty(),
        cut,
        next: next
            .map(|seq| format!("/admin/audit/{}", query.with("after", seq.to_string()).to_query()))
            .unwrap_or_default(),
        first: if fields.has("after") { format!("/admin/audit/{}", query.to_query()) } else { String::new() },
        export: format!("/admin/audit/export/{}", query.to_query()),
        last: last_check(&cx).await?,
        may_verify: cx.can("audit.verify"),
    })
}
