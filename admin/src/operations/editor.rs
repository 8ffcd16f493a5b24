//! `/admin/workflows/{slug}/edit/` and `/admin/workflows/new/`: the document as text, checked while it is
//! written or by a button, saved as the draft.

mod catalogue;
mod examples;

use std::collections::BTreeMap;

use askama::Template;
use automate_core::document::{self, Diagnostic, Severity};
use automate_core::limits;
use automate_core::runtime::PublishError;
use automate_core::store::{StoreError, WorkflowRecord};
use axum::extract::Path;
use http::StatusCode;
use serde_json::json;

use super::graph::{Line, Picture};
use super::test_run::may_test_draft;
use super::versions::{DiffRow, beneath, rows_of};
use super::workflows::{found, known_query, of_slug, url_of};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell, html_fragment};
use catalogue::Action;
use examples::Example;

/// What is found in a text, and its picture.
#[derive(Debug, Default)]
struct Checked {
    findings: Vec<Diagnostic>,
    errors: usize,
    svg: String,
    collapsed: bool,
    lines: Vec<Line>,
}

/// The part of the page that a check replaces.
#[derive(Template)]
#[template(path = "admin/workflows/check_result.html")]
struct CheckResult {
    checked: Checked,
}

#[derive(Template)]
#[template(path = "admin/workflows/edit.html")]
struct EditPage {
    shell: Shell,
    /// Where the workflow is; empty where it is to be made.
    url: String,
    /// Where the form goes.
    to: String,
    source: String,
    row_version: i32,
    checked: Checked,
    /// The text by lines, and whether something is wrong in each: for whoever has no scripts.
    text: Vec<(String, bool)>,
    refusal: String,
    examples: Vec<&'static Example>,
    actions: Vec<Action>,
    may_test: bool,
    may_publish: bool,
}

#[derive(Template)]
#[template(path = "admin/workflows/conflict.html")]
struct ConflictPage {
    shell: Shell,
    url: String,
    source: String,
    row_version: i32,
    rows: Vec<DiffRow>,
}

/// Whether a finding refuses publication.
pub(super) fn is_error(finding: &Diagnostic) -> bool {
    finding.severity == Severity::Error
}

pub(super) async fn begin(cx: Cx) -> Reply {
    cx.require("workflows.add_workflow")?;
    known_query(&cx, &["from"])?;
    let from = cx.query().text("from");
    let source = match from {
        "" => examples::SCRATCH,
        name => examples::ALL.iter().find(|example| example.name == name).ok_or(AdminError::NotFound)?.source,
    };
    let checked = check_of(&cx, source, None);
    edit_page(&cx, StatusCode::OK, None, source.to_owned(), 0, checked, String::new(), false)
}

pub(super) async fn edit(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflows.change_workflow")?;
    known_query(&cx, &[])?;
    let workflow = of_slug(&cx, &slug).await?;
    let source = match (&workflow.draft, workflow.live_version_id) {
        (Some(draft), _) => draft.clone(),
        (None, Some(id)) => cx.state().engine().ports().store.version(id).await?.source,
        (None, None) => String::new(),
    };
    let checked = check_of(&cx, &source, Some(&workflow.slug));
    let row_version = workflow.row_version;
    edit_page(&cx, StatusCode::OK, Some(&workflow), source, row_version, checked, String::new(), false)
}

pub(super) async fn check_new(cx: Cx, fields: Fields) -> Reply {
    cx.require("workflows.add_workflow")?;
    html_fragment(&CheckResult { checked: check_of(&cx, &source_of(&fields), None) })
}

pub(super) async fn check(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflows.change_workflow")?;
    let workflow = of_slug(&cx, &slug).await?;
    html_fragment(&CheckResult { checked: check_of(&cx, &source_of(&fields), Some(&workflow.slug)) })
}

