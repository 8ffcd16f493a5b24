//! Refused and repeated deliveries on their way into the inbox, where operators look for what a
//! sender does wrong. Bounded in rate and in number under way, so that whoever sends rubbish
//! fills neither the disk nor the memory; what is over the bound is counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use automate_core::limits;
use automate_core::runtime::{self, WebhookEndpoint};
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Received;
use crate::masking::masked_headers;
use crate::state::ApiState;

/// What became of a request.
pub(super) struct Outcome {
    /// `ok`, or the code of the refusal.
    pub(super) signature: &'static str,
    /// What was answered.
    pub(super) status: StatusCode,
}

/// The bounds of what is recorded.
pub(crate) struct Inbox {
    bucket: Mutex<Bucket>,
    pending: Arc<Semaphore>,
}

/// A token bucket of [`limits::REFUSALS_PER_SECOND`].
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            bucket: Mutex::new(Bucket { tokens: f64::from(limits::REFUSALS_PER_SECOND), filled: Instant::now() }),
            pending: Arc::new(Semaphore::new(limits::REFUSALS_PENDING)),
        }
    }
}

impl Inbox {
    /// Records a refusal, where the address is one that somebody listens to. In the background:
    /// the answer must not take longer for a path that exists.
    pub(super) fn record(&self, state: &ApiState, received: Received, outcome: Outcome) {
        let Some(permit) = self.admit(Instant::now()) else { return };
        let state = state.clone();
        tokio::spawn(async move {
            let address = &received.address;
            let looked_up = state.inner.engine.webhook_endpoint(&address.tenant, &address.path).await;
            if let Ok(Some(endpoint)) = looked_up {
                store(&state, &endpoint, &received, &outcome).await;
            }
            drop(permit);
        });
    }

    fn admit(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.pending).try_acquire_owned().ok().filter(|_| self.take_token(now));
        if permit.is_none() {
            metrics::counter!("automate_webhook_refusals_unrecorded_total").increment(1);
        }
        permit
    }

    fn take_token(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = f64::from(limits::REFUSALS_PER_SECOND);
        let gained = now.saturating_duration_since(bucket.filled).as_secs_f64() * rate;
        bucket.tokens = (bucket.tokens + gained).min(rate);
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

/// Records a delivery that was there before. Where its body is another one than the first time, the
/// sender has used an id twice; the first wins, and the inbox and the log say so.
pub(super) fn record_duplicate(
    state: &ApiState,
    received: &Received,
    endpoint: &WebhookEndpoint,
    accepted: &runtime::Received,
) {
    let Some(permit) = state.inner.inbox.admit(Instant::now()) else { return };
    let received = Received {
        address: received.address.clone(),
        correlation: received.correlation.clone(),
        headers: received.headers.clone(),
        body: received.body.clone(),
        ..*received
    };
    let (state, endpoint, first) = (state.clone(), endpoint.clone(), accepted.event_id);
    tokio::spawn(async move {
        let first = match first {
            Some(id) => state.inner.engine.ports().store.event(endpoint.tenant_id, id).await.ok(),
            None => None,
        };
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(&received.body).is_ok();
        let conflict = is_json && first.is_some_and(|event| event.payload.as_bytes() != &received.body[..]);
        if conflict {
            metrics::counter!("automate_webhook_conflicts_total").increment(1);
            let (path, correlation_id) = (endpoint.path.as_str(), received.correlation.as_str());
            tracing::warn!(path, correlation_id, "a delivery has the id of an earlier one and another body");
        }
        let signature = if conflict { "DELIVERY_CONFLICT" } else { "DUPLICATE" };
        store(&state, &endpoint, &received, &Outcome { signature, status: StatusCode::ACCEPTED }).await;
        drop(permit);
    });
}

async fn store(state: &ApiState, endpoint: &WebhookEndpoint, received: &Received, outcome: &Outcome) {
    let body = &received.body[..received.body.len().min(limits::INBOX_BODY_BYTES)];
    let headers = masked_headers(&received.headers).to_string();
    let row = received.row(headers.into(), Some(body.to_vec()), outcome);
    if let Err(error) = state.inner.engine.ports().store.record_request(endpoint.tenant_id, row).await {
        tracing::debug!(%error, "a refused delivery could not be recorded");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn refusals_are_recorded_at_a_bounded_rate() {
        let inbox = Inbox::default();
        let start = Instant::now();
        let admitted = (0..1_000).filter(|_| inbox.take_token(start)).count();
        assert_eq!(admitted, 50);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..1_000).filter(|_| inbox.take_token(later)).count(), 25);
    }

    #[test]
    fn few_refusals_are_under_way_at_once() {
        let inbox = Inbox::default();
        let later = |n: u64| Instant::now() + Duration::from_secs(n);
        let held: Vec<_> = (0..200).filter_map(|n| inbox.admit(later(n))).collect();
        assert_eq!(held.len(), limits::REFUSALS_PENDING);
    }
}
