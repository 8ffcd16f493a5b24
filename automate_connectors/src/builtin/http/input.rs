//! What `http.request` takes, and the request it becomes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::base::http::HttpRequest;
use crate::base::{ActionContext, ConnectorError, Result};

/// Redirects that a step may ask for.
const MAX_REDIRECTS: u8 = 3;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The input of `http.request`. At most one of `json`, `form` and `body`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Request {
    /// The method.
    #[serde(default)]
    method: Verb,
    /// The address: absolute, or relative to the connection's `base_url`.
    url: String,
    /// Parameters for the query; lists repeat the name, `null` leaves it out.
    #[serde(default)]
    query: Map<String, Value>,
    /// Headers.
    #[serde(default)]
    headers: Map<String, Value>,
    /// A body as JSON.
    #[serde(default, deserialize_with = "present")]
    json: Option<Value>,
    /// A body as `application/x-www-form-urlencoded`.
    form: Option<Map<String, Value>>,
    /// A body as text.
    body: Option<String>,
    /// Credentials, for steps without a connection.
    auth: Option<Auth>,
    /// The statuses that are fine; 2xx where absent.
    #[serde(default)]
    #[schemars(inner(range(min = 200, max = 599)))]
    pub(super) expect: Vec<u16>,
    /// How many redirects to follow, 3 at most. Credentials do not follow to another origin.
    #[serde(default)]
    #[schemars(range(max = 3))]
    redirects: u8,
    /// The largest body of an answer, in bytes.
    #[schemars(range(min = 1))]
    max_response_bytes: Option<usize>,
}

/// An HTTP method.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    #[default]
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// Credentials.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Auth {
    /// `Authorization: Bearer …`.
    Bearer(String),
    /// `Authorization: Basic …`.
    Basic(Basic),
}

/// A user's name and password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Basic {
    /// The name.
    username: String,
    /// The password.
    #[serde(default)]
    password: String,
}

/// Keeps `json: null` apart from no `json`.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl Request {
    /// The request to send.
    ///
    /// # Errors
    /// `INVALID_INPUT` that names the field; values are never quoted, since they may be secrets.
    pub(super) fn into_http(self, ctx: &ActionContext) -> Result<HttpRequest> {
        if [self.json.is_some(), self.form.is_some(), self.body.is_some()].iter().filter(|b| **b).count() > 1 {
            return Err(ConnectorError::invalid_input("give one of `json`, `form` and `body`, not several"));
        }
        let method = method_of(self.method);
        let mut url = match ctx.connection().get("base_url") {
            Some(base) => under(base, &self.url)?,
            None => parse_url(&self.url)?,
        };
        let query = text_pairs("query", &self.query)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = HttpRequest::new(method.clone(), url);
        if let Some(value) = &self.json {
            request = request.body("application/json", value.to_string());
        } else if let Some(form) = &self.form {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(text_pairs("form", form)?).finish();
            request = request.body("application/x-www-form-urlencoded", body);
        } else if let Some(text) = self.body {
            request = request.body("text/plain; charset=utf-8", Bytes::from(text));
        }
        for (name, value) in &self.headers {
            let (name, value) = header_of(name, value)?;
            request = match shown(&name) {
                true => request.header(name, value),
                false => request.sensitive_header(name, value),
            };
        }
        request = authorise(request, ctx, self.auth.as_ref())?;
        let repeatable = matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
        if !repeatable && !request.headers.contains_key(&IDEMPOTENCY_KEY) {
            let key = HeaderValue::from_str(ctx.idempotency_key())
                .map_err(|_| ConnectorError::internal("the idempotency key cannot be a header"))?;
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        request.max_redirects = self.redirects.min(MAX_REDIRECTS);
        if let Some(bytes) = self.max_response_bytes {
            request.max_response_bytes = bytes.min(request.max_response_bytes);
        }
        Ok(request)
    }
}

fn method_of(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Head => Method::HEAD,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
        Verb::Options => Method::OPTIONS,
    }
}

