//! From a reply to a response.

use automate_core::access::Principal;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::Problem;
use crate::v1::base::{Events, Reply, ReplyBody};
use crate::v1::state::ApiV1;

/// The response; a stream needs a place among the tenant's.
pub(super) fn of(api: &ApiV1, principal: &Principal, reply: Reply) -> Result<Response, Problem> {
    let (media_type, body) = match reply.body {
        ReplyBody::Empty => (None, Body::empty()),
        ReplyBody::Bytes(bytes) => (None, Body::from(bytes)),
        ReplyBody::Json(bytes) => (Some("application/json"), Body::from(bytes)),
        ReplyBody::Events(stream) => {
            let slots = api.stream_slots(principal.tenant)?;
            let events = Events::new(stream, api.shutdown().clone(), api.settings().heartbeat, slots);
            (Some("text/event-stream"), Body::from_stream(events))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    if let Some(media_type) = media_type {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    response.headers_mut().extend(reply.headers);
    Ok(response)
}

/// 304: the client has it.
pub(super) fn not_modified(tag: &HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().insert(header::ETAG, tag.clone());
    response
}
