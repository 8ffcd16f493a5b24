//! Logging in at identity providers with a browser: `/auth/oidc/{provider}/login` and `…/callback`.
//! What is checked there, and against what, is [`Oidc`]'s matter.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use automate_core::audit::Origin;
use automate_core::limits;
use automate_governance::identity::oidc::Oidc;
use automate_governance::identity::{Client, Identity, LogIn};
use axum::Router;
use axum::extract::{ConnectInfo, Path, Query, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::Problem;
use crate::correlation::CorrelationId;
use crate::v1::base::{Limit, RateLimiter};

/// The cookie that carries the ticket of a log-in which waits for its second factor to the page that
/// asks for the code.
pub const TICKET_COOKIE: &str = "automate_log_in_ticket";
/// The page that asks for the code of a second factor.
pub const CODE_PAGE: &str = "/admin/login/code/";

/// Log-ins of one address that begin in a minute.
const BEGINNINGS: Limit = Limit { per_minute: 30, burst: 20 };

#[derive(Clone)]
struct Door {
    oidc: Oidc,
    identity: Identity,
    limiter: Arc<dyn RateLimiter>,
}

/// The routes of log-ins at identity providers, to be given to [`router_with`](crate::router_with).
pub fn router(oidc: Oidc, identity: Identity, limiter: Arc<dyn RateLimiter>) -> Router {
    Router::new()
        .route("/auth/oidc/{provider}/login", get(begin))
        .route("/auth/oidc/{provider}/callback", get(finish))
        .with_state(Door { oidc, identity, limiter })
}

/// Where to go afterwards.
#[derive(Deserialize)]
struct Next {
    next: Option<String>,
}

async fn begin(
    State(door): State<Door>,
    Path(provider): Path<String>,
    next: Result<Query<Next>, axum::extract::rejection::QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    if !door.oidc.providers().iter().any(|known| known.name == provider) {
        return Err(Problem::not_found());
    }
    let decision = door.limiter.take(&format!("oidc:{}", client_of(&request).address), &BEGINNINGS).await;
    if !decision.allowed {
        let after = Duration::try_from_secs_f64(decision.retry_after).unwrap_or(Duration::from_secs(60));
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "too many log-ins; try again later");
        return Err(problem.with_retry_after(after));
    }
    let next = next.ok().and_then(|Query(next)| next.next);
    let begun = door.oidc.begin(&provider, next.as_deref()).await?;
    gone_to(begun.url.as_str(), &begun.set_cookie)
}

async fn finish(
    State(door): State<Door>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Problem> {
    let client = client_of(&request);
    let answer = query.unwrap_or_default();
    match door.oidc.finish(&provider, &answer, &client, request.headers()).await? {
        LogIn::Done(done) => gone_to(&done.next, &done.session.set_cookie),
        LogIn::SecondFactor { ticket } => {
            let secure = if door.identity.settings().is_https() { "; Secure" } else { "" };
            let age = limits::LOGIN_FLOW.as_secs();
            let cookie =
                format!("{TICKET_COOKIE}={}; Path={CODE_PAGE}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", *ticket);
            gone_to(CODE_PAGE, &cookie)
        }
    }
}

/// 303 with a cookie.
fn gone_to(place: &str, cookie: &str) -> Result<Response, Problem> {
    let header = |text: &str| HeaderValue::from_str(text).map_err(|_| Problem::internal());
    let mut cookie = header(cookie)?;
    cookie.set_sensitive(true);
    let headers = HeaderMap::from_iter([(header::LOCATION, header(place)?), (header::SET_COOKIE, cookie)]);
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

fn client_of(request: &Request) -> Client {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical());
    let correlation = request.extensions().get::<CorrelationId>();
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let origin = Origin {
        correlation_id: correlation.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        address: address.to_string(),
        agent: agent.chars().take(limits::AUDIT_TEXT_CHARS).collect(),
    };
    Client { address, origin }
}
