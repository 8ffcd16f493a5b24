//! One operation: what routes, the OpenAPI document, the docs page and the generated tests are made
//! of.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use automate_core::limits;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use utoipa::ToSchema;

use super::access::Access;
use super::call::Call;
use super::cors::CorsPolicy;
use super::mixins::PaginationMixin;
use super::parameter::Parameter;
use super::reply::Reply;
use super::shape::Shape;
use super::throttle::Throttle;
use crate::Problem;

/// What an operation does with its resource. Permissions and throttles are chosen by it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Many rows.
    List,
    /// One row.
    Retrieve,
    /// A new row.
    Create,
    /// A changed row.
    Update,
    /// One row less.
    Destroy,
    /// Anything else, by name: `publish`.
    Custom(Cow<'static, str>),
}

impl Action {
    /// A custom one.
    #[must_use]
    pub fn custom(name: impl Into<Cow<'static, str>>) -> Self {
        Self::Custom(name.into())
    }

    /// Its name, as in operation ids.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::List => "list",
            Self::Retrieve => "retrieve",
            Self::Create => "create",
            Self::Update => "update",
            Self::Destroy => "destroy",
            Self::Custom(name) => name,
        }
    }
}

/// What does an operation's work.
pub type Handler = Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Problem>> + Send + Sync>;

/// What an answer consists of.
#[derive(Debug, Clone)]
pub enum Content {
    /// Nothing.
    None,
    /// JSON of a shape.
    Json(Shape),
    /// Server-sent events whose data is JSON of a shape.
    Events(Shape),
    /// Anything, of a media type.
    Bytes(&'static str),
}

/// An answer that an operation gives when it succeeds. Problems are not declared: they follow from
/// what the operation takes.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// What it means.
    pub description: Cow<'static, str>,
    /// What it consists of.
    pub content: Content,
}

/// What a request carries.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its shape.
    pub shape: Shape,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it is read into a type, of which lengths and ranges are no part: they are checked before.
    pub typed: bool,
}

/// One operation. Made by [`Operation::get`] and the like, completed by the methods, mounted by a
/// view.
#[derive(Clone)]
pub struct Operation {
    /// The method. GET answers HEAD too.
    pub method: Method,
    /// The path below `/api/v1`, with parameters in braces: `/workflows/{id}/publish`.
    pub path: String,
    /// What it does.
    pub action: Action,
    /// Its id in the OpenAPI document; unique. Made of the tag and the action where empty.
    pub id: String,
    /// The resource that it belongs to.
    pub tag: String,
    /// What it does, in a few words.
    pub summary: Cow<'static, str>,
    /// What else there is to know, in Markdown.
    pub description: Cow<'static, str>,
    /// Who may.
    pub access: Access,
    /// Whether it needs a tenant; whoever has none is refused. On unless taken off.
    pub tenant_bound: bool,
    /// The parameters of the path; those that are not declared are identifiers of rows.
    pub path_parameters: Vec<Parameter>,
    /// The parameters of the query; all others are refused.
    pub parameters: Vec<Parameter>,
    /// The body; without one, bodies are not read.
    pub input: Option<Input>,
    /// What it answers with when it succeeds.
    pub answers: Vec<Answer>,
    /// Statuses of problems besides those that follow from the declaration.
    pub problems: Vec<StatusCode>,
    /// Whether it takes `Idempotency-Key`. Every POST does, unless it is for everybody or says otherwise.
    pub idempotent: bool,
    /// Whether it sends `ETag`.
    pub sends_etag: bool,
    /// Whether it takes `If-Match`.
    pub takes_if_match: bool,
    /// How often it may be asked.
    pub throttles: Vec<Throttle>,
    /// Which other origins may call it from a browser; none where absent.
    pub cors: Option<CorsPolicy>,
    /// How a list is cut into pages.
    pub pagination: PaginationMixin,
    /// How long it may take.
    pub deadline: Duration,
    /// What does the work.
    pub handler: Handler,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Operation({} {} {})", self.id, self.method, self.path)
    }
}

