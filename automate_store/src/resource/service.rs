//! The service.

use std::future::Future;
use std::sync::Arc;

use automate_core::access::{Principal, TenantScope};
use automate_core::store::StoreError;
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{ListQuery, Model, Page, ResourceError, ResourceHooks, Row, Selection, Writer};
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

    /// A page of a list.
    ///
    /// # Errors
    /// `Query` where the query does not fit the model or the cursor is not of this list, `Store`.
    pub async fn list(
        &self,
        _model: &'static Model,
        _caller: &Writer,
        _query: &ListQuery,
    ) -> Result<Page, ResourceError> {
        Ok(Page::default())
    }

    /// One row as the caller sees it: [`Row::shown`], and its expansions.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's row; `Query` where the selection does not fit; `Store`.
    pub async fn get(
        &self,
        model: &'static Model,
        _caller: &Writer,
        _id: Uuid,
        _selection: &Selection,
    ) -> Result<Row, ResourceError> {
        Err(ResourceError::NotFound(model.noun))
    }

    /// Rows by their ids, as the caller sees them, in the order of the ids. All or none.
    ///
    /// # Errors
    /// `NotFound` where one of them is not there or another tenant's; `Invalid` where they are too
    /// many; `Store`.
    pub async fn get_many(
        &self,
        model: &'static Model,
        _caller: &Writer,
        _ids: &[Uuid],
    ) -> Result<Vec<Row>, ResourceError> {
        Err(ResourceError::NotFound(model.noun))
    }

    /// Creates a row and answers with it as the caller sees it.
    ///
    /// # Errors
    /// `Invalid` with every fault of the fields, `Conflict` where another row has what must be
    /// unique, those of the hooks, `NotFound` where the caller has no tenant, `Store`.
    pub async fn create(
        &self,
        _model: &'static Model,
        _writer: &Writer,
        _hooks: &Arc<dyn ResourceHooks>,
        _fields: Map<String, Value>,
    ) -> Result<Row, ResourceError> {
        Err(StoreError::Internal("later".to_owned()).into())
    }

    /// Changes the given fields of a row and answers with the row as the caller sees it.
    ///
    /// # Errors
    /// As [`Resources::create`]; `NotFound`; `Changed` where the row is not at the `expected`
    /// version.
    pub async fn update(
        &self,
        _model: &'static Model,
        _writer: &Writer,
        _hooks: &Arc<dyn ResourceHooks>,
        _id: Uuid,
        _fields: Map<String, Value>,
        _expected: Option<i64>,
    ) -> Result<Row, ResourceError> {
        Err(StoreError::Internal("later".to_owned()).into())
    }

    /// Deletes a row.
    ///
    /// # Errors
    /// `NotFound`, `Changed`, `Conflict` where the row is in use, those of the hooks, `Store`.
    pub async fn delete(
        &self,
        _model: &'static Model,
        _writer: &Writer,
        _hooks: &Arc<dyn ResourceHooks>,
        _id: Uuid,
        _expected: Option<i64>,
    ) -> Result<(), ResourceError> {
        Err(StoreError::Internal("later".to_owned()).into())
    }

    /// A row with all of its columns, hidden ones too, locked until the transaction ends.
    ///
    /// # Errors
    /// `NotFound`, also for another tenant's row; `Store`.
    pub async fn get_in(
        &self,
        _txn: &DatabaseTransaction,
        model: &'static Model,
        _caller: &Writer,
        _id: Uuid,
    ) -> Result<Row, ResourceError> {
        Err(ResourceError::NotFound(model.noun))
    }

    /// As [`Resources::get_in`], of several rows, in the order of the ids; locked in one order, so
    /// that two callers with the same rows do not wait for each other. All or none.
    ///
    /// # Errors
    /// As [`Resources::get_many`].
    pub async fn get_many_in(
        &self,
        _txn: &DatabaseTransaction,
        model: &'static Model,
        _caller: &Writer,
        _ids: &[Uuid],
    ) -> Result<Vec<Row>, ResourceError> {
        Err(ResourceError::NotFound(model.noun))
    }

    /// As [`Resources::create`], within a transaction; answers with all columns. After an error the
    /// transaction is to be given up.
    ///
    /// # Errors
    /// As [`Resources::create`].
    pub async fn create_in(
        &self,
        _txn: &DatabaseTransaction,
        _model: &'static Model,
        _writer: &Writer,
        _hooks: &dyn ResourceHooks,
        _fields: Map<String, Value>,
    ) -> Result<Row, ResourceError> {
        Err(StoreError::Internal("later".to_owned()).into())
    }

    /// As [`Resources::update`], within a transaction; answers with all columns. Whoever changes
    /// several rows locks them all first: [`Resources::get_many_in`].
    ///
    /// # Errors
    /// As [`Resources::update`].
    #[expect(clippy::too_many_arguments, reason = "each is one thing that the caller has")]
    pub async fn update_in(
        &self,
        _txn: &DatabaseTransaction,
        _model: &'static Model,
        _writer: &Writer,
        _hooks: &dyn ResourceHooks,
        _id: Uuid,
        _fields: Map<String, Value>,
        _expected: Option<i64>,
    ) -> Result<Row, ResourceError> {
        Err(StoreError::Internal("later".to_owned()).into())
    }

    /// As [`Resources::delete`], within a transaction.
    ///
    /// # Errors
    /// As [`Resources::delete`].
    pub async fn delete_in(
        &self,
        _txn: &DatabaseTransaction,
        _model: &'static Model,
        _writer: &Writer,
        _hooks: &dyn ResourceHooks,
        _id: Uuid,
        _expected: Option<i64>,
    ) -> Result<(), ResourceError> {
        Err(StoreError::Internal("later".to_owned()).into())
    }
}

/// The id in an address or a field: exactly as ids are written, and nothing that merely means one.
#[must_use]
pub fn exact_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().to_string() == text).then_some(id)
}
