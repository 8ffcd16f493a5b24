//! That somebody is logged in.

use sea_orm::entity::prelude::*;

/// That somebody is logged in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    /// SHA-256 of the id in the cookie.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id_hash: Vec<u8>,
    /// Who.
    pub user_id: Uuid,
    /// The tenant they work in; superusers choose it.
    pub tenant_id: Option<Uuid>,
    /// What a form must send.
    pub csrf: String,
    /// The client's address at log-in.
    pub address: String,
    /// What the client called itself.
    pub agent: String,
    /// When they logged in.
    pub created_at: DateTimeUtc,
    /// The last request, to the minute.
    pub last_seen_at: DateTimeUtc,
    /// When it ends, however much it is used.
    pub expires_at: DateTimeUtc,
}

/// Relations are queried by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
