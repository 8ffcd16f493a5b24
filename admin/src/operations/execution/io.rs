//! Inputs and outputs, as they are stored: without secrets. Each look is on record in the audit log,
//! as through the API.

use askama::Template;
use automate_core::ids::ExecutionId;
use automate_store::models::executions::{EXECUTIONS, STEPS};
use automate_store::resource::{Comparison, ListQuery, Selection};
use axum::body::Body;
use axum::extract::Path;
use serde_json::{Map, Value, json};

use super::super::words;
use super::{Loaded, PAYLOAD, found};
use crate::error::AdminError;
use crate::http::{Cx, Fields, Reply, Shell, csv_attachment};
use crate::schema_form::pretty;

/// Bytes that a page shows.
const SHOWN: usize = 64 * 1024;

/// One of the two.
struct Side {
    label: &'static str,
    id: &'static str,
    text: String,
    bytes: usize,
    cut: bool,
    download: String,
}

#[derive(Template)]
#[template(path = "admin/execution/io.html")]
struct Io<'a> {
    shell: &'a Shell,
    step: String,
    steps: Vec<(String, bool)>,
    here: String,
    sides: Vec<Side>,
}

/// The input and the output of a step, or of the execution where the step is empty.
async fn read(cx: &Cx, id: ExecutionId, step: &str) -> Result<Map<String, Value>, AdminError> {
    let (resources, writer) = (cx.state().resources(), cx.writer());
    if step.is_empty() {
        let selection = Selection { fields: vec!["id", "input", "output"], expand: Vec::new() };
        return Ok(resources.get(&EXECUTIONS, &writer, id.0, &selection).await?.fields);
    }
    let query = ListQuery { limit: 1, fields: vec!["path", "input", "output"], ..ListQuery::default() };
    let query = query.filter("execution_id", Comparison::Equal, vec![json!(id.to_string())]).filter(
        "path",
        Comparison::Equal,
        vec![json!(step)],
    );
    resources.list(&STEPS, &writer, &query).await?.results.into_iter().next().ok_or(AdminError::NotFound)
}

/// The first bytes of a text, whole characters of it.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

pub(super) async fn tab(cx: &Cx, shell: &Shell, loaded: &Loaded) -> Result<String, AdminError> {
    let step = cx.query().text("step").to_owned();
    let fields = read(cx, loaded.id, &step).await?;
    let here = words::execution(loaded.id);
    let side = |label, name: &'static str| {
        let value = fields.get(name).filter(|value| !value.is_null());
        let text = value.map(pretty).unwrap_or_default();
        let query = Fields::of(vec![("step".to_owned(), step.clone()), ("what".to_owned(), name.to_owned())]);
        Side {
            label,
            id: name,
            bytes: text.len(),
            cut: text.len() > SHOWN,
            text: cut(&text, SHOWN).to_owned(),
            download: format!("{here}payload/{}", query.to_query()),
        }
    };
    let sides = vec![side("Input", "input"), side("Output", "output")];
    let steps = loaded.followed.steps.iter().take(500).map(|one| (one.path.clone(), one.path == step)).collect();
    Ok(Io { shell, steps, here, sides, step }.render()?)
}

pub(super) async fn download(cx: Cx, Path(id): Path<String>) -> Reply {
    let execution = found(&cx, &id).await?;
    cx.require(PAYLOAD)?;
    let (step, what) = (cx.query().text("step"), cx.query().text("what"));
    if !matches!(what, "input" | "output") {
        return Err(AdminError::Query("`what` is `input` or `output`".to_owned()));
    }
    let fields = read(&cx, execution.id, step).await?;
    let text = pretty(fields.get(what).unwrap_or(&Value::Null));
    csv_attachment(&format!("{}-{what}.json", execution.id), "application/json", Body::from(text))
}
