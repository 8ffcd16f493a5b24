//! From views to routes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::base::{Operation, Shape, Views};
use super::pipeline::{self, Source};
use super::state::ApiV1;
use super::{PREFIX, docs, openapi, root};
use crate::Problem;

/// Why views cannot be mounted: a mistake of whoever wrote them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two operations have one address and method.
    #[error("{method} {path} is mounted twice")]
    Twice {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// Two operations have one id.
    #[error("two operations are called {0}")]
    SameId(String),
    /// Two shapes of JSON have one name.
    #[error("two shapes are called {name}: one is of {operation}")]
    SameShape {
        /// The name.
        name: String,
        /// An operation that one of them belongs to.
        operation: String,
    },
    /// Two resources have one name.
    #[error("two views are called {0}")]
    SameName(String),
    /// A path that cannot be mounted.
    #[error("the path {path} cannot be mounted: {why}")]
    Path {
        /// The path.
        path: String,
        /// Why.
        why: &'static str,
    },
    /// An operation that nobody may use.
    #[error("it is not said who may use {0}")]
    NoAccess(String),
    /// An operation that answers nothing.
    #[error("{0} declares no answer")]
    NoAnswer(String),
}

/// The operations of one address.
struct Route {
    operations: Vec<Arc<Operation>>,
    allow: String,
}

/// The routes of views and what belongs to them: the index at `/api/v1`, the OpenAPI document, the
/// docs page. To be given to [`router_with`](crate::router_with).
///
/// # Errors
/// [`RouteError`], where the views contradict each other.
pub fn router(api: ApiV1, views: &Views) -> Result<Router, RouteError> {
    let views = root::with_root(views.clone());
    check(&views)?;
    let mut routes: BTreeMap<&str, Vec<Arc<Operation>>> = BTreeMap::new();
    for operation in views.operations() {
        routes.entry(&operation.path).or_default().push(Arc::new(operation.clone()));
    }
    let mut router = Router::new();
    for (path, operations) in routes {
        router = router.route(&format!("{PREFIX}{path}"), mounted(operations));
    }
    let docs = docs::router(&views);
    Ok(router.route(&format!("{PREFIX}/{{*rest}}"), any(unknown)).with_state(api).merge(docs))
}

fn mounted(operations: Vec<Arc<Operation>>) -> MethodRouter<ApiV1> {
    let mut methods: Vec<&str> = operations.iter().map(|operation| operation.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    let allow = methods.join(", ");
    let route = Arc::new(Route { operations, allow });
    any(move |State(api): State<ApiV1>, parameters: Result<RawPathParams, _>, request: Request| async move {
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        match route.operations.iter().find(|operation| operation.method == *method) {
            Some(operation) => pipeline::run(&api, operation, parameters, request).await,
            None if method == Method::OPTIONS => options(&api, &route, request.headers()),
            None => not_allowed(&route),
        }
    })
}

/// What can be done at an address; and whether a page of another origin may.
fn options(api: &ApiV1, route: &Route, headers: &HeaderMap) -> Response {
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_METHOD).and_then(|method| method.to_str().ok());
    let operation = route.operations.iter().find(|operation| Some(operation.method.as_str()) == asked);
    let mut response = StatusCode::NO_CONTENT.into_response();
    allow(&mut response, route);
    let cors = operation.map(|operation| operation.cors.as_ref().or(api.settings().cors.as_ref()));
    if let Some(Some(cors)) = cors {
        response.headers_mut().extend(cors.preflight(headers.get(header::ORIGIN), &route.allow));
    }
    response
}

fn not_allowed(route: &Route) -> Response {
    let detail = format!("this address takes {} only", route.allow);
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail).into_response();
    allow(&mut response, route);
    response
}

fn allow(response: &mut Response, route: &Route) {
    if let Ok(allow) = HeaderValue::from_str(&route.allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
}

/// What is nowhere: strangers are asked who they are first.
async fn unknown(State(api): State<ApiV1>, request: Request) -> Response {
    let source = Source::of(&request);
    let unsafe_method = !pipeline::is_safe(request.method());
    match pipeline::authenticate(&api, request.headers(), &source, unsafe_method).await {
        Ok(_) => Problem::not_found().into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn check(views: &Views) -> Result<(), RouteError> {
    let mut names = BTreeSet::new();
    for group in views.groups() {
        if !names.insert(&group.name) {
            return Err(RouteError::SameName(group.name.clone()));
        }
    }
    let mut ids = BTreeSet::new();
    let mut shapes = BTreeMap::new();
    let mut places = BTreeSet::new();
    // The names of parameters by what is before them: routes cannot have two in one place.
    let mut parameters: BTreeMap<String, &str> = BTreeMap::new();
    for operation in views.operations() {
        let path = &operation.path;
        let wrong = |why| Err(RouteError::Path { path: path.clone(), why });
        if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/') || path.contains("//")) {
            return wrong("it must begin with a slash, end without one, and have no empty segment");
        }
        let mut before = String::new();
        for segment in path.split('/').skip(1) {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let word = |name: &&str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if let Some(name) = name.filter(word) {
                if *parameters.entry(before.clone()).or_insert(name) != name {
                    return wrong("another operation calls this parameter otherwise");
                }
                before.push_str("/{}");
            } else if segment.contains(['{', '}', '*', '?', '#', '%']) {
                return wrong("a segment is a word or one parameter in braces");
            } else {
                before.push('/');
                before.push_str(segment);
            }
        }
        if !places.insert((before, operation.method.as_str())) {
            return Err(RouteError::Twice { method: operation.method.to_string(), path: path.clone() });
        }
        if !ids.insert(&operation.id) {
            return Err(RouteError::SameId(operation.id.clone()));
        }
        if !operation.access.is_declared() {
            return Err(RouteError::NoAccess(operation.id.clone()));
        }
        if operation.answers.is_empty() {
            return Err(RouteError::NoAnswer(operation.id.clone()));
        }
        for (name, schema) in openapi::shapes(operation) {
            let known = shapes.entry(name.clone()).or_insert_with(|| schema.clone());
            if !Shape::is_same(known, &schema) {
                return Err(RouteError::SameShape { name, operation: operation.id.clone() });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
