//! The inbox of received requests, for delivering one again.

use automate_core::ids::{EventId, TenantId};
use automate_core::store::{NewWebhookRequest, StoreError};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use crate::db::Database;
use crate::error::store_error;
use crate::models::events::webhook_request::{Column, Entity};

/// A request as it was recorded; `None` where the tenant has none of that id.
///
/// # Errors
/// Those of the database.
pub async fn request(db: &Database, tenant: TenantId, id: Uuid) -> Result<Option<NewWebhookRequest>, StoreError> {
    db.run(move |db| async move {
        let row = Entity::find_by_id(id).filter(Column::TenantId.eq(tenant.0)).one(db.orm_reader()).await;
        let Some(row) = row.map_err(store_error)? else { return Ok(None) };
        Ok(Some(NewWebhookRequest {
            id: EventId(row.id),
            path: row.path,
            method: row.method,
            headers: row.headers.into(),
            body: row.body,
            body_bytes: row.body_bytes,
            remote_addr: row.remote_addr,
            signature: row.signature,
            http_status: row.http_status,
            received_at: row.received_at,
        }))
    })
    .await
}
