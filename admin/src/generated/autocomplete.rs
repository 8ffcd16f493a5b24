//! Rows to choose from, by words: for a script as JSON, without one as a page.

use askama::Template;
use automate_core::limits;
use automate_governance::identity::safe_next;
use automate_store::resource::{ListQuery, Ordering};

use super::list::{has_ids, judged, plain, rows_of, sees};
use super::{Here, narrowed};
use crate::column::short;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell, json};
use crate::spec::Verb;

#[derive(Template)]
#[template(path = "admin/model/pick.html")]
struct PickPage {
    shell: Shell,
    plural: String,
    searches: bool,
    search: String,
    pick: String,
    next: String,
    /// `(what it is called, where it leads)`.
    rows: Vec<(String, String)>,
    more: String,
}

pub(super) async fn show(cx: Cx, here: Here) -> Reply {
    let admin = &here.0;
    let spec = admin.spec();
    if !spec.allows(&cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    if !has_ids(spec) {
        return Err(AdminError::NotFound);
    }
    let fields = cx.query();
    if let Some((name, _)) =
        fields.pairs().iter().find(|(name, _)| !["q", "page", "pick", "next"].contains(&name.as_str()))
    {
        let name: String = name.chars().take(60).collect();
        return Err(AdminError::Query(format!("`{name}` is no parameter of a picker")));
    }
    let searched = spec.model.columns.iter().any(|column| column.search && column.shown);
    let mut pairs = Vec::new();
    if searched && !fields.text("q").is_empty() {
        pairs.push(("search".to_owned(), fields.text("q").to_owned()));
    }
    if !fields.text("page").is_empty() {
        pairs.push(("cursor".to_owned(), fields.text("page").to_owned()));
    }
    let text = if sees(&cx, spec, spec.text) { spec.text } else { spec.model.key };
    let mut query = ListQuery::parse(spec.model, &pairs)?;
    query.limit = limits::PICKER_ROWS;
    query.fields = judged(spec, if text == spec.model.key { vec![text] } else { vec![spec.model.key, text] });
    if spec.model.column(text).is_some_and(|column| column.order) {
        query.ordering = vec![Ordering { column: text, descending: false }];
    }
    let query = narrowed(admin.as_ref(), &cx, query);
    let page = cx.state().resources().list(spec.model, &cx.writer(), &query).await?;
    let next_page = page.next.clone();
    let rows = rows_of(&cx, spec, page);
    let named = rows.iter().map(|row| {
        let row = &row.fields;
        let id = plain(row.get(spec.model.key));
        let called = plain(row.get(text));
        let called = if called.is_empty() || text == spec.model.key { short(&id) } else { called };
        (id, called)
    });
    if !fields.has("pick") {
        let results: Vec<_> = named.map(|(id, text)| serde_json::json!({ "id": id, "text": text })).collect();
        return Ok(json(&serde_json::json!({ "results": results, "next": next_page })));
    }
    let next = safe_next(fields.get("next"));
    let next = if next.starts_with("/admin/") { next } else { spec.url() };
    let (path, there) = next.split_once('?').unwrap_or((&next, ""));
    let there = Fields::parse(there.as_bytes())?;
    let pick = fields.text("pick").to_owned();
    let links = named.map(|(id, text)| (text, format!("{path}{}", there.with(&pick, id).to_query()))).collect();
    let more = next_page.map(|cursor| format!("{}{}", cx.path(), fields.with("page", cursor).to_query()));
    let page = PickPage {
        shell: cx.shell(format!("Choose {}", spec.noun)).crumb("Back", next.clone()),
        plural: spec.plural.clone(),
        searches: searched,
        search: fields.text("q").to_owned(),
        rows: links,
        more: more.unwrap_or_default(),
        pick,
        next: next.clone(),
    };
    cx.page(&page)
}
