//! `/admin/workflows/{slug}/`: one workflow, and starting it by hand.

mod firing;
mod input;

use std::collections::BTreeMap;

use askama::Template;
use automate_core::document::{self, Document};
use automate_core::runtime::{IntakeError, StartRequest};
use automate_core::store::WorkflowRecord;
use automate_store::workflows::{self, ListedExecution, ListedVersion};
use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) use input::{InputForm, problems, read};

use super::graph::{Line, Picture};
use super::workflows::{known_query, of_slug, url_of};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use firing::Firing;

/// Executions shown on the page.
const RECENT: u64 = 10;
/// Versions shown on the page.
const VERSIONS: u64 = 5;

#[derive(Template)]
#[template(path = "admin/workflows/show.html")]
struct ShowPage {
    shell: Shell,
    url: String,
    workflow: WorkflowRecord,
    /// Whether what is shown is the draft, as nothing is published.
    is_draft: bool,
    /// Why there is no picture; empty where there is one.
    unreadable: String,
    svg: String,
    collapsed: bool,
    lines: Vec<Line>,
    firings: Vec<Firing>,
    recent: Vec<ListedExecution>,
    versions: Vec<ListedVersion>,
    may: May,
}

/// What whoever asks may do.
#[derive(Debug, Clone, Copy)]
struct May {
    run: bool,
    edit: bool,
    publish: bool,
    see_runs: bool,
    see_versions: bool,
}

impl May {
    fn of(cx: &Cx) -> Self {
        Self {
            run: cx.can("workflow.run"),
            edit: cx.can("workflows.change_workflow"),
            publish: cx.can("workflow.publish"),
            see_runs: cx.can("executions.view_execution"),
            see_versions: cx.can("workflows.view_version"),
        }
    }
}

pub(super) async fn show(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflows.view_workflow")?;
    known_query(&cx, &[])?;
    let tenant = cx.tenant()?;
    let workflow = of_slug(&cx, &slug).await?;
    let (may, db) = (May::of(&cx), cx.state().database());
    let source = source_of(&cx, &workflow).await?;
    let (sha256, text) = match &source {
        Shown::Live { sha256, source } => (Some(sha256.as_str()), source.as_str()),
        Shown::Draft(source) => (None, source.as_str()),
    };
    let picture = match sha256 {
        Some(sha256) => Picture::of_version(sha256, text),
        None => Picture::of_source(text).map(std::sync::Arc::new),
    };
    let states = BTreeMap::new();
    let firings = match document::parse(text) {
        Ok(document) => {
            let tenant = workflows::tenant_slug(db, tenant).await?;
            firing::all(&cx, &tenant, &workflow.slug, &document.workflow.triggers)
        }
        Err(_) => Vec::new(),
    };
    let recent = match may.see_runs {
        true => workflows::executions(db, tenant, &workflow.slug, None, RECENT).await?,
        false => Vec::new(),
    };
    let versions = match may.see_versions {
        true => workflows::versions(db, tenant, workflow.id, None, VERSIONS).await?,
        false => Vec::new(),
    };
    let page = ShowPage {
        shell: cx.shell(workflow.title.clone()).crumb("Workflows", "/admin/workflows/"),
        url: url_of(&workflow.slug),
        is_draft: matches!(source, Shown::Draft(_)),
        unreadable: if picture.is_some() { String::new() } else { unreadable(text) },
        svg: picture.as_ref().map(|picture| picture.render(&states)).unwrap_or_default(),
        collapsed: picture.as_ref().is_some_and(|picture| picture.is_collapsed()),
        lines: picture.as_ref().map(|picture| picture.lines(&states)).unwrap_or_default(),
        workflow,
        firings,
        recent,
        versions,
        may,
    };
    cx.page(&page)
}

/// What of a workflow is shown first.
enum Shown {
    /// The version that runs.
    Live {
        /// Its hash.
        sha256: String,
        /// What it was written as.
        source: String,
    },
    /// Nothing is published yet.
    Draft(String),
}

