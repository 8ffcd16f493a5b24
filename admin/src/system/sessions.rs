//! The sessions of somebody else, beside their account.

use automate_core::ids::UserId;
use automate_governance::identity::ShownSession;
use automate_governance::models::USERS;
use automate_store::resource::{Selection, exact_id};
use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use serde_json::Value;

use crate::account::sessions::{SessionRow, SessionsPage, asked, named};
use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply, Shell};
use crate::operations::confirm::takes_only;
use crate::state::AdminState;

pub(super) fn routes() -> Router<AdminState> {
    Router::new()
        .route("/admin/people/user/{id}/sessions/", get(list))
        .route("/admin/people/user/{id}/sessions/end/", get(ask_end).post(end))
}

/// Whose they are.
struct Whose {
    id: UserId,
    email: String,
}

impl Whose {
    fn url(&self, below: &str) -> String {
        format!("/admin/people/user/{}/{below}", self.id)
    }

    fn shell(&self, cx: &Cx, title: String) -> Shell {
        cx.shell(title).crumb("Users", "/admin/people/user/").crumb(&self.email, self.url("change/"))
    }
}

async fn found(cx: &Cx, id: &str) -> Result<(Whose, Vec<ShownSession>), AdminError> {
    let id = exact_id(id).ok_or(AdminError::NotFound)?;
    let row = cx.state().resources().get(&USERS, &cx.writer(), id, &Selection::default()).await?;
    let email = row.fields.get("email").and_then(Value::as_str).unwrap_or_default().to_owned();
    let sessions = cx.state().identity().open_sessions(&cx.writer(), UserId(id), Some(cx.session())).await?;
    Ok((Whose { id: UserId(id), email }, sessions))
}

async fn list(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("people.view_session")?;
    takes_only(&cx, &[])?;
    let (whose, sessions) = found(&cx, &id).await?;
    let below = if cx.can("people.delete_session") { whose.url("sessions/end/") } else { String::new() };
    let all = (!sessions.is_empty() && cx.can("people.change_user")).then(|| ("End all", whose.url("end-sessions/")));
    cx.page(&SessionsPage {
        shell: whose.shell(&cx, format!("Sessions of {}", whose.email)),
        rows: sessions.into_iter().map(|session| SessionRow::of(session, &below)).collect(),
        all,
    })
}

async fn ask_end(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("people.delete_session")?;
    takes_only(&cx, &["session"])?;
    let (whose, sessions) = found(&cx, &id).await?;
    let session = named(&cx, sessions)?;
    let shell = whose.shell(&cx, "End a session".to_owned()).crumb("Sessions", whose.url("sessions/"));
    asked(shell, &session, &whose.url("sessions/")).show(&cx)
}

async fn end(cx: Cx, Path(id): Path<String>) -> Reply {
    cx.require("people.delete_session")?;
    takes_only(&cx, &["session"])?;
    let (whose, sessions) = found(&cx, &id).await?;
    let session = named(&cx, sessions)?;
    cx.state().identity().end_session(cx.writer(), whose.id, &session.name).await?;
    cx.done(&whose.url("sessions/"), Flash::success("The session has ended."))
}
