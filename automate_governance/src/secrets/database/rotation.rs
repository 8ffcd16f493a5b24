//! Going over everything that is stored: to change the master key, and to see whether all opens.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};
use uuid::Uuid;

use automate_core::limits;

use super::super::entity::version;
use super::super::envelope::{Binding, Sealed, open, rewrap};
use super::{DatabaseBackend, KeyCheck, Rewrapped, SecretStoreError, within};

impl DatabaseBackend {
    /// Wraps everything with the current master key that an earlier one wraps. Each row is changed by
    /// itself, so a rotation that was interrupted is simply run again, and readers that have both
    /// keys never notice.
    ///
    /// # Errors
    /// [`SecretStoreError::NoMasterKey`], and those of the database; what was done until then stays done.
    pub async fn rotate_master_key(&self) -> Result<Rewrapped, SecretStoreError> {
        let current = self.keys.current().ok_or(SecretStoreError::NoMasterKey)?;
        let mut report = Rewrapped::default();
        let mut after = None;
        loop {
            let page = self.versions_after(after, Some(current.id())).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for row in page {
                let Some(old) = self.keys.get(&row.key_id) else {
                    *report.missing_keys.entry(row.key_id).or_default() += 1;
                    continue;
                };
                let binding = Binding { tenant: row.tenant_id, secret: row.secret_id, version: row.version };
                let Ok(wrapped) = rewrap(old, current, &binding, &row.wrapped_key) else {
                    report.corrupt.push(row.id);
                    continue;
                };
                // Only if nobody else rotated the row meanwhile.
                let update = version::Entity::update_many()
                    .col_expr(version::Column::WrappedKey, Expr::value(wrapped))
                    .col_expr(version::Column::KeyId, Expr::value(current.id()))
                    .filter(version::Column::Id.eq(row.id))
                    .filter(version::Column::KeyId.eq(row.key_id));
                report.rewrapped += within(async { Ok(update.exec(&self.db).await?) }).await?.rows_affected;
            }
        }
        Ok(report)
    }

    /// Opens every stored data key; for start-up and `doctor`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn check(&self) -> Result<KeyCheck, SecretStoreError> {
        let mut report = KeyCheck::default();
        let mut after = None;
        loop {
            let page = self.versions_after(after, None).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for row in page {
                let Some(master) = self.keys.get(&row.key_id) else {
                    report.missing_keys.insert(row.key_id);
                    continue;
                };
                let binding = Binding { tenant: row.tenant_id, secret: row.secret_id, version: row.version };
                let sealed = Sealed { wrapped_key: row.wrapped_key, nonce: row.nonce, ciphertext: row.ciphertext };
                match open(master, &binding, &sealed) {
                    Ok(_) => report.readable += 1,
                    Err(_) => report.corrupt.push(row.id),
                }
            }
        }
        Ok(report)
    }

    /// A page of versions by id, leaving out those of one master key.
    async fn versions_after(
        &self,
        after: Option<Uuid>,
        without_key: Option<&str>,
    ) -> Result<Vec<version::Model>, SecretStoreError> {
        let mut query = version::Entity::find().order_by_asc(version::Column::Id).limit(limits::ROTATION_PAGE);
        if let Some(after) = after {
            query = query.filter(version::Column::Id.gt(after));
        }
        if let Some(key_id) = without_key {
            query = query.filter(version::Column::KeyId.ne(key_id));
        }
        within(async { Ok(query.all(&self.reader).await?) }).await
    }
}
