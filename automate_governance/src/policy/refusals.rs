//! Refusals on their way to the audit log.
//!
//! Whoever is refused may come back thousands of times a second: the same refusal of a tenant is
//! written once a minute, with how often it happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_core::access::Actor;
use automate_core::audit::{AuditEntry, AuditOutcome};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::policy::PolicyRefusal;
use automate_store::audit::AuditLog;
use serde_json::json;
use tokio::time::Instant;

/// How long the same refusal is only counted.
const QUIET: Duration = Duration::from_secs(60);

/// A refusal as it is told apart from others.
type Key = (TenantId, String, &'static str);

/// Takes refusals and never blocks.
#[derive(Clone)]
pub(super) struct Refusals {
    audit: AuditLog,
    told: Arc<Mutex<HashMap<Key, (Instant, u64)>>>,
}

impl Refusals {
    pub(super) fn new(audit: AuditLog) -> Self {
        Self { audit, told: Arc::default() }
    }

    pub(super) fn tell(&self, tenant: TenantId, what: &str, refusal: &PolicyRefusal) {
        metrics::counter!("automate_policy_refusals_total", "rule" => refusal.rule).increment(1);
        let now = Instant::now();
        let unwritten = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.len() >= limits::POLICY_REFUSALS {
                told.retain(|_, (at, _)| now.duration_since(*at) < QUIET);
                if told.len() >= limits::POLICY_REFUSALS {
                    return;
                }
            }
            match told.get_mut(&(tenant, what.to_owned(), refusal.rule)) {
                Some((at, count)) if now.duration_since(*at) < QUIET => {
                    *count += 1;
                    return;
                }
                Some(entry) => {
                    let count = entry.1;
                    *entry = (now, 0);
                    count
                }
                None => {
                    told.insert((tenant, what.to_owned(), refusal.rule), (now, 0));
                    0
                }
            }
        };
        let entry = AuditEntry::new(tenant, Actor::system(), "policy.refuse")
            .about("policy", what)
            .outcome(AuditOutcome::Refused)
            .with(json!({ "rule": refusal.rule, "message": refusal.message, "not_written_before": unwritten }));
        let audit = self.audit.clone();
        tokio::spawn(async move {
            if let Err(error) = audit.record(vec![entry]).await {
                tracing::warn!(%error, "a refusal could not be written to the audit log");
            }
        });
    }
}
