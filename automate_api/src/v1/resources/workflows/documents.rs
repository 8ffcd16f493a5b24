//! What a workflow says, and said: its versions, their differences and pictures; checking documents.

use automate_core::document::{self, Diagnostic, Graph};
use automate_core::store::WorkflowRecord;
use automate_store::models::workflows::{VERSIONS, WORKFLOWS};
use automate_store::resource::{Comparison, ListQuery, Model};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, Schema, Type};

use super::super::nested::{Nested, row_shape};
use super::drafts::DocumentSource;
use super::of_path;
use crate::Problem;
use crate::v1::base::{Action, Call, Content, Faces, Operation, Parameter, ParameterKind, Reply, Shape};

/// A finding about a document.
#[derive(Serialize, ToSchema)]
pub(super) struct Finding {
    /// Where, as a JSON pointer into the document.
    path: String,
    /// The line in the source, from 1.
    line: usize,
    /// The column in the source, from 1.
    column: usize,
    /// A stable code.
    code: String,
    /// What is wrong.
    message: String,
    /// What to do, where something can be said.
    suggestion: Option<String>,
    /// `error`, which refuses publication, or `warning`.
    #[schema(value_type = String)]
    severity: document::Severity,
}

/// Findings as they are shown.
pub(super) fn told(findings: Vec<Diagnostic>) -> Vec<Finding> {
    let tell = |finding: Diagnostic| {
        let Diagnostic { path, line, column, code, message, suggestion, severity } = finding;
        Finding { path, line, column, code, message, suggestion, severity }
    };
    findings.into_iter().map(tell).collect()
}

/// What was found in a document.
#[derive(Serialize, ToSchema)]
struct Verdict {
    /// Whether it can be published.
    valid: bool,
    /// The name of the workflow, where the document can be read that far.
    workflow: Option<String>,
    /// What was found, in the order of the source.
    findings: Vec<Finding>,
}

/// What changed between two versions.
#[derive(Serialize, ToSchema)]
struct Difference {
    /// The older side: the number of a version, or `draft`.
    from: String,
    /// The newer side.
    to: String,
    /// What changed, by its place in the document.
    #[schema(value_type = Vec<DocumentChange>)]
    changes: Vec<document::Change>,
    /// The sources' difference by lines, as a unified diff; empty where there is none.
    text: String,
}

/// One difference between two documents.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct DocumentChange {
    /// `added`, `removed`, `changed`, or `moved` of a step that stands elsewhere.
    kind: String,
    /// Where, as a JSON pointer: into the newer document, or into the older one of what was removed.
    path: String,
    /// The step that it is about, where it is about one.
    step: Option<String>,
    /// What was there.
    old: Option<Value>,
    /// What is there.
    new: Option<Value>,
}

/// The picture of a workflow.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct WorkflowGraph {
    /// The title of the workflow.
    title: String,
    /// Triggers, then steps in the order of the document, each followed by the blocks it holds.
    nodes: Vec<GraphNode>,
    /// What waits for what.
    edges: Vec<GraphEdge>,
    /// The same as text, a line for each node.
    text: String,
}

/// One thing in the picture.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct GraphNode {
    /// The step; empty of a trigger and of the mark where `on_failure` begins.
    id: String,
    /// What it is, in a few words.
    label: String,
    /// `trigger`, `uses`, `set`, `fail`, `wait` or `failure`.
    kind: String,
    /// The condition of the step, where it has one.
    condition: Option<String>,
    /// Its place in the document, as a JSON pointer.
    pointer: String,
    /// How many blocks it is inside of.
    #[schema(minimum = 0)]
    depth: i64,
}

/// One node waits for another.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct GraphEdge {
    /// The index of the node that comes first.
    #[schema(minimum = 0)]
    from: i64,
    /// The index of the node that waits for it.
    #[schema(minimum = 0)]
    to: i64,
    /// `start`, `sequence`, `needs` or `on_error`.
    kind: String,
}

pub(super) fn operations() -> Vec<Operation> {
    let of_version = || {
        Parameter::new(
            "version",
            ParameterKind::Integer { min: 1, max: i64::from(i32::MAX) },
            "The number of the version; the draft, or else the live one, where it is not given.",
        )
    };
    let side = |name: &'static str, otherwise: &str| {
        Parameter::new(name, ParameterKind::Word, format!("The number of a version, or `draft`; {otherwise}."))
    };
    let number = Parameter::new(
        "number",
        ParameterKind::Integer { min: 1, max: i64::from(i32::MAX) },
        "The number of the version.",
    );
    vec![
        Operation::post("/workflows/validate", Action::custom("validate"))
            .summary("Checks a document")
            .description("Says everything that is wrong with a document at once. Nothing is stored.")
            .reads::<DocumentSource>()
            .answers::<Verdict>(StatusCode::OK, "What was found.")
            .handler(validate),
        Operation::get("/workflows/schema", Action::custom("schema"))
            .summary("Shows the JSON Schema of documents")
            .description("For editors and other programs.")
            .answers_with(StatusCode::OK, "A JSON Schema (2020-12).", Content::Json(object()))
            .handler(|_| async { Reply::ok(document::schema()) }),
        Nested {
            path: "/workflows/{id}/versions",
            action: "versions",
            model: &VERSIONS,
            faces: Faces::columns(),
            parent: &WORKFLOWS,
            column: "workflow_id",
            show: |row| row,
        }
        .operation()
        .summary("Lists the versions of a workflow"),
        Operation::get("/workflows/{id}/versions/{number}", Action::custom("version"))
            .summary("Shows one version of a workflow")
            .path_parameter(number.required())
            .answers_with(StatusCode::OK, "The version.", Content::Json(row_shape(&VERSIONS, Faces::columns())))
            .handler(version),
        Operation::get("/workflows/{id}/diff", Action::custom("diff"))
            .summary("Compares two versions of a workflow")
            .description("Steps are compared by their ids, so that one that was put in between changes no other.")
            .parameter(side("from", "the live one where it is not given"))
            .parameter(side("to", "the draft, or else the live one, where it is not given"))
            .answers::<Difference>(StatusCode::OK, "What changed.")
            .may_fail_with(StatusCode::UNPROCESSABLE_ENTITY)
            .handler(difference),
        Operation::get("/workflows/{id}/graph", Action::custom("graph"))
            .summary("Shows what waits for what")
            .parameter(of_version())
            .answers::<WorkflowGraph>(StatusCode::OK, "Nodes and edges.")
            .may_fail_with(StatusCode::UNPROCESSABLE_ENTITY)
            .handler(graph),
        Operation::get("/workflows/{id}/graph.svg", Action::custom("graph_svg"))
            .summary("Draws the workflow")
            .parameter(of_version())
            .answers_with(StatusCode::OK, "A picture that needs nothing from elsewhere.", Content::Bytes(SVG))
            .may_fail_with(StatusCode::UNPROCESSABLE_ENTITY)
            .handler(picture),
    ]
}

