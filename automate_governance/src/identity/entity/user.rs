//! A person's account.

use sea_orm::entity::prelude::*;

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Its id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Whose; without one they see nothing.
    pub tenant_id: Option<Uuid>,
    /// The address as it was given.
    pub email: String,
    /// The address as it is compared, see [`email_key`](crate::identity::email_key); unique.
    pub email_key: String,
    /// How they are called.
    pub name: String,
    /// Argon2id, as a PHC string; none where they log in elsewhere.
    pub password_hash: Option<String>,
    /// Whether they may log in.
    pub is_active: bool,
    /// Whether they may open the admin.
    pub is_staff: bool,
    /// Whether they may do everything.
    pub is_superuser: bool,
    /// The second factor's secret, encrypted.
    pub totp_secret: Option<Vec<u8>>,
    /// Since when the second factor is asked for.
    pub totp_confirmed_at: Option<DateTimeUtc>,
    /// The last step of the clock whose code was used.
    pub totp_last_step: Option<i64>,
    /// When they last logged in.
    pub last_login_at: Option<DateTimeUtc>,
    /// When the password was last set.
    pub password_changed_at: Option<DateTimeUtc>,
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
