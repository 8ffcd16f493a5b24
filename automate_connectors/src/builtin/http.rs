//! `http.request`: one HTTP call with everything a service may ask for.

mod answer;
mod input;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::http::shown_url;
use crate::base::{ActionContext, ConnectionField, ConnectionSpec, Connector, ConnectorError, Result, TypedAction};
use input::Request;
pub(super) use input::parse_url;

/// HTTP calls.
pub struct Http;

impl Connector for Http {
    fn key(&self) -> &'static str {
        "http"
    }

    fn display_name(&self) -> &'static str {
        "HTTP"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[request::ACTION]
    }

    /// Credentials go with an address, and to no other: `base_url` is required.
    fn connection(&self) -> Option<ConnectionSpec> {
        Some(ConnectionSpec::new([
            ConnectionField::plain("base_url", "Address that the step's `url` is relative to").required(),
            ConnectionField::secret("token", "Bearer token"),
            ConnectionField::plain("username", "User name for basic authentication"),
            ConnectionField::secret("password", "Password for basic authentication"),
            ConnectionField::plain("header", "Name of a header that carries a key, as X-Api-Key"),
            ConnectionField::secret("key", "The key in that header"),
        ]))
    }
}

/// The output of `http.request`.
#[derive(Serialize, JsonSchema)]
struct Answer {
    /// The status.
    status: u16,
    /// The headers, names in lower case; `set-cookie` is left out.
    headers: Map<String, Value>,
    /// JSON where the answer says so and it is; text where it is UTF-8; base64 otherwise.
    body: Value,
    /// What `body` is: `json`, `text` or `base64`.
    body_type: &'static str,
}

/// Sends an HTTP request and gives status, headers and body. A status outside 2xx (or outside
/// `expect`) fails the step: 408, 425, 429 and 5xx may be retried, `Retry-After` is honoured.
/// Requests other than GET, HEAD and OPTIONS carry an `Idempotency-Key` that is the same over all
/// attempts of the step. Redirects are only followed as `redirects` says.
#[crate::action(
    title = "Send an HTTP request",
    effect = idempotent,
    example = json!({
        "method": "POST", "url": "https://api.example/orders", "query": { "dry_run": true },
        "headers": { "accept": "application/json" }, "json": { "sku": "a", "count": 2 }, "expect": [200, 201]
    })
)]
async fn request(ctx: &ActionContext, input: Request) -> Result<Answer> {
    let expected = input.expect.clone();
    let request = input.into_http(ctx)?;
    let what = format!("{} {}", request.method, shown_url(&request.url));
    let response = ctx.send(request).await?;
    let status = response.status.as_u16();
    let fine = if expected.is_empty() { response.status.is_success() } else { expected.contains(&status) };
    if !fine {
        return Err(ConnectorError::from_response(&what, &response, ctx.now()));
    }
    Ok(answer::read(&response))
}
