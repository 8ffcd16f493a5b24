//! `/admin/executions/{id}/`: one execution: what failed, why it waits, when what ran, and what one
//! can do about it.

mod actions;
mod deeds;
mod events;
mod follow;
mod io;
mod picture;
mod regions;
mod rerun;
mod resolve;
mod tabs;

use askama::Template;
use automate_core::explain::Explanation;
use automate_core::ids::ExecutionId;
use automate_core::status::ExecutionStatus;
use automate_store::follow::{Followed, follow as steps_of};
use automate_store::resource::exact_id;
use automate_store::search::{self, FoundExecution};
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use chrono::{DateTime, Utc};

use self::regions::Regions;
use super::executions::VIEW;
use super::once::refused;
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell};
use crate::state::AdminState;

/// The permission that shows inputs and outputs.
const PAYLOAD: &str = "execution.view_payload";
/// The permission that shows steps and what they logged.
const STEPS: &str = "executions.view_step";

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/executions/{id}/", get(show))
        .route("/admin/executions/{id}/live", get(follow::live))
        .route("/admin/executions/{id}/payload/", get(io::download))
        .route("/admin/executions/{id}/cancel/", get(deeds::ask_cancel).post(deeds::cancel))
        .route("/admin/executions/{id}/retry/", get(deeds::ask_retry).post(deeds::retry))
        .route("/admin/executions/{id}/signal/", get(deeds::ask_signal).post(deeds::signal))
        .route("/admin/executions/{id}/resolve/", get(resolve::ask).post(resolve::decide))
        .route("/admin/executions/{id}/replay/", get(rerun::ask).post(rerun::start))
}

/// The tabs: their name in the address, what they say, the permission that they take.
const TABS: &[(&str, &str, &str)] = &[
    ("steps", "Steps", STEPS),
    ("graph", "Graph", STEPS),
    ("io", "Input and output", PAYLOAD),
    ("logs", "Logs", STEPS),
    ("events", "Events", STEPS),
    ("audit", "Audit", "audit.view_entry"),
];

/// What a page of an execution is made of.
struct Loaded {
    id: ExecutionId,
    execution: FoundExecution,
    followed: Followed,
    /// Why it stands where it does, where it has not ended.
    explanation: Option<Explanation>,
    now: DateTime<Utc>,
}

fn id_of(path: &str) -> Result<ExecutionId, AdminError> {
    exact_id(path).map(ExecutionId).ok_or(AdminError::NotFound)
}

/// The execution of a path, of the caller's tenant.
async fn found(cx: &Cx, path: &str) -> Result<FoundExecution, AdminError> {
    cx.require(VIEW)?;
    let id = id_of(path)?;
    search::one(cx.state().database(), cx.tenant()?, id).await?.ok_or(AdminError::NotFound)
}

async fn load(cx: &Cx, id: ExecutionId) -> Result<Loaded, AdminError> {
    let (db, tenant) = (cx.state().database(), cx.tenant()?);
    let execution = search::one(db, tenant, id).await?.ok_or(AdminError::NotFound)?;
    let followed = steps_of(db, tenant, id).await?.ok_or(AdminError::NotFound)?;
    let explanation = match execution.status {
        ExecutionStatus::Pending | ExecutionStatus::Running | ExecutionStatus::Waiting => {
            Some(cx.state().engine().explain(tenant, id).await.map_err(refused)?)
        }
        ExecutionStatus::Completed | ExecutionStatus::Failed | ExecutionStatus::Cancelled => None,
    };
    Ok(Loaded { id, execution, followed, explanation, now: cx.now() })
}

/// A tab and where it leads.
struct Tab {
    label: &'static str,
    url: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "admin/execution/page.html")]
struct Page {
    shell: Shell,
    regions: Regions,
    tabs: Vec<Tab>,
    /// The open tab, rendered.
    body: String,
}

/// Parameters of the page and of its stream.
const KNOWN: &[&str] = &["tab", "state", "step", "page", "level", "text", "after", "seen", "last_event_id"];

/// The tab that is asked for, and that may be shown.
fn tab_of(cx: &Cx) -> Result<&'static str, AdminError> {
    if let Some((name, _)) = cx.query().pairs().iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        return Err(AdminError::Query(format!("there is no parameter `{name}`")));
    }
    let wanted = match cx.query().text("tab") {
        "" => "steps",
        tab => tab,
    };
    let tab = TABS.iter().find(|(name, ..)| *name == wanted);
    tab.map(|(name, ..)| *name).ok_or_else(|| AdminError::Query(format!("there is no tab `{wanted}`")))
}

async fn show(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require(VIEW)?;
    let id = id_of(&id)?;
    let tab = tab_of(&cx)?;
    let loaded = load(&cx, id).await?;
    let here = super::words::execution(id);
    let mut shell = cx.shell(loaded.execution.workflow.clone()).crumb("Executions", "/admin/executions/");
    shell = shell.crumb(
        loaded.execution.workflow.clone(),
        super::words::search(&format!("workflow:{}", super::words::quoted(&loaded.execution.workflow))),
    );
    let regions = Regions::render(&cx, &shell, &loaded, tab)?;
    let body = tabs::body(&cx, &shell, &loaded, tab).await?;
    if !loaded.execution.status.is_terminal() {
        let query = cx.query().without(&["seen", "last_event_id"]).with("seen", regions.marks());
        shell = shell.live(format!("{here}live{}", query.to_query()));
    }
    let tabs = TABS.iter().filter(|(_, _, permission)| cx.can(permission)).map(|(name, label, _)| Tab {
        label,
        url: format!("{here}{}", Fields::of(vec![("tab".to_owned(), (*name).to_owned())]).to_query()),
        current: *name == tab,
    });
    cx.page(&Page { regions, tabs: tabs.collect(), body, shell })
}
