//! The service.

use std::future::Future;
use std::sync::Arc;

use automate_core::access::{Principal, TenantScope};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Model, ResourceError};
use crate::audit::AuditLog;
use crate::db::Database;

/// Lists, reads, creates, changes and deletes rows of any model. Cheap to clone.
///
/// Whether somebody may do that to rows of the model at all is for the caller to ask
/// ([`Model::permission_for`]); whose rows they are is asked here, always.
#[derive(Clone)]
pub struct Resources {
    pub(super) db: Database,
    pub(super) audit: AuditLog,
    pub(super) cursor_key: Arc<Zeroizing<[u8; 32]>>,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resources").field("db", &self.db).finish_non_exhaustive()
    }
}

impl Resources {
    /// The service over a database. `cursor_key` signs the cursors of pages; all processes that
    /// answer the same clients share it.
    #[must_use]
    pub fn new(db: Database, audit: AuditLog, cursor_key: [u8; 32]) -> Self {
        Self { db, audit, cursor_key: Arc::new(Zeroizing::new(cursor_key)) }
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Database {
        &self.db
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Whose rows of a model somebody sees.
    #[must_use]
    pub fn scope(model: &Model, principal: &Principal) -> TenantScope {
        if model.tenant.is_some() { principal.tenant_scope() } else { principal.global_scope() }
    }

    /// Runs work of one's own to its end, as [`Database::run`]: begin a transaction with
    /// `resources.db().begin()`, use the `…_in` methods, commit.
    ///
    /// # Errors
    /// Those of the work, and `Store` as [`Database::run`].
    pub async fn run<T, W, F>(&self, work: W) -> Result<T, ResourceError>
    where
        T: Send + 'static,
        W: FnOnce(Self) -> F + Send + 'static,
        F: Future<Output = Result<T, ResourceError>> + Send + 'static,
    {
        let resources = self.clone();
        self.db.run(move |_| async move { Ok(work(resources).await) }).await?
    }
}

/// The id in an address or a field: exactly as ids are written, and nothing that merely means one.
#[must_use]
pub fn exact_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().to_string() == text).then_some(id)
}