async fn source_of(cx: &Cx, workflow: &WorkflowRecord) -> Result<Shown, AdminError> {
    if let Some(id) = workflow.live_version_id {
        let version = cx.state().engine().ports().store.version(id).await?;
        if version.tenant_id != workflow.tenant_id {
            return Err(AdminError::NotFound);
        }
        return Ok(Shown::Live { sha256: version.sha256, source: version.source });
    }
    Ok(Shown::Draft(workflow.draft.clone().unwrap_or_default()))
}

fn unreadable(source: &str) -> String {
    match document::parse(source) {
        Ok(_) => String::new(),
        Err(findings) => findings.first().map(ToString::to_string).unwrap_or_default(),
    }
}

/// The live document; none where nothing is published, or this program cannot read it.
pub(super) async fn live_document(cx: &Cx, workflow: &WorkflowRecord) -> Result<Option<Document>, AdminError> {
    match source_of(cx, workflow).await? {
        Shown::Live { source, .. } => Ok(document::parse(&source).ok()),
        Shown::Draft(_) => Ok(None),
    }
}

#[derive(Template)]
#[template(path = "admin/workflows/run.html")]
struct RunPage {
    shell: Shell,
    url: String,
    workflow: WorkflowRecord,
    input: InputForm,
    errors: FieldErrors,
}

pub(super) async fn ask_run(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflow.run")?;
    let workflow = of_slug(&cx, &slug).await?;
    let Some(document) = live_document(&cx, &workflow).await? else { return not_published(&cx, &workflow) };
    let input = InputForm::empty(document.workflow.inputs.as_ref());
    run_page(&cx, StatusCode::OK, workflow, input, FieldErrors::default())
}

pub(super) async fn run(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflow.run")?;
    let workflow = of_slug(&cx, &slug).await?;
    let Some(document) = live_document(&cx, &workflow).await? else { return not_published(&cx, &workflow) };
    let schema = document.workflow.inputs.as_ref();
    let input = match input::read(schema, &fields) {
        Ok(input) => input,
        Err(errors) => {
            let form = InputForm::posted(schema, &fields, &errors);
            return run_page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, errors);
        }
    };
    let request = StartRequest {
        tenant_id: cx.tenant()?,
        workflow: workflow.slug.clone(),
        version: None,
        input: Some(input),
        source: "admin".to_owned(),
        correlation_id: cx.origin().correlation_id.clone(),
        run_here: false,
    };
    let entry = cx.entry("workflow.run").about("workflow", &workflow.slug).with(json!({ "version": Value::Null }));
    // The token of the form makes a second press of the button the same start.
    let key = Some(fields.text("once")).filter(|once| !once.is_empty()).map(|once| format!("admin:{once}"));
    match cx.state().audit().around(entry, cx.state().engine().start_once(request, key)).await {
        Ok(id) => cx.done(&format!("/admin/executions/{id}/"), Flash::success("Started.")),
        Err(IntakeError::InvalidInput(problems)) => {
            let errors = input::problems(schema, &problems);
            let form = InputForm::posted(schema, &fields, &errors);
            run_page(&cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, form, errors)
        }
        Err(error) => Err(refused(error)),
    }
}

fn run_page(cx: &Cx, status: StatusCode, workflow: WorkflowRecord, input: InputForm, errors: FieldErrors) -> Reply {
    let url = url_of(&workflow.slug);
    let shell = cx
        .shell(format!("Run {}", workflow.slug))
        .crumb("Workflows", "/admin/workflows/")
        .crumb(workflow.slug.clone(), url.clone())
        .refused(!errors.is_empty());
    cx.page_with(status, &RunPage { shell, url, workflow, input, errors })
}

/// Back, with what is to be done first.
pub(super) fn not_published(cx: &Cx, workflow: &WorkflowRecord) -> Reply {
    cx.done(&url_of(&workflow.slug), Flash::error("There is no published version that could run. Publish one first."))
}

/// Why an execution was not started, as a page says it.
pub(super) fn refused(error: IntakeError) -> AdminError {
    match error {
        IntakeError::NotFound(_) => AdminError::NotFound,
        IntakeError::Overloaded { retry_after, .. } => AdminError::Busy(retry_after),
        IntakeError::Store(error) => error.into(),
        error @ (IntakeError::InvalidInput(_)
        | IntakeError::NotRunnable(_)
        | IntakeError::Trigger { .. }
        | IntakeError::Refused(_)) => AdminError::Conflict(error.to_string()),
    }
}
