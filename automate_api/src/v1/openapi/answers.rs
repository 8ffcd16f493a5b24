//! What operations answer, problems included.

use http::StatusCode;
use serde_json::json;
use utoipa::openapi::header::Header;
use utoipa::openapi::response::{Response, Responses};
use utoipa::openapi::schema::{AnyOf, Object, Schema, Type};
use utoipa::openapi::{Content, Ref, RefOr};

use crate::v1::base::{Answer, Content as Body, Operation, Shape};

/// Problems: the status, the name among the components, the code that is most common, and what it
/// means.
const PROBLEMS: [(u16, &str, &str, &str); 19] = [
    (400, "BadRequest", "INVALID_PARAMETER", "The request is not what the interface takes."),
    (401, "Unauthenticated", "UNAUTHENTICATED", "There is no valid token or session."),
    (403, "Forbidden", "PERMISSION_REQUIRED", "The caller lacks the scope or permission that the answer names."),
    (404, "NotFound", "NOT_FOUND", "There is nothing of that name, or nothing that the caller may know of."),
    (408, "BodyTimeout", "BODY_TIMEOUT", "The body did not arrive in time."),
    (409, "Conflict", "CONFLICT", "It contradicts what is stored, or a request with the same key is under way."),
    (410, "Gone", "LINK_EXPIRED", "What was to be used once has been used, or its time is over."),
    (412, "Changed", "CHANGED", "The row has changed since it was read; `ETag` has what it is now."),
    (413, "TooLarge", "PAYLOAD_TOO_LARGE", "The body is too large."),
    (414, "AddressTooLong", "URI_TOO_LONG", "The address is too long."),
    (415, "NotJson", "UNSUPPORTED_MEDIA_TYPE", "The body is not JSON, or not said to be."),
    (422, "Invalid", "INVALID_INPUT", "The input is not valid; `errors` says where."),
    (429, "TooMany", "RATE_LIMITED", "Too many requests."),
    (431, "HeadersTooLarge", "HEADERS_TOO_LARGE", "The headers are too many, or too large."),
    (500, "Internal", "INTERNAL", "Something went wrong here; nothing of it is told, the log has it."),
    (501, "NotImplemented", "NOT_IMPLEMENTED", "It is not there yet."),
    (502, "Upstream", "UPSTREAM", "Another system that was asked did not answer as it should."),
    (503, "Unavailable", "DATABASE_UNAVAILABLE", "It cannot be done now; try again later."),
    (507, "DiskFull", "DISK_FULL", "The disk of the database is full; nothing was stored."),
];

/// The statuses of the problems of an operation: what follows from its declaration, and what it adds.
pub(in crate::v1) fn problems(operation: &Operation) -> Vec<(u16, &'static str)> {
    let mut statuses = vec![400, 414, 429, 431, 500, 503];
    if !operation.access.public {
        statuses.extend([401, 403]);
    }
    if operation.path_names().next().is_some() {
        statuses.push(404);
    }
    if !operation.is_safe() {
        statuses.extend([408, 413, 415, 507]);
    }
    if operation.idempotent {
        statuses.extend([409, 422]);
    }
    if operation.input.is_some() {
        statuses.push(422);
    }
    if operation.takes_if_match {
        statuses.push(412);
    }
    statuses.extend(operation.problems.iter().map(|status| status.as_u16()));
    PROBLEMS
        .iter()
        .filter(|(status, ..)| statuses.contains(status))
        .map(|(status, _, _, what)| (*status, *what))
        .collect()
}

