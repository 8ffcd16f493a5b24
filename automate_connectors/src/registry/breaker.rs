//! Circuit breakers: after several failures in a row, a host is left alone for a while, so that
//! retries of many executions do not keep it down and do not wait for timeouts.
//!
//! One circuit per tenant, connector and origin of the URL: neither another tenant nor another
//! host is held up. Closed → open after [`FAILURES`] failures in a row → half-open after
//! [`COOLDOWN`], when one call goes through and decides.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use automate_core::error::ErrorCode;
use automate_core::ids::TenantId;
use chrono::{DateTime, Utc};
use url::Url;

use crate::base::{ConnectorError, Result};

/// Failures in a row that open a circuit: answers of 5xx, timeouts and broken connections.
const FAILURES: u32 = 20;
/// How long a circuit stays open before one call may try.
const COOLDOWN: Duration = Duration::from_secs(5);
/// Circuits that are kept; only those with failures are. With more, the one that was used longest
/// ago is forgotten.
const CIRCUITS: usize = 1_024;

type Key = (TenantId, String, String);

#[derive(Debug, Clone, Copy)]
struct State {
    failures: u32,
    /// Until when calls are refused, once open.
    open_until: Option<DateTime<Utc>>,
    /// A call is out to try.
    probing: bool,
    used_at: DateTime<Utc>,
}

/// The circuits of one process.
#[derive(Default)]
pub(crate) struct Breakers {
    circuits: Mutex<HashMap<Key, State>>,
}

/// One call through a circuit. Dropped without a report, as when the step is cancelled, it counts
/// for nothing.
pub(crate) struct Circuit<'a> {
    breakers: &'a Breakers,
    key: Key,
    probing: bool,
}

impl Breakers {
    /// Lets a call through.
    ///
    /// # Errors
    /// `UPSTREAM_5XX` with the time to wait while the circuit is open.
    pub(crate) fn enter(
        &self,
        tenant: TenantId,
        connector: &str,
        url: &Url,
        now: DateTime<Utc>,
    ) -> Result<Circuit<'_>> {
        let key = (tenant, connector.to_owned(), url.origin().ascii_serialization());
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        let mut probing = false;
        if let Some(state) = circuits.get_mut(&key) {
            state.used_at = now;
            if let Some(until) = state.open_until {
                if now < until || state.probing {
                    let wait = (until - now).to_std().unwrap_or(Duration::from_secs(1));
                    return Err(ConnectorError::new(
                        ErrorCode::Upstream5xx,
                        format!(
                            "{} failed {} times in a row; the circuit breaker holds back calls for {} s",
                            key.2,
                            state.failures,
                            wait.as_secs().max(1),
                        ),
                    )
                    .with_retry_after(Some(wait.max(Duration::from_secs(1)))));
                }
                state.probing = true;
                probing = true;
            }
        }
        Ok(Circuit { breakers: self, key, probing })
    }
}

impl Circuit<'_> {
    /// Says how the call went.
    pub(crate) fn report(mut self, well: bool, now: DateTime<Utc>) {
        self.probing = false;
        let mut circuits = self.breakers.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        if well {
            circuits.remove(&self.key);
            return;
        }
        if circuits.len() >= CIRCUITS && !circuits.contains_key(&self.key) {
            let oldest = circuits.iter().min_by_key(|(_, state)| state.used_at).map(|(key, _)| key.clone());
            oldest.and_then(|key| circuits.remove(&key));
        }
        let state = circuits.entry(self.key.clone()).or_insert(State {
            failures: 0,
            open_until: None,
            probing: false,
            used_at: now,
        });
        state.failures = state.failures.saturating_add(1);
        state.probing = false;
        if state.failures >= FAILURES {
            state.open_until = Some(now + COOLDOWN);
        }
    }
}

impl Drop for Circuit<'_> {
    fn drop(&mut self) {
        if self.probing {
            let mut circuits = self.breakers.circuits.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(state) = circuits.get_mut(&self.key) {
                state.probing = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_host_that_keeps_failing_is_left_alone_and_tried_again_by_one_call() {
        let breakers = Breakers::default();
        let enter = |text: &str, now| breakers.enter(TenantId::DEFAULT, "http", &url(text), now);
        for _ in 0..FAILURES {
            enter("https://a.example/x", at(0)).unwrap().report(false, at(0));
        }
        let error = enter("https://a.example/y", at(1)).err().unwrap();
        assert_eq!((error.code(), error.is_retryable()), (ErrorCode::Upstream5xx, true));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(4)));
        assert!(enter("https://b.example/", at(1)).is_ok(), "another host is not held up");
        assert!(breakers.enter(TenantId::DEFAULT, "slack", &url("https://a.example/"), at(1)).is_ok());

        let probe = enter("https://a.example/", at(6)).unwrap();
        assert!(enter("https://a.example/", at(6)).is_err(), "one call tries, not all");
        probe.report(false, at(6));
        assert!(enter("https://a.example/", at(7)).is_err());
        drop(enter("https://a.example/", at(12)).unwrap());
        enter("https://a.example/", at(12)).unwrap().report(true, at(12));
        enter("https://a.example/", at(12)).unwrap().report(false, at(12));
        assert!(enter("https://a.example/", at(12)).is_ok(), "one success closes it");
    }

    #[test]
    fn the_number_of_circuits_is_bounded() {
        let breakers = Breakers::default();
        for n in 0..CIRCUITS + 10 {
            let url = url(&format!("https://h{n}.example/"));
            let now = at(i64::try_from(n).unwrap());
            breakers.enter(TenantId::DEFAULT, "http", &url, now).unwrap().report(false, now);
        }
        assert_eq!(breakers.circuits.lock().unwrap().len(), CIRCUITS);
    }
}