const SVG: &str = "image/svg+xml";

fn object() -> Shape {
    Shape::inline(Schema::Object(Object::builder().schema_type(Type::Object).build()))
}

async fn validate(call: Call) -> Result<Reply, Problem> {
    let DocumentSource { source } = call.read()?;
    let (workflow, valid, findings) = match call.api.engine().validate(&source) {
        Ok((document, findings)) => (Some(document.workflow.slug), true, findings),
        Err(findings) => (document::parse(&source).ok().map(|document| document.workflow.slug), false, findings),
    };
    Reply::ok(Verdict { valid, workflow, findings: told(findings) })
}

async fn version(call: Call) -> Result<Reply, Problem> {
    let number: i32 = call.path("number").parse().map_err(|_| Problem::not_found())?;
    Reply::ok(stored(&call, call.path_id("id")?, number).await?)
}

/// A version with everything of it.
async fn stored(call: &Call, workflow: uuid::Uuid, number: i32) -> Result<Map<String, Value>, Problem> {
    let model: &'static Model = &VERSIONS;
    let query = ListQuery {
        limit: 1,
        fields: model.columns.iter().filter(|column| column.shown).map(|column| column.name).collect(),
        ..ListQuery::default()
    };
    let query = query.filter("workflow_id", Comparison::Equal, vec![json!(workflow)]).filter(
        "number",
        Comparison::Equal,
        vec![json!(number)],
    );
    let page = call.api.resources().list(model, &call.writer(), &query).await?;
    page.results.into_iter().next().ok_or_else(Problem::not_found)
}

/// The source of one side of a comparison, by its name.
async fn source_of(call: &Call, workflow: &WorkflowRecord, side: &str) -> Result<String, Problem> {
    if side == "draft" {
        return workflow.draft.clone().ok_or_else(Problem::not_found);
    }
    let number: i32 = side.parse().map_err(|_| Problem::not_found())?;
    let version = stored(call, workflow.id.0, number).await?;
    version.get("source").and_then(Value::as_str).map(str::to_owned).ok_or_else(Problem::not_found)
}

/// The name of what is worked on: the draft, or else the live version.
fn present(workflow: &WorkflowRecord) -> String {
    match (&workflow.draft, workflow.live_version) {
        (None, Some(live)) => live.to_string(),
        (_, _) => "draft".to_owned(),
    }
}

async fn difference(call: Call) -> Result<Reply, Problem> {
    let workflow = of_path(&call).await?;
    let live = || workflow.live_version.map_or_else(|| "draft".to_owned(), |live| live.to_string());
    let from = call.query("from").map_or_else(live, str::to_owned);
    let to = call.query("to").map_or_else(|| present(&workflow), str::to_owned);
    let (old, new) = (source_of(&call, &workflow, &from).await?, source_of(&call, &workflow, &to).await?);
    let (before, after) = (read(&old)?, read(&new)?);
    let changes = document::diff(&before.value, &after.value);
    Reply::ok(Difference { from, to, changes, text: document::diff_text(&old, &new) })
}

/// What was stored was readable when it was; a later program may take less.
fn read(source: &str) -> Result<document::Document, Problem> {
    document::parse(source).map_err(|findings| automate_core::runtime::PublishError::Invalid(findings).into())
}

async fn drawn(call: &Call) -> Result<Graph, Problem> {
    let workflow = of_path(call).await?;
    let side = call.query("version").map_or_else(|| present(&workflow), str::to_owned);
    Ok(Graph::of(&read(&source_of(call, &workflow, &side).await?)?.workflow))
}

async fn graph(call: Call) -> Result<Reply, Problem> {
    let graph = drawn(&call).await?;
    Reply::ok(json!({ "title": graph.title, "nodes": graph.nodes, "edges": graph.edges, "text": graph.to_text() }))
}

async fn picture(call: Call) -> Result<Reply, Problem> {
    Ok(Reply::bytes(SVG, drawn(&call).await?.to_svg()))
}
