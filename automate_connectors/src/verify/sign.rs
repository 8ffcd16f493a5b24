//! The other side of verification: what a sender computes. Used by `webhook.send`, by the demo and
//! by tests.

use automate_core::document::definition::VerifyScheme;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};

use super::scheme::{mac, standard_key};
use super::{DEFAULT_HMAC_HEADER, VerifyError};

/// The value of a plain `hmac` signature header: `sha256=` and 64 hexadecimal digits.
#[must_use]
pub fn sign_hmac(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(mac(secret.as_bytes(), &[body])))
}

/// The value of GitHub's `x-hub-signature-256`.
#[must_use]
pub fn sign_github(secret: &str, body: &[u8]) -> String {
    sign_hmac(secret, body)
}

/// The value of `webhook-signature` by Standard Webhooks 1.0.0: `v1,` and base64.
///
/// # Errors
/// [`VerifyError::NoSecret`] where the secret is empty, an asymmetric key, or not base64 after
/// `whsec_`; [`VerifyError::InvalidId`] where the id has a dot.
pub fn sign_standard(secret: &str, id: &str, at: DateTime<Utc>, body: &[u8]) -> Result<String, VerifyError> {
    if id.is_empty() || id.contains('.') {
        return Err(VerifyError::InvalidId);
    }
    let key = standard_key(secret).ok_or(VerifyError::NoSecret { scheme: VerifyScheme::Standard.as_str() })?;
    let seconds = at.timestamp().to_string();
    let signature = mac(&key, &[id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
    Ok(format!("v1,{}", STANDARD.encode(signature)))
}

/// The value of `stripe-signature`.
#[must_use]
pub fn sign_stripe(secret: &str, at: DateTime<Utc>, body: &[u8]) -> String {
    let seconds = at.timestamp().to_string();
    let signature = mac(secret.as_bytes(), &[seconds.as_bytes(), b".", body]);
    format!("t={seconds},v1={}", hex::encode(signature))
}

/// The value of `x-slack-signature`; `x-slack-request-timestamp` is `at` in seconds.
#[must_use]
pub fn sign_slack(secret: &str, at: DateTime<Utc>, body: &[u8]) -> String {
    let seconds = at.timestamp().to_string();
    format!("v0={}", hex::encode(mac(secret.as_bytes(), &[b"v0:", seconds.as_bytes(), b":", body])))
}

/// All headers that a sender of the scheme adds to a request. `id` is the delivery's, for the
/// schemes that send one; `header` names the header of the `hmac` scheme.
///
/// # Errors
/// As [`sign_standard`].
pub fn sign(
    scheme: VerifyScheme,
    secret: &str,
    header: Option<&str>,
    id: &str,
    at: DateTime<Utc>,
    body: &[u8],
) -> Result<Vec<(String, String)>, VerifyError> {
    let pair = |name: &str, value: String| (name.to_owned(), value);
    Ok(match scheme {
        VerifyScheme::None => Vec::new(),
        VerifyScheme::Hmac => vec![pair(header.unwrap_or(DEFAULT_HMAC_HEADER), sign_hmac(secret, body))],
        VerifyScheme::Standard => vec![
            pair("webhook-id", id.to_owned()),
            pair("webhook-timestamp", at.timestamp().to_string()),
            pair("webhook-signature", sign_standard(secret, id, at, body)?),
        ],
        VerifyScheme::Stripe => vec![pair("stripe-signature", sign_stripe(secret, at, body))],
        VerifyScheme::Github => {
            vec![pair("x-github-delivery", id.to_owned()), pair("x-hub-signature-256", sign_github(secret, body))]
        }
        VerifyScheme::Slack => vec![
            pair("x-slack-request-timestamp", at.timestamp().to_string()),
            pair("x-slack-signature", sign_slack(secret, at, body)),
        ],
    })
}
