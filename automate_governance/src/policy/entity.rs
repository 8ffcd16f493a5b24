//! The table of policies.

use sea_orm::entity::prelude::*;

/// A tenant's policy.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "policies")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    /// The [`TenantPolicy`](automate_core::policy::TenantPolicy), as JSON.
    pub document: String,
    /// Grows with each change.
    pub row_version: i32,
    /// When it was last changed.
    pub updated_at: DateTimeUtc,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
