//! Finding a place in the log by time, without reading the log.

use automate_core::ids::{TenantId, first_v7_at};
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, Statement, Value};

use super::AuditLog;
use crate::error::store_error;

impl AuditLog {
    /// The place of a tenant's last entry, or of the last one that was written before a time; 0 where
    /// there is none. Entries are told apart by the time in their ids.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn last_place(&self, tenant: TenantId, before: Option<DateTime<Utc>>) -> Result<i64, StoreError> {
        let work = move |db: crate::db::Database| async move {
            let reader = db.orm_reader();
            let (sql, values): (&str, Vec<Value>) = match before {
                None => {
                    ("SELECT seq FROM audit_log WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1", vec![tenant.0.into()])
                }
                Some(before) => (
                    "SELECT seq FROM audit_log WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT 1",
                    vec![tenant.0.into(), first_v7_at(before).into()],
                ),
            };
            let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
            let row = reader.query_one_raw(statement).await.map_err(store_error)?;
            row.map_or(Ok(0), |row| row.try_get("", "seq").map_err(store_error))
        };
        self.db.run(work).await
    }
}
