//! The layers around all pages: who asks is found out and forms are read and checked before any
//! handler runs, so that no page can forget to; what goes wrong becomes a page.

use askama::Template;
use automate_core::audit::AuditOutcome;
use automate_core::redaction::process_scrubber;
use automate_governance::identity::{AuthError, check_csrf_token, check_same_origin};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, header};
use serde_json::json;

use super::page::{html, see_other, with_cookie};
use super::{Cx, Fields, Flash, Shell, Visitor, headers, upload};
use crate::column::capital;
use crate::error::AdminError;
use crate::state::AdminState;

#[derive(Template)]
#[template(path = "admin/error.html")]
struct ErrorPage {
    shell: Shell,
    status: u16,
    code: &'static str,
    what: String,
    next: String,
}

impl IntoResponse for AdminError {
    /// The layer makes a page of it.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Around pages for people who have logged in.
pub(crate) async fn enter(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let visitor = Visitor::of(&parts);
    let mut response = match come_in(&state, &visitor, &parts).await {
        Ok(cx) => {
            if let Some(tenant) = cx.principal().tenant.filter(|_| cx.can("outbox.view_item") && !cx.is_fragment()) {
                state.dead_letters().refresh(state.database(), tenant).await;
            }
            let answer = proceed(&state, &cx, parts, body, next).await;
            match answer {
                Ok(mut response) => match response.extensions_mut().remove::<AdminError>() {
                    Some(error) => explain(&cx, &error).await,
                    None => response,
                },
                Err(error) => explain(&cx, &error).await,
            }
        }
        Err(AdminError::Auth(AuthError::Missing | AuthError::Invalid)) => to_log_in(&state, &parts),
        Err(error) => plain(&visitor, &error),
    };
    headers::secure(response.headers_mut());
    response
}

async fn come_in(state: &AdminState, visitor: &Visitor, parts: &Parts) -> Result<Cx, AdminError> {
    let who = state.identity().session(&parts.headers).await?;
    if !who.principal.is_staff && !who.principal.is_superuser {
        return Err(AdminError::Forbidden("staff".to_owned()));
    }
    Cx::new(state.clone(), visitor.clone(), who, parts)
        .ok_or_else(|| AdminError::Query("it has too many parameters".to_owned()))
}

async fn proceed(
    state: &AdminState,
    cx: &Cx,
    mut parts: Parts,
    body: Body,
    next: Next,
) -> Result<Response, AdminError> {
    if parts.method == Method::POST {
        check_same_origin(&parts.headers, state.identity().settings())?;
        let fields = if upload::takes_file(&parts) && kind_of(&parts).starts_with("multipart/form-data") {
            let (fields, file) = upload::read(&parts, body).await?;
            parts.extensions.insert(file);
            fields
        } else {
            read(state, &parts, body).await?
        };
        let header = parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok());
        check_csrf_token(cx.session(), header.or_else(|| fields.get("csrf")))?;
        parts.extensions.insert(fields.without(&["csrf"]));
    } else if parts.method != Method::GET && parts.method != Method::HEAD {
        return Ok(StatusCode::METHOD_NOT_ALLOWED.into_response());
    }
    parts.extensions.insert(cx.clone());
    Ok(next.run(Request::from_parts(parts, Body::empty())).await)
}

/// Around pages for everybody: log-in and set-up.
pub(crate) async fn greet(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let visitor = Visitor::of(&parts);
    let read = async {
        if parts.method == Method::POST {
            check_same_origin(&parts.headers, state.identity().settings())?;
            let fields = read(&state, &parts, body).await?;
            parts.extensions.insert(fields);
        }
        parts.extensions.insert(visitor.clone());
        Ok(parts)
    };
    let mut response = match read.await {
        Ok(parts) => {
            let mut response = next.run(Request::from_parts(parts, Body::empty())).await;
            match response.extensions_mut().remove::<AdminError>() {
                Some(error) => plain(&visitor, &error),
                None => response,
            }
        }
        Err(error) => plain(&visitor, &error),
    };
    headers::secure(response.headers_mut());
    response
}

