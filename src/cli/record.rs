//! What operators do at the command line stands in the audit log, as what they do over the API does.

use std::future::Future;

use automate_core::audit::AuditEntry;
use automate_core::store::StoreError;

use super::TENANT;
use super::users::operator;
use crate::app::Parts;

/// An entry about something that the one at the command line does.
pub(super) fn entry(action: &str) -> AuditEntry {
    let writer = operator();
    AuditEntry::new(TENANT, writer.principal.actor, action).from(writer.origin)
}

/// Does something whose transaction the log cannot join: what was asked for is on record before it
/// is done, and so is its failure.
///
/// # Errors
/// Those of the deed; what cannot be written down is not done.
pub(super) async fn on_record<T, E, F>(parts: &Parts, entry: AuditEntry, deed: F) -> Result<T, E>
where
    E: From<StoreError> + std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    parts.audit.around(entry, deed).await
}