/// The problems as components.
pub(super) fn shared() -> impl Iterator<Item = (&'static str, Response)> {
    PROBLEMS.iter().map(|(status, name, code, what)| {
        let title = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        let example = json!({
            "type": format!("urn:automate:error:{code}"),
            "title": title,
            "status": status,
            "detail": what,
            "code": code,
            "correlation_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        });
        let content = Content::builder()
            .schema(Some(RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"))))
            .example(Some(example))
            .build();
        let mut response = Response::builder().description(*what).content("application/problem+json", content);
        match status {
            401 => response = response.header("WWW-Authenticate", header(Type::String, "How to say who you are.")),
            412 => response = response.header("ETag", header(Type::String, "The version that the row is at.")),
            429 | 503 => response = response.header("Retry-After", header(Type::Integer, "Seconds to wait.")),
            _ => {}
        }
        (*name, response.build())
    })
}

/// All answers of an operation.
pub(super) fn of(operation: &Operation) -> Responses {
    let mut responses = Responses::builder();
    for answer in &operation.answers {
        responses = responses.response(answer.status.as_str(), success(operation, answer));
    }
    if operation.sends_etag && operation.is_safe() {
        let known = Response::builder().description("What you have is still right.");
        responses = responses.response("304", known.header("ETag", header(Type::String, "Its tag.")).build());
    }
    for (status, _) in problems(operation) {
        let name = PROBLEMS.iter().find(|(known, ..)| *known == status).map_or("Internal", |(_, name, ..)| *name);
        responses = responses.response(status.to_string(), RefOr::<Response>::Ref(Ref::from_response_name(name)));
    }
    responses.build()
}

fn success(operation: &Operation, answer: &Answer) -> Response {
    let mut response = Response::builder().description(answer.description.as_ref());
    match &answer.content {
        Body::None => {}
        Body::Json(shape) => {
            let content = Content::builder().schema(Some(shape.reference())).example(Some(shape.example())).build();
            response = response.content("application/json", content);
        }
        // What a client gets depends on whether it takes the stream apart.
        Body::Events(shape) => {
            let text = |what: &str| Object::builder().schema_type(Type::String).description(Some(what.to_owned()));
            let data = text("What happened, as JSON.")
                .content_media_type("application/json")
                .content_schema(Some(shape.reference()));
            let event = Object::builder()
                .schema_type(Type::Object)
                .description(Some("A server-sent event."))
                .property("id", Schema::Object(text("To go on after it, see `Last-Event-ID`.").build()))
                .property("event", Schema::Object(text("What kind of thing happened.").build()))
                .property("data", Schema::Object(data.build()));
            let stream = text("The stream as it is, for what does not take it apart.");
            let either = AnyOf::builder().item(Schema::Object(event.build())).item(Schema::Object(stream.build()));
            response = response.content("text/event-stream", Content::new(Some(Schema::AnyOf(either.build()))));
        }
        Body::Bytes(media_type) => {
            let bytes = Schema::Object(Object::builder().schema_type(Type::String).build());
            response = response.content(*media_type, Content::new(Some(bytes)));
        }
    }
    for (name, what) in [
        ("RateLimit-Limit", "Requests that may be sent at once."),
        ("RateLimit-Remaining", "Requests that may be sent now."),
        ("RateLimit-Reset", "Seconds until all of them may be sent again."),
    ] {
        response = response.header(name, header(Type::Integer, what));
    }
    if operation.sends_etag {
        response = response.header("ETag", header(Type::String, "The version, for `If-Match` and `If-None-Match`."));
    }
    if answer.status == StatusCode::CREATED {
        response = response.header("Location", header(Type::String, "Where the new row is."));
    }
    if operation.idempotent {
        response = response.header("Idempotent-Replayed", header(Type::String, "`true` where it was given before."));
    }
    response.build()
}

/// The shape of an answer.
pub(super) fn shape(answer: &Answer) -> Option<&Shape> {
    match &answer.content {
        Body::Json(shape) | Body::Events(shape) => Some(shape),
        Body::None | Body::Bytes(_) => None,
    }
}

fn header(of: Type, description: &str) -> Header {
    Header::builder()
        .schema(Some(Schema::Object(Object::builder().schema_type(of).build())))
        .description(Some(description))
        .build()
}
