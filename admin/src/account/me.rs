//! One's own account, and how pages look.

use askama::Template;
use automate_core::ids::TenantId;
use automate_governance::identity::{IdentityError, NewSession, Password};
use automate_governance::models::TENANTS;
use automate_store::resource::ListQuery;
use http::{HeaderName, HeaderValue, StatusCode};
use zeroize::Zeroizing;

use super::login::sentence;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Prefs, Reply, Shell, html, see_other, with_cookie};

/// Clear Site Data (W3C): browsers forget what they kept of us.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
/// Pages, also those that "back" would show. Not the cookies: how pages look is nobody's secret.
const FORGET: &str = "\"cache\", \"storage\"";

#[derive(Template)]
#[template(path = "admin/me.html")]
struct MePage {
    shell: Shell,
    zones: Vec<&'static str>,
    /// `(id, name, whether it is the one)`; empty for whoever has one tenant only.
    tenants: Vec<(String, String, bool)>,
    totp: bool,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "admin/me_totp.html")]
struct TotpPage {
    shell: Shell,
    /// Both empty until it is begun.
    secret: Zeroizing<String>,
    url: Zeroizing<String>,
    /// Codes that stand in for those of the app, each once; shown now and never again.
    recovery_codes: Vec<Zeroizing<String>>,
    enabled: bool,
    error: String,
}

#[derive(Template)]
#[template(path = "admin/logout.html")]
struct LogOutPage {
    shell: Shell,
}

pub(super) async fn show(cx: Cx) -> Reply {
    page(&cx, StatusCode::OK, FieldErrors::default()).await
}

async fn page(cx: &Cx, status: StatusCode, errors: FieldErrors) -> Reply {
    let mut tenants = Vec::new();
    if cx.principal().is_superuser {
        let query = ListQuery { limit: automate_core::limits::LIST_LIMIT_MAX, ..ListQuery::default() };
        let found = cx.state().resources().list(&TENANTS, &cx.writer(), &query).await?;
        let text = |row: &serde_json::Map<String, serde_json::Value>, name: &str| {
            row.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
        };
        let current = cx.principal().tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
        tenants = found
            .results
            .iter()
            .map(|row| {
                let id = text(row, "id");
                let is_current = id == current;
                (id, format!("{} ({})", text(row, "name"), text(row, "slug")), is_current)
            })
            .collect();
    }
    let page = MePage {
        shell: cx.shell("Your settings").refused(!errors.is_empty()),
        zones: chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect(),
        tenants,
        totp: has_totp(cx).await?,
        errors,
    };
    cx.page_with(status, &page)
}

async fn has_totp(cx: &Cx) -> Result<bool, crate::AdminError> {
    let user = cx.state().identity().user_by_email(&cx.principal().actor.name).await?;
    Ok(user.is_some_and(|user| user.totp_confirmed_at.is_some()))
}

pub(super) async fn change_look(cx: Cx, fields: Fields) -> Reply {
    let now = *cx.prefs();
    let or = |name: &str, otherwise: &str| fields.get(name).unwrap_or(otherwise).to_owned();
    let shortcuts = if now.shortcuts { "on" } else { "off" };
    let prefs = Prefs::of(
        &or("theme", now.theme.as_str()),
        &or("density", now.density.as_str()),
        &or("shortcuts", shortcuts),
        &or("zone", now.zone.name()),
    );
    let next = automate_governance::identity::safe_next(fields.get("next"));
    let next = if next.starts_with("/admin/") { next } else { "/admin/me/".to_owned() };
    Ok(with_cookie(see_other(&next)?, &prefs.set_cookie(cx.is_https())))
}

/// The session's cookie after it got another id.
fn renewed(cx: &Cx, session: &NewSession, to: &str, said: &str) -> Reply {
    Ok(with_cookie(cx.done(to, Flash::success(said))?, &session.set_cookie))
}

