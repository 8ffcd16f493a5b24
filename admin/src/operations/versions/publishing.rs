//! Making a draft or an earlier version the one that runs: first a page that says what will happen.

use askama::Template;
use automate_core::document::{self, Diagnostic, Severity};
use automate_core::runtime::{PublishError, Published};
use automate_core::store::{StoreError, WorkflowRecord};
use axum::extract::Path;
use http::StatusCode;
use serde_json::json;

use super::{DiffRow, beneath, rows_of, written};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::operations::workflows::{found, known_query, of_slug, trigger_words, url_of};

/// Characters of a note.
const NOTE_CHARS: usize = 4_096;

#[derive(Template)]
#[template(path = "admin/workflows/publish.html")]
struct PublishPage {
    shell: Shell,
    url: String,
    workflow: WorkflowRecord,
    /// The number of the earlier version; none where the draft is published.
    again: Option<i32>,
    /// What is wrong with the document: it cannot be published before that is mended.
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    starts_anew: Vec<String>,
    starts_no_more: Vec<String>,
    rows: Vec<DiffRow>,
    note: String,
    refusal: String,
}

pub(crate) async fn ask_publish(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflow.publish")?;
    known_query(&cx, &[])?;
    let workflow = of_slug(&cx, &slug).await?;
    let Some(draft) = workflow.draft.clone() else {
        return cx.done(&url_of(&workflow.slug), Flash::info("There is no draft to publish."));
    };
    confirm(&cx, StatusCode::OK, workflow, &draft, None, String::new(), String::new()).await
}

pub(crate) async fn ask_rollback(cx: Cx, Path(slug): Path<String>) -> Reply {
    cx.require("workflow.publish")?;
    known_query(&cx, &["to"])?;
    let workflow = of_slug(&cx, &slug).await?;
    let number = number_of(cx.query().text("to"))?;
    let source = written(&cx, &workflow, number).await?.source;
    confirm(&cx, StatusCode::OK, workflow, &source, Some(number), String::new(), String::new()).await
}

pub(crate) async fn publish(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflow.publish")?;
    let workflow = of_slug(&cx, &slug).await?;
    let Some(draft) = workflow.draft.clone() else {
        return Err(AdminError::Conflict("the draft is gone: somebody has published or discarded it".to_owned()));
    };
    make_live(&cx, workflow, &draft, None, &fields).await
}

pub(crate) async fn rollback(cx: Cx, Path(slug): Path<String>, fields: Fields) -> Reply {
    cx.require("workflow.publish")?;
    let workflow = of_slug(&cx, &slug).await?;
    let number = number_of(fields.text("to"))?;
    let source = written(&cx, &workflow, number).await?.source;
    make_live(&cx, workflow, &source, Some(number), &fields).await
}

fn number_of(text: &str) -> Result<i32, AdminError> {
    text.parse().map_err(|_| AdminError::Query("`to` is the number of a version".to_owned()))
}

async fn make_live(cx: &Cx, workflow: WorkflowRecord, source: &str, again: Option<i32>, fields: &Fields) -> Reply {
    let note = fields.text("note").to_owned();
    if note.chars().count() > NOTE_CHARS {
        let refusal = format!("The note may have {NOTE_CHARS} characters.");
        return confirm(cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, source, again, note, refusal).await;
    }
    // What was looked at is what is published: not what somebody has saved since.
    if fields.text("row_version") != workflow.row_version.to_string() {
        let refusal = "The workflow has changed since you opened this page. Look at it again.".to_owned();
        return confirm(cx, StatusCode::CONFLICT, workflow, source, again, note, refusal).await;
    }
    let (action, said) = match again {
        None => ("workflow.publish", note.clone()),
        Some(number) if note.is_empty() => ("workflow.rollback", format!("version {number} again")),
        Some(_) => ("workflow.rollback", note.clone()),
    };
    let (engine, author) = (cx.state().engine(), &cx.principal().actor.name);
    let entry = cx.entry(action).about("workflow", &workflow.slug).with(json!({ "note": said }));
    let deed = engine.publish_at(cx.tenant()?, source, author, &said, Some(workflow.row_version));
    let done: Result<Published, PublishError> = cx.state().audit().around(entry, deed).await;
    match done {
        Ok(published) => {
            let text = format!("Version {} runs now.", published.version.number);
            cx.done(&url_of(&workflow.slug), Flash::success(text))
        }
        Err(PublishError::Invalid(_)) => {
            confirm(cx, StatusCode::UNPROCESSABLE_ENTITY, workflow, source, again, note, String::new()).await
        }
        Err(PublishError::Refused(refusal)) => {
            let refusal = refusal.to_string();
            confirm(cx, StatusCode::FORBIDDEN, workflow, source, again, note, refusal).await
        }
        Err(PublishError::Store(StoreError::Conflict(_))) => {
            let now = of_slug(cx, &workflow.slug).await?;
            let refusal = "The workflow has changed since you opened this page. Look at it again.".to_owned();
            confirm(cx, StatusCode::CONFLICT, now, source, again, note, refusal).await
        }
        Err(PublishError::Store(error)) => found(Err(error)),
    }
}

async fn confirm(
    cx: &Cx,
    status: StatusCode,
    workflow: WorkflowRecord,
    source: &str,
    again: Option<i32>,
    note: String,
    refusal: String,
) -> Reply {
    let live = match workflow.live_version_id {
        Some(id) => cx.state().engine().ports().store.version(id).await?.source,
        None => String::new(),
    };
    let (errors, warnings) = match cx.state().engine().validate(source) {
        Ok((_, warnings)) => (Vec::new(), warnings),
        Err(findings) => findings.into_iter().partition(|finding| finding.severity == Severity::Error),
    };
    let (before, after) = (triggers_of(&live), triggers_of(source));
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|one| !those.contains(one)).cloned().collect()
    };
    let title = match again {
        None => format!("Publish {}", workflow.slug),
        Some(number) => format!("Roll {} back to version {number}", workflow.slug),
    };
    let page = PublishPage {
        shell: beneath(cx, title, &workflow).refused(!refusal.is_empty() || !errors.is_empty()),
        url: url_of(&workflow.slug),
        rows: rows_of(&live, source),
        starts_anew: without(&after, &before),
        starts_no_more: without(&before, &after),
        workflow,
        again,
        errors,
        warnings,
        note,
        refusal,
    };
    cx.page_with(status, &page)
}

/// What starts a document's workflow, in words.
fn triggers_of(source: &str) -> Vec<String> {
    use automate_core::document::definition::Trigger;
    let Ok(document) = document::parse(source) else { return Vec::new() };
    let words = |trigger: &Trigger| match trigger {
        Trigger::Webhook(webhook) => trigger_words("webhook", &webhook.path),
        Trigger::Event(event) => trigger_words("event", &event.pattern),
        Trigger::Manual => trigger_words("manual", ""),
    };
    document.workflow.triggers.iter().map(words).collect()
}
