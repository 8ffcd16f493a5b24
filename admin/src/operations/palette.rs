//! Going to a page or a row by its name or its id.

use askama::Template;
use automate_core::limits;
use automate_store::models::events::WEBHOOKS;
use automate_store::models::executions::EXECUTIONS;
use automate_store::models::workflows::WORKFLOWS;
use automate_store::outbox::shown;
use automate_store::resource::{ListQuery, Model, Selection, exact_id};
use axum::Router;
use axum::routing::get;
use http::header;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::confirm::takes_only;
use crate::error::AdminError;
use crate::generated::called;
use crate::http::{Cx, Reply, Shell, json as json_answer};
use crate::spec::Verb;
use crate::state::AdminState;

/// Characters of a question that are looked at.
const CHARS: usize = 200;
/// Characters from which rows are looked for.
const FEW: usize = 2;
/// Models whose rows are looked through.
const MODELS: usize = 6;

pub(super) fn routes() -> Router<AdminState> {
    Router::new().route("/admin/palette/", get(show))
}

/// Something to go to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    title: String,
    kind: String,
    url: String,
}

#[derive(Template)]
#[template(path = "admin/palette/page.html")]
struct PalettePage {
    shell: Shell,
    q: String,
    found: Vec<Found>,
}

async fn show(cx: Cx) -> Reply {
    takes_only(&cx, &["q"])?;
    let q: String = cx.query().text("q").chars().take(CHARS).collect();
    let found = look(&cx, &q).await?;
    let accept = cx.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        let result = |one: Found| json!({ "title": one.title, "kind": one.kind, "url": one.url });
        let results: Vec<Value> = found.into_iter().map(result).collect();
        return Ok(json_answer(&json!({ "results": results })));
    }
    cx.page(&PalettePage { shell: cx.shell("Search"), q, found })
}

async fn look(cx: &Cx, q: &str) -> Result<Vec<Found>, AdminError> {
    let mut found = Vec::new();
    if let Some(id) = exact_id(&q.to_ascii_lowercase()) {
        by_id(cx, id, &mut found).await?;
    }
    let wanted = q.to_lowercase();
    let places = crate::nav::pages(cx).into_iter();
    found.extend(places.filter(|page| page.label.to_lowercase().contains(&wanted)).map(|page| Found {
        title: page.label,
        kind: "page".to_owned(),
        url: page.url,
    }));
    let models = cx.state().site().admins().iter().map(|admin| admin.spec());
    let models =
        models.filter(|spec| spec.allows(cx, Verb::View, None) && spec.plural.to_lowercase().contains(&wanted));
    found.extend(models.map(|spec| Found { title: spec.plural.clone(), kind: "model".to_owned(), url: spec.url() }));
    if q.chars().count() >= FEW {
        // What takes too long is left out: somebody is typing.
        let rows = tokio::time::timeout(limits::PALETTE_PATIENCE, rows(cx, q)).await;
        if let Ok(rows) = rows {
            found.extend(rows?);
        }
    }
    found.dedup_by(|a, b| a.url == b.url);
    Ok(found)
}

/// What an id is the id of, as far as somebody may see it.
async fn by_id(cx: &Cx, id: Uuid, found: &mut Vec<Found>) -> Result<(), AdminError> {
    let tenant = cx.tenant()?;
    if let Some(row) = row(cx, &EXECUTIONS, id, &["workflow", "status"]).await? {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let title = format!("{} {}, {}", text("workflow"), crate::column::short(&id.to_string()), text("status"));
        found.push(Found { title, kind: "execution".to_owned(), url: format!("/admin/executions/{id}/") });
    }
    if let Some(row) = row(cx, &WEBHOOKS, id, &["path"]).await? {
        let path = row.get("path").and_then(Value::as_str).unwrap_or_default();
        let title = format!("/{path} {}", crate::column::short(&id.to_string()));
        found.push(Found { title, kind: "webhook request".to_owned(), url: format!("/admin/webhooks/{id}/") });
    }
    if cx.can("outbox.view_item") {
        let item = shown::item(cx.state().database(), tenant, automate_core::ids::OutboxId(id)).await?;
        found.extend(item.map(|item| Found {
            title: format!("{} {}", item.kind, crate::column::short(&id.to_string())),
            kind: "outbox item".to_owned(),
            url: format!("/admin/outbox/{id}/"),
        }));
    }
    Ok(())
}

/// Some columns of a row, where it is there and may be seen.
async fn row(
    cx: &Cx,
    model: &'static Model,
    id: Uuid,
    fields: &[&'static str],
) -> Result<Option<Map<String, Value>>, AdminError> {
    if !cx.can(&model.permission_for("view")) {
        return Ok(None);
    }
    let selection = Selection { fields: fields.to_vec(), expand: Vec::new() };
    match cx.state().resources().get(model, &cx.writer(), id, &selection).await.map_err(AdminError::from) {
        Ok(row) => Ok(Some(row.fields)),
        Err(AdminError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Workflows, and rows of models, by what they are searched by.
async fn rows(cx: &Cx, q: &str) -> Result<Vec<Found>, AdminError> {
    let mut found = Vec::new();
    let query = || ListQuery { search: Some(q.to_owned()), limit: limits::PALETTE_RESULTS, ..ListQuery::default() };
    if cx.can("workflows.view_workflow") {
        let query = ListQuery { fields: vec!["slug", "title"], ..query() };
        let page = cx.state().resources().list(&WORKFLOWS, &cx.writer(), &query).await?;
        found.extend(page.results.iter().map(|row| {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
            let (slug, title) = (text("slug"), text("title"));
            let title = if title.is_empty() { slug.to_owned() } else { format!("{title} ({slug})") };
            Found { title, kind: "workflow".to_owned(), url: format!("/admin/workflows/={slug}/") }
        }));
    }
    // The audit log is searched on its own page, which goes through it bit by bit.
    let of_models = |name: &str| name != WORKFLOWS.name && name != "audit";
    let admins = cx.state().site().admins().iter().filter(|admin| {
        let spec = admin.spec();
        spec.search && of_models(spec.model.name) && spec.allows(cx, Verb::View, None)
    });
    for admin in admins.take(MODELS) {
        let spec = admin.spec();
        let rows = match called(admin.as_ref(), cx, query()).await {
            Ok((rows, _)) => rows,
            // A model of somebody's that cannot be searched so is no reason to find nothing.
            Err(AdminError::Resource(automate_store::resource::ResourceError::Query(_))) => continue,
            Err(error) => return Err(error),
        };
        found.extend(rows.into_iter().map(|(key, text)| Found {
            title: if text.is_empty() { key.clone() } else { text },
            kind: spec.noun.clone(),
            url: spec.row_url(&key),
        }));
    }
    Ok(found)
}
