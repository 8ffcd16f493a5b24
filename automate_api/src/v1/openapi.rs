//! The OpenAPI 3.1 document, made of the operations and nothing else.

mod answers;
mod components;

use http::Method;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::{
    HttpMethod, Operation as PathOperation, Parameter as PathParameter, ParameterIn, ParameterStyle,
};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{Content, Info, OpenApi, Paths, Ref, RefOr, Required};

use super::base::{Operation, Parameter, Shape, Views};
use super::{PREFIX, root};

pub(super) use answers::problems;

pub(super) const ABOUT: &str = "Durable workflows over HTTP.\n\n\
**Who you are**: send `Authorization: Bearer aut_…` with an API token, or the session of the admin with its \
CSRF token. Tokens have scopes; each operation names the one that it needs.\n\n\
**Lists** are cut into pages: `limit`, and `cursor` with the `next` of the page before. Filters, orderings, \
`search`, `fields` and `expand` are those that each list declares; anything else is refused.\n\n\
**Errors** are `application/problem+json` (RFC 9457) with a stable `code`.\n\n\
**Changes**: a POST with an `Idempotency-Key` has one effect, however often it is sent. `If-Match` with the `ETag` \
that you read refuses to overwrite what others wrote.";

/// The document of views, the index and the document's own address included.
#[must_use]
pub fn document(views: &Views) -> OpenApi {
    let views = root::with_root(views.clone());
    let mut paths = Paths::new();
    let mut components = components::shared();
    for operation in views.operations() {
        paths.add_path_operation(
            format!("{PREFIX}{}", operation.path),
            vec![method(&operation.method)],
            described(operation),
        );
        for (name, schema) in shapes(operation) {
            // What a type takes in requests holds for its answers too, whichever comes first.
            let closes = |known: &RefOr<Schema>| Shape::is_closed(&schema) || !Shape::is_closed(known);
            if components.schemas.get(&name).is_none_or(closes) {
                components.schemas.insert(name, schema);
            }
        }
    }
    let tags = views.groups().iter().map(|group| {
        let doc = (!group.doc.is_empty()).then(|| group.doc.to_string());
        Tag::builder().name(&group.name).description(doc).build()
    });
    let info = Info::builder().title("Automate").version(env!("CARGO_PKG_VERSION")).description(Some(ABOUT)).build();
    OpenApi::builder().info(info).paths(paths).components(Some(components)).tags(Some(tags)).build()
}

/// The named shapes that an operation takes and gives.
pub(super) fn shapes(operation: &Operation) -> Vec<(String, RefOr<Schema>)> {
    let inputs = operation.input.iter().map(|input| &input.shape);
    inputs.chain(operation.answers.iter().filter_map(answers::shape)).flat_map(Shape::components).collect()
}

fn method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn described(operation: &Operation) -> PathOperation {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut builder = PathOperation::builder()
        .operation_id(Some(&operation.id))
        .tag(&operation.tag)
        .summary(text(&operation.summary))
        .description(text(&operation.description));
    for name in operation.path_names() {
        let declared = operation.path_parameters.iter().find(|parameter| parameter.name == name);
        let parameter = declared.cloned().unwrap_or_else(|| Parameter::of_path(name));
        builder = builder.parameter(placed(&parameter.required(), ParameterIn::Path));
    }
    for parameter in &operation.parameters {
        builder = builder.parameter(placed(parameter, ParameterIn::Query));
    }
    for name in headers(operation) {
        builder = builder.parameter_ref(Ref::new(format!("#/components/parameters/{name}")));
    }
    if let Some(input) = &operation.input {
        let content =
            Content::builder().schema(Some(input.shape.reference())).example(Some(input.shape.example())).build();
        let required = if input.optional { Required::False } else { Required::True };
        builder = builder.request_body(Some(
            RequestBody::builder().content("application/json", content).required(Some(required)).build(),
        ));
    }
    builder = builder.responses(answers::of(operation)).securities(Some(securities(operation)));
    // One member: several would come in another order each time.
    let access = &operation.access;
    let mut needs = serde_json::Map::new();
    if let Some(scope) = &access.scope {
        needs.insert("scope".to_owned(), scope.as_str().into());
    }
    if let Some(permission) = &access.permission {
        needs.insert("permission".to_owned(), permission.as_str().into());
    }
    if access.superuser {
        needs.insert("superuser".to_owned(), true.into());
    }
    if !needs.is_empty() {
        let needs = [("x-needs".to_owned(), serde_json::Value::Object(needs))];
        builder = builder.extensions(Some(needs.into_iter().collect::<Extensions>()));
    }
    builder.build()
}

/// The headers that an operation takes, by their names among the components.
fn headers(operation: &Operation) -> Vec<&'static str> {
    let mut names = Vec::new();
    if operation.idempotent {
        names.push("IdempotencyKey");
    }
    if operation.takes_if_match {
        names.push("IfMatch");
    }
    if operation.sends_etag && operation.is_safe() {
        names.push("IfNoneMatch");
    }
    if operation.has_events() {
        names.push("LastEventId");
    }
    names
}

fn placed(parameter: &Parameter, place: ParameterIn) -> PathParameter {
    let required = if parameter.required { Required::True } else { Required::False };
    let text = parameter.description.to_string();
    let mut builder = PathParameter::builder()
        .name(parameter.name.as_ref())
        .parameter_in(place)
        .required(required)
        .description((!text.is_empty()).then_some(text))
        .schema(Some(parameter.schema()));
    if parameter.is_list() {
        builder = builder.style(Some(ParameterStyle::Form)).explode(Some(false));
    }
    builder.build()
}

/// A token; or a session, with its CSRF token where something is changed.
fn securities(operation: &Operation) -> Vec<SecurityRequirement> {
    if operation.access.public {
        return vec![SecurityRequirement::default()];
    }
    let scopes: Vec<&str> = operation.access.scope.as_deref().into_iter().collect();
    let none: [&str; 0] = [];
    let session = SecurityRequirement::new(components::SESSION, none);
    let session = if operation.is_safe() { session } else { session.add(components::CSRF, none) };
    vec![SecurityRequirement::new(components::TOKEN, scopes), session]
}
