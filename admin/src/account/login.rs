//! Logging in.

use askama::Template;
use automate_core::limits;
use automate_governance::identity::oidc::ProviderLink;
use automate_governance::identity::{AuthError, Credentials, LogIn, LoggedIn, Password};
use axum::extract::{RawQuery, State};
use http::StatusCode;

use crate::http::{Fields, Reply, Shell, Visitor, html, see_other, with_cookie};
use crate::state::AdminState;

/// Where the code of a second factor is asked for. Log-ins at identity providers lead here too, and
/// leave the ticket in a cookie of this name.
const TICKET_COOKIE: &str = "automate_log_in_ticket";
const CODE_PAGE: &str = "/admin/login/code/";

#[derive(Template)]
#[template(path = "admin/login.html")]
struct LogInPage {
    shell: Shell,
    next: String,
    email: String,
    error: String,
    providers: Vec<ProviderLink>,
    next_query: String,
}

#[derive(Template)]
#[template(path = "admin/login_code.html")]
struct CodePage {
    shell: Shell,
    error: String,
}

pub(super) async fn show(State(state): State<AdminState>, visitor: Visitor, RawQuery(query): RawQuery) -> Reply {
    let query = Fields::parse(query.unwrap_or_default().as_bytes())?;
    let next = query.get("next").unwrap_or("/admin/").to_owned();
    // Whoever is in already has no use for the form.
    if state.identity().session(&visitor.headers).await.is_ok() {
        return see_other(&automate_governance::identity::safe_next(Some(&next)));
    }
    if !state.identity().has_users().await? {
        let page = super::setup::hint(&visitor);
        return html(StatusCode::OK, &page);
    }
    page(&state, &visitor, StatusCode::OK, next, String::new(), String::new())
}

fn page(
    state: &AdminState,
    visitor: &Visitor,
    status: StatusCode,
    next: String,
    email: String,
    error: String,
) -> Reply {
    let page = LogInPage {
        shell: Shell::visitor(visitor, "Log in").refused(!error.is_empty()),
        next_query: Fields::of(vec![("next".to_owned(), next.clone())]).to_query(),
        next,
        email,
        error,
        providers: state.parts().oidc.providers(),
    };
    html(status, &page)
}

pub(super) async fn submit(State(state): State<AdminState>, visitor: Visitor, fields: Fields) -> Reply {
    let email = fields.text("email").to_owned();
    let next = fields.get("next").unwrap_or("/admin/").to_owned();
    let credentials = Credentials {
        email: email.clone(),
        password: Password::new(fields.get("password").unwrap_or_default().to_owned()),
        code: None,
        next: Some(next.clone()),
    };
    match state.identity().log_in(credentials, &visitor.client, Some(&visitor.headers)).await {
        Ok(LogIn::Done(done)) => enter(&done),
        Ok(LogIn::SecondFactor { ticket }) => {
            let secure = if state.identity().settings().is_https() { "; Secure" } else { "" };
            let age = limits::LOGIN_FLOW.as_secs();
            let cookie =
                format!("{TICKET_COOKIE}={}; Path={CODE_PAGE}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", *ticket);
            Ok(with_cookie(see_other(CODE_PAGE)?, &cookie))
        }
        Err(error @ (AuthError::Credentials | AuthError::Throttled { .. } | AuthError::Busy)) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            page(&state, &visitor, status, next, email, sentence(&error))
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn show_code(visitor: Visitor) -> Reply {
    code_page(&visitor, StatusCode::OK, String::new())
}

fn code_page(visitor: &Visitor, status: StatusCode, error: String) -> Reply {
    let page = CodePage { shell: Shell::visitor(visitor, "Second factor").refused(!error.is_empty()), error };
    html(status, &page)
}

pub(super) async fn submit_code(State(state): State<AdminState>, visitor: Visitor, fields: Fields) -> Reply {
    let ticket = crate::http::cookie(&visitor.headers, TICKET_COOKIE).unwrap_or_default().to_owned();
    let code = fields.text("code");
    match state.identity().log_in_code(&ticket, code, &visitor.client, Some(&visitor.headers)).await {
        Ok(done) => {
            let gone = format!("{TICKET_COOKIE}=; Path={CODE_PAGE}; Max-Age=0; HttpOnly; SameSite=Lax");
            Ok(with_cookie(enter(&done)?, &gone))
        }
        Err(error @ (AuthError::Credentials | AuthError::Throttled { .. } | AuthError::Busy)) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
            code_page(&visitor, status, sentence(&error))
        }
        Err(error) => Err(error.into()),
    }
}

/// Into the admin, with the session's cookie.
pub(super) fn enter(done: &LoggedIn) -> Reply {
    let next = if done.next == "/" { "/admin/" } else { &done.next };
    Ok(with_cookie(see_other(next)?, &done.session.set_cookie))
}

pub(super) fn sentence(error: &dyn std::fmt::Display) -> String {
    format!("{}.", crate::column::capital(&error.to_string()))
}
