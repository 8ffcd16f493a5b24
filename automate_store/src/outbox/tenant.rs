//! The queue as one tenant sees it.

use automate_core::clock;
use automate_core::ids::{OutboxId, TenantId};
use automate_core::limits;
use automate_core::outbox::OutboxStats;
use automate_core::store::StoreError;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::operate::stats_of;
use super::row::get;
use super::statement::Sql;
use crate::db::Database;

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetters {
    /// Only those that failed with this code.
    pub error_code: Option<String>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those last changed before this.
    pub before: Option<DateTime<Utc>>,
}

/// Counts a tenant's items, `limits::COUNTED_ITEMS` at most.
///
/// # Errors
/// Those of the database.
pub async fn stats(db: &Database, tenant: TenantId) -> Result<OutboxStats, StoreError> {
    db.run(move |db| async move {
        let connection = db.orm_reader();
        stats_of(connection, clock::now(), |sql| {
            sql.push(" FROM (SELECT status, next_attempt_at, lease_expires_at FROM outbox WHERE tenant_id = ");
            sql.bind(tenant.0).push(&format!(" LIMIT {}) o", limits::COUNTED_ITEMS));
        })
        .await
    })
    .await
}

/// The ids of a tenant's dead letters, the oldest first, `limits::OUTBOX_BATCH` at most.
///
/// # Errors
/// Those of the database.
pub async fn dead_letters(db: &Database, tenant: TenantId, which: DeadLetters) -> Result<Vec<OutboxId>, StoreError> {
    db.run(move |db| async move {
        let connection = db.orm_reader();
        let backend = db.orm_reader().get_database_backend();
        let mut sql = Sql::new(backend, clock::now(), "SELECT id FROM outbox WHERE status = 'FAILED' AND tenant_id = ");
        sql.bind(tenant.0);
        if let Some(code) = which.error_code {
            sql.push(" AND last_error_code = ").bind(code);
        }
        if let Some(kind) = which.kind {
            sql.push(" AND kind = ").bind(kind);
        }
        if let Some(before) = which.before {
            sql.push(" AND updated_at < ").bind_time(before);
        }
        sql.push(&format!(" ORDER BY id LIMIT {}", limits::OUTBOX_BATCH));
        sql.rows(connection).await?.iter().map(|row| get::<Uuid>(row, "id").map(OutboxId)).collect()
    })
    .await
}
