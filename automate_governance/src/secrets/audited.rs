//! Readings of secrets in the audit log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use automate_core::access::Actor;
use automate_core::audit::{AuditEntry, AuditOutcome};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_store::audit::AuditLog;
use serde_json::json;

use super::reads::{SecretRead, SecretReadSink};

/// Writes readings to the audit log: those of one batch that read the same secret the same way are
/// one entry, which names every reader.
pub struct AuditedReads(AuditLog);

impl AuditedReads {
    /// Over a log.
    #[must_use]
    pub fn new(audit: AuditLog) -> Self {
        Self(audit)
    }
}

/// What readings of one entry have in common: tenant, key, backend, version, outcome.
type Same<'r> = (TenantId, &'r str, Option<&'r str>, Option<u32>, &'static str);

fn entries(batch: &[SecretRead]) -> Vec<AuditEntry> {
    let mut groups: BTreeMap<Same<'_>, Vec<&SecretRead>> = BTreeMap::new();
    for read in batch {
        let outcome = if read.outcome.has_value() { "found" } else { read.outcome.as_str() };
        let same = (read.tenant, read.key.as_str(), read.backend.as_deref(), read.version, outcome);
        groups.entry(same).or_default().push(read);
    }
    groups
        .into_iter()
        .map(|((tenant, key, backend, version, outcome), reads)| {
            let readers: Vec<String> =
                reads.iter().take(limits::SECRET_READERS_NAMED).map(|read| read.purpose.to_string()).collect();
            let facts = json!({
                "backend": backend, "version": version, "result": outcome, "count": reads.len(),
                "from": reads.first().map(|read| read.at), "to": reads.last().map(|read| read.at), "readers": readers,
            });
            let done = if outcome == "found" { AuditOutcome::Done } else { AuditOutcome::Failed };
            AuditEntry::new(tenant, Actor::system(), "secret.read").about("secret", key).with(facts).outcome(done)
        })
        .collect()
}

#[async_trait]
impl SecretReadSink for AuditedReads {
    async fn keep(&self, batch: &[SecretRead]) -> Result<(), String> {
        self.0.record(entries(batch)).await.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use automate_core::secrets::Purpose;

    use super::*;
    use crate::secrets::ReadOutcome;

    #[test]
    fn readings_of_one_secret_are_one_entry_that_counts_them() {
        let read = |key: &str, outcome| SecretRead {
            at: automate_core::clock::now(),
            tenant: TenantId::DEFAULT,
            key: key.to_owned(),
            backend: Some("env".to_owned()),
            version: None,
            purpose: Purpose::Check,
            outcome,
        };
        let batch = [
            read("A", ReadOutcome::Found),
            read("B", ReadOutcome::NotFound),
            read("A", ReadOutcome::Cached),
            read("A", ReadOutcome::Unavailable),
        ];
        let entries = entries(&batch);
        let told: Vec<_> =
            entries.iter().map(|e| (e.object_id.as_str(), e.changes["count"].as_u64(), e.outcome)).collect();
        assert_eq!(
            told,
            [
                ("A", Some(2), AuditOutcome::Done),
                ("A", Some(1), AuditOutcome::Failed),
                ("B", Some(1), AuditOutcome::Failed)
            ]
        );
    }
}
