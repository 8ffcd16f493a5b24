use automate::admin::{
    Auditable, AuditableModelAdmin, Cx, ImportExport, ImportExportBaseAdmin, PermissionMixin, Permissions, SoftDelete,
    SoftDeleteAdmin, TenantScoped, TenantScopedAdmin,
};
use automate::prelude::*;
use automate::store::resource::Row;
use serde_json::json;

use super::entity::book;
use super::two_find::BOOKS;

pub struct BookAdmin;
impl BaseModelAdmin for BookAdmin {
    type Entity = book::Entity;
    type Layers = (TenantScoped, SoftDelete, Auditable, ImportExport, Permissions);
    fn model(&self) -> &'static Model {
        &BOOKS
    }
}
impl TenantScopedAdmin for BookAdmin {
    const TENANT: book::Column = book::Column::TenantId;
}
impl SoftDeleteAdmin for BookAdmin {
    const DELETED_AT: book::Column = book::Column::DeletedAt;
}
impl AuditableModelAdmin for BookAdmin {
    const CREATED_BY: book::Column = book::Column::CreatedBy;
    const UPDATED_BY: book::Column = book::Column::UpdatedBy;
}
impl ImportExportBaseAdmin for BookAdmin {}
impl PermissionMixin for BookAdmin {
    fn has_delete_permission(&self, _: &Cx, row: Option<&Row>) -> bool {
        row.is_none_or(|row| row.fields.get("lent") != Some(&json!(true)))
    }
}