/// An absolute http or https URL that says what it seems to say: no control characters, spaces or
/// backslashes (which parsers read differently), no user before the host.
///
/// # Errors
/// `INVALID_INPUT`, without the URL: its query may hold a token.
pub(in crate::builtin) fn parse_url(text: &str) -> Result<Url> {
    let invalid = |what: &str| Err(ConnectorError::invalid_input(format!("`url` {what}")));
    if text.chars().any(|c| c.is_control() || c == ' ' || c == '\\') {
        return invalid("has a control character, a space or a backslash; encode it");
    }
    let Ok(url) = Url::parse(text) else {
        return invalid("is not an absolute URL");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return invalid("must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return invalid("has a user before the host; use `auth`");
    }
    Ok(url)
}

/// The step's URL, which must lie under the connection's address: the credentials are for that.
fn under(base: &str, text: &str) -> Result<Url> {
    let base = parse_url(base)
        .map_err(|_| ConnectorError::config_invalid("the connection's `base_url` is not an http or https URL"))?;
    let joined = match Url::parse(text) {
        Ok(_) => parse_url(text)?,
        Err(_) if text.starts_with("//") => {
            return Err(ConnectorError::invalid_input("`url` must be relative to the connection's `base_url`"));
        }
        Err(_) => {
            let path = text.trim_start_matches('/');
            let between = if path.is_empty() || path.starts_with('?') { "" } else { "/" };
            parse_url(&format!("{}{between}{path}", base.as_str().trim_end_matches('/')))?
        }
    };
    let folder = base.path().trim_end_matches('/');
    let inside = joined.path() == folder || joined.path().starts_with(&format!("{folder}/"));
    if joined.origin() != base.origin() || !inside {
        return Err(ConnectorError::invalid_input(
            "`url` is outside the connection's `base_url`; its credentials are only sent there",
        ));
    }
    Ok(joined)
}

/// Names and texts; lists repeat their name, `null` is left out.
fn text_pairs(field: &str, map: &Map<String, Value>) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for (name, value) in map {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            other => std::slice::from_ref(other),
        };
        for item in items.iter().filter(|item| !item.is_null()) {
            let text = scalar(item).ok_or_else(|| {
                ConnectorError::invalid_input(format!(
                    "`{field}.{name}` must be text, a number, a boolean or a list of these"
                ))
            })?;
            pairs.push((name.clone(), text));
        }
    }
    Ok(pairs)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A header that a step may set. `HeaderValue` refuses CR, LF and NUL; those that frame the
/// message or belong to the connection are the client's.
fn header_of(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue)> {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    let invalid = |what: &str| ConnectorError::invalid_input(format!("the header `{shown}` {what}"));
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("has no valid name"))?;
    let framing = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::UPGRADE,
        header::EXPECT,
        header::PROXY_AUTHORIZATION,
    ];
    if framing.contains(&parsed) || parsed.as_str().starts_with("proxy-") || parsed == "keep-alive" {
        return Err(invalid("cannot be set by a step"));
    }
    let text = scalar(value).ok_or_else(|| invalid("must be text, a number or a boolean"))?;
    let value = HeaderValue::from_str(&text).map_err(|_| invalid("has a line break or another control character"))?;
    Ok((parsed, value))
}

/// Headers whose values may be seen. Everything else a step sets may be a key under any name.
fn shown(name: &HeaderName) -> bool {
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE, header::USER_AGENT, header::IF_NONE_MATCH]
        .contains(name)
}

/// Adds the credentials of the step, else those of its connection.
fn authorise(request: HttpRequest, ctx: &ActionContext, auth: Option<&Auth>) -> Result<HttpRequest> {
    let connection = ctx.connection();
    let text = match auth {
        Some(Auth::Bearer(token)) => format!("Bearer {token}"),
        Some(Auth::Basic(basic)) => basic_text(ctx, &basic.username, &basic.password),
        None => {
            if let Some(token) = connection.get("token") {
                format!("Bearer {token}")
            } else if let Some(username) = connection.get("username") {
                basic_text(ctx, username, connection.get("password").unwrap_or_default())
            } else if let Some(name) = connection.get("header") {
                let (name, value) = header_of(name, &Value::String(connection.require("key")?.to_owned()))?;
                return Ok(request.sensitive_header(name, value));
            } else {
                return Ok(request);
            }
        }
    };
    let value = HeaderValue::from_str(&text)
        .map_err(|_| ConnectorError::invalid_input("the credentials have a line break or another control character"))?;
    Ok(request.sensitive_header(header::AUTHORIZATION, value))
}

/// Basic credentials (RFC 7617). The encoded form is as good as the password, so it is hidden too.
fn basic_text(ctx: &ActionContext, username: &str, password: &str) -> String {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    ctx.hide(encoded.clone());
    format!("Basic {encoded}")
}
