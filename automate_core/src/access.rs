//! Who asks, and what they may do. Pure: whoever authenticates makes a [`Principal`], everybody
//! else asks it.
//!
//! Permissions are Django's: `app.view_model`, `app.add_model`, `app.change_model`,
//! `app.delete_model`, and named ones such as `workflow.publish`. A token has scopes besides, and
//! may do what both its owner's permissions and its scopes allow.

mod catalog;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::ids::{TenantId, TokenId, UserId};

pub use catalog::{DEFAULT_GROUPS, DefaultGroup, MODELS, NAMED_PERMISSIONS, SPECIAL_SCOPES, all_permissions};

/// The permission that is all permissions of a tenant.
pub const EVERYTHING: &str = "*";
/// The scope that is all scopes.
pub const ADMIN_SCOPE: &str = "admin";

/// What an actor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person, with a session.
    User,
    /// A program, with an API token.
    Token,
    /// A person at the command line of the machine.
    Cli,
    /// The engine itself.
    System,
    /// An extension.
    Extension,
    /// Nobody that we know.
    Anonymous,
}

impl ActorKind {
    /// The word that is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Cli => "cli",
            Self::System => "system",
            Self::Extension => "extension",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Who did something, as the audit log names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// What they are.
    pub kind: ActorKind,
    /// The id of the user or token; empty where there is none.
    pub id: String,
    /// The name people know them by: an e-mail address, a token's name.
    pub name: String,
}

impl Actor {
    /// The engine itself.
    #[must_use]
    pub fn system() -> Self {
        Self { kind: ActorKind::System, id: String::new(), name: "system".to_owned() }
    }

    /// Somebody who is not known.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { kind: ActorKind::Anonymous, id: String::new(), name: "anonymous".to_owned() }
    }

    /// Whoever sits at the command line; `name` is their login name on the machine.
    #[must_use]
    pub fn cli(name: impl Into<String>) -> Self {
        Self { kind: ActorKind::Cli, id: String::new(), name: name.into() }
    }
}

/// Whose rows a query may touch. Every query takes one, and none of them means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantScope {
    /// No row at all.
    Nothing,
    /// The rows of one tenant.
    One(TenantId),
    /// All rows, of a model that belongs to the installation and not to a tenant: superusers only.
    All,
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Principal {
    /// How the audit log names them.
    pub actor: Actor,
    /// Their tenant; without one they see nothing.
    pub tenant: Option<TenantId>,
    /// Their account; of a token, its owner's.
    pub user: Option<UserId>,
    /// The token.
    pub token: Option<TokenId>,
    /// May do everything, and work on the installation itself.
    pub is_superuser: bool,
    /// May open the admin.
    pub is_staff: bool,
    /// Permissions, of their own and of their groups; [`EVERYTHING`] is all of them.
    pub permissions: BTreeSet<String>,
    /// The scopes of a token; `None` for those who have none to respect.
    pub scopes: Option<BTreeSet<String>>,
    /// Requests a minute, where the token has a limit of its own.
    pub rate_per_minute: Option<u32>,
}

impl Principal {
    /// Nobody: sees nothing, may nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            actor: Actor::anonymous(),
            tenant: None,
            user: None,
            token: None,
            is_superuser: false,
            is_staff: false,
            permissions: BTreeSet::new(),
            scopes: Some(BTreeSet::new()),
            rate_per_minute: None,
        }
    }

    /// The one at the machine's command line, who may do everything in one tenant.
    #[must_use]
    pub fn operator(actor: Actor, tenant: TenantId) -> Self {
        Self {
            actor,
            tenant: Some(tenant),
            user: None,
            token: None,
            is_superuser: true,
            is_staff: true,
            permissions: BTreeSet::new(),
            scopes: None,
            rate_per_minute: None,
        }
    }

    /// Whether somebody has authenticated.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.actor.kind != ActorKind::Anonymous
    }

    /// Whether they have a permission. Scopes are another matter: [`Principal::has_scope`].
    #[must_use]
    pub fn can(&self, permission: &str) -> bool {
        self.is_superuser || self.permissions.contains(EVERYTHING) || self.permissions.contains(permission)
    }

    /// Whether a token's scopes have this one. `…:write` has `…:read` in it, [`ADMIN_SCOPE`] has all.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        let Some(scopes) = &self.scopes else { return true };
        scopes.contains(ADMIN_SCOPE)
            || scopes.contains(scope)
            || scope.strip_suffix(":read").is_some_and(|resource| scopes.contains(&format!("{resource}:write")))
    }

    /// Whose rows they see of a model that belongs to tenants.
    #[must_use]
    pub fn tenant_scope(&self) -> TenantScope {
        self.tenant.map_or(TenantScope::Nothing, TenantScope::One)
    }

    /// Whose rows they see of a model that belongs to the installation.
    #[must_use]
    pub fn global_scope(&self) -> TenantScope {
        if self.is_superuser { TenantScope::All } else { TenantScope::Nothing }
    }
}

#[cfg(test)]
mod tests;
