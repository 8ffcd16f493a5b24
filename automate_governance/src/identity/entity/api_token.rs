//! An API token.

use sea_orm::entity::prelude::*;

/// An API token.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The tenant that it works in.
    pub tenant_id: Uuid,
    /// Its owner.
    pub user_id: Uuid,
    /// Its name.
    pub name: String,
    /// The part of it that is shown; unique.
    pub prefix: String,
    /// SHA-256 of its secret.
    pub hash: Vec<u8>,
    /// Its scopes, as a JSON array of text.
    pub scopes: String,
    /// Requests a minute.
    pub rate_per_minute: Option<i32>,
    /// When it ends.
    pub expires_at: Option<DateTimeUtc>,
    /// Its last request, to the minute.
    pub last_used_at: Option<DateTimeUtc>,
    /// When it was taken back.
    pub revoked_at: Option<DateTimeUtc>,
    /// Grows with each change.
    pub row_version: i32,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it was last changed.
    pub updated_at: DateTimeUtc,
}

/// Relations are queried by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
