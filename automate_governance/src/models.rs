//! The models of people, secrets and connections: what the API and the admin show, declared once for
//! both.

use std::sync::LazyLock;

use automate_core::limits;
use automate_store::resource::Model;

use crate::connections::entity as connection;
use crate::identity::SLUG_CHARS;
use crate::identity::entity::{api_token, group, tenant, user};
use crate::secrets::entity::secret;

/// Users of a tenant. They are written through [`Identity`](crate::identity::Identity) only, which
/// sees to it that nobody gives away more than they have.
pub static USERS: LazyLock<Model> = LazyLock::new(|| {
    use user::Column::*;
    Model::of::<user::Entity>("users", "user")
        .permissions("people", "user")
        .doc("People who log in.")
        .hidden([EmailKey, PasswordHash, TotpSecret, TotpLastStep])
        .filters([Email, Name, IsActive, IsStaff, IsSuperuser, LastLoginAt, CreatedAt, UpdatedAt])
        .orderings([Email, Name, LastLoginAt, CreatedAt, UpdatedAt])
        .search([Email, Name])
        .describe(Email, "The address that they log in with.")
        .describe(IsActive, "Whether they may log in.")
        .describe(IsStaff, "Whether they may open the admin.")
        .describe(IsSuperuser, "Whether they may do everything, in every tenant.")
        .describe(TotpConfirmedAt, "Since when their second factor is asked for; null where they have none.")
        .describe(LastLoginAt, "When they last logged in.")
        .describe(PasswordChangedAt, "When their password was last set; null where they have none.")
        .build()
});

/// Groups of users. Written as [`USERS`].
pub static GROUPS: LazyLock<Model> = LazyLock::new(|| {
    use group::Column::*;
    Model::of::<group::Entity>("groups", "group")
        .permissions("people", "group")
        .doc("Groups of users, each with what its members may do.")
        .filters([Name, CreatedAt, UpdatedAt])
        .orderings([Name, CreatedAt, UpdatedAt])
        .search([Name, Description])
        .ordering(Name, false)
        .describe(Name, "Unique in the tenant.")
        .build()
});

/// API tokens. Written as [`USERS`].
pub static TOKENS: LazyLock<Model> = LazyLock::new(|| {
    use api_token::Column::*;
    Model::of::<api_token::Entity>("tokens", "token")
        .permissions("people", "token")
        .doc("API tokens; their secrets are shown once, when they are made.")
        .hidden([Hash])
        .json([Scopes])
        .writable([Name, ExpiresAt])
        .names([Name])
        .max_length(Name, limits::PERSON_NAME_CHARS)
        .filters([UserId, Name, Prefix, ExpiresAt, LastUsedAt, RevokedAt, CreatedAt])
        .orderings([Name, ExpiresAt, LastUsedAt, CreatedAt])
        .search([Name, Prefix])
        .describe(UserId, "Its owner: it may do what they may, as far as its scopes reach.")
        .describe(Prefix, "The part of it that is shown: it begins with `aut_` and this.")
        .describe(RatePerMinute, "Requests a minute; as many as everybody has where null.")
        .describe(ExpiresAt, "When it ends; never where null.")
        .describe(LastUsedAt, "Its last request, to the minute.")
        .describe(RevokedAt, "When it was taken back; null where it works.")
        .build()
});

/// Tenants, of the installation.
pub static TENANTS: LazyLock<Model> = LazyLock::new(|| {
    use tenant::Column::*;
    Model::of::<tenant::Entity>("tenants", "tenant")
        .permissions("tenants", "tenant")
        .doc("The owners of rows: what is one tenant's, no other sees.")
        .global()
        .writable([Name])
        .names([Slug, Name])
        .max_length(Slug, SLUG_CHARS)
        .max_length(Name, limits::PERSON_NAME_CHARS)
        .choices(Status, &["active", "suspended"])
        .filters([Slug, Name, Status, CreatedAt])
        .orderings([Slug, Name, CreatedAt])
        .search([Slug, Name])
        .ordering(Slug, false)
        .describe(Slug, "Its name in addresses, which never changes.")
        .build()
});

/// Secrets, without their values. Written through
/// [`DatabaseBackend`](crate::secrets::DatabaseBackend) only.
pub static SECRETS: LazyLock<Model> = LazyLock::new(|| {
    use secret::Column::*;
    Model::of::<secret::Entity>("secrets", "secret")
        .permissions("secrets", "secret")
        .doc("Secrets that are stored; their values are written and never shown.")
        .hidden([TenantId])
        .filters([Key, CreatedAt, UpdatedAt])
        .orderings([Key, CreatedAt, UpdatedAt])
        .search([Key])
        .ordering(Key, false)
        .describe(Key, "Its name: `$secret:KEY` stands for its value.")
        .describe(UpdatedAt, "When its newest version was set.")
        .build()
});

/// Connections: named credentials of connectors. Secret fields hold references.
pub static CONNECTIONS: LazyLock<Model> = LazyLock::new(|| {
    use connection::Column::*;
    Model::of::<connection::Entity>("connections", "connection")
        .permissions("connectors", "connection")
        .doc("Named credentials of connectors, for steps to use.")
        .json([Fields])
        .on_create([Name, Connector])
        .writable([Fields])
        .max_length(Name, limits::CONNECTION_NAME_CHARS)
        .max_length(Connector, limits::CONNECTION_NAME_CHARS)
        .filters([Name, Connector, CreatedAt, UpdatedAt])
        .orderings([Name, Connector, CreatedAt, UpdatedAt])
        .search([Name, Connector])
        .ordering(Name, false)
        .describe(Name, "Unique in the tenant; steps name it with `connection:`.")
        .describe(Connector, "The connector's key.")
        .describe(Fields, "Its fields; those that are secret hold `$secret:KEY`.")
        .build()
});
