//! What a model does besides storing its columns.

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::access::Principal;
use automate_core::audit::Origin;
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};

use super::{ResourceError, Row};

/// Who reads or writes, and from where.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Who.
    pub principal: Principal,
    /// From where.
    pub origin: Origin,
}

/// What happens around a change, in its transaction. An error takes the whole change back.
#[async_trait]
pub trait ResourceHooks: Send + Sync + 'static {
    /// Before a row is stored, after its fields were checked: completes or refuses them. `old` is
    /// the row as it was; none when it is created, and `fields` has the new row's key then. Fields
    /// that are put in here need not be writable; what is no column of the table is given to hooks
    /// ([`ModelBuilder::input`](super::ModelBuilder::input)) and not stored.
    async fn before_save(
        &self,
        _txn: &DatabaseTransaction,
        _writer: &Writer,
        _old: Option<&Row>,
        _fields: &mut Map<String, Value>,
    ) -> Result<(), ResourceError> {
        Ok(())
    }

    /// After a row was stored.
    async fn after_save(
        &self,
        _txn: &DatabaseTransaction,
        _writer: &Writer,
        _old: Option<&Row>,
        _new: &Row,
    ) -> Result<(), ResourceError> {
        Ok(())
    }

    /// Before a row is deleted.
    async fn before_delete(
        &self,
        _txn: &DatabaseTransaction,
        _writer: &Writer,
        _old: &Row,
    ) -> Result<(), ResourceError> {
        Ok(())
    }
}

/// No hooks, for models whose rows are only stored.
#[must_use]
pub fn no_hooks() -> Arc<dyn ResourceHooks> {
    Arc::new(NoHooks)
}

/// No hooks.
#[derive(Debug, Clone, Copy)]
pub struct NoHooks;

impl ResourceHooks for NoHooks {}
