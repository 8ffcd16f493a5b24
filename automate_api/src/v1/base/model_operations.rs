//! The five operations over a model's rows.

use std::sync::Arc;

use automate_store::resource::{
    ListQuery, Model, ParameterDoc, ResourceError, ResourceHooks, Row, Selection, parameters, selection_parameters,
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::call::Call;
use super::conditions::IfMatch;
use super::faces::Faces;
use super::model_shape;
use super::model_views::{BaseModelViewSet, BaseReadOnlyViewSet, ReadOnly, RowsView, Writable};
use super::operation::{Action, Content, Operation};
use super::parameter::{Parameter, ParameterKind};
use super::reply::Reply;
use super::shape::Shape;
use crate::Problem;
use crate::v1::PREFIX;
use crate::v1::idempotency::kept;

/// A model, its view set without its type, and its shapes.
struct Face {
    model: &'static Model,
    view: Arc<dyn RowsView>,
    faces: Faces,
    shape: Shape,
}

impl Face {
    fn new(model: &'static Model, view: Arc<dyn RowsView>, faces: Faces) -> Arc<Self> {
        let shape = model_shape::shown(model, &faces);
        Arc::new(Self { model, view, faces, shape })
    }

    /// Rows as they are answered.
    async fn show(&self, call: &Call, rows: Vec<Map<String, Value>>) -> Result<Vec<Value>, Problem> {
        match &self.faces.read {
            None => self.view.show(call, rows).await,
            Some((_, read)) => {
                let typed = rows.into_iter().map(|row| read(row)).collect::<Result<Vec<Value>, Problem>>()?;
                let object = |value| match value {
                    Value::Object(fields) => fields,
                    other => Map::from_iter([("value".to_owned(), other)]),
                };
                self.view.show(call, typed.into_iter().map(object).collect()).await
            }
        }
    }

    async fn show_one(&self, call: &Call, row: Map<String, Value>) -> Result<Value, Problem> {
        let mut rows = self.show(call, vec![row]).await?;
        rows.pop().ok_or_else(Problem::internal)
    }

    fn path(&self) -> String {
        format!("/{}", self.model.name)
    }

    fn row_path(&self) -> String {
        format!("/{}/{{id}}", self.model.name)
    }

    fn row_operation(&self, operation: Operation) -> Operation {
        let description = format!("The id of the {}.", self.noun());
        operation.path_parameter(Parameter::new("id", ParameterKind::Uuid, description).required())
    }

    fn noun(&self) -> String {
        self.model.noun.replace('_', " ")
    }
}

/// List and retrieve.
pub(super) fn read_only_operations<V: BaseReadOnlyViewSet>(view: &Arc<V>) -> Vec<Operation> {
    let face = Face::new(view.model(), Arc::new(ReadOnly(Arc::clone(view))), view.faces());
    vec![list(&face), retrieve(&face)]
}

/// Those of the five that the view set names.
pub(super) fn model_operations<V: BaseModelViewSet>(view: &Arc<V>) -> Vec<Operation> {
    let face = Face::new(view.model(), Arc::new(Writable(Arc::clone(view))), view.faces());
    let one = |action: &Action| match action {
        Action::List => Some(list(&face)),
        Action::Retrieve => Some(retrieve(&face)),
        Action::Create => Some(create(&face, view.hooks())),
        Action::Update => Some(update(&face, view.hooks())),
        Action::Destroy => Some(destroy(&face, view.hooks())),
        Action::Custom(_) => None,
    };
    view.actions().iter().filter_map(one).collect()
}

fn declared(model: &Model, docs: Vec<ParameterDoc>) -> Vec<Parameter> {
    docs.into_iter().map(|doc| model_shape::parameter(model, doc)).collect()
}

fn list(face: &Arc<Face>) -> Operation {
    let page = model_shape::page(face.model, &face.shape);
    let mut operation = Operation::get(face.path(), Action::List)
        .summary(format!("Lists {}", face.model.name.replace('-', " ")))
        .description(face.model.doc)
        .answers_with(StatusCode::OK, "A page of the list.", Content::Json(page));
    operation.parameters = declared(face.model, parameters(face.model));
    let face = Arc::clone(face);
    operation.handler(move |call| list_rows(Arc::clone(&face), call))
}

/// A page as it is written.
#[derive(Serialize)]
struct PageBody {
    results: Vec<Value>,
    next: Option<String>,
    previous: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

async fn list_rows(face: Arc<Face>, call: Call) -> Result<Reply, Problem> {
    let mut query = ListQuery::parse(face.model, &call.query)?;
    if call.query("limit").is_none() {
        query.limit = call.pagination.limit;
    }
    query.limit = query.limit.min(call.pagination.most);
    let query = face.view.narrow(&call.principal, query)?;
    let page = call.api.resources().list(face.model, &call.writer(), &query).await?;
    let results = face.show(&call, page.results).await?;
    Reply::ok(PageBody { results, next: page.next, previous: page.previous, count: page.count })
}

fn retrieve(face: &Arc<Face>) -> Operation {
    let mut operation = Operation::get(face.row_path(), Action::Retrieve)
        .summary(format!("Shows one {}", face.noun()))
        .answers_with(StatusCode::OK, "The row.", Content::Json(face.shape.clone()))
        .with_etag();
    operation.parameters = declared(face.model, selection_parameters(face.model));
    let operation = face.row_operation(operation);
    let face = Arc::clone(face);
    operation.handler(move |call| retrieve_row(Arc::clone(&face), call))
}

async fn retrieve_row(face: Arc<Face>, call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let selection = Selection::parse(face.model, &call.query)?;
    let partial = !selection.fields.is_empty() || !selection.expand.is_empty();
    let row = call.api.resources().get(face.model, &call.writer(), id, &selection).await?;
    let version = row.version;
    let body = face.show_one(&call, row.fields).await?;
    let tag = etag(version, partial.then_some(&body), &body);
    Ok(Reply::ok(body)?.with_header(header::ETAG, tag))
}

/// The tag of a row: its version, and what tells views apart that show other things of the same
/// version.
fn etag(version: Option<i64>, partial: Option<&Value>, whole: &Value) -> HeaderValue {
    let digest = |body: &Value| hex::encode(&Sha256::digest(body.to_string().as_bytes())[..8]);
    let tag = match (version, partial) {
        (Some(version), None) => format!("\"{version}\""),
        (Some(version), Some(body)) => format!("\"{version}.{}\"", digest(body)),
        (None, _) => format!("\"x.{}\"", digest(whole)),
    };
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"x\""))
}

