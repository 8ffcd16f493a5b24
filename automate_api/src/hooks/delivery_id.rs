//! What tells one delivery from another, so that a repeated one starts nothing twice.

use automate_core::document::definition::VerifyScheme;
use automate_core::limits;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::verification::Found;
use super::{Received, member};
use crate::problem::Problem;

/// The headers that carry ids, the more telling first.
const HEADERS: [&str; 3] = ["idempotency-key", "webhook-id", "x-github-delivery"];

/// Refuses ids that nobody sends in good faith. Before the path is looked up, so that the answer
/// is the same for every path.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    for name in HEADERS {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        let good = values.next().is_none() && value.to_str().is_ok_and(is_valid);
        // Standard Webhooks sign `id.timestamp.body`: a dot would let the border move.
        let dotted = name == "webhook-id" && value.as_bytes().contains(&b'.');
        if !good || dotted {
            return Err(invalid());
        }
    }
    Ok(())
}

fn invalid() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "INVALID_DELIVERY_ID",
        format!(
            "a delivery's id is 1 to {} visible ASCII characters, without a dot in `webhook-id`",
            limits::DELIVERY_ID_BYTES
        ),
    )
    .closing()
}

fn is_valid(id: &str) -> bool {
    (1..=limits::DELIVERY_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The key of a delivery within its path. It begins with the scheme, so that an unsigned delivery
/// to a path with several triggers cannot use up the key of a signed one.
///
/// A signed delivery's id comes from what the signature covers wherever the sender puts one there.
/// Where it has none it is a digest of the body, which finds repetitions. An unsigned delivery
/// without an id is always a new one.
pub(super) fn of(found: &Found, received: &Received, payload: &Value) -> Option<String> {
    let Some(scheme) = found.signed_by else {
        let id = HEADERS.iter().find_map(|name| received.headers.get(*name)?.to_str().ok())?;
        return Some(format!("none:{id}"));
    };
    // Stripe and Slack sign each repetition anew, so only the event's own id finds them.
    let in_body = match scheme {
        VerifyScheme::Stripe => member(payload, "id"),
        VerifyScheme::Slack => member(payload, "event_id"),
        VerifyScheme::None | VerifyScheme::Hmac | VerifyScheme::Standard | VerifyScheme::Github => None,
    };
    let id = match (in_body.filter(|id| is_valid(id)), &found.delivery_id) {
        (Some(id), _) => id.to_owned(),
        (None, Some(id)) => id.clone(),
        (None, None) => format!("sha256:{}", hex::encode(Sha256::digest(&received.body))),
    };
    Some(format!("{}:{id}", scheme.as_str()))
}
