//! Sessions: somebody is logged in with a browser.

use std::fmt;

use automate_core::ids::{TenantId, UserId};
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

/// A session that a request came with.
#[derive(Clone)]
pub struct Session {
    /// SHA-256 of the id in the cookie: what names the session in the database.
    pub id_hash: [u8; 32],
    /// Who.
    pub user: UserId,
    /// The tenant they work in.
    pub tenant: Option<TenantId>,
    /// What a form or `X-CSRF-Token` must hold.
    pub csrf: String,
    /// When they logged in.
    pub created_at: DateTime<Utc>,
    /// When it ends, however much it is used.
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("user", &self.user).field("tenant", &self.tenant).finish_non_exhaustive()
    }
}

/// A session that was just made; its id is known here and in the cookie only.
#[derive(Clone)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The value of `Set-Cookie` that hands it to the browser.
    pub set_cookie: Zeroizing<String>,
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.fmt(f)
    }
}
