//! The documentation for people, rendered on the server: no script, no asset from elsewhere.

use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use super::PREFIX;
use super::base::{Access, Content, Operation, Parameter, ParameterKind, Views};
use super::openapi::{ABOUT, problems};

/// The page takes styles from here, and nothing else from anywhere.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STYLE: &str = include_str!("../../../templates/api/style.css");

#[derive(Template)]
#[template(path = "api/docs.html")]
struct Page {
    title: &'static str,
    version: &'static str,
    /// Paragraphs, each of parts that are strong or not.
    about: Vec<Vec<(bool, String)>>,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    doc: String,
    operations: Vec<Entry>,
}

struct Entry {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    access: String,
    parameters: Vec<Row>,
    curl: String,
    answers: Vec<AnswerRow>,
    problems: Vec<(u16, &'static str)>,
}

struct Row {
    name: String,
    place: &'static str,
    takes: String,
    required: bool,
    description: String,
}

struct AnswerRow {
    status: u16,
    description: String,
    media_type: &'static str,
    example: String,
}

/// `/api/docs` and its style.
pub(super) fn router(views: &Views) -> Router {
    let page = render(views);
    let show = move || {
        let page = page.clone();
        async move { html(page) }
    };
    Router::new().route("/api/docs", get(show)).route("/api/docs/style.css", get(style))
}

fn html(page: Bytes) -> Response {
    if page.is_empty() {
        return crate::Problem::internal().into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (StatusCode::OK, headers, page).into_response()
}

async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8"))];
    (StatusCode::OK, headers, STYLE).into_response()
}

fn render(views: &Views) -> Bytes {
    let page = Page {
        title: "Automate",
        version: env!("CARGO_PKG_VERSION"),
        about: ABOUT.split("\n\n").map(emphasis).collect(),
        groups: views
            .groups()
            .iter()
            .map(|group| Group {
                name: group.name.clone(),
                doc: group.doc.to_string(),
                operations: group.operations.iter().map(entry).collect(),
            })
            .collect(),
    };
    match page.render() {
        Ok(text) => text.into(),
        Err(error) => {
            tracing::error!(%error, "the page of the API's documentation cannot be made");
            Bytes::new()
        }
    }
}

/// Text with `**…**` in it, in parts.
fn emphasis(text: &str) -> Vec<(bool, String)> {
    let plain = text.replace('`', "");
    plain.split("**").enumerate().map(|(n, part)| (n % 2 == 1, part.to_owned())).collect()
}

fn entry(operation: &Operation) -> Entry {
    Entry {
        id: operation.id.clone(),
        method: operation.method.to_string(),
        path: format!("{PREFIX}{}", operation.path),
        summary: operation.summary.to_string(),
        description: operation.description.replace('`', ""),
        access: access(&operation.access),
        parameters: rows(operation),
        curl: curl(operation),
        answers: operation
            .answers
            .iter()
            .map(|answer| {
                let (media_type, example) = match &answer.content {
                    Content::None => ("", String::new()),
                    Content::Json(shape) => ("application/json", pretty(&shape.example())),
                    Content::Events(shape) => ("text/event-stream", format!("data: {}", shape.example())),
                    Content::Bytes(media_type) => (*media_type, String::new()),
                };
                let description = answer.description.to_string();
                AnswerRow { status: answer.status.as_u16(), description, media_type, example }
            })
            .collect(),
        problems: problems(operation),
    }
}

fn access(access: &Access) -> String {
    if access.public {
        return "Everybody may.".to_owned();
    }
    let mut needs = Vec::new();
    if let Some(scope) = &access.scope {
        needs.push(format!("the scope {scope}"));
    }
    if let Some(permission) = &access.permission {
        needs.push(format!("the permission {permission}"));
    }
    if access.superuser {
        needs.push("to be a superuser".to_owned());
    }
    if needs.is_empty() { "Whoever is known may.".to_owned() } else { format!("Needs {}.", needs.join(" and ")) }
}

fn rows(operation: &Operation) -> Vec<Row> {
    let row = |parameter: &Parameter, place| Row {
        name: parameter.name.to_string(),
        place,
        takes: takes(parameter),
        required: parameter.required,
        description: parameter.description.replace('`', ""),
    };
    let path = operation.path_names().map(|name| {
        let declared = operation.path_parameters.iter().find(|parameter| parameter.name == name);
        row(&declared.cloned().unwrap_or_else(|| Parameter::of_path(name)).required(), "path")
    });
    let header = |name: &str, description: &str| Row {
        name: name.to_owned(),
        place: "header",
        takes: "text".to_owned(),
        required: false,
        description: description.to_owned(),
    };
    let idempotency = operation.idempotent.then(|| header("Idempotency-Key", "One effect, however often it is sent."));
    let if_match = operation.takes_if_match.then(|| header("If-Match", "The ETag that the change is based on."));
    let query = operation.parameters.iter().map(|parameter| row(parameter, "query"));
    path.chain(query).chain(idempotency).chain(if_match).collect()
}

fn takes(parameter: &Parameter) -> String {
    let one = match &parameter.kind {
        ParameterKind::Uuid => "UUID".to_owned(),
        ParameterKind::Text { .. } => "text".to_owned(),
        ParameterKind::Word => "word".to_owned(),
        ParameterKind::Integer { min, max: i64::MAX } => format!("number from {min}"),
        ParameterKind::Integer { min, max } => format!("number from {min} to {max}"),
        ParameterKind::Boolean => "true or false".to_owned(),
        ParameterKind::Time => "time".to_owned(),
        ParameterKind::OneOf(words) => words.join(", "),
        ParameterKind::SomeOf(words) => format!("some of {}", words.join(", ")),
        ParameterKind::Other(schema) | ParameterKind::Several { schema, .. } => {
            let schema = serde_json::to_value(schema).unwrap_or_default();
            let word = |name: &str| schema.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
            let choices = schema
                .get("enum")
                .and_then(Value::as_array)
                .map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<&str>>().join(", "));
            choices.or_else(|| word("format")).or_else(|| word("type")).unwrap_or_else(|| "text".to_owned())
        }
    };
    if parameter.is_list() && !one.starts_with("some of") { format!("{one}; several with commas") } else { one }
}

/// A call as one types it.
fn curl(operation: &Operation) -> String {
    let mut path = format!("{PREFIX}{}", operation.path);
    for name in operation.path_names() {
        let declared = operation.path_parameters.iter().find(|parameter| parameter.name == name);
        let example = declared.cloned().unwrap_or_else(|| Parameter::of_path(name)).example();
        path = path.replace(&format!("{{{name}}}"), example.as_str().unwrap_or("1"));
    }
    let required = operation.parameters.iter().filter(|parameter| parameter.required).map(|parameter| {
        let example = parameter.example();
        format!("{}={}", parameter.name, example.as_str().map_or_else(|| example.to_string(), ToOwned::to_owned))
    });
    let query = required.collect::<Vec<String>>().join("&");
    let query = if query.is_empty() { query } else { format!("?{query}") };
    let mut lines = vec![match operation.method.as_str() {
        "GET" => format!("curl \"$AUTOMATE_URL{path}{query}\""),
        method => format!("curl -X {method} \"$AUTOMATE_URL{path}{query}\""),
    }];
    if !operation.access.public {
        lines.push("-H \"Authorization: Bearer $AUTOMATE_TOKEN\"".to_owned());
    }
    if let Some(input) = &operation.input {
        lines.push("-H 'Content-Type: application/json'".to_owned());
        lines.push(format!("-d '{}'", input.shape.example().to_string().replace('\'', "'\\''")));
    }
    lines.join(" \\\n  ")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
