//! Which live workflows have a text in their documents: candidates for what names a secret or a
//! connection, for whoever is about to change one.

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use sea_orm::{ConnectionTrait, Statement};

use crate::db::Database;
use crate::error::store_error;
use crate::like::escaped;

/// The live workflows of a tenant whose documents have a text, by slug, with the documents as JSON;
/// `limits::REFERRING_WORKFLOWS` at most.
///
/// # Errors
/// Those of the database.
pub async fn live_workflows(db: &Database, tenant: TenantId, text: &str) -> Result<Vec<(String, String)>, StoreError> {
    let pattern = format!("%{}%", escaped(text));
    db.run(move |db| async move {
        let reader = db.orm_reader();
        let sql = format!(
            "SELECT w.slug AS slug, v.document AS document FROM workflows w \
             JOIN workflow_versions v ON v.id = w.live_version_id AND v.tenant_id = w.tenant_id \
             WHERE w.tenant_id = $1 AND v.document LIKE $2 ESCAPE '!' ORDER BY w.slug LIMIT {}",
            limits::REFERRING_WORKFLOWS
        );
        let values = vec![tenant.0.into(), pattern.into()];
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, values);
        let rows = reader.query_all_raw(statement).await.map_err(store_error)?;
        let pair = |row: &sea_orm::QueryResult| {
            Ok((row.try_get("", "slug").map_err(store_error)?, row.try_get("", "document").map_err(store_error)?))
        };
        rows.iter().map(pair).collect()
    })
    .await
}
