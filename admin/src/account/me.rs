//! One's own account, and how pages look.

use askama::Template;
use automate_core::ids::TenantId;
use automate_governance::identity::{IdentityError, NewSession, Password, Proof, TotpSetup};
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
/// Recovery codes that are few.
const FEW_CODES: u64 = 3;

#[derive(Template)]
#[template(path = "admin/me.html")]
struct MePage {
    shell: Shell,
    zones: Vec<&'static str>,
    /// `(id, name, whether it is the one)`; empty for whoever has one tenant only.
    tenants: Vec<(String, String, bool)>,
    totp: bool,
    /// What is left of the recovery codes, in words.
    codes: String,
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
    /// What is left of the recovery codes, in words.
    codes: String,
    /// Whether so few are left that it is time for new ones.
    few: bool,
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
    let totp = has_totp(cx).await?;
    let page = MePage {
        shell: cx.shell("Your settings").refused(!errors.is_empty()),
        zones: chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect(),
        tenants,
        totp,
        codes: if totp { of_codes(codes_left(cx).await?) } else { String::new() },
        errors,
    };
    cx.page_with(status, &page)
}

async fn has_totp(cx: &Cx) -> Result<bool, crate::AdminError> {
    let user = cx.state().identity().user_by_email(&cx.principal().actor.name).await?;
    Ok(user.is_some_and(|user| user.totp_confirmed_at.is_some()))
}

async fn codes_left(cx: &Cx) -> Result<u64, crate::AdminError> {
    Ok(cx.state().identity().recovery_codes_left(cx.session().user).await?)
}

/// `7 of 10 recovery codes are left`.
fn of_codes(left: u64) -> String {
    let all = automate_core::limits::RECOVERY_CODES;
    match left {
        0 => "No recovery code is left".to_owned(),
        1 => format!("1 of {all} recovery codes is left"),
        _ => format!("{left} of {all} recovery codes are left"),
    }
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

pub(super) async fn ask_log_out(cx: Cx) -> Reply {
    cx.page(&LogOutPage { shell: cx.shell("Log out") })
}

pub(super) async fn log_out(cx: Cx) -> Reply {
    cx.state().identity().log_out(cx.session(), cx.client()).await?;
    let mut response = with_cookie(see_other("/admin/login/")?, &cx.state().identity().settings().clear_cookie());
    response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static(FORGET));
    Ok(response)
}

/// What a page shows once.
#[derive(Default)]
struct Once {
    secret: Zeroizing<String>,
    url: Zeroizing<String>,
    recovery_codes: Vec<Zeroizing<String>>,
}

impl From<TotpSetup> for Once {
    fn from(setup: TotpSetup) -> Self {
        Self { secret: setup.secret, url: setup.url, recovery_codes: setup.recovery_codes }
    }
}

pub(super) async fn show_totp(cx: Cx) -> Reply {
    totp_page(&cx, StatusCode::OK, Once::default(), String::new()).await
}

async fn totp_page(cx: &Cx, status: StatusCode, once: Once, error: String) -> Reply {
    let shell = cx.shell("Second factor").crumb("Your settings", "/admin/me/").refused(!error.is_empty());
    let left = codes_left(cx).await?;
    let page = TotpPage {
        shell,
        secret: once.secret,
        url: once.url,
        recovery_codes: once.recovery_codes,
        enabled: has_totp(cx).await?,
        codes: of_codes(left),
        few: left <= FEW_CODES,
        error,
    };
    html(status, &page)
}

async fn refused(cx: &Cx, error: IdentityError) -> Reply {
    match error {
        IdentityError::Auth(error) => {
            totp_page(cx, StatusCode::UNPROCESSABLE_ENTITY, Once::default(), sentence(&error)).await
        }
        error => Err(error.into()),
    }
}

pub(super) async fn begin_totp(cx: Cx) -> Reply {
    let setup = cx.state().identity().totp_begin(cx.writer(), cx.session().user).await?;
    totp_page(&cx, StatusCode::OK, setup.into(), String::new()).await
}

pub(super) async fn confirm_totp(cx: Cx, fields: Fields) -> Reply {
    let identity = cx.state().identity();
    match identity.totp_confirm(cx.writer(), cx.session(), fields.text("code"), cx.client()).await {
        Ok(session) => renewed(&cx, &session, "/admin/me/totp/", "From now on your codes are asked for."),
        Err(error) => refused(&cx, error).await,
    }
}

pub(super) async fn disable_totp(cx: Cx, fields: Fields) -> Reply {
    let password = Password::new(fields.get("password").unwrap_or_default().to_owned());
    match cx.state().identity().totp_disable(cx.writer(), cx.session(), &password, cx.client()).await {
        Ok(session) => renewed(&cx, &session, "/admin/me/totp/", "Codes are not asked for any more."),
        Err(error) => refused(&cx, error).await,
    }
}

/// Whoever logs in elsewhere has no password: for them a code of the app is enough.
pub(super) async fn renew_codes(cx: Cx, fields: Fields) -> Reply {
    let proof = match fields.text("code").trim() {
        "" => Proof::Password(Password::new(fields.get("password").unwrap_or_default().to_owned())),
        code => Proof::Code(code.to_owned()),
    };
    match cx.state().identity().renew_recovery_codes(cx.writer(), cx.session(), proof, cx.client()).await {
        Ok(recovery_codes) => {
            totp_page(&cx, StatusCode::OK, Once { recovery_codes, ..Once::default() }, String::new()).await
        }
        Err(error) => refused(&cx, error).await,
    }
}
