//! Who asks: the port that authenticates.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use automate_core::access::Principal;
use automate_core::store::StoreError;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::Problem;

/// The cookie that holds a session. Over TLS its name has `__Host-` in front.
pub const SESSION_COOKIE: &str = "automate_session";
/// The header that holds the session's CSRF token.
pub const CSRF_HEADER: &str = "X-CSRF-Token";

/// Why somebody is not known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// The request has neither a token nor a session.
    #[error("no credentials were sent")]
    Missing,
    /// What it has is wrong, expired, revoked, or of an account that is gone: the client is not
    /// told which.
    #[error("the credentials are not valid")]
    Invalid,
    /// A session without the proof that the request comes from our own pages.
    #[error("the session's CSRF token is missing or wrong")]
    Csrf,
    /// Too many failures from this address or for this account.
    #[error("too many failures")]
    Throttled(Duration),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Finds out who asks.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// The caller, by `Authorization: Bearer aut_…` or by the session's cookie; with a session and an
    /// unsafe method, by the CSRF header too. A token wins over a cookie.
    ///
    /// # Errors
    /// [`AuthError`].
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        unsafe_method: bool,
    ) -> Result<Principal, AuthError>;
}

/// Knows nobody: what an API has before it is given an authenticator.
#[derive(Debug, Clone, Copy, Default)]
pub struct NobodyKnown;

#[async_trait]
impl Authenticator for NobodyKnown {
    async fn authenticate(&self, headers: &HeaderMap, _: Option<IpAddr>, _: bool) -> Result<Principal, AuthError> {
        Err(if headers.contains_key(header::AUTHORIZATION) { AuthError::Invalid } else { AuthError::Missing })
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let unauthorized = |code, detail: &str, challenge| {
            Self::new(StatusCode::UNAUTHORIZED, code, detail)
                .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
        };
        match error {
            AuthError::Missing => unauthorized(
                "UNAUTHENTICATED",
                "say who you are: send `Authorization: Bearer` with an API token",
                "Bearer realm=\"automate\"",
            ),
            AuthError::Invalid => unauthorized(
                "UNAUTHENTICATED",
                "the token or session is not valid, or not any more",
                "Bearer realm=\"automate\", error=\"invalid_token\"",
            ),
            AuthError::Csrf => Self::new(
                StatusCode::FORBIDDEN,
                "CSRF_FAILED",
                "a request with a session that changes something must carry the session's CSRF token",
            ),
            AuthError::Throttled(after) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "too many failed attempts; try again later")
                    .with_retry_after(after)
            }
            AuthError::Store(error) => error.into(),
        }
    }
}
