//! `/session`: logging in and out, and what somebody who is logged in does about their own account.

mod own;
mod shapes;

use std::sync::Arc;

use automate_governance::identity::{Credentials, Identity, LogIn, LoggedIn, NewSession, Password, check_same_origin};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::Problem;
use crate::v1::base::{Access, Action, BaseApiView, Call, Mixins, Operation, Reply};
use crate::v1::identity::client_of;
use shapes::{CodeBody, LogInBody, PasswordChange, SecondFactor, SessionInfo, TenantChoice, TotpCode, TotpSecret};

/// The session of whoever asks.
pub(super) struct Session;

impl BaseApiView for Session {
    fn name(&self) -> &'static str {
        "session"
    }

    fn doc(&self) -> &'static str {
        "Logging in and out, and who one is."
    }

    fn listed(&self) -> bool {
        true
    }

    fn mixins(&self) -> Mixins {
        Mixins::default().without_tenant()
    }

    fn operations(self: Arc<Self>) -> Vec<Operation> {
        let own = |operation: Operation| {
            let mut operation = operation.access(Access::authenticated());
            // Answers hold cookies and secrets, which are not kept.
            operation.idempotent = false;
            operation
        };
        let renewed = |operation: Operation, what: &'static str| {
            own(operation)
                .answers::<SessionInfo>(StatusCode::OK, what)
                .may_fail_with(StatusCode::CONFLICT)
                .may_fail_with(StatusCode::UNPROCESSABLE_ENTITY)
        };
        vec![
            public(Operation::post("/session", Action::custom("log_in")))
                .summary("Logs in")
                .description(
                    "With an e-mail address and a password; where there is a second factor, with its code too, or in a \
                     second step at `/session/code`. An unknown address and a wrong password are not told apart.",
                )
                .reads::<LogInBody>()
                .answers::<SessionInfo>(StatusCode::OK, "You are logged in; the cookie is the session.")
                .answers::<SecondFactor>(StatusCode::ACCEPTED, "The password is right; the code is asked for.")
                .handler(log_in),
            public(Operation::post("/session/code", Action::custom("log_in_code")))
                .summary("Logs in: the second step")
                .reads::<CodeBody>()
                .answers::<SessionInfo>(StatusCode::OK, "You are logged in; the cookie is the session.")
                .may_fail_with(StatusCode::GONE)
                .handler(log_in_code),
            own(Operation::get("/session", Action::custom("who")))
                .summary("Shows who one is")
                .description("With a token, too. `csrf_token` is what changes with the session must carry.")
                .answers::<SessionInfo>(StatusCode::OK, "Who you are and what you may do.")
                .handler(own::who),
            own(Operation::delete("/session", Action::custom("log_out")))
                .summary("Logs out")
                .answers_nothing("The session is over.")
                .handler(own::log_out),
            renewed(
                Operation::post("/session/tenant", Action::custom("choose_tenant")),
                "You work in that tenant now.",
            )
            .summary("Chooses the tenant to work in")
            .description("For superusers. The session gets another id.")
            .reads::<TenantChoice>()
            .handler(own::choose_tenant),
            renewed(Operation::post("/session/password", Action::custom("change_password")), "It is changed.")
                .summary("Changes one's own password")
                .description("One's other sessions end, and this one gets another id.")
                .reads::<PasswordChange>()
                .handler(own::change_password),
            own(Operation::post("/session/totp", Action::custom("begin_totp")))
                .summary("Begins to set up a second factor")
                .description("It counts once a code of it was given to `/session/totp/confirm`.")
                .answers::<TotpSecret>(StatusCode::OK, "The secret and the recovery codes, shown once.")
                .may_fail_with(StatusCode::CONFLICT)
                .handler(own::begin_totp),
            renewed(Operation::post("/session/totp/confirm", Action::custom("confirm_totp")), "It is asked for now.")
                .summary("Confirms one's second factor")
                .description("One's other sessions end, and this one gets another id.")
                .reads::<TotpCode>()
                .handler(own::confirm_totp),
            renewed(Operation::delete("/session/totp", Action::custom("disable_totp")), "It is gone.")
                .summary("Takes one's own second factor away")
                .description("One's other sessions end, and this one gets another id.")
                .reads::<shapes::PasswordProof>()
                .handler(own::disable_totp),
        ]
    }
}

/// An operation for strangers who are about to prove who they are.
fn public(operation: Operation) -> Operation {
    let mut operation =
        operation.access(Access::public()).may_fail_with(StatusCode::UNAUTHORIZED).may_fail_with(StatusCode::FORBIDDEN);
    // Strangers share one name: the answer to one must not be given to another.
    operation.idempotent = false;
    operation
}

/// `Clear-Site-Data` of the W3C: browsers forget what they kept of us.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

async fn log_in(call: Call) -> Result<Reply, Problem> {
    let body: LogInBody = call.read()?;
    let identity = call.api.service::<Identity>()?;
    check_same_origin(&call.headers, identity.settings())?;
    let credentials = Credentials {
        email: body.email,
        password: Password::new(body.password),
        code: body.code.filter(|code| !code.is_empty()),
        next: None,
    };
    match identity.log_in(credentials, &client_of(&call), Some(&call.headers)).await? {
        LogIn::Done(done) => entered(&call, *done).await,
        LogIn::SecondFactor { ticket } => {
            let body = SecondFactor { second_factor: true, ticket: ticket.to_string() };
            Ok(Reply::accepted(body)?.confidential())
        }
    }
}

async fn log_in_code(call: Call) -> Result<Reply, Problem> {
    let body: CodeBody = call.read()?;
    let identity = call.api.service::<Identity>()?;
    check_same_origin(&call.headers, identity.settings())?;
    let done = identity.log_in_code(&body.ticket, &body.code, &client_of(&call), Some(&call.headers)).await?;
    entered(&call, done).await
}

/// The answer to somebody who has just logged in.
async fn entered(call: &Call, done: LoggedIn) -> Result<Reply, Problem> {
    let info = shapes::info(call, &done.principal, Some(&done.session.session)).await?;
    with_cookie(Reply::ok(info)?, &done.session)
}

/// The answer with the cookie of a new session.
fn with_cookie(reply: Reply, session: &NewSession) -> Result<Reply, Problem> {
    let mut cookie = HeaderValue::from_str(&session.set_cookie).map_err(|_| Problem::internal())?;
    cookie.set_sensitive(true);
    Ok(reply.with_header(header::SET_COOKIE, cookie).confidential())
}
