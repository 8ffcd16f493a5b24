//! A permission that a user has by themselves.

use sea_orm::entity::prelude::*;

/// A permission that a user has by themselves.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_permissions")]
pub struct Model {
    /// The user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// The permission.
    #[sea_orm(primary_key, auto_increment = false)]
    pub permission: String,
}

/// Relations are queried by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
