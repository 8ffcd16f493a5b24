//! A log-in that is under way: at a provider, before its second factor, or a set-up link.

use sea_orm::entity::prelude::*;

/// A log-in that is under way: at a provider, before its second factor, or a set-up link.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_flows")]
pub struct Model {
    /// SHA-256 of what the client holds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub state_hash: Vec<u8>,
    /// The provider's name; `:totp` and `:setup` are ours.
    pub provider: String,
    /// What the provider's answer must repeat.
    pub nonce: String,
    /// The secret of PKCE; of `:totp` the user's id.
    pub verifier: String,
    /// Where to go afterwards.
    pub next: String,
    /// When it began.
    pub created_at: DateTimeUtc,
}

/// Relations are queried by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
