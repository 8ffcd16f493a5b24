//! `/admin/workflows/{slug}/versions/` and `…/diff/`: what a workflow said, and what changed.

mod compare;
mod publishing;

use std::collections::BTreeMap;

use askama::Template;
use automate_core::document::{Change, ChangeKind, Graph, diff as changes_of, parse};
use automate_core::store::WorkflowRecord;
use automate_store::workflows::{self, ListedExecution, ListedVersion, WrittenVersion};
use axum::extract::Path;

pub(super) use compare::{DiffRow, rows_of};
pub(super) use publishing::{ask_publish, ask_rollback, publish, rollback};

use super::graph::{Line, Picture};
use super::test_run::may_test_draft;
use super::workflows::{known_query, of_slug, url_of};
use crate::error::AdminError;
use crate::http::{Cx, Reply, Shell};

/// Versions on one page.
const PAGE: usize = 50;
/// Executions of a version on its page.
const RUNS: u64 = 20;
/// Changes that are listed by their place.
const CHANGES: usize = 200;

#[derive(Template)]
#[template(path = "admin/workflows/versions.html")]
struct ListPage {
    shell: Shell,
    url: String,
    workflow: WorkflowRecord,
    versions: Vec<ListedVersion>,
    next: String,
    may_test: bool,
    may_publish: bool,
}

pub(super) async fn list(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflows.view_version")?;
    known_query(&cx, &["before"])?;
    let workflow = of_slug(&cx, &slug).await?;
    let before = match cx.query().get("before") {
        None => None,
        Some(text) => {
            Some(text.parse().map_err(|_| AdminError::Query("`before` is the number of a version".to_owned()))?)
        }
    };
    let limit = u64::try_from(PAGE + 1).unwrap_or(u64::MAX);
    let mut versions = workflows::versions(cx.state().database(), cx.tenant()?, workflow.id, before, limit).await?;
    let url = url_of(&workflow.slug);
    let mut next = String::new();
    if versions.len() > PAGE {
        versions.truncate(PAGE);
        next = versions.last().map(|last| format!("{url}versions/?before={}", last.number)).unwrap_or_default();
    }
    let shell = beneath(&cx, format!("Versions of {}", workflow.slug), &workflow);
    let (may_test, may_publish) = (may_test_draft(&cx), cx.can("workflow.publish"));
    cx.page(&ListPage { shell, url, workflow, versions, next, may_test, may_publish })
}

#[derive(Template)]
#[template(path = "admin/workflows/version.html")]
struct VersionPage {
    shell: Shell,
    url: String,
    workflow: WorkflowRecord,
    version: ListedVersion,
    text: Vec<String>,
    svg: String,
    collapsed: bool,
    lines: Vec<Line>,
    recent: Vec<ListedExecution>,
    may_publish: bool,
    may_see_runs: bool,
}

pub(super) async fn show(cx: Cx, Path((slug, number)): Path<(String, String)>) -> Reply {
    cx.require("workflows.view_version")?;
    known_query(&cx, &[])?;
    let workflow = of_slug(&cx, &slug).await?;
    let number = number.parse().map_err(|_| AdminError::NotFound)?;
    let WrittenVersion { listed: version, source } = written(&cx, &workflow, number).await?;
    let picture = Picture::of_version(&version.sha256, &source);
    let states = BTreeMap::new();
    let may_see_runs = cx.can("executions.view_execution");
    let recent = match may_see_runs {
        true => {
            let db = cx.state().database();
            workflows::executions(db, cx.tenant()?, &workflow.slug, Some(number), RUNS).await?
        }
        false => Vec::new(),
    };
    let page = VersionPage {
        shell: beneath(&cx, format!("Version {number} of {}", workflow.slug), &workflow),
        url: url_of(&workflow.slug),
        workflow,
        version,
        text: source.lines().map(str::to_owned).collect(),
        svg: picture.as_ref().map(|picture| picture.render(&states)).unwrap_or_default(),
        collapsed: picture.as_ref().is_some_and(|picture| picture.is_collapsed()),
        lines: picture.as_ref().map(|picture| picture.lines(&states)).unwrap_or_default(),
        recent,
        may_publish: cx.can("workflow.publish"),
        may_see_runs,
    };
    cx.page(&page)
}

