//! A new key for the ends of chains.

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::{DatabaseTransaction, DbBackend};
use subtle::ConstantTimeEq;

use super::{AuditLog, verify};
use crate::db::Database;
use crate::error::store_error;

impl AuditLog {
    /// Signs the ends of all chains with the current key: for when a new key was put in front. Only
    /// an end that one of the keys verifies is signed; the others stay as they are, and
    /// [`AuditLog::verify`] tells of them. Answers with how many were signed anew.
    ///
    /// # Errors
    /// Those of the database. Each end is signed in a transaction of its own: calling it again does
    /// the rest.
    pub async fn resign(&self) -> Result<u64, StoreError> {
        let log = self.clone();
        let work = move |db: Database| async move {
            let mut signed = 0;
            for tenant in log.chains().await? {
                let txn = db.begin().await?;
                signed += u64::from(log.resign_one(&txn, tenant).await?);
                txn.commit().await.map_err(store_error)?;
            }
            Ok(signed)
        };
        self.db.run_within(limits::AUDIT_VERIFY, work).await
    }

    async fn resign_one(&self, txn: &DatabaseTransaction, tenant: TenantId) -> Result<bool, StoreError> {
        let lock = self.db.orm().get_database_backend() == DbBackend::Postgres;
        let Some(head) = verify::head(txn, tenant, lock).await? else { return Ok(false) };
        let current = &self.keys[0].id;
        let Ok(hash) = <[u8; 32]>::try_from(head.hash.as_slice()) else { return Ok(false) };
        let signer = self.keys.iter().position(|key| key.id == head.key_id);
        let ours = signer.is_some_and(|key| self.mac(key, tenant, head.seq, &hash).ct_eq(&head.mac).into());
        if !ours || head.key_id == *current {
            return Ok(false);
        }
        let sql = "UPDATE audit_heads SET key_id = $2, mac = $3 WHERE tenant_id = $1";
        let values = vec![tenant.0.into(), current.clone().into(), self.mac(0, tenant, head.seq, &hash).into()];
        super::run(txn, self.db.orm().get_database_backend(), sql, values).await?;
        Ok(true)
    }
}
