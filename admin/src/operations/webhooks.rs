//! The inbox: the requests to webhooks as they were received, the refused and repeated ones too.

mod redelivering;
mod request;
mod signed;
mod trying;

use askama::Template;
use automate_core::runtime::dedupe_of;
use automate_store::inbox::{self, InboxQuery, InboxRow, Outcome};
use automate_store::resource::exact_id;
use axum::Router;
use axum::routing::get;
use chrono::{DateTime, NaiveDateTime, Utc};

use super::confirm::takes_only;
use super::outbox::Choice;
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

/// Rows of a page.
const ROWS: u64 = 50;
/// What became of requests, as addresses and people name it.
const OUTCOMES: &[(&str, &str, Outcome)] = &[
    ("", "All", Outcome::Any),
    ("taken", "Taken", Outcome::Taken),
    ("repeated", "Delivered before", Outcome::Repeated),
    ("refused", "Refused", Outcome::Refused),
];

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/webhooks/", get(list))
        .route("/admin/webhooks/test/", get(trying::show))
        .route("/admin/webhooks/{id}/", get(request::show))
        .route("/admin/webhooks/{id}/redeliver/", get(redelivering::ask).post(redelivering::redeliver))
}

/// The word of the sheet for what became of a request, and the same for people.
fn verdict(signature: &str) -> (&'static str, String) {
    match dedupe_of(signature) {
        Some("first") => ("ok", "taken".to_owned()),
        Some("duplicate") => ("duplicate", "duplicate".to_owned()),
        Some(_) => ("error", "conflict".to_owned()),
        None => ("refused", signature.to_ascii_lowercase().replace('_', " ")),
    }
}

struct RequestRow {
    id: String,
    path: String,
    at: DateTime<Utc>,
    state: &'static str,
    verdict: String,
    status: i16,
    address: String,
    bytes: i64,
}

impl From<InboxRow> for RequestRow {
    fn from(row: InboxRow) -> Self {
        let (state, verdict) = verdict(&row.signature);
        Self {
            id: row.id.to_string(),
            path: row.path,
            at: row.received_at,
            state,
            verdict,
            status: row.http_status,
            address: row.remote_addr.unwrap_or_default(),
            bytes: row.body_bytes,
        }
    }
}

#[derive(Template)]
#[template(path = "admin/webhooks/list.html")]
struct InboxPage {
    shell: Shell,
    outcomes: Vec<Choice>,
    result: String,
    path: String,
    from: String,
    before: String,
    rows: Vec<RequestRow>,
    filtered: bool,
    cut: bool,
    next: String,
    first: String,
    may_try: bool,
}

/// A time as a field for local times has it, taken as UTC, or as RFC 3339 writes it.
pub(super) fn read_time(name: &str, text: &str) -> Result<Option<DateTime<Utc>>, AdminError> {
    if text.is_empty() {
        return Ok(None);
    }
    let local = |format| NaiveDateTime::parse_from_str(text, format).map(|time| time.and_utc());
    let read = DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc));
    let read = read.or_else(|_| local("%Y-%m-%dT%H:%M")).or_else(|_| local("%Y-%m-%dT%H:%M:%S"));
    read.map(Some).map_err(|_| AdminError::Query(format!("`{name}` must be a time such as 2026-11-21T18:00")))
}

async fn list(cx: Cx) -> Reply {
    cx.require("executions.view_webhookrequest")?;
    takes_only(&cx, &["result", "path", "from", "before", "after"])?;
    let text = |name: &str| cx.query().text(name).to_owned();
    let (result, path, from, before) = (text("result"), text("path"), text("from"), text("before"));
    let Some((_, _, outcome)) = OUTCOMES.iter().find(|(name, ..)| *name == result) else {
        return Err(AdminError::Query("there is no such result".to_owned()));
    };
    let after = match cx.query().text("after") {
        "" => None,
        id => Some(exact_id(id).ok_or_else(|| AdminError::Query("`after` is no place in this list".to_owned()))?),
    };
    let query = InboxQuery {
        path: Some(path.trim_start_matches('/').to_owned()).filter(|path| !path.is_empty()),
        outcome: *outcome,
        from: read_time("from", &from)?,
        before: read_time("before", &before)?,
        after,
        limit: ROWS,
    };
    let page = inbox::look(cx.state().database(), cx.tenant()?, query).await?;
    let query = cx.query().without(&["after"]);
    let link = |value: &str| {
        let fields = if value.is_empty() { query.without(&["result"]) } else { query.with("result", value) };
        format!("/admin/webhooks/{}", fields.to_query())
    };
    let outcomes = OUTCOMES.iter().map(|(name, label, _)| Choice {
        label: (*label).to_owned(),
        url: link(name),
        current: *name == result,
    });
    cx.page(&InboxPage {
        shell: cx.shell("Webhook inbox"),
        outcomes: outcomes.collect(),
        filtered: !query.pairs().is_empty(),
        result,
        path,
        from,
        before,
        rows: page.rows.into_iter().map(RequestRow::from).collect(),
        may_try: cx.can("workflows.view_trigger"),
        cut: page.cut,
        next: page
            .next
            .map(|id| format!("/admin/webhooks/{}", query.with("after", id.to_string()).to_query()))
            .unwrap_or_default(),
        first: if after.is_some() { format!("/admin/webhooks/{}", query.to_query()) } else { String::new() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_ways_that_forms_send_them() {
        let read = |text: &str| read_time("from", text).ok().flatten().map(|time| time.to_rfc3339());
        assert_eq!(read("2026-11-21T18:00"), Some("2026-11-21T18:00:00+00:00".to_owned()));
        assert_eq!(read("2026-11-21T18:00:05"), Some("2026-11-21T18:00:05+00:00".to_owned()));
        assert_eq!(read("2026-11-21T18:00:00+02:00"), Some("2026-11-21T16:00:00+00:00".to_owned()));
        assert_eq!(read(""), None);
        assert!(read_time("from", "yesterday").is_err());
    }
}
