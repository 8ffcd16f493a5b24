//! Deeds that have a transaction of their own, which the log cannot join.

use std::future::Future;

use automate_core::audit::{AuditEntry, AuditOutcome};
use automate_core::store::StoreError;
use serde_json::json;

use super::AuditLog;

impl AuditLog {
    /// Writes that something was asked for, then does it; where that fails, a second entry says so.
    /// In this order nothing is ever done that the log does not have, whenever the process dies.
    ///
    /// # Errors
    /// Those of the deed, and those of the log: what cannot be written down is not done.
    pub async fn around<T, E, F>(&self, entry: AuditEntry, deed: F) -> Result<T, E>
    where
        E: From<StoreError> + std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let asked = AuditEntry { outcome: AuditOutcome::Asked, ..entry };
        self.record(vec![asked.clone()]).await?;
        let result = deed.await;
        if let Err(error) = &result {
            let failed =
                AuditEntry { outcome: AuditOutcome::Failed, changes: json!({ "error": error.to_string() }), ..asked };
            if let Err(error) = self.record(vec![failed]).await {
                tracing::warn!(%error, "that something failed could not be written to the audit log");
            }
        }
        result
    }
}
