//! What the API says about itself: the index of its resources, and its OpenAPI document.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::base::{Access, Action, BaseApiView, Content, Mixins, Operation, Reply, Shape, Views};
use super::{PREFIX, openapi};
use crate::Problem;

/// The resources that there are.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ApiIndex)]
struct Index {
    /// What the program is.
    version: String,
    /// The resources, by name.
    resources: Vec<IndexEntry>,
    /// Where the OpenAPI document is.
    openapi: String,
    /// Where the documentation is, for people.
    docs: String,
}

/// A resource.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct IndexEntry {
    /// Its name.
    name: String,
    /// Where it is.
    path: String,
    /// What it is.
    description: String,
}

/// The view of `/api/v1` itself.
struct Root {
    index: Index,
    views: Views,
    document: OnceLock<Bytes>,
}

/// The name of the group that describes the others.
const ROOT: &str = "api";

/// Views with the description of themselves in front.
pub(super) fn with_root(views: Views) -> Views {
    if views.groups().iter().any(|group| group.name == ROOT) {
        return views;
    }
    let entry = |group: &super::base::ViewGroup| IndexEntry {
        name: group.name.clone(),
        path: group.operations.first().map_or_else(String::new, |first| format!("{PREFIX}{}", first.path)),
        description: group.doc.to_string(),
    };
    let index = Index {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resources: views.groups().iter().filter(|group| group.listed).map(entry).collect(),
        openapi: format!("{PREFIX}/openapi.json"),
        docs: "/api/docs".to_owned(),
    };
    let root = Root { index, views: views.clone(), document: OnceLock::new() };
    Views::new().with(root).and(views)
}

impl BaseApiView for Root {
    fn name(&self) -> &'static str {
        ROOT
    }

    fn doc(&self) -> &'static str {
        "What the API says about itself."
    }

    fn mixins(&self) -> Mixins {
        Mixins::default().without_tenant()
    }

    fn operations(self: Arc<Self>) -> Vec<Operation> {
        let index = self.index.clone();
        let anything = utoipa::openapi::schema::Object::builder().schema_type(utoipa::openapi::schema::Type::Object);
        vec![
            Operation::get("", Action::custom("index"))
                .summary("Lists the resources")
                .access(Access::public())
                .answers::<Index>(StatusCode::OK, "The resources that there are.")
                .handler(move |_| {
                    let reply = Reply::ok(&index);
                    async move { reply }
                }),
            Operation::get("/openapi.json", Action::custom("openapi"))
                .summary("Shows this document")
                .access(Access::public())
                .answers_with(
                    StatusCode::OK,
                    "The OpenAPI document.",
                    Content::Json(Shape::inline(utoipa::openapi::schema::Schema::Object(anything.build()))),
                )
                .handler(move |_| {
                    let root = Arc::clone(&self);
                    async move { root.document() }
                }),
        ]
    }
}

impl Root {
    fn document(&self) -> Result<Reply, Problem> {
        // Made when it is first asked for: it describes the root, too.
        if let Some(document) = self.document.get() {
            return Ok(Reply::bytes("application/json", document.clone()));
        }
        let text = openapi::document(&self.views).to_pretty_json().map_err(|error| {
            tracing::error!(%error, "the OpenAPI document cannot be written");
            Problem::internal()
        })?;
        Ok(Reply::bytes("application/json", self.document.get_or_init(|| Bytes::from(text + "\n")).clone()))
    }
}
