//! Who a user is at an identity provider.

use sea_orm::entity::prelude::*;

/// Who a user is at an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identities")]
pub struct Model {
    /// The provider.
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    /// Their id there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// The user.
    pub user_id: Uuid,
    /// When they were linked.
    pub created_at: DateTimeUtc,
}

/// Relations are queried by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
