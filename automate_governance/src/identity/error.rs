//! Why somebody is not let in, and why something about people was not changed.

use std::time::Duration;

use automate_core::store::StoreError;
use automate_store::resource::FieldProblem;

/// Why a request or a log-in is not let in. The texts tell a stranger nothing that they did not
/// know: whether an account, a session or a token exists is not among it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// Nothing that says who asks.
    #[error("log in, or send an API token: `Authorization: Bearer aut_…`")]
    Missing,
    /// A token or a session that is unknown, expired or taken back, or whose owner is gone.
    #[error("the token or session is not valid, or not any more")]
    Invalid,
    /// A change by a session without the proof that its own page asks for it.
    #[error("the request does not prove that it comes from our own pages: {0}")]
    Csrf(&'static str),
    /// Wrong e-mail address, password or code.
    #[error("the e-mail address, the password or the code is wrong")]
    Credentials,
    /// Too many failures of this account or from this address.
    #[error("too many failed attempts; try again in {} s", .retry_after.as_secs().max(1))]
    Throttled {
        /// How long until the next attempt is looked at.
        retry_after: Duration,
    },
    /// Too many passwords are being checked at once.
    #[error("the server is busy; try again in a moment")]
    Busy,
    /// A link or a step of a log-in that is unknown, used or too old.
    #[error("the link is not valid any more; begin again")]
    Expired,
    /// The identity provider, or what it said about the person.
    #[error("the log-in at `{provider}` failed: {reason}")]
    Provider {
        /// The provider's configured name.
        provider: String,
        /// What is wrong, without secrets.
        reason: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuthError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing | Self::Invalid => "UNAUTHENTICATED",
            Self::Csrf(_) => "CSRF_FAILED",
            Self::Credentials => "INVALID_CREDENTIALS",
            Self::Throttled { .. } => "RATE_LIMITED",
            Self::Busy => "BUSY",
            Self::Expired => "LINK_EXPIRED",
            Self::Provider { .. } => "LOGIN_FAILED",
            Self::Store(error) => error.code(),
        }
    }

    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Missing | Self::Invalid | Self::Credentials | Self::Provider { .. } => 401,
            Self::Csrf(_) => 403,
            Self::Expired => 410,
            Self::Throttled { .. } => 429,
            Self::Busy => 503,
            Self::Store(error) => {
                if error.is_transient() {
                    503
                } else {
                    500
                }
            }
        }
    }

    /// What `WWW-Authenticate` says (RFC 6750, section 3); for the answers with 401.
    #[must_use]
    pub const fn www_authenticate(&self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Credentials | Self::Provider { .. } => Some("Bearer realm=\"automate\""),
            Self::Invalid => Some("Bearer realm=\"automate\", error=\"invalid_token\""),
            Self::Csrf(_) | Self::Throttled { .. } | Self::Busy | Self::Expired | Self::Store(_) => None,
        }
    }

    /// What `Retry-After` says.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => Some(*retry_after),
            Self::Busy => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}

/// Why something about people was not changed. Nothing of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IdentityError {
    /// No such row, or none that the caller may know of.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A field is wrong.
    #[error("the input is not valid: {}", .0.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldProblem>),
    /// Another row has it, or the row is in use.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The row has changed since the caller read it.
    #[error("the row has changed: it is at version {current}")]
    Changed {
        /// The version that it is at.
        current: i64,
    },
    /// It would give somebody more than the caller has.
    #[error("not allowed: {0}")]
    Forbidden(String),
    /// The password or code that the change asks for is wrong, or there were too many wrong ones.
    #[error(transparent)]
    Auth(AuthError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IdentityError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "NOT_FOUND",
            Self::Invalid(_) => "INVALID_INPUT",
            Self::Conflict(_) => "CONFLICT",
            Self::Changed { .. } => "PRECONDITION_FAILED",
            Self::Forbidden(_) => "FORBIDDEN",
            Self::Auth(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    /// One wrong field.
    pub(crate) fn field(path: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem::new(path, code, message)])
    }
}

impl From<AuthError> for IdentityError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Store(store) => Self::Store(store),
            other => Self::Auth(other),
        }
    }
}

impl From<IdentityError> for automate_store::resource::ResourceError {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::NotFound(noun) => Self::NotFound(noun),
            IdentityError::Invalid(problems) => Self::Invalid(problems),
            IdentityError::Conflict(text) => Self::Conflict(text),
            IdentityError::Changed { current } => Self::Changed { current },
            IdentityError::Forbidden(_) | IdentityError::Auth(_) => Self::Refused(error.to_string()),
            IdentityError::Store(store) => Self::Store(store),
        }
    }
}
