//! Rows that belong to another row, such as `/executions/{id}/steps`; and the shapes of a model's
//! rows, for operations that answer with them.

use automate_store::resource::{Comparison, ListQuery, Model, Selection};
use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AnyOf, Object, Schema, Type};

use crate::Problem;
use crate::v1::base::{Access, Action, BaseReadOnlyViewSet, Call, Content, Faces, IntoView, Operation, Reply, Shape};

/// The rows of a model, looked at.
struct Rows {
    model: &'static Model,
    faces: Faces,
}

impl BaseReadOnlyViewSet for Rows {
    fn model(&self) -> &'static Model {
        self.model
    }

    fn faces(&self) -> Faces {
        self.faces.clone()
    }
}

/// The operation that lists or shows rows of a model.
fn operation(model: &'static Model, faces: Faces, action: &Action) -> Operation {
    let operations = Rows { model, faces }.into_view().operations;
    let found = operations.into_iter().find(|operation| operation.action == *action);
    found.unwrap_or_else(|| Operation::get(format!("/{}", model.name), action.clone()))
}

/// The shape of a row, as the model's own view shows it.
pub(super) fn row_shape(model: &'static Model, faces: Faces) -> Shape {
    let answers = operation(model, faces, &Action::Retrieve).answers;
    let shapes = answers.into_iter().filter_map(|answer| match answer.content {
        Content::Json(shape) => Some(shape),
        Content::None | Content::Events(_) | Content::Bytes(_) => None,
    });
    shapes.into_iter().next().unwrap_or_else(anything)
}

/// Any JSON.
pub(super) fn anything() -> Shape {
    Shape::of::<Value>()
}

/// A shape, or null.
pub(super) fn nullable(shape: &Shape) -> Shape {
    let null = Schema::Object(Object::builder().schema_type(Type::Null).build());
    let either = AnyOf::builder().item(shape.reference()).item(null).build();
    Shape::inline(RefOr::T(Schema::AnyOf(either))).with_parts([shape])
}

/// Whether a row is there, for the caller.
///
/// # Errors
/// 404 where it is not.
pub(super) async fn found(call: &Call, model: &'static Model) -> Result<uuid::Uuid, Problem> {
    let id = call.path_id("id")?;
    let key = Selection { fields: vec![model.key], expand: Vec::new() };
    call.api.resources().get(model, &call.writer(), id, &key).await?;
    Ok(id)
}

/// A list of rows that belong to the row of the path.
#[derive(Clone)]
pub(super) struct Nested {
    /// Where it is.
    pub(super) path: &'static str,
    /// Its name among the operations of the view.
    pub(super) action: &'static str,
    /// What is listed.
    pub(super) model: &'static Model,
    /// How that looks.
    pub(super) faces: Faces,
    /// What it belongs to.
    pub(super) parent: &'static Model,
    /// The column that names what it belongs to.
    pub(super) column: &'static str,
    /// A row as it is shown.
    pub(super) show: fn(Map<String, Value>) -> Map<String, Value>,
}

impl Nested {
    /// The operation.
    pub(super) fn operation(self) -> Operation {
        let mut operation = operation(self.model, self.faces.clone(), &Action::List);
        self.path.clone_into(&mut operation.path);
        operation.action = Action::custom(self.action);
        operation.id = String::new();
        operation.tag = String::new();
        // Whoever may look at the one row with a token may look at what belongs to it.
        operation.access = Access::new(format!("{}:read", self.parent.name), self.model.permission_for("view"));
        operation.handler(move |call| self.clone().list(call))
    }

    async fn list(self, call: Call) -> Result<Reply, Problem> {
        let mut query = ListQuery::parse(self.model, &call.query)?;
        if call.query("limit").is_none() {
            query.limit = call.pagination.limit;
        }
        let id = found(&call, self.parent).await?;
        let query = query.filter(self.column, Comparison::Equal, vec![json!(id)]);
        let page = call.api.resources().list(self.model, &call.writer(), &query).await?;
        let results: Vec<Map<String, Value>> = page.results.into_iter().map(self.show).collect();
        let mut body = json!({ "results": results, "next": page.next, "previous": page.previous });
        if let Some(count) = page.count {
            body["count"] = count.into();
        }
        Reply::json(StatusCode::OK, body)
    }
}