fn create(face: &Arc<Face>, hooks: Arc<dyn ResourceHooks>) -> Operation {
    let input = face.faces.create.as_ref().map_or_else(|| model_shape::created(face.model), |(shape, _)| shape.clone());
    let operation = Operation::post(face.path(), Action::Create)
        .summary(format!("Creates one {}", face.noun()))
        .reads_shape(input, false)
        .answers_with(StatusCode::CREATED, "The new row.", Content::Json(face.shape.clone()))
        .may_fail_with(StatusCode::CONFLICT);
    let operation = if face.model.version.is_some() { operation.with_etag() } else { operation };
    let face = Arc::clone(face);
    operation.handler(move |call| create_row(Arc::clone(&face), Arc::clone(&hooks), call))
}

async fn create_row(face: Arc<Face>, hooks: Arc<dyn ResourceHooks>, call: Call) -> Result<Reply, Problem> {
    let fields = match &face.faces.create {
        Some((_, write)) => write(call.body.clone())?,
        None => call.fields()?,
    };
    let resources = call.api.resources().clone();
    // The row and the answer that a repeated request gets are stored together, or neither is.
    let work = move |resources: automate_store::resource::Resources| async move {
        let txn = resources.db().begin().await?;
        let row = resources.create_in(&txn, face.model, &call.writer(), &*hooks, fields).await?;
        let row = resources.show_in(&txn, face.model, &call.writer(), row).await?;
        let reply = match created(&face, &call, row).await {
            Ok(reply) => reply,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(held) = &call.held {
            let answer = kept(&reply);
            held.complete_in(&txn, answer).await?;
        }
        txn.commit().await.map_err(automate_store::error::store_error)?;
        Ok(Ok(reply))
    };
    resources.run(work).await?
}

async fn created(face: &Face, call: &Call, row: Row) -> Result<Reply, Problem> {
    let location = match row.id(face.model) {
        Some(id) => format!("{PREFIX}/{}/{id}", face.model.name),
        None => format!("{PREFIX}/{}", face.model.name),
    };
    let version = row.version;
    let reply = Reply::created(&location, face.show_one(call, row.fields).await?)?;
    Ok(match version {
        Some(version) => reply.with_version(version),
        None => reply,
    })
}

fn update(face: &Arc<Face>, hooks: Arc<dyn ResourceHooks>) -> Operation {
    let operation = Operation::patch(face.row_path(), Action::Update)
        .summary(format!("Changes one {}", face.noun()))
        .description("Changes the fields that are given, and no others.")
        .reads_shape(model_shape::updated(face.model), false)
        .answers_with(StatusCode::OK, "The row as it is now.", Content::Json(face.shape.clone()))
        .may_fail_with(StatusCode::CONFLICT);
    let operation = if face.model.version.is_some() { operation.with_etag().with_if_match() } else { operation };
    let operation = face.row_operation(operation);
    let face = Arc::clone(face);
    operation.handler(move |call| update_row(Arc::clone(&face), Arc::clone(&hooks), call))
}

async fn update_row(face: Arc<Face>, hooks: Arc<dyn ResourceHooks>, call: Call) -> Result<Reply, Problem> {
    let (id, fields) = (call.path_id("id")?, call.fields()?);
    let expected = expected(&call, face.model, id).await?;
    let row = call.api.resources().update(face.model, &call.writer(), &hooks, id, fields, expected).await?;
    let version = row.version;
    let reply = Reply::ok(face.show_one(&call, row.fields).await?)?;
    Ok(match version {
        Some(version) => reply.with_version(version),
        None => reply,
    })
}

fn destroy(face: &Arc<Face>, hooks: Arc<dyn ResourceHooks>) -> Operation {
    let operation = Operation::delete(face.row_path(), Action::Destroy)
        .summary(format!("Deletes one {}", face.noun()))
        .answers_nothing("It is deleted.")
        .may_fail_with(StatusCode::CONFLICT);
    let operation = if face.model.version.is_some() { operation.with_if_match() } else { operation };
    let operation = face.row_operation(operation);
    let face = Arc::clone(face);
    operation.handler(move |call| destroy_row(Arc::clone(&face), Arc::clone(&hooks), call))
}

async fn destroy_row(face: Arc<Face>, hooks: Arc<dyn ResourceHooks>, call: Call) -> Result<Reply, Problem> {
    let id = call.path_id("id")?;
    let expected = expected(&call, face.model, id).await?;
    call.api.resources().delete(face.model, &call.writer(), &hooks, id, expected).await?;
    Ok(Reply::no_content())
}

/// The version that the row must be at. It is compared again where the row is locked.
async fn expected(call: &Call, model: &'static Model, id: Uuid) -> Result<Option<i64>, Problem> {
    let Some(IfMatch::Versions(versions)) = &call.if_match else { return Ok(None) };
    if let [version] = versions[..] {
        return Ok(Some(version));
    }
    let row = call.api.resources().get(model, &call.writer(), id, &Selection::default()).await?;
    let current = row.version.unwrap_or_default();
    if versions.contains(&current) { Ok(Some(current)) } else { Err(ResourceError::Changed { current }.into()) }
}
