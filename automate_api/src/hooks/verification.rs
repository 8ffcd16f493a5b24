//! Whether a delivery comes from who it should.

use std::time::Duration;

use automate_connectors::verify::{self, Signed, Verified, VerifyError};
use automate_core::document::definition::{Verify, VerifyScheme};
use automate_core::limits;
use automate_core::runtime::WebhookEndpoint;
use automate_core::secrets::{Purpose, SecretValue};
use http::StatusCode;
use serde_json::Value;

use super::{Received, Refusal, member, unauthorized};
use crate::problem::Problem;
use crate::state::ApiState;

/// What verification found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The targets of the endpoint that the delivery is for, by index.
    pub(super) targets: Vec<usize>,
    /// The strongest scheme that passed; `None` where only unsigned targets did.
    pub(super) signed_by: Option<VerifyScheme>,
    /// The delivery's id, as the scheme knows it.
    pub(super) delivery_id: Option<String>,
}

impl Found {
    /// The challenge of Slack's `url_verification`, which is answered and starts nothing.
    pub(super) fn slack_challenge<'a>(&self, endpoint: &WebhookEndpoint, payload: &'a Value) -> Option<&'a str> {
        let slack = self.targets.iter().any(|n| endpoint.targets[*n].verify.scheme == VerifyScheme::Slack);
        (slack && member(payload, "type") == Some("url_verification")).then(|| member(payload, "challenge")).flatten()
    }
}

/// Checks the delivery against each target. It is refused where none takes it.
pub(super) async fn verify(
    state: &ApiState,
    endpoint: &WebhookEndpoint,
    received: &Received,
) -> Result<Found, Refusal> {
    let mut found = Found::default();
    let mut refused: Option<VerifyError> = None;
    let mut unresolved = false;
    let purpose = Purpose::Webhook { path: endpoint.path.clone() };
    for (n, target) in endpoint.targets.iter().enumerate() {
        let scheme = target.verify.scheme;
        let mut secrets = Vec::with_capacity(target.verify.secrets.len());
        let mut missing = false;
        if scheme != VerifyScheme::None {
            for reference in target.verify.secrets.iter().take(limits::WEBHOOK_SIGNATURES) {
                let resolver = &state.inner.engine.ports().secrets;
                match resolver.resolve_for(endpoint.tenant_id, reference, &purpose).await {
                    Ok(secret) => secrets.push(secret),
                    Err(error) => {
                        missing = true;
                        let workflow = target.trigger.workflow.as_str();
                        tracing::error!(%error, workflow, path = endpoint.path, "a webhook's secret cannot be read");
                    }
                }
            }
        }
        match check(received, &target.verify, &secrets, state.inner.settings.tolerance, received.at) {
            Ok(verified) => {
                found.targets.push(n);
                if scheme != VerifyScheme::None && found.signed_by.is_none() {
                    found.signed_by = Some(scheme);
                }
                if found.delivery_id.is_none() {
                    found.delivery_id = verified.delivery_id;
                }
            }
            // With the secret that is missing it might have passed: nobody can say that it is wrong.
            Err(_) if missing => unresolved = true,
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    // Nor may some targets take a delivery that another could not judge: its repetition, which
    // would reach that one, is recognised as a duplicate.
    if unresolved {
        let problem = Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SECRET_UNAVAILABLE",
            "the delivery cannot be verified at the moment; try again later",
        )
        .with_retry_after(Duration::from_secs(30));
        return Err(problem.into());
    }
    if !found.targets.is_empty() {
        return Ok(found);
    }
    if refused != Some(VerifyError::Mismatch) {
        pretend(state, received);
    }
    Err(unauthorized(refused.map_or_else(|| "the endpoint has no targets".to_owned(), |error| error.to_string())))
}

/// The work of verifying a delivery, for those that are refused without it: a path that nobody
/// listens to, a signature that is not there. The time taken then tells nothing.
pub(super) fn pretend(state: &ApiState, received: &Received) {
    std::hint::black_box(verify::sign_hmac(&state.inner.dummy_secret, &received.body));
}

fn check(
    received: &Received,
    how: &Verify,
    secrets: &[SecretValue],
    default_tolerance: Duration,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Verified, VerifyError> {
    let signed = Signed { headers: &received.headers, body: &received.body };
    let secrets: Vec<&str> = secrets.iter().map(SecretValue::expose_secret).collect();
    let tolerance = how.tolerance.unwrap_or(default_tolerance);
    verify::verify(how.scheme, &signed, &secrets, how.header.as_deref(), tolerance, now)
}