pub(super) async fn create(cx: Cx, fields: Fields) -> Reply {
    cx.require("workflows.add_workflow")?;
    let source = source_of(&fields);
    let checked = check_of(&cx, &source, None);
    if fields.text("do") == "check" {
        return edit_page(&cx, StatusCode::OK, None, source, 0, checked, String::new(), true);
    }
    let slug = match document::parse(&source) {
        Ok(document) => document.workflow.slug,
        Err(_) => {
            let refusal = "The document cannot be read yet.".to_owned();
            return edit_page(&cx, StatusCode::UNPROCESSABLE_ENTITY, None, source, 0, checked, refusal, true);
        }
    };
    let entry = cx.entry("workflow.create").about("workflow", &slug);
    // At 0: where there is a workflow of that name, its draft is not written over.
    let saved = cx.state().engine().save_draft_at(cx.tenant()?, &source, Some(0));
    match cx.state().audit().around(entry, saved).await {
        Ok(workflow) => saved_at(&cx, &workflow, &fields),
        Err(PublishError::Store(StoreError::Conflict(_))) => {
            let refusal =
                format!("There is a workflow `{slug}` already. Give this one another name, or edit that one.");
            edit_page(&cx, StatusCode::CONFLICT, None, source, 0, checked, refusal, true)
        }
        Err(PublishError::Refused(refusal)) => {
            edit_page(&cx, StatusCode::FORBIDDEN, None, source, 0, checked, refusal.to_string(), true)
        }
        Err(PublishError::Invalid(_)) => {
            let refusal = "The document cannot be read yet.".to_owned();
            edit_page(&cx, StatusCode::UNPROCESSABLE_ENTITY, None, source, 0, checked, refusal, true)
        }
        Err(PublishError::Store(error)) => found(Err(error)),
    }
}

pub(super) async fn save(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflows.change_workflow")?;
    let workflow = of_slug(&cx, &slug).await?;
    let source = source_of(&fields);
    let base: i32 = fields
        .text("row_version")
        .parse()
        .map_err(|_| AdminError::Form("it does not say which state of the workflow it is about".to_owned()))?;
    let checked = check_of(&cx, &source, Some(&workflow.slug));
    if fields.text("do") == "check" {
        return edit_page(&cx, StatusCode::OK, Some(&workflow), source, base, checked, String::new(), true);
    }
    let refused =
        |status, source, refusal| edit_page(&cx, status, Some(&workflow), source, base, checked, refusal, true);
    match document::parse(&source).map(|document| document.workflow.slug) {
        Ok(slug) if slug == workflow.slug => {}
        Ok(slug) => {
            let refusal = format!(
                "The document is of the workflow `{slug}`, and this is `{}`. A name does not change; make a new workflow.",
                workflow.slug
            );
            return refused(StatusCode::UNPROCESSABLE_ENTITY, source, refusal);
        }
        Err(_) => {
            let refusal = "The document cannot be read yet.".to_owned();
            return refused(StatusCode::UNPROCESSABLE_ENTITY, source, refusal);
        }
    }
    let entry = cx.entry("workflow.update").about("workflow", &workflow.slug).with(json!({ "row_version": base }));
    let saved = cx.state().engine().save_draft_at(cx.tenant()?, &source, Some(base));
    match cx.state().audit().around(entry, saved).await {
        Ok(workflow) => saved_at(&cx, &workflow, &fields),
        Err(PublishError::Store(StoreError::Conflict(_))) => conflict(&cx, &workflow.slug, source).await,
        Err(PublishError::Refused(refusal)) => refused(StatusCode::FORBIDDEN, source, refusal.to_string()),
        Err(PublishError::Invalid(_)) => {
            refused(StatusCode::UNPROCESSABLE_ENTITY, source, "The document cannot be read yet.".to_owned())
        }
        Err(PublishError::Store(error)) => found(Err(error)),
    }
}

/// Where saving leads: to the test or the confirmation of the publication, where that button was pressed.
fn saved_at(cx: &Cx, workflow: &WorkflowRecord, fields: &Fields) -> Reply {
    let url = url_of(&workflow.slug);
    match fields.text("do") {
        "publish" if cx.can("workflow.publish") => return cx.go(&format!("{url}publish/")),
        "test" if may_test_draft(cx) => return cx.go(&format!("{url}test/?version=draft")),
        _ => {}
    }
    cx.done(&format!("{url}edit/"), Flash::success("The draft is saved. What is published stays as it is."))
}

