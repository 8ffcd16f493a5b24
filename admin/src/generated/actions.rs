//! What is done with rows that were selected: the selection is frozen, a page says what will happen
//! to how many rows, and what happened to each is kept.

use std::sync::Arc;

use askama::Template;
use automate_core::ids::{new_v7, v7_time};
use automate_core::limits;
use automate_store::admin_runs::{self, AdminRun, Claimed, NewRun, Progress, RunStatus};
use automate_store::resource::{Comparison, ListQuery, exact_id};
use axum::extract::Path;
use chrono::{DateTime, Utc};
use serde_json::json;
use uuid::Uuid;

use super::list::{Asked, has_ids, named};
use super::{Here, back_to_list, narrowed, runs};
use crate::erased::AnyAdmin;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::spec::{Spec, Verb};

/// The key of the action that every admin has which deletes rows.
pub(super) const DELETE: &str = "delete";
/// Rows that the page which asks names.
const SAMPLE: u64 = 10;
/// Runs that a page lists.
const RECENT: u64 = 50;
/// How long a short run is waited for; it goes on behind its page then.
const WAIT: std::time::Duration = std::time::Duration::from_secs(20);

/// An action as pages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) key: String,
    /// A verb.
    pub(super) label: String,
    /// What follows "3 rows will be".
    pub(super) consequence: String,
    pub(super) destructive: bool,
}

/// The actions that somebody may take.
pub(super) fn offered(cx: &Cx, spec: &Spec) -> Vec<(String, String)> {
    let keys = spec.actions.iter().map(|action| action.key).chain([DELETE]);
    keys.filter_map(|key| deed(cx, spec, key).ok()).map(|deed| (deed.key, deed.label)).collect()
}

/// An action by its key.
///
/// # Errors
/// `NotFound` where there is none, `Forbidden` where whoever asks may not take it.
pub(super) fn deed(cx: &Cx, spec: &Spec, key: &str) -> Result<Deed, AdminError> {
    if !has_ids(spec) {
        return Err(AdminError::NotFound);
    }
    if !spec.allows(cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    if let Some(action) = spec.actions.iter().find(|action| action.key == key) {
        // No permission is no way round permissions.
        if action.permission.is_empty() || !cx.can(&action.permission) {
            return Err(AdminError::Forbidden(action.permission.clone()));
        }
        return Ok(Deed {
            key: action.key.to_owned(),
            label: action.label.to_owned(),
            consequence: action.consequence.to_owned(),
            destructive: action.destructive,
        });
    }
    if key != DELETE || !spec.verbs.contains(&Verb::Delete) {
        return Err(AdminError::NotFound);
    }
    if !spec.allows(cx, Verb::Delete, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("delete")));
    }
    let trash = spec.deleted_at.is_some();
    Ok(Deed {
        key: DELETE.to_owned(),
        label: if trash { "Move to the trash" } else { "Delete" }.to_owned(),
        consequence: if trash { "moved to the trash" } else { "deleted, and cannot be brought back" }.to_owned(),
        destructive: true,
    })
}

fn run_url(spec: &Spec, id: Uuid, query: &str) -> String {
    let query = query.trim_start_matches('?');
    let query =
        if query.is_empty() { Fields::default() } else { Fields::of(vec![("query".to_owned(), query.to_owned())]) };
    format!("{}runs/{id}/{}", spec.url(), query.to_query())
}

/// Freezes what was selected.
pub(super) async fn choose(cx: Cx, here: Here, fields: Fields) -> Reply {
    let admin = &here.0;
    let spec = admin.spec();
    let deed = deed(&cx, spec, fields.text("action"))?;
    let query = fields.text("query");
    let mut ids = if fields.has("across") {
        let address = Fields::parse(query.trim_start_matches('?').as_bytes())?;
        let asked = Asked::of(&cx, admin, &address)?;
        let drawn = fields
            .text("drawn")
            .parse()
            .map_err(|_| AdminError::Form("it does not say when its list was drawn".to_owned()))?;
        let query = as_drawn(spec, asked.query, drawn);
        let mut ids =
            cx.state().resources().ids_up_to(spec.model, &cx.writer(), &query, limits::ADMIN_RUN_ROWS + 1).await?;
        ids.retain(|id| v7_time(*id).is_none_or(|made| made <= drawn));
        ids
    } else {
        picked(&cx, admin, &fields).await?
    };
    if ids.is_empty() {
        return cx.done(&back_to_list(spec, query), Flash::warning("Select the rows first."));
    }
    let most = usize::try_from(limits::ADMIN_RUN_ROWS).unwrap_or(usize::MAX);
    let capped = ids.len() > most;
    ids.truncate(most);
    let run = NewRun {
        tenant: cx.tenant()?,
        model: spec.model.name.to_owned(),
        action: deed.key,
        user: cx.session().user,
        actor: cx.principal().actor.name.clone(),
        correlation_id: cx.origin().correlation_id.clone(),
        address: cx.origin().address.clone(),
        capped,
        ids,
    };
    let id = admin_runs::draft(cx.state().database(), run).await?;
    cx.go(&run_url(spec, id, query))
}