pub(super) async fn change_password(cx: Cx, fields: Fields) -> Reply {
    let password = |name: &str| Password::new(fields.get(name).unwrap_or_default().to_owned());
    let mut errors = FieldErrors::default();
    if fields.get("new") != fields.get("again") {
        errors.add_named("again", "is not the same password");
        return page(&cx, StatusCode::UNPROCESSABLE_ENTITY, errors).await;
    }
    let (old, new) = (password("old"), password("new"));
    let identity = cx.state().identity();
    match identity.change_password(cx.writer(), cx.session(), &old, &new, false, cx.client()).await {
        Ok(session) => {
            renewed(&cx, &session, "/admin/me/", "Your password was changed; your other sessions have ended.")
        }
        Err(IdentityError::Invalid(problems)) => {
            for problem in problems {
                errors.add_named("new", problem.message);
            }
            page(&cx, StatusCode::UNPROCESSABLE_ENTITY, errors).await
        }
        Err(IdentityError::Auth(error)) => {
            errors.add_named("old", sentence(&error));
            page(&cx, StatusCode::UNPROCESSABLE_ENTITY, errors).await
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn choose_tenant(cx: Cx, fields: Fields) -> Reply {
    let id = automate_store::resource::exact_id(fields.text("tenant")).ok_or(crate::AdminError::NotFound)?;
    let session = cx.state().identity().choose_tenant(cx.writer(), cx.session(), TenantId(id)).await?;
    renewed(&cx, &session, "/admin/", "You work in another tenant now.")
}

pub(super) async fn log_out_elsewhere(cx: Cx) -> Reply {
    let keep = Some(cx.session().id_hash);
    let ended = cx.state().identity().log_out_everywhere(cx.writer(), cx.session().user, keep).await?;
    cx.done("/admin/me/", Flash::success(format!("{ended} other sessions have ended.")))
}

pub(super) async fn ask_log_out(cx: Cx) -> Reply {
    cx.page(&LogOutPage { shell: cx.shell("Log out") })
}

pub(super) async fn log_out(cx: Cx) -> Reply {
    cx.state().identity().log_out(cx.session(), cx.client()).await?;
    let mut response = with_cookie(see_other("/admin/login/")?, &cx.state().identity().settings().clear_cookie());
    response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static(FORGET));
    Ok(response)
}

pub(super) async fn show_totp(cx: Cx) -> Reply {
    totp_page(&cx, StatusCode::OK, None, String::new()).await
}

async fn totp_page(
    cx: &Cx,
    status: StatusCode,
    begun: Option<automate_governance::identity::TotpSetup>,
    error: String,
) -> Reply {
    let (secret, url, recovery_codes) =
        begun.map(|setup| (setup.secret, setup.url, setup.recovery_codes)).unwrap_or_default();
    let shell = cx.shell("Second factor").crumb("Your settings", "/admin/me/").refused(!error.is_empty());
    let page = TotpPage { shell, secret, url, recovery_codes, enabled: has_totp(cx).await?, error };
    html(status, &page)
}

pub(super) async fn begin_totp(cx: Cx) -> Reply {
    let setup = cx.state().identity().totp_begin(cx.writer(), cx.session().user).await?;
    totp_page(&cx, StatusCode::OK, Some(setup), String::new()).await
}

pub(super) async fn confirm_totp(cx: Cx, fields: Fields) -> Reply {
    let identity = cx.state().identity();
    match identity.totp_confirm(cx.writer(), cx.session(), fields.text("code"), cx.client()).await {
        Ok(session) => renewed(&cx, &session, "/admin/me/totp/", "From now on your codes are asked for."),
        Err(IdentityError::Auth(error)) => {
            totp_page(&cx, StatusCode::UNPROCESSABLE_ENTITY, None, sentence(&error)).await
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn disable_totp(cx: Cx, fields: Fields) -> Reply {
    let password = Password::new(fields.get("password").unwrap_or_default().to_owned());
    match cx.state().identity().totp_disable(cx.writer(), cx.session(), &password, cx.client()).await {
        Ok(session) => renewed(&cx, &session, "/admin/me/totp/", "Codes are not asked for any more."),
        Err(IdentityError::Auth(error)) => {
            totp_page(&cx, StatusCode::UNPROCESSABLE_ENTITY, None, sentence(&error)).await
        }
        Err(error) => Err(error.into()),
    }
}
