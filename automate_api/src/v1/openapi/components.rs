//! What the operations share: the problem, security schemes, headers.

use automate_core::limits;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{AdditionalProperties, Array, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, Required};

use super::answers;
use crate::v1::auth::{CSRF_HEADER, SESSION_COOKIE};

/// The name of the scheme of API tokens.
pub(super) const TOKEN: &str = "token";
/// The name of the scheme of sessions.
pub(super) const SESSION: &str = "session";
/// The name of the scheme of a session's CSRF token.
pub(super) const CSRF: &str = "csrf";

pub(super) fn shared() -> Components {
    let token = Http::builder()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("aut_…")
        .description(Some("An API token. It may do what its scopes and its owner's permissions allow."))
        .build();
    let session = ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The session of somebody who logged in to the admin; over TLS the name is `__Host-automate_session`.",
    );
    let csrf = ApiKeyValue::with_description(CSRF_HEADER, "The CSRF token of the session, where something is changed.");
    let mut components = Components::builder()
        .schema("Problem", problem())
        .schema("FieldError", fault())
        .security_scheme(TOKEN, SecurityScheme::Http(token))
        .security_scheme(SESSION, SecurityScheme::ApiKey(ApiKey::Cookie(session)))
        .security_scheme(CSRF, SecurityScheme::ApiKey(ApiKey::Header(csrf)))
        .parameter(
            "IdempotencyKey",
            header(
                "Idempotency-Key",
                "Makes the request have one effect, however often it is sent: a repetition gets the first answer.",
                Object::builder()
                    .schema_type(Type::String)
                    .min_length(Some(1))
                    .max_length(Some(255))
                    .pattern(Some("^[!-~]+$")),
            ),
        )
        .parameter(
            "IfMatch",
            header(
                "If-Match",
                "The `ETag` of the row as you read it; where the row has changed since, nothing is done.",
                Object::builder().schema_type(Type::String).pattern(Some("^(\\*|[0-9]{1,9}|\"[0-9]{1,9}\")$")),
            ),
        )
        .parameter(
            "IfNoneMatch",
            header(
                "If-None-Match",
                "The `ETag` of what you have; where it is still right, the answer is 304 without a body.",
                Object::builder().schema_type(Type::String).pattern(Some("^([0-9]{1,9}|\"[0-9a-fx.]{1,40}\")$")),
            ),
        )
        .parameter(
            "LastEventId",
            header(
                "Last-Event-ID",
                "The id of the last event that you have; the stream goes on after it.",
                Object::builder().schema_type(Type::String).max_length(Some(limits::STREAM_ID_BYTES)),
            ),
        );
    for (name, response) in answers::shared() {
        components = components.response(name, response);
    }
    components.build()
}

fn header(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    Parameter::builder()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(Schema::Object(schema.build())))
        .build()
}

fn text(description: &str) -> ObjectBuilder {
    Object::builder().schema_type(Type::String).description(Some(description))
}

fn problem() -> Schema {
    let status = Object::builder().schema_type(Type::Integer).minimum(Some(400)).maximum(Some(599));
    let errors = Array::builder()
        .items(utoipa::openapi::Ref::from_schema_name("FieldError"))
        .description(Some("What is wrong with the input, where it is the input."))
        .build();
    let object = Object::builder()
        .schema_type(Type::Object)
        .description(Some("An error (RFC 9457)."))
        .property("type", Schema::Object(text("A URI that names the code.").build()))
        .property("title", Schema::Object(text("The status in words.").build()))
        .property("status", Schema::Object(status.build()))
        .property("detail", Schema::Object(text("What is wrong, for people.").build()))
        .property(
            "code",
            Schema::Object(text("What is wrong, for programs; it stays.").pattern(Some("^[A-Z0-9_]+$")).build()),
        )
        .property("correlation_id", Schema::Object(text("Names the request in the logs.").build()))
        .property("errors", Schema::Array(errors))
        .required("type")
        .required("title")
        .required("status")
        .required("detail")
        .required("code")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Schema::Object(object.build())
}

fn fault() -> Schema {
    let object = Object::builder()
        .schema_type(Type::Object)
        .property("path", Schema::Object(text("Where: a JSON pointer, or the name of a parameter.").build()))
        .property("code", Schema::Object(text("What, for programs.").build()))
        .property("message", Schema::Object(text("What, for people.").build()))
        .required("path")
        .required("code")
        .required("message")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Schema::Object(object.build())
}