/// Somebody has saved since: what they wrote and what is about to be written, beside each other.
async fn conflict(cx: &Cx, slug: &str, source: String) -> Reply {
    let now = of_slug(cx, slug).await?;
    let theirs = match (&now.draft, now.live_version_id) {
        (Some(draft), _) => draft.clone(),
        (None, Some(id)) => cx.state().engine().ports().store.version(id).await?.source,
        (None, None) => String::new(),
    };
    let page = ConflictPage {
        shell: beneath(cx, format!("Somebody else has changed {slug}"), &now).refused(true),
        url: url_of(slug),
        rows: rows_of(&theirs, &source),
        source,
        row_version: now.row_version,
    };
    cx.page_with(StatusCode::CONFLICT, &page)
}

/// The text of the form. Browsers send line ends as `\r\n` (HTML, "constructing the entry list").
fn source_of(fields: &Fields) -> String {
    fields.get("source").unwrap_or_default().replace("\r\n", "\n")
}

/// What is found in a text; of a workflow that is there, another name is wrong.
fn check_of(cx: &Cx, source: &str, slug: Option<&str>) -> Checked {
    if source.len() > limits::DOCUMENT_BYTES {
        // The findings say so; nothing else is looked at.
        return findings_of(cx.state().engine().validate(source).err().unwrap_or_default());
    }
    let mut findings = match cx.state().engine().validate(source) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    };
    let parsed = document::parse(source).ok();
    if let (Some(slug), Some(document)) = (slug, &parsed)
        && document.workflow.slug != slug
    {
        findings.insert(0, renamed(slug, &document.workflow.slug));
    }
    let mut checked = findings_of(findings);
    if let Some(document) = parsed {
        let picture = Picture::of(document::Graph::of(&document.workflow));
        let states = BTreeMap::new();
        checked.svg = picture.render(&states);
        checked.collapsed = picture.is_collapsed();
        checked.lines = picture.lines(&states);
    }
    checked
}

fn renamed(slug: &str, other: &str) -> Diagnostic {
    Diagnostic {
        path: "/workflow".to_owned(),
        line: 1,
        column: 1,
        code: "OTHER_WORKFLOW".to_owned(),
        message: format!("the document is of `{other}`, and this is `{slug}`"),
        suggestion: Some("make a new workflow for another name".to_owned()),
        severity: Severity::Error,
    }
}

fn findings_of(findings: Vec<Diagnostic>) -> Checked {
    let errors = findings.iter().filter(|finding| is_error(finding)).count();
    Checked { findings, errors, ..Checked::default() }
}

#[expect(clippy::too_many_arguments, reason = "each is another part of one page")]
fn edit_page(
    cx: &Cx,
    status: StatusCode,
    workflow: Option<&WorkflowRecord>,
    source: String,
    row_version: i32,
    checked: Checked,
    refusal: String,
    posted: bool,
) -> Reply {
    let (shell, url, to) = match workflow {
        None => {
            let shell = cx.shell("New workflow").crumb("Workflows", "/admin/workflows/");
            (shell, String::new(), "/admin/workflows/new/".to_owned())
        }
        Some(workflow) => {
            let url = url_of(&workflow.slug);
            (beneath(cx, format!("Edit {}", workflow.slug), workflow), url.clone(), format!("{url}edit/"))
        }
    };
    // Numbered for whoever has no scripts: the links of the findings lead there.
    let wrong = |number: usize| checked.findings.iter().any(|finding| is_error(finding) && finding.line == number);
    let text = match posted && !checked.findings.is_empty() {
        true => source.lines().enumerate().map(|(index, line)| (line.to_owned(), wrong(index + 1))).collect(),
        false => Vec::new(),
    };
    let page = EditPage {
        shell: shell.refused(!refusal.is_empty()),
        url,
        to,
        source,
        row_version,
        checked,
        text,
        refusal,
        examples: examples::ALL.iter().filter(|_| workflow.is_none()).collect(),
        actions: catalogue::all(cx.state().engine().ports().actions.as_ref()),
        may_test: may_test_draft(cx),
        may_publish: cx.can("workflow.publish"),
    };
    cx.page_with(status, &page)
}
