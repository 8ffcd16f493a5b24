//! What requests about sessions carry, and what they are answered.

use automate_core::access::Principal;
use automate_governance::identity;
use automate_governance::identity::entity::{tenant, user};
use automate_store::error::store_error;
use chrono::{DateTime, Utc};
use sea_orm::EntityTrait as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Problem;
use crate::v1::base::Call;

/// Somebody who logs in.
#[derive(Deserialize, ToSchema)]
#[schema(as = LogIn)]
#[serde(deny_unknown_fields)]
pub(super) struct LogInBody {
    /// The e-mail address.
    #[schema(max_length = 254, example = "ada@example.org")]
    pub(super) email: String,
    /// The password.
    #[schema(max_length = 1024, format = Password, example = "a long walk by the sea")]
    pub(super) password: String,
    /// The code of the second factor, where there is one, or a recovery code.
    #[schema(max_length = 32, example = "123456")]
    pub(super) code: Option<String>,
}

/// The second step of a log-in.
#[derive(Deserialize, ToSchema)]
#[schema(as = LogInCode)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeBody {
    /// The ticket that the first step gave.
    #[schema(max_length = 200)]
    pub(super) ticket: String,
    /// The code of the second factor, or a recovery code.
    #[schema(max_length = 32, example = "123456")]
    pub(super) code: String,
}

/// The password is right; the code is asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct SecondFactor {
    /// True.
    pub(super) second_factor: bool,
    /// To be given to `/session/code` with the code, within ten minutes.
    pub(super) ticket: String,
}

/// A tenant to work in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantChoice {
    /// The tenant's id.
    pub(super) tenant_id: Uuid,
}

/// A new password for oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The password as it is.
    #[schema(max_length = 1024, format = Password, example = "a long walk by the sea")]
    pub(super) old_password: String,
    /// The password that it is to be: 12 characters at least, and none that many people have.
    #[schema(max_length = 1024, format = Password, example = "a longer walk by the sea")]
    pub(super) new_password: String,
    /// Whether one's tokens end too.
    #[serde(default)]
    pub(super) revoke_tokens: bool,
}

/// Proof of who one is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordProof {
    /// The password.
    #[schema(max_length = 1024, format = Password, example = "a long walk by the sea")]
    pub(super) password: String,
}

/// A code of a second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TotpCode {
    /// The code.
    #[schema(max_length = 32, example = "123456")]
    pub(super) code: String,
}

/// The secret of a second factor.
#[derive(Serialize, ToSchema)]
pub(super) struct TotpSecret {
    /// In base32, for typing.
    pub(super) secret: String,
    /// The same as an address that apps read from a QR code.
    pub(super) url: String,
    /// Codes that stand in for those of the second factor, each once.
    pub(super) recovery_codes: Vec<String>,
}

/// Who somebody is and what they may do.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionInfo {
    /// Who; of a token, its owner. Null for what is no person's.
    user: Option<SessionUser>,
    /// The id of the token in use; null with a session.
    token_id: Option<Uuid>,
    /// The tenant that one works in; superusers choose it.
    tenant: Option<SessionTenant>,
    /// Whether one may do everything.
    is_superuser: bool,
    /// Whether one may open the admin.
    is_staff: bool,
    /// What one may do; `*` is everything in the tenant.
    permissions: Vec<String>,
    /// What the token may be used for; null with a session, which may be used for everything.
    scopes: Option<Vec<String>>,
    /// What changes with the session must carry in `X-CSRF-Token`; null with a token.
    csrf_token: Option<String>,
    /// When the session ends at the latest; null with a token.
    expires_at: Option<DateTime<Utc>>,
}

/// A person.
#[derive(Serialize, ToSchema)]
struct SessionUser {
    /// Their id.
    id: Uuid,
    /// Their e-mail address.
    email: String,
    /// How they are called.
    name: String,
    /// Whether a code of a second factor is asked for when they log in.
    second_factor: bool,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
struct SessionTenant {
    /// Its id.
    id: Uuid,
    /// Its name in addresses.
    slug: String,
    /// Its name.
    name: String,
}

/// Who somebody is.
pub(super) async fn info(
    call: &Call,
    principal: &Principal,
    session: Option<&identity::Session>,
) -> Result<SessionInfo, Problem> {
    let (user, tenant) = (principal.user, principal.tenant);
    let found = call.api.database().run(move |db| async move {
        let reader = db.orm_reader();
        let user = match user {
            Some(id) => user::Entity::find_by_id(id.0).one(reader).await.map_err(store_error)?,
            None => None,
        };
        let tenant = match tenant {
            Some(id) => tenant::Entity::find_by_id(id.0).one(reader).await.map_err(store_error)?,
            None => None,
        };
        Ok((user, tenant))
    });
    let (user, tenant) = found.await?;
    Ok(SessionInfo {
        user: user.map(|user| SessionUser {
            id: user.id,
            email: user.email,
            name: user.name,
            second_factor: user.totp_confirmed_at.is_some(),
        }),
        token_id: principal.token.map(|token| token.0),
        tenant: tenant.map(|tenant| SessionTenant { id: tenant.id, slug: tenant.slug, name: tenant.name }),
        is_superuser: principal.is_superuser,
        is_staff: principal.is_staff,
        permissions: principal.permissions.iter().cloned().collect(),
        scopes: principal.scopes.as_ref().map(|scopes| scopes.iter().cloned().collect()),
        csrf_token: session.map(|session| session.csrf.clone()),
        expires_at: session.map(|session| session.expires_at),
    })
}
