//! `webhook.send`: a JSON payload to somebody's endpoint, signed by Standard Webhooks 1.0.0
//! (<https://www.standardwebhooks.com>).

use automate_core::error::ErrorCode;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::http::parse_url;
use crate::base::http::{HttpRequest, shown_url};
use crate::base::{ActionContext, ConnectionField, ConnectionSpec, Connector, ConnectorError, Result, TypedAction};
use crate::verify::{MAX_ID_BYTES, sign_standard};

/// Bytes of the receiver's answer that are read; its body says nothing that matters.
const ANSWER_BYTES: usize = 16 * 1024;

/// Sends signed webhooks.
pub struct Webhook;

impl Connector for Webhook {
    fn key(&self) -> &'static str {
        "webhook"
    }

    fn display_name(&self) -> &'static str {
        "Webhook"
    }

    fn typed_actions(&self) -> &'static [TypedAction] {
        &[send::ACTION]
    }

    fn connection(&self) -> Option<ConnectionSpec> {
        Some(ConnectionSpec::new([
            ConnectionField::plain("url", "Address of the receiver").required(),
            ConnectionField::secret("secret", "Signing secret (whsec_…)").required(),
        ]))
    }
}

/// The input of `webhook.send`. `url` and `secret` come both from the step or both from its
/// connection.
#[derive(Deserialize, JsonSchema)]
struct Send {
    /// The address of the receiver.
    url: Option<String>,
    /// The signing secret, as `"$secret:PARTNER_WEBHOOK"`.
    secret: Option<String>,
    /// What to send, as JSON.
    payload: Value,
}

/// The output of `webhook.send`.
#[derive(Serialize, JsonSchema)]
struct Sent {
    /// The status that the receiver answered with.
    status: u16,
    /// The `webhook-id`, the same over all attempts.
    id: String,
}

/// Sends a payload as JSON, signed by Standard Webhooks. `webhook-id` is the same over all
/// attempts of the step, so that the receiver can tell a repetition. Only 2xx is success.
#[crate::action(
    title = "Send a signed webhook",
    effect = idempotent,
    timeout = "20s",
    example = json!({
        "url": "https://partner.example/hooks", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "payload": { "type": "order.paid", "data": { "id": 17 } }
    })
)]
async fn send(ctx: &ActionContext, input: Send) -> Result<Sent> {
    let (url, secret) = match (&input.url, &input.secret) {
        (Some(url), Some(secret)) => (url.as_str(), secret.as_str()),
        (None, None) => (ctx.connection().require("url")?, ctx.connection().require("secret")?),
        _ => {
            return Err(ConnectorError::config_invalid(
                "give `url` and `secret` both on the step or both in its connection, so that no secret signs for \
                 another receiver",
            ));
        }
    };
    let url = parse_url(url)?;
    let body = input.payload.to_string();
    let now = ctx.now();
    let id = delivery_id(ctx.idempotency_key());
    let signature = sign_standard(secret, &id, now, body.as_bytes())
        .map_err(|_| ConnectorError::config_invalid("the secret cannot sign: use `whsec_` and base64, or any text"))?;
    let header =
        |text: &str| HeaderValue::from_str(text).map_err(|_| ConnectorError::internal("a webhook header is not valid"));
    let what = format!("POST {}", shown_url(&url));
    let mut request = HttpRequest::new(Method::POST, url)
        .body("application/json", body)
        .header(HeaderName::from_static("webhook-id"), header(&id)?)
        .header(HeaderName::from_static("webhook-timestamp"), header(&now.timestamp().to_string())?)
        .sensitive_header(HeaderName::from_static("webhook-signature"), header(&signature)?);
    request.max_response_bytes = ANSWER_BYTES;
    request.truncate_response = true;
    let response = ctx.send(request).await?;
    let status = response.status.as_u16();
    if response.status.is_success() {
        return Ok(Sent { status, id });
    }
    let gone = response.status == StatusCode::GONE;
    if gone || response.status.is_redirection() {
        let say = if gone { "the receiver wants no more webhooks" } else { "redirects are not followed" };
        let code = if gone { ErrorCode::NotFound } else { ErrorCode::ConfigInvalid };
        return Err(ConnectorError::new(code, format!("{what} answered {status}: {say}"))
            .with_details(json!({ "status": status })));
    }
    Err(ConnectorError::from_response(&what, &response, now))
}

/// The idempotency key where it can be a `webhook-id` (no dots: they separate the signed parts),
/// a digest of it otherwise.
fn delivery_id(key: &str) -> String {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'/');
    if !key.is_empty() && key.len() <= MAX_ID_BYTES && key.bytes().all(fits) {
        key.to_owned()
    } else {
        format!("msg_{}", &hex::encode(Sha256::digest(key))[..32])
    }
}
