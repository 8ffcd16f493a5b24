//! The first user, by the one-time link that the server prints.

use askama::Template;
use automate_governance::identity::{Credentials, IdentityError, LogIn, Password};
use axum::extract::{RawQuery, State};
use http::StatusCode;

use super::login::{enter, sentence};
use crate::form::FieldErrors;
use crate::http::{Fields, Reply, Shell, Visitor, html};
use crate::state::AdminState;

#[derive(Template)]
#[template(path = "admin/setup.html")]
pub(super) struct SetupPage {
    shell: Shell,
    /// Empty where the link is not good; the page says how to get one then.
    token: String,
    email: String,
    name: String,
    errors: FieldErrors,
}

/// The page without a form: how to get the link.
pub(super) fn hint(visitor: &Visitor) -> SetupPage {
    SetupPage {
        shell: Shell::visitor(visitor, "Set up Automate"),
        token: String::new(),
        email: String::new(),
        name: String::new(),
        errors: FieldErrors::default(),
    }
}

pub(super) async fn show(State(state): State<AdminState>, visitor: Visitor, RawQuery(query): RawQuery) -> Reply {
    let query = Fields::parse(query.unwrap_or_default().as_bytes())?;
    let token = query.get("token").unwrap_or_default();
    if !state.identity().is_setup_link(token).await? {
        return html(StatusCode::GONE, &hint(&visitor));
    }
    html(StatusCode::OK, &SetupPage { token: token.to_owned(), ..hint(&visitor) })
}

pub(super) async fn submit(State(state): State<AdminState>, visitor: Visitor, fields: Fields) -> Reply {
    let token = fields.get("token").unwrap_or_default().to_owned();
    let (email, name) = (fields.text("email").to_owned(), fields.text("name").to_owned());
    let text = fields.get("password").unwrap_or_default().to_owned();
    let mut errors = FieldErrors::default();
    if fields.get("again") != Some(text.as_str()) {
        errors.add_named("again", "is not the same password");
    } else {
        let password = Password::new(text.clone());
        let made =
            state.identity().redeem_setup_link(&token, email.clone(), name.clone(), &password, &visitor.client).await;
        match made {
            Ok(_) => {
                let credentials =
                    Credentials { email, password: Password::new(text), code: None, next: Some("/admin/".to_owned()) };
                return match state.identity().log_in(credentials, &visitor.client, Some(&visitor.headers)).await? {
                    LogIn::Done(done) => enter(&done),
                    LogIn::SecondFactor { .. } => crate::http::see_other("/admin/login/"),
                };
            }
            Err(IdentityError::Invalid(problems)) => errors.extend(&problems),
            Err(error @ (IdentityError::Conflict(_) | IdentityError::Forbidden(_))) => {
                errors.add_form(sentence(&error))
            }
            Err(IdentityError::Auth(_)) => return html(StatusCode::GONE, &hint(&visitor)),
            Err(error) => return Err(error.into()),
        }
    }
    let mut page = SetupPage { token, email, name, errors, ..hint(&visitor) };
    page.shell.error = true;
    html(StatusCode::UNPROCESSABLE_ENTITY, &page)
}