fn kind_of(parts: &Parts) -> &str {
    parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

async fn read(state: &AdminState, parts: &Parts, body: Body) -> Result<Fields, AdminError> {
    if !kind_of(parts).starts_with("application/x-www-form-urlencoded") {
        return Err(AdminError::Form("it must be `application/x-www-form-urlencoded`".to_owned()));
    }
    let limit = state.parts().settings.body_limit;
    let bytes = axum::body::to_bytes(body, limit)
        .await
        .map_err(|_| AdminError::Form(format!("it is larger than {limit} bytes, or was cut off")))?;
    Fields::parse(&bytes)
}

fn to_log_in(state: &AdminState, parts: &Parts) -> Response {
    let wants_page = parts
        .headers
        .get(header::ACCEPT)
        .is_none_or(|accept| accept.to_str().is_ok_and(|accept| accept.contains("html") || accept.contains("*/*")));
    if parts.headers.contains_key("x-fragment") || !wants_page {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let here = parts.uri.path_and_query().map_or("/admin/", |here| here.as_str());
    // What was posted is gone: it may not be sent again by somebody else who logs in.
    let next = if parts.method == Method::GET { here } else { "/admin/" };
    let query = Fields::of(vec![("next".to_owned(), next.to_owned())]).to_query();
    let response = see_other(&format!("/admin/login/{query}")).unwrap_or_else(IntoResponse::into_response);
    if parts.method == Method::GET {
        return response;
    }
    let flash = Flash::warning("You were logged out in the meantime; what you sent was not done.");
    with_cookie(response, &flash.set_cookie(state.identity().settings().is_https()))
}

/// The page about what went wrong, for somebody who has logged in. A refusal is audited.
async fn explain(cx: &Cx, error: &AdminError) -> Response {
    if let AdminError::Forbidden(permission) = error {
        let entry = cx.entry("admin.refused").about("page", cx.path()).outcome(AuditOutcome::Refused);
        let entry = entry.with(json!({ "permission": permission }));
        if let Err(error) = cx.state().audit().record(vec![entry]).await {
            tracing::error!(%error, "a refusal could not be audited");
        }
    }
    report(error, &cx.origin().correlation_id);
    show(Shell::of(cx, title(error)), error)
}

fn plain(visitor: &Visitor, error: &AdminError) -> Response {
    report(error, &visitor.client.origin.correlation_id);
    show(Shell::visitor(visitor, title(error)), error)
}

fn report(error: &AdminError, correlation_id: &str) {
    if error.status().is_server_error() {
        let detail = match error {
            AdminError::Internal(detail) => detail.clone(),
            other => format!("{other:?}"),
        };
        let detail = process_scrubber().scrub_str(&detail);
        tracing::error!(correlation_id, code = error.code(), %detail, "a page failed");
    }
}

fn show(shell: Shell, error: &AdminError) -> Response {
    let status = error.status();
    let page =
        ErrorPage { what: what(error), next: what_to_do(error), status: status.as_u16(), code: error.code(), shell };
    html(status, &page).unwrap_or_else(|_| status.into_response())
}

fn title(error: &AdminError) -> &'static str {
    match error.status().as_u16() {
        403 => "Not allowed",
        404 => "Not found",
        409 => "Conflict",
        429 => "Too many attempts",
        400..=499 => "This cannot be done",
        503 => "Try again shortly",
        _ => "Something went wrong",
    }
}

fn what(error: &AdminError) -> String {
    use automate_store::resource::ResourceError as R;
    let text = match error {
        AdminError::Resource(R::Query(problems) | R::Invalid(problems)) => {
            let all: Vec<String> = problems.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
            all.join("; ")
        }
        AdminError::Resource(R::Store(_)) => "The database did not do it.".to_owned(),
        other => other.to_string(),
    };
    capital(&text)
}

fn what_to_do(error: &AdminError) -> String {
    match error.status().as_u16() {
        403 if matches!(error, AdminError::Auth(_)) => "Open the page again and send its form from there.".to_owned(),
        403 => "Whoever manages your groups can give it to you.".to_owned(),
        404 => "It may have been deleted, or belong to another tenant.".to_owned(),
        409 => "Look at how it is now, and decide again.".to_owned(),
        400 => "Go back to the page without parameters and begin from there.".to_owned(),
        503 => "Nothing was lost. Try again in a moment.".to_owned(),
        401..=499 => "Go back and change what you sent.".to_owned(),
        _ => "The log has the details under the request's id below.".to_owned(),
    }
}

/// Where no page is: with a slash at its end there may be one.
pub(crate) async fn lost(cx: Cx) -> Result<Response, AdminError> {
    if !cx.path().ends_with('/') && !cx.path().rsplit('/').next().unwrap_or_default().contains('.') {
        return see_other(&format!("{}/{}", cx.path(), cx.query().to_query()));
    }
    Err(AdminError::NotFound)
}
