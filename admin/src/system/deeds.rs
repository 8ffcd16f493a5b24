//! What is done about one account, token or tenant, each behind a page that says what will happen.

use askama::Template;
use automate_core::ids::{TenantId, TokenId, UserId};
use automate_governance::identity::Password;
use automate_governance::models::{TENANTS, TOKENS, USERS};
use automate_store::resource::{Model, Row, Selection, exact_id};
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::control::{Control, Field, Wrong, summary};
use crate::error::AdminError;
use crate::form::FieldErrors;
use crate::http::{Cx, Fields, Flash, Reply, Shell};
use crate::state::AdminState;

/// A deed: the page that asks for it, and what it takes.
struct Deed {
    model: fn() -> &'static Model,
    page: &'static str,
    permission: &'static str,
    title: &'static str,
    consequence: &'static str,
    button: &'static str,
    done: &'static str,
}

const DEEDS: [Deed; 6] = [
    Deed {
        model: || &USERS,
        page: "password",
        permission: "people.change_user",
        title: "Set a password",
        consequence: "They log in with it from now on. All of their sessions end.",
        button: "Set the password",
        done: "The password was set; their sessions have ended.",
    },
    Deed {
        model: || &USERS,
        page: "end-sessions",
        permission: "people.change_user",
        title: "End sessions",
        consequence: "All of their sessions end, on all nodes within five seconds. Their API tokens go on working.",
        button: "End all sessions",
        done: "Their sessions have ended.",
    },
    Deed {
        model: || &USERS,
        page: "reset-totp",
        permission: "people.change_user",
        title: "Take the second factor away",
        consequence: "No code is asked for any more when they log in, until they set a second factor up again. Their \
                      sessions end.",
        button: "Take it away",
        done: "Their second factor was taken away.",
    },
    Deed {
        model: || &TOKENS,
        page: "revoke",
        permission: "people.delete_token",
        title: "Take a token back",
        consequence: "Requests with it are refused, on all nodes within five seconds. It cannot be given back.",
        button: "Take it back",
        done: "The token works no more.",
    },
    Deed {
        model: || &TENANTS,
        page: "suspend",
        permission: "tenants.change_tenant",
        title: "Suspend a tenant",
        consequence: "Nobody of it logs in, its sessions and tokens stop working and nothing of it is started, on all \
                      nodes within five seconds. Nothing is deleted.",
        button: "Suspend it",
        done: "The tenant is suspended.",
    },
    Deed {
        model: || &TENANTS,
        page: "resume",
        permission: "tenants.change_tenant",
        title: "Let a tenant go on",
        consequence: "Its people log in again, its sessions and tokens work, and its executions go on.",
        button: "Let it go on",
        done: "The tenant goes on.",
    },
];

#[derive(Template)]
#[template(path = "admin/model/deed.html")]
struct DeedPage {
    shell: Shell,
    name: String,
    consequence: &'static str,
    button: &'static str,
    back: String,
    wrong: Vec<Wrong>,
    fields: Vec<Field>,
}

pub(super) fn routes() -> Router<AdminState> {
    let mut routes = Router::new();
    for deed in &DEEDS {
        let model = (deed.model)();
        let path = format!("/admin/{}/{}/{{id}}/{}/", model.app, model.permission, deed.page);
        let ask = move |cx: Cx, Path(id): Path<String>| ask(cx, deed, id);
        let run = move |cx: Cx, Path(id): Path<String>, fields: Fields| run(cx, deed, id, fields);
        routes = routes.route(&path, get(ask).post(run));
    }
    routes
}

async fn found(cx: &Cx, deed: &Deed, id: &str) -> Result<(Row, Uuid), AdminError> {
    cx.require(deed.permission)?;
    let id = exact_id(id).ok_or(AdminError::NotFound)?;
    Ok((cx.state().resources().get((deed.model)(), &cx.writer(), id, &Selection::default()).await?, id))
}

async fn ask(cx: Cx, deed: &'static Deed, id: String) -> Reply {
    let (row, id) = found(&cx, deed, &id).await?;
    page(&cx, deed, &row, id, StatusCode::OK, &FieldErrors::default())
}

fn page(cx: &Cx, deed: &Deed, row: &Row, id: Uuid, status: StatusCode, errors: &FieldErrors) -> Reply {
    let model = (deed.model)();
    let text = |name: &str| row.fields.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text("email").or_else(|| text("name")).unwrap_or_default();
    let list = format!("/admin/{}/{}/", model.app, model.permission);
    let mut fields = Vec::new();
    if deed.page == "password" {
        let control = Control::Line { kind: "password", value: String::new(), max: Some(1024), step: "" };
        let field = Field::new("password", "New password", control).help("12 characters at least.").required(true);
        fields.push(field.with_errors(errors));
        let tokens = Field::new("revoke_tokens", "Take their API tokens back as well", Control::Check { on: false });
        fields.push(tokens);
    }
    let back = format!("{list}{id}/change/");
    let shell = cx.shell(deed.title).crumb(crate::column::label_of(model.name), list).crumb(&name, &back);
    let wrong = summary(errors, &fields);
    let shell = shell.refused(!errors.is_empty());
    cx.page_with(
        status,
        &DeedPage { shell, name, consequence: deed.consequence, button: deed.button, back, wrong, fields },
    )
}

async fn run(cx: Cx, deed: &'static Deed, id: String, posted: Fields) -> Reply {
    let (row, id) = found(&cx, deed, &id).await?;
    let (identity, writer) = (cx.state().identity(), cx.writer());
    let done = match deed.page {
        "password" if cx.principal().user == Some(UserId(id)) => {
            // Who finds a browser open would otherwise take the account over.
            let message = "your own password is changed in your settings, which ask for the old one";
            Err(AdminError::Conflict(message.to_owned()))
        }
        "password" => {
            let password = Password::new(posted.get("password").unwrap_or_default().to_owned());
            let set = identity.set_password(writer, UserId(id), &password, posted.has("revoke_tokens")).await;
            set.map(|_| ()).map_err(AdminError::from)
        }
        "end-sessions" => {
            identity.log_out_everywhere(writer, UserId(id), None).await.map(|_| ()).map_err(AdminError::from)
        }
        "reset-totp" => identity.totp_reset(writer, UserId(id)).await.map_err(AdminError::from),
        "revoke" => identity.revoke_token(writer, TokenId(id)).await.map(|_| ()).map_err(AdminError::from),
        _ => {
            let suspended = deed.page == "suspend";
            let done = identity.suspend_tenant(writer, TenantId(id), suspended).await;
            cx.state().parts().governor.forget(TenantId(id));
            done.map(|_| ()).map_err(AdminError::from)
        }
    };
    identity.forget();
    let mut errors = FieldErrors::default();
    let model = (deed.model)();
    match done {
        Ok(()) => {
            let to = format!("/admin/{}/{}/{id}/change/", model.app, model.permission);
            cx.done(&to, Flash::success(deed.done))
        }
        Err(AdminError::Resource(automate_store::resource::ResourceError::Invalid(problems))) => {
            errors.extend(&problems);
            page(&cx, deed, &row, id, StatusCode::UNPROCESSABLE_ENTITY, &errors)
        }
        Err(other) => Err(other),
    }
}