impl Operation {
    /// An operation. It is refused to everybody until its access is said, and answers 501 until it
    /// has a handler.
    #[must_use]
    pub fn new(method: Method, path: impl Into<String>, action: Action) -> Self {
        let idempotent = method == Method::POST;
        Self {
            method,
            path: path.into(),
            action,
            id: String::new(),
            tag: String::new(),
            summary: Cow::Borrowed(""),
            description: Cow::Borrowed(""),
            access: Access::nobody(),
            tenant_bound: true,
            path_parameters: Vec::new(),
            parameters: Vec::new(),
            input: None,
            answers: Vec::new(),
            problems: Vec::new(),
            idempotent,
            sends_etag: false,
            takes_if_match: false,
            throttles: Vec::new(),
            cors: None,
            pagination: PaginationMixin::default(),
            deadline: limits::OPERATION_TIME,
            handler: Arc::new(|_| {
                Box::pin(async {
                    Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "this operation does nothing yet"))
                })
            }),
        }
    }

    /// One that only looks.
    #[must_use]
    pub fn get(path: impl Into<String>, action: Action) -> Self {
        Self::new(Method::GET, path, action)
    }

    /// One that does something.
    #[must_use]
    pub fn post(path: impl Into<String>, action: Action) -> Self {
        Self::new(Method::POST, path, action)
    }

    /// One that changes fields.
    #[must_use]
    pub fn patch(path: impl Into<String>, action: Action) -> Self {
        Self::new(Method::PATCH, path, action)
    }

    /// One that replaces or sets.
    #[must_use]
    pub fn put(path: impl Into<String>, action: Action) -> Self {
        Self::new(Method::PUT, path, action)
    }

    /// One that deletes.
    #[must_use]
    pub fn delete(path: impl Into<String>, action: Action) -> Self {
        Self::new(Method::DELETE, path, action)
    }

    /// Its id in the OpenAPI document.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<Cow<'static, str>>) -> Self {
        self.summary = summary.into();
        self
    }

    /// What else there is to know.
    #[must_use]
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = description.into();
        self
    }

    /// Who may. Within a view set, what it does not say is asked of `get_permissions`.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// A parameter of the query.
    #[must_use]
    pub fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// What a parameter of the path is; one that is not declared is a UUID where it is called `id`
    /// or ends in `_id`, and a word otherwise.
    #[must_use]
    pub fn path_parameter(mut self, parameter: Parameter) -> Self {
        self.path_parameters.push(parameter);
        self
    }

    /// The body: JSON of a type. Members that the type does not have are refused.
    #[must_use]
    pub fn reads<T: ToSchema>(self) -> Self {
        self.reads_typed(Shape::of::<T>().closed(), false)
    }

    /// The body, which may be left out.
    #[must_use]
    pub fn may_read<T: ToSchema>(self) -> Self {
        self.reads_typed(Shape::of::<T>().closed(), true)
    }

    fn reads_typed(mut self, shape: Shape, optional: bool) -> Self {
        self.input = Some(Input { shape, optional, typed: true });
        self
    }

    /// The body: JSON of a shape.
    #[must_use]
    pub fn reads_shape(mut self, shape: Shape, optional: bool) -> Self {
        self.input = Some(Input { shape, optional, typed: false });
        self
    }

    /// An answer: JSON of a type.
    #[must_use]
    pub fn answers<T: ToSchema>(self, status: StatusCode, description: impl Into<Cow<'static, str>>) -> Self {
        self.answers_with(status, description, Content::Json(Shape::of::<T>()))
    }

    /// An answer of 204.
    #[must_use]
    pub fn answers_nothing(self, description: impl Into<Cow<'static, str>>) -> Self {
        self.answers_with(StatusCode::NO_CONTENT, description, Content::None)
    }

    /// An answer.
    #[must_use]
    pub fn answers_with(
        mut self,
        status: StatusCode,
        description: impl Into<Cow<'static, str>>,
        content: Content,
    ) -> Self {
        self.answers.push(Answer { status, description: description.into(), content });
        self
    }

    /// A status of problems besides those that follow from the declaration.
    #[must_use]
    pub fn may_fail_with(mut self, status: StatusCode) -> Self {
        self.problems.push(status);
        self
    }

    /// Says that answers carry `ETag`.
    #[must_use]
    pub fn with_etag(mut self) -> Self {
        self.sends_etag = true;
        self
    }

    /// Says that `If-Match` is looked at.
    #[must_use]
    pub fn with_if_match(mut self) -> Self {
        self.takes_if_match = true;
        self
    }

    /// A limit of how often it may be asked.
    #[must_use]
    pub fn throttle(mut self, throttle: Throttle) -> Self {
        self.throttles.push(throttle);
        self
    }

    /// Works on the installation, or on nothing: needs no tenant.
    #[must_use]
    pub fn without_tenant(mut self) -> Self {
        self.tenant_bound = false;
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What does the work. It runs in a task of its own, to its end, whatever the client does.
    #[must_use]
    pub fn handler<H, F>(mut self, handler: H) -> Self
    where
        H: Fn(Call) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Problem>> + Send + 'static,
    {
        self.handler = Arc::new(move |call| Box::pin(handler(call)));
        self
    }

    /// The names of the path's parameters, in their order.
    pub fn path_names(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.method == Method::GET
    }

    /// Whether it answers with a stream of events.
    #[must_use]
    pub fn has_events(&self) -> bool {
        self.answers.iter().any(|answer| matches!(answer.content, Content::Events(_)))
    }
}
