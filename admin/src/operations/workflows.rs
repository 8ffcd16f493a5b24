//! `/admin/workflows/`: all workflows, and what all pages about one share.

mod address;

use askama::Template;
use automate_core::ids::TenantId;
use automate_core::store::{StoreError, WorkflowRecord};
use automate_store::workflows::{self, ListedExecution, ListedWorkflow};
use axum::Router;
use axum::routing::{get, post};

pub(crate) use address::{slug_of, url_of};

use super::{editor, test_run, versions, workflow};
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};
use crate::state::AdminState;

/// Workflows on one page.
const PAGE: usize = 50;

/// The routes of the pages about workflows.
pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/workflows/", get(list))
        .route("/admin/workflows/new/", get(editor::begin).post(editor::create))
        .route("/admin/workflows/new/check/", post(editor::check_new))
        .route("/admin/workflows/{slug}/", get(workflow::show))
        .route("/admin/workflows/{slug}/run/", get(workflow::ask_run).post(workflow::run))
        .route("/admin/workflows/{slug}/versions/", get(versions::list))
        .route("/admin/workflows/{slug}/versions/{number}/", get(versions::show))
        .route("/admin/workflows/{slug}/diff/", get(versions::diff))
        .route("/admin/workflows/{slug}/publish/", get(versions::ask_publish).post(versions::publish))
        .route("/admin/workflows/{slug}/rollback/", get(versions::ask_rollback).post(versions::rollback))
        .route("/admin/workflows/{slug}/edit/", get(editor::edit).post(editor::save))
        .route("/admin/workflows/{slug}/edit/check/", post(editor::check))
        .route("/admin/workflows/{slug}/test/", get(test_run::ask).post(test_run::start))
}

#[derive(Template)]
#[template(path = "admin/workflows/list.html")]
struct ListPage {
    shell: Shell,
    q: String,
    workflows: Vec<ListedWorkflow>,
    next: String,
    first: bool,
    may_add: bool,
}

async fn list(cx: Cx) -> Reply {
    cx.require("workflows.view_workflow")?;
    let tenant = cx.tenant()?;
    known_query(&cx, &["q", "after"])?;
    let q = cx.query().text("q").to_owned();
    let after = cx.query().text("after").to_owned();
    let words: Vec<String> = q.split_whitespace().map(str::to_owned).collect();
    let limit = u64::try_from(PAGE + 1).unwrap_or(u64::MAX);
    let mut workflows = workflows::list(cx.state().database(), tenant, &words, &after, limit).await?;
    let mut next = String::new();
    if workflows.len() > PAGE {
        workflows.truncate(PAGE);
        if let Some(last) = workflows.last() {
            next = format!("/admin/workflows/{}", cx.query().with("after", last.slug.clone()).to_query());
        }
    }
    if !cx.can("executions.view_execution") {
        for workflow in &mut workflows {
            workflow.last = None;
            workflow.failed = 0;
        }
    }
    let first = q.is_empty() && after.is_empty();
    let may_add = cx.can("workflows.add_workflow");
    cx.page(&ListPage { shell: cx.shell("Workflows"), q, workflows, next, first, may_add })
}

/// Refuses parameters that a page does not know.
pub(super) fn known_query(cx: &Cx, known: &[&str]) -> Result<(), AdminError> {
    match cx.query().pairs().iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(AdminError::Query(format!("it takes no parameter `{name}`"))),
        None => Ok(()),
    }
}

/// A workflow by the slug of an address.
pub(super) async fn of_slug(cx: &Cx, slug: &str) -> Result<WorkflowRecord, AdminError> {
    let tenant: TenantId = cx.tenant()?;
    found(cx.state().engine().ports().store.workflow(tenant, slug_of(slug)).await)
}

/// What is not there, is not found.
pub(super) fn found<T>(result: Result<T, StoreError>) -> Result<T, AdminError> {
    result.map_err(|error| match error {
        StoreError::NotFound(_) => AdminError::NotFound,
        error => error.into(),
    })
}

/// What starts a workflow, in words.
pub(crate) fn trigger_words(kind: &str, key: &str) -> String {
    match kind {
        "webhook" => format!("webhook {key}"),
        "event" => format!("event {key}"),
        _ => "by hand".to_owned(),
    }
}

/// How long an execution took.
pub(crate) fn took(execution: &ListedExecution) -> String {
    super::words::took(execution.started_at, execution.finished_at)
}
