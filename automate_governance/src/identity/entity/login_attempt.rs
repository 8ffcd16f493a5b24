//! Failed log-ins of an account or from an address.

use sea_orm::entity::prelude::*;

/// Failed log-ins of an account or from an address.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_attempts")]
pub struct Model {
    /// `account:…` or `address:…`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    /// In a row.
    pub failures: i32,
    /// The last one.
    pub last_failure_at: DateTimeUtc,
    /// No further attempt is looked at before.
    pub blocked_until: Option<DateTimeUtc>,
}

/// Relations are queried by hand.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
