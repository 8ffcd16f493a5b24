//! Sessions: with which browsers somebody has logged in. One's own are beside one's settings; those of
//! others beside their accounts, where the pages are alike.

use askama::Template;
use automate_governance::identity::ShownSession;
use chrono::{DateTime, Utc};

use crate::error::AdminError;
use crate::http::{Cx, Flash, Reply, Shell, see_other, with_cookie};
use crate::operations::confirm::{Confirm, takes_only};
use crate::operations::words::many;

/// Where one's own are.
const OWN: &str = "/admin/me/sessions/";

/// A session as the page shows it.
pub(crate) struct SessionRow {
    pub(crate) browser: String,
    agent: String,
    address: String,
    began: DateTime<Utc>,
    seen: DateTime<Utc>,
    ends: DateTime<Utc>,
    current: bool,
    /// Where it is ended; empty for whoever may not.
    end: String,
}

impl SessionRow {
    /// `below` is the address of the page that ends sessions; empty for whoever may not.
    pub(crate) fn of(session: ShownSession, below: &str) -> Self {
        let end = if below.is_empty() { String::new() } else { format!("{below}?session={}", session.name) };
        Self {
            browser: browser_of(&session.agent),
            agent: session.agent,
            address: session.address,
            began: session.created_at,
            seen: session.last_seen_at,
            ends: session.expires_at,
            current: session.current,
            end,
        }
    }
}

/// The list.
#[derive(Template)]
#[template(path = "admin/sessions.html")]
pub(crate) struct SessionsPage {
    pub(crate) shell: Shell,
    pub(crate) rows: Vec<SessionRow>,
    /// What ends several at once: what it says, and its address.
    pub(crate) all: Option<(&'static str, String)>,
}

/// What to say before one ends.
pub(crate) fn asked(shell: Shell, session: &ShownSession, cancel: &str) -> Confirm {
    let browser = browser_of(&session.agent);
    Confirm::new(shell, "End the session", cancel)
        .danger()
        .says(format!("The session of {browser} from {} ends, on all nodes within five seconds.", session.address))
        .says("Whoever sits at that browser has to log in again. API tokens go on working.")
}

/// The session that an address names.
pub(crate) fn named(cx: &Cx, sessions: Vec<ShownSession>) -> Result<ShownSession, AdminError> {
    let name = cx.query().text("session");
    sessions.into_iter().find(|session| session.name == name).ok_or(AdminError::NotFound)
}

async fn own(cx: &Cx) -> Result<Vec<ShownSession>, AdminError> {
    Ok(cx.state().identity().open_sessions(&cx.writer(), cx.session().user, Some(cx.session())).await?)
}

fn shell(cx: &Cx, title: &str) -> Shell {
    cx.shell(title).crumb("Your settings", "/admin/me/")
}

pub(super) async fn list(cx: Cx) -> Reply {
    takes_only(&cx, &[])?;
    let sessions = own(&cx).await?;
    let others = sessions.iter().filter(|session| !session.current).count();
    let below = format!("{OWN}end/");
    cx.page(&SessionsPage {
        shell: shell(&cx, "Your sessions"),
        rows: sessions.into_iter().map(|session| SessionRow::of(session, &below)).collect(),
        all: (others > 0).then_some(("End all others", below)),
    })
}

pub(super) async fn ask_end(cx: Cx) -> Reply {
    takes_only(&cx, &["session"])?;
    let sessions = own(&cx).await?;
    if !cx.query().has("session") {
        let others = sessions.iter().filter(|session| !session.current).count();
        let confirm = Confirm::new(shell(&cx, "End your other sessions").crumb("Your sessions", OWN), "End them", OWN);
        return match others {
            0 => confirm.blocked("There is no session of yours but this one."),
            others => {
                let end = if others == 1 { "ends" } else { "end" };
                let sentence =
                    format!("{} of yours {end}, on all nodes within five seconds.", many(others, "other session"));
                confirm.danger().says(sentence).says("This one stays, and so do your API tokens.")
            }
        }
        .show(&cx);
    }
    let session = named(&cx, sessions)?;
    let confirm = asked(shell(&cx, "End a session").crumb("Your sessions", OWN), &session, OWN);
    let confirm =
        if session.current { confirm.says("It is the one that you are looking at this with.") } else { confirm };
    confirm.show(&cx)
}

pub(super) async fn end(cx: Cx) -> Reply {
    takes_only(&cx, &["session"])?;
    let (identity, user) = (cx.state().identity(), cx.session().user);
    if !cx.query().has("session") {
        let ended = identity.log_out_everywhere(cx.writer(), user, Some(cx.session().id_hash)).await?;
        return cx.done(OWN, Flash::success(format!("{} of yours ended.", many(ended, "other session"))));
    }
    let session = named(&cx, own(&cx).await?)?;
    identity.end_session(cx.writer(), user, &session.name).await?;
    if session.current {
        return Ok(with_cookie(see_other("/admin/login/")?, &identity.settings().clear_cookie()));
    }
    cx.done(OWN, Flash::success("The session has ended."))
}

/// The words by which a browser makes itself known, each before those that others borrow from it.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: &[(&str, &str)] = &[
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// `Firefox on Linux`, as far as a browser says so of itself.
fn browser_of(agent: &str) -> String {
    let named =
        |known: &[(&str, &'static str)]| known.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name);
    match (named(BROWSERS), named(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if agent.trim().is_empty() => "an unnamed browser".to_owned(),
        (None, None) => agent.chars().take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_as_people_call_it() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0".to_owned(), "Firefox on Linux"),
            (format!("Mozilla/5.0 (Windows NT 10.0) {webkit} Chrome/130.0 Safari/537.36 Edg/130.0"), "Edge on Windows"),
            (
                format!("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Chrome/130.0 Safari/537.36"),
                "Chrome on macOS",
            ),
            (
                format!("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {webkit} Version/18.0 Safari/604.1"),
                "Safari on iPhone",
            ),
            ("curl/8.5.0".to_owned(), "curl"),
            ("a robot".to_owned(), "a robot"),
            (String::new(), "an unnamed browser"),
        ] {
            assert_eq!(browser_of(&agent), name);
        }
        assert_eq!(browser_of(&"x".repeat(500)).len(), 60);
    }
}
