//! What a request says: its path, its query, its body.

use std::collections::{BTreeMap, BTreeSet};

use automate_core::limits;
use axum::body::Body;
use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::hooks::body as raw_body;
use crate::hooks::payload::{decoded, refused};
use crate::v1::base::{Operation, Parameter};
use crate::v1::state::ApiV1;
use crate::{FieldError, Problem, json_gate};

/// Names that people put credentials under.
const CREDENTIALS: [&str; 8] =
    ["token", "access_token", "api_key", "apikey", "api_token", "auth", "authorization", "bearer"];

/// Refuses credentials in the address, where logs, histories and `Referer` would keep them.
pub(super) fn refuse_credentials(query: Option<&str>) -> Result<(), Problem> {
    let pairs = query.unwrap_or_default().split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    for (name, value) in pairs.take(limits::QUERY_PAIRS) {
        if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) || value.starts_with("aut_") {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "CREDENTIALS_IN_QUERY",
                "a token does not belong into the address, and this one should be revoked: \
                 send it as `Authorization: Bearer`",
            ));
        }
    }
    Ok(())
}

/// The path's parameters. One that cannot name a row names none.
pub(super) fn path(
    operation: &Operation,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
) -> Result<BTreeMap<String, String>, Problem> {
    let parameters = parameters.map_err(|_| Problem::not_found())?;
    let mut checked = BTreeMap::new();
    for (name, value) in &parameters {
        let declared = operation.path_parameters.iter().find(|parameter| parameter.name == name);
        let fault = declared.map_or_else(|| Parameter::of_path(name).fault(value), |parameter| parameter.fault(value));
        let strange = value.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
        if fault.is_some() || strange || matches!(value, "" | "." | "..") || value.len() > limits::PATH_PARAMETER_BYTES
        {
            return Err(Problem::not_found());
        }
        checked.insert(name.to_owned(), value.to_owned());
    }
    Ok(checked)
}

