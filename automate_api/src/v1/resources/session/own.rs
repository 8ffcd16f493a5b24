//! What somebody who is logged in does about their own session and account.

use automate_core::ids::TenantId;
use automate_governance::identity::{AuthError, Identity, IdentityError, NewSession, Password, Session};
use http::{HeaderValue, StatusCode, header};

use super::shapes::{PasswordChange, PasswordProof, TenantChoice, TotpCode, TotpSecret, info};
use super::{CLEAR_SITE_DATA, with_cookie};
use crate::Problem;
use crate::v1::base::{Call, Reply};
use crate::v1::identity::client_of;
use crate::v1::resources::changing::wrong;

/// The session of a request; a token has none.
async fn session(call: &Call, identity: &Identity) -> Result<Session, Problem> {
    let refused = || {
        let detail = "this is for somebody who is logged in, and not for a token";
        Problem::new(StatusCode::FORBIDDEN, "SESSION_REQUIRED", detail)
    };
    if call.principal.token.is_some() {
        return Err(refused());
    }
    match identity.session(&call.headers).await {
        Ok(found) => found.session.ok_or_else(refused),
        Err(AuthError::Missing) => Err(refused()),
        Err(error) => Err(error.into()),
    }
}

/// What is told where the password or the code that a change asks for is wrong: the session is as good
/// as before, so that it is no 401.
fn proof(member: &'static str) -> impl Fn(IdentityError) -> Problem {
    move |error| match error {
        IdentityError::Auth(AuthError::Credentials) => wrong(member, "INVALID_CREDENTIALS", "is wrong"),
        other => other.into(),
    }
}

pub(super) async fn who(call: Call) -> Result<Reply, Problem> {
    let session = match (call.principal.token, call.api.service::<Identity>()) {
        (None, Ok(identity)) => session(&call, &identity).await.ok(),
        (Some(_), _) | (None, Err(_)) => None,
    };
    Reply::ok(info(&call, &call.principal, session.as_ref()).await?)
}

pub(super) async fn log_out(call: Call) -> Result<Reply, Problem> {
    let identity = call.api.service::<Identity>()?;
    let session = session(&call, &identity).await?;
    identity.log_out(&session, &client_of(&call)).await?;
    let cookie = HeaderValue::from_str(&identity.settings().clear_cookie()).map_err(|_| Problem::internal())?;
    let clear = HeaderValue::from_static("\"cache\", \"cookies\", \"storage\"");
    Ok(Reply::no_content().with_header(header::SET_COOKIE, cookie).with_header(CLEAR_SITE_DATA, clear))
}

/// The answer with a session that has got another id.
async fn renewed(call: &Call, fresh: NewSession) -> Result<Reply, Problem> {
    let mut principal = call.principal.clone();
    principal.tenant = fresh.session.tenant;
    let info = info(call, &principal, Some(&fresh.session)).await?;
    with_cookie(Reply::ok(info)?, &fresh)
}

pub(super) async fn choose_tenant(call: Call) -> Result<Reply, Problem> {
    let body: TenantChoice = call.read()?;
    let identity = call.api.service::<Identity>()?;
    let session = session(&call, &identity).await?;
    let fresh = identity.choose_tenant(call.writer(), &session, TenantId(body.tenant_id)).await;
    let fresh = fresh.map_err(|error| match error {
        IdentityError::NotFound(_) => wrong("tenant_id", "NO_SUCH_ROW", "names no tenant that there is"),
        other => other.into(),
    })?;
    renewed(&call, fresh).await
}

pub(super) async fn change_password(call: Call) -> Result<Reply, Problem> {
    let body: PasswordChange = call.read()?;
    let identity = call.api.service::<Identity>()?;
    let session = session(&call, &identity).await?;
    let (old, new) = (Password::new(body.old_password), Password::new(body.new_password));
    let client = client_of(&call);
    let changed = identity.change_password(call.writer(), &session, &old, &new, body.revoke_tokens, &client).await;
    renewed(&call, changed.map_err(proof("old_password"))?).await
}

pub(super) async fn begin_totp(call: Call) -> Result<Reply, Problem> {
    let identity = call.api.service::<Identity>()?;
    let session = session(&call, &identity).await?;
    let setup = identity.totp_begin(call.writer(), session.user).await?;
    let recovery_codes = setup.recovery_codes.iter().map(|code| code.to_string()).collect();
    let body = TotpSecret { secret: setup.secret.to_string(), url: setup.url.to_string(), recovery_codes };
    Ok(Reply::ok(body)?.confidential())
}

pub(super) async fn confirm_totp(call: Call) -> Result<Reply, Problem> {
    let body: TotpCode = call.read()?;
    let identity = call.api.service::<Identity>()?;
    let session = session(&call, &identity).await?;
    let fresh = identity.totp_confirm(call.writer(), &session, &body.code, &client_of(&call)).await;
    renewed(&call, fresh.map_err(proof("code"))?).await
}

pub(super) async fn disable_totp(call: Call) -> Result<Reply, Problem> {
    let body: PasswordProof = call.read()?;
    let identity = call.api.service::<Identity>()?;
    let session = session(&call, &identity).await?;
    let password = Password::new(body.password);
    let fresh = identity.totp_disable(call.writer(), &session, &password, &client_of(&call)).await;
    renewed(&call, fresh.map_err(proof("password"))?).await
}
