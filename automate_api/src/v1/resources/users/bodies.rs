//! What requests about users carry.

use automate_core::ids::GroupId;
use automate_governance::identity::{NewUser, Password, UserChange};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A new user.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserCreate)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUserBody {
    /// The address that they log in with; unique in the installation.
    #[schema(max_length = 254, example = "ada@example.org")]
    email: String,
    /// How they are called.
    #[serde(default)]
    #[schema(max_length = 150, example = "Ada Lovelace")]
    name: String,
    /// Their password: 12 characters at least, and none that many people have.
    #[schema(max_length = 1024, format = Password, example = "a long walk by the sea")]
    password: Option<String>,
    /// Whether they may open the admin.
    #[serde(default)]
    is_staff: bool,
    /// Whether they may do everything, in every tenant; only superusers make superusers.
    #[serde(default)]
    is_superuser: bool,
    /// The ids of their groups.
    #[serde(default)]
    #[schema(max_items = 1000)]
    groups: Vec<Uuid>,
    /// Permissions of their own; `*` is all of them.
    #[serde(default)]
    #[schema(max_items = 1000)]
    permissions: Vec<String>,
}

impl NewUserBody {
    pub(super) fn into_parts(self) -> (NewUser, Option<Password>) {
        let new = NewUser {
            email: self.email,
            name: self.name,
            password: None,
            tenant: None,
            is_staff: self.is_staff,
            is_superuser: self.is_superuser,
            groups: self.groups.into_iter().map(GroupId).collect(),
            permissions: self.permissions,
        };
        (new, self.password.map(Password::new))
    }
}

/// What of a user is changed.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserUpdate)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    /// The address that they log in with.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// How they are called.
    #[schema(max_length = 150)]
    name: Option<String>,
    /// Whether they may log in.
    is_active: Option<bool>,
    /// Whether they may open the admin.
    is_staff: Option<bool>,
    /// Whether they may do everything.
    is_superuser: Option<bool>,
    /// The ids of all of their groups.
    #[schema(max_items = 1000)]
    groups: Option<Vec<Uuid>>,
    /// All permissions of their own.
    #[schema(max_items = 1000)]
    pub(super) permissions: Option<Vec<String>>,
}

impl From<UserPatch> for UserChange {
    fn from(patch: UserPatch) -> Self {
        Self {
            email: patch.email,
            name: patch.name,
            is_active: patch.is_active,
            is_staff: patch.is_staff,
            is_superuser: patch.is_superuser,
            groups: patch.groups.map(|groups| groups.into_iter().map(GroupId).collect()),
            permissions: patch.permissions,
        }
    }
}

/// A password for somebody.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserPassword)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    /// The password: 12 characters at least, and none that many people have.
    #[schema(max_length = 1024, format = Password, example = "a long walk by the sea")]
    pub(super) password: String,
    /// Whether their tokens end too.
    #[serde(default)]
    pub(super) revoke_tokens: bool,
}