/// The query's parameters: declared, each once or for several values several times, and of the
/// declared kind. Every fault is told.
pub(super) fn query(operation: &Operation, query: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let mut fault = |path: &str, code: &str, message: String| {
        faults.push(FieldError { path: path.to_owned(), code: code.to_owned(), message });
    };
    let raw = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    for (n, pair) in raw.enumerate() {
        if n == limits::QUERY_PAIRS {
            fault("", "TOO_MANY_PARAMETERS", format!("the query has more than {} parameters", limits::QUERY_PAIRS));
            break;
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decoded(name.as_bytes()), decoded(value.as_bytes())) else {
            fault("", "INVALID_UTF8", "the query is not valid UTF-8".to_owned());
            continue;
        };
        let Some(parameter) = operation.parameters.iter().find(|parameter| parameter.name == name) else {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            fault(&shown, "UNKNOWN_PARAMETER", unknown(operation, &name));
            continue;
        };
        if !seen.insert(name.clone()) {
            // Several values, as most generated clients send them: the parameter once for each.
            if parameter.is_list()
                && parameter.fault(&value).is_none()
                && let Some((_, values)) = pairs.iter_mut().find(|(before, _)| *before == name)
            {
                values.push(',');
                values.push_str(&value);
                continue;
            }
            fault(&name, "DUPLICATE_PARAMETER", "it is given more than once".to_owned());
            continue;
        }
        if name == "cursor" && value.is_empty() {
            // As a client sends it that keeps `next` in a variable and is at the beginning.
            continue;
        }
        match parameter.fault(&value) {
            Some(message) => fault(&name, "INVALID_PARAMETER", message),
            None => pairs.push((name, value)),
        }
    }
    for parameter in operation.parameters.iter().filter(|p| p.required && !seen.contains(p.name.as_ref())) {
        fault(&parameter.name, "REQUIRED", "it must be given".to_owned());
    }
    if faults.is_empty() {
        return Ok(pairs);
    }
    faults.truncate(limits::QUERY_PAIRS);
    Err(Problem::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", "the query is not valid").with_errors(faults))
}

/// `Last-Event-ID`: a longer one than any that was given is not looked at.
pub(super) fn last_event_id(operation: &Operation, headers: &HeaderMap) -> Result<(), Problem> {
    let long = |id: &HeaderValue| id.len() > limits::STREAM_ID_BYTES;
    if !operation.has_events() || !headers.get_all("last-event-id").iter().any(long) {
        return Ok(());
    }
    let fault = FieldError {
        path: "Last-Event-ID".to_owned(),
        code: "TOO_LONG".to_owned(),
        message: format!("it has {} bytes at most", limits::STREAM_ID_BYTES),
    };
    let detail = "Last-Event-ID is none that was given";
    Err(Problem::new(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", detail).with_errors(vec![fault]))
}

fn unknown(operation: &Operation, _name: &str) -> String {
    let names: Vec<&str> = operation.parameters.iter().map(|parameter| parameter.name.as_ref()).collect();
    match names.len() {
        0 => "this operation takes no parameters".to_owned(),
        1..=12 => format!("there is no such parameter; there are {}", names.join(", ")),
        _ => "there is no such parameter; the document at /api/v1/openapi.json names all of them".to_owned(),
    }
}

/// The body: its bytes, and its value.
pub(super) async fn body(
    api: &ApiV1,
    operation: &Operation,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, Value, Option<OwnedSemaphorePermit>), Problem> {
    if operation.is_safe() {
        return Ok((Bytes::new(), Value::Null, None));
    }
    let limit = api.settings().body_limit;
    let announced = headers.contains_key(header::CONTENT_TYPE);
    if announced || operation.input.as_ref().is_some_and(|input| !input.optional) {
        check_head(headers, limit)?;
    }
    let (bytes, memory) = raw_body::read(body, limit, api.body_bytes()).await?;
    if bytes.is_empty() {
        return match &operation.input {
            Some(input) if !input.optional => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "INVALID_JSON", "the body is empty; send a JSON object"))
            }
            _ => Ok((bytes, Value::Null, memory)),
        };
    }
    check_head(headers, limit)?;
    let (_, value) = json_gate::parse(&bytes).map_err(|error| refused(&error))?;
    let members = match &operation.input {
        Some(input) => input.shape.members(),
        None => Some(Vec::new()),
    };
    if let Some(members) = members {
        only(&value, &members)?;
    }
    if let Some(input) = operation.input.as_ref().filter(|input| input.typed) {
        let faults = input.shape.out_of_bounds(&value);
        if !faults.is_empty() {
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input is not valid")
                .with_errors(faults));
        }
    }
    Ok((bytes, value, memory))
}

/// JSON in UTF-8, uncompressed, within the limit. Said aloud: a page of another origin can send
/// other types without being asked.
fn check_head(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let format = raw_body::check_head(headers, limit)?;
    let said = headers.contains_key(header::CONTENT_TYPE);
    if said && format == raw_body::Format::Json {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        "send JSON in UTF-8, with `Content-Type: application/json`",
    )
    .closing())
}

/// Refuses members that are not taken, so that nobody believes that they were.
fn only(value: &Value, members: &[&str]) -> Result<(), Problem> {
    let Value::Object(object) = value else {
        let fault = FieldError {
            path: String::new(),
            code: "INVALID_TYPE".to_owned(),
            message: "send a JSON object".to_owned(),
        };
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input is not valid")
            .with_errors(vec![fault]));
    };
    let faults: Vec<FieldError> = object
        .keys()
        .filter(|name| !members.contains(&name.as_str()))
        .take(limits::QUERY_PAIRS)
        .map(|name| FieldError {
            path: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
            code: "UNKNOWN_FIELD".to_owned(),
            message: if members.is_empty() {
                "no members are taken here".to_owned()
            } else {
                format!("it is not taken; there are {}", members.join(", "))
            },
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Problem::new(StatusCode::BAD_REQUEST, "UNKNOWN_FIELD", "the body has a member that is not taken")
        .with_errors(faults))
}