/// What a side of a comparison is: a version or the draft.
#[derive(Debug, Clone)]
struct Side {
    /// As addresses have it.
    word: String,
    /// As people read it.
    name: String,
    source: String,
}

#[derive(Template)]
#[template(path = "admin/workflows/diff.html")]
struct DiffPage {
    shell: Shell,
    url: String,
    from: Side,
    to: Side,
    choices: Vec<String>,
    rows: Vec<DiffRow>,
    changes: Vec<Change>,
    more_changes: usize,
    svg: String,
    old_svg: String,
    gone: Vec<String>,
}

pub(super) async fn diff(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflows.view_version")?;
    known_query(&cx, &["from", "to"])?;
    let workflow = of_slug(&cx, &slug).await?;
    let live = workflow.live_version.map_or_else(|| "draft".to_owned(), |live| live.to_string());
    let newer = if workflow.draft.is_some() { "draft".to_owned() } else { live.clone() };
    let from = side(&cx, &workflow, cx.query().get("from").unwrap_or(&live)).await?;
    let to = side(&cx, &workflow, cx.query().get("to").unwrap_or(&newer)).await?;
    let (mut changes, mut svg, mut old_svg, mut gone) = (Vec::new(), String::new(), String::new(), Vec::new());
    if let (Ok(old), Ok(new)) = (parse(&from.source), parse(&to.source)) {
        changes = changes_of(&old.value, &new.value);
        let (before, after) = (Graph::of(&old.workflow), Graph::of(&new.workflow));
        let states = compare::states_of(&before, &after, &changes);
        svg = super::graph::render(&after, &states.new);
        gone = states.old.keys().cloned().collect();
        if !gone.is_empty() {
            old_svg = super::graph::render(&before, &states.old);
        }
    }
    let more_changes = changes.len().saturating_sub(CHANGES);
    changes.truncate(CHANGES);
    let versions = workflows::versions(cx.state().database(), cx.tenant()?, workflow.id, None, 50).await?;
    let mut choices: Vec<String> = versions.iter().map(|version| version.number.to_string()).collect();
    if workflow.draft.is_some() {
        choices.insert(0, "draft".to_owned());
    }
    for side in [&from, &to] {
        if !choices.contains(&side.word) {
            choices.push(side.word.clone());
        }
    }
    let page = DiffPage {
        shell: beneath(&cx, format!("What changed in {}", workflow.slug), &workflow),
        url: url_of(&workflow.slug),
        rows: rows_of(&from.source, &to.source),
        from,
        to,
        choices,
        changes,
        more_changes,
        svg,
        old_svg,
        gone,
    };
    cx.page(&page)
}

async fn side(cx: &Cx, workflow: &WorkflowRecord, word: &str) -> Result<Side, AdminError> {
    if word == "draft" {
        let source = workflow.draft.clone().ok_or(AdminError::NotFound)?;
        return Ok(Side { word: word.to_owned(), name: "the draft".to_owned(), source });
    }
    let number: i32 =
        word.parse().map_err(|_| AdminError::Query(format!("`{word}` is neither a version nor `draft`")))?;
    let source = written(cx, workflow, number).await?.source;
    Ok(Side { word: number.to_string(), name: format!("version {number}"), source })
}

/// A version of a workflow.
async fn written(cx: &Cx, workflow: &WorkflowRecord, number: i32) -> Result<WrittenVersion, AdminError> {
    let version = workflows::version(cx.state().database(), cx.tenant()?, workflow.id, number).await?;
    version.ok_or(AdminError::NotFound)
}

/// What surrounds a page below a workflow's.
pub(super) fn beneath(cx: &Cx, title: String, workflow: &WorkflowRecord) -> Shell {
    cx.shell(title).crumb("Workflows", "/admin/workflows/").crumb(workflow.slug.clone(), url_of(&workflow.slug))
}

/// A change in a sentence's words.
pub(super) fn change_words(change: &Change) -> &'static str {
    match change.kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Changed => "changed",
        ChangeKind::Moved => "moved",
    }
}
