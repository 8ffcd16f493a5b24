//! The service.

use automate_core::access::{Principal, TenantScope};

use super::Model;
use crate::audit::AuditLog;
use crate::db::Database;

/// Lists, reads, creates, changes and deletes rows of any model. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resources {
    pub(super) db: Database,
    pub(super) audit: AuditLog,
}

impl Resources {
    /// The service over a database.
    #[must_use]
    pub fn new(db: Database, audit: AuditLog) -> Self {
        Self { db, audit }
    }

    /// Whose rows of a model somebody sees.
    #[must_use]
    pub fn scope(model: &Model, principal: &Principal) -> TenantScope {
        if model.tenant.is_some() { principal.tenant_scope() } else { principal.global_scope() }
    }
}