/// What an address asks for, without the rows that were made after its list was drawn: nobody saw those.
fn as_drawn(spec: &Spec, query: ListQuery, drawn: DateTime<Utc>) -> ListQuery {
    match spec.model.created_at {
        Some(column) => query.filter(column, Comparison::LessOrEqual, vec![json!(crate::http::iso(&drawn))]),
        // The ids tell it, where they are of version 7.
        None => query,
    }
}

/// The rows whose boxes were checked, as far as whoever asks sees them.
async fn picked(cx: &Cx, admin: &Arc<dyn AnyAdmin>, fields: &Fields) -> Result<Vec<Uuid>, AdminError> {
    let spec = admin.spec();
    let mut ids = Vec::new();
    for text in fields.all("pk") {
        let id = exact_id(text).ok_or(AdminError::NotFound)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.len() > limits::IDS_PER_REQUEST {
        return Err(AdminError::Form("it has more rows than a page".to_owned()));
    }
    if ids.is_empty() {
        return Ok(ids);
    }
    let named = ids.iter().map(|id| json!(id)).collect();
    let query = ListQuery::default().filter(spec.model.key, Comparison::In, named);
    let query = narrowed(admin.as_ref(), cx, query);
    Ok(cx.state().resources().ids_up_to(spec.model, &cx.writer(), &query, limits::ADMIN_RUN_ROWS).await?)
}

/// A row that a page of a run names.
struct Named {
    name: String,
    url: String,
    why: String,
}

#[derive(Template)]
#[template(path = "admin/model/run.html")]
struct RunPage {
    shell: Shell,
    run: AdminRun,
    status: &'static str,
    deed: Deed,
    noun: String,
    plural: String,
    path: String,
    query: String,
    back: String,
    progress: Progress,
    finished: u64,
    rows: Vec<Named>,
    more: u64,
    can_cancel: bool,
}

#[derive(Template)]
#[template(path = "admin/model/runs.html")]
struct RunsPage {
    shell: Shell,
    runs: Vec<(AdminRun, String, String, &'static str)>,
}

/// The run of an address, as far as whoever asks may know of it.
async fn run_of(cx: &Cx, spec: &Spec, id: &str) -> Result<AdminRun, AdminError> {
    if !spec.allows(cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    let id = exact_id(id).ok_or(AdminError::NotFound)?;
    let run = match admin_runs::get(cx.state().database(), cx.tenant()?, id).await {
        Ok(run) => run,
        Err(automate_core::store::StoreError::NotFound(_)) => return Err(AdminError::NotFound),
        Err(error) => return Err(error.into()),
    };
    let theirs = run.user == cx.session().user;
    // What somebody has not confirmed yet is nobody else's matter.
    if run.model != spec.model.name || run.status == RunStatus::Draft && !theirs {
        return Err(AdminError::NotFound);
    }
    Ok(run)
}

/// An action as pages of runs name it, also one that is there no more.
fn called(spec: &Spec, key: &str) -> Deed {
    let action = spec.actions.iter().find(|action| action.key == key);
    let label = action.map_or_else(|| crate::column::label_of(key), |action| action.label.to_owned());
    Deed { key: key.to_owned(), label, consequence: String::new(), destructive: false }
}

/// The page that asks, and later says how it went.
pub(super) async fn show(cx: Cx, here: Here, Path(id): Path<String>) -> Reply {
    let spec = here.0.spec();
    let run = run_of(&cx, spec, &id).await?;
    let db = cx.state().database();
    let deed = if run.status == RunStatus::Draft { deed(&cx, spec, &run.action)? } else { called(spec, &run.action) };
    let progress = admin_runs::progress(db, run.tenant, run.id).await?;
    let listed: Vec<(Uuid, String)> = if run.status == RunStatus::Draft {
        let ids = admin_runs::sample(db, run.tenant, run.id, SAMPLE).await?;
        ids.into_iter().map(|id| (id, String::new())).collect()
    } else {
        admin_runs::failed(db, run.tenant, run.id).await?
    };
    let ids = listed.iter().take(limits::IDS_PER_REQUEST).map(|(id, _)| json!(id)).collect();
    let mut names = named(&cx, spec.model, ids).await?;
    let total = if run.status == RunStatus::Draft { run.rows } else { progress.failed };
    let more = total.saturating_sub(listed.len() as u64);
    let rows = listed.into_iter().map(|(id, why)| match names.remove(&id.to_string()) {
        Some((name, url)) => Named { name, url, why },
        None => Named { name: crate::column::short(&id.to_string()), url: String::new(), why },
    });
    let query = cx.query().text("query").to_owned();
    let back = back_to_list(spec, &query);
    let title = match run.status {
        RunStatus::Draft => format!("{} {}", deed.label, counted(run.rows, spec)),
        _ => format!("{}: {}", deed.label, counted(run.rows, spec)),
    };
    let page = RunPage {
        shell: cx.shell(title).crumb(&spec.plural, back.clone()),
        status: run.status.as_str(),
        noun: spec.noun.clone(),
        plural: spec.plural.clone(),
        path: format!("{}runs/{}/", spec.url(), run.id),
        finished: progress.done + progress.failed,
        can_cancel: !run.status.is_over() && run.user == cx.session().user && run.cancel_requested_at.is_none(),
        rows: rows.collect(),
        more,
        progress,
        run,
        deed,
        query,
        back,
    };
    cx.page(&page)
}

fn counted(rows: u64, spec: &Spec) -> String {
    if rows == 1 { format!("1 {}", spec.noun) } else { format!("{rows} {}", crate::column::in_sentence(&spec.plural)) }
}

/// Confirms it.
pub(super) async fn confirm(cx: Cx, here: Here, Path(id): Path<String>, fields: Fields) -> Reply {
    let spec = here.0.spec();
    let run = run_of(&cx, spec, &id).await?;
    let deed = deed(&cx, spec, &run.action)?;
    let query = fields.text("query").to_owned();
    let page = run_url(spec, run.id, &query);
    let lease = (run.rows <= limits::ADMIN_RUN_AT_ONCE).then(new_v7);
    let entry = cx
        .entry(&format!("{}.bulk_{}", spec.model.noun, run.action))
        .about("admin_run", run.id.to_string())
        .outcome(automate_core::audit::AuditOutcome::Asked)
        .with(json!({ "rows": run.rows }));
    let (db, audit) = (cx.state().database(), cx.state().audit());
    if !admin_runs::confirm(db, audit, &run, lease, entry).await? {
        return cx.go(&page);
    }
    let Some(lease) = lease else {
        cx.state().runs_waiting().notify_one();
        return cx.go(&page);
    };
    let (tenant, id, rows) = (run.tenant, run.id, run.rows);
    // In a task of its own: it goes on where the browser does not wait.
    let work = tokio::spawn(runs::work(cx.state().clone(), Claimed { run, lease }));
    let next = match tokio::time::timeout(WAIT, work).await {
        Ok(Ok(next)) => next,
        Ok(Err(_)) | Err(_) => return cx.go(&page),
    };
    let run = admin_runs::get(db, tenant, id).await?;
    let progress = admin_runs::progress(db, tenant, id).await?;
    if run.status != RunStatus::Completed || progress.failed > 0 {
        return cx.go(&page);
    }
    let to = next.filter(|next| next.starts_with("/admin/")).unwrap_or_else(|| back_to_list(spec, &query));
    cx.done(&to, Flash::success(format!("{}: {}.", deed.label, counted(rows, spec))))
}

/// Ends it before its time.
pub(super) async fn cancel(cx: Cx, here: Here, Path(id): Path<String>, fields: Fields) -> Reply {
    let spec = here.0.spec();
    let run = run_of(&cx, spec, &id).await?;
    if run.user != cx.session().user {
        return Err(AdminError::NotFound);
    }
    let entry = cx.entry("admin_run.cancel").about("admin_run", run.id.to_string());
    let ended = admin_runs::cancel(cx.state().database(), cx.state().audit(), run.tenant, run.id, entry).await?;
    if run.status == RunStatus::Draft {
        return cx.go(&back_to_list(spec, fields.text("query")));
    }
    let said =
        if ended { Flash::success("It ends after the rows that are under way.") } else { Flash::info("It is over.") };
    cx.done(&run_url(spec, run.id, fields.text("query")), said)
}

/// The runs over rows of the model.
pub(super) async fn list(cx: Cx, here: Here) -> Reply {
    let spec = here.0.spec();
    if !spec.allows(&cx, Verb::View, None) {
        return Err(AdminError::Forbidden(spec.model.permission_for("view")));
    }
    let runs = admin_runs::recent(cx.state().database(), cx.tenant()?, spec.model.name, RECENT).await?;
    let one = |run: AdminRun| {
        let (label, url, status) = (called(spec, &run.action).label, run_url(spec, run.id, ""), run.status.as_str());
        (run, label, url, status)
    };
    let shell = cx.shell("Runs").crumb(&spec.plural, back_to_list(spec, ""));
    cx.page(&RunsPage { shell, runs: runs.into_iter().map(one).collect() })
}
