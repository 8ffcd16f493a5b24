//! What the operator decides about people.

use std::time::Duration;

use url::Url;

use super::scope::KnownScopes;

/// What the operator decides about people.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// `sessions.idle_minutes`: how long a session lasts without a request.
    pub idle: Duration,
    /// `sessions.absolute_hours`: how long it lasts at all.
    pub absolute: Duration,
    /// `server.public_url`: where browsers find us. With `https` cookies are `Secure` and their
    /// names begin with `__Host-`.
    pub public_url: Option<Url>,
    /// The scopes that tokens may have.
    pub scopes: KnownScopes,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60 * 60),
            absolute: Duration::from_secs(12 * 3600),
            public_url: None,
            scopes: KnownScopes::default(),
        }
    }
}

impl IdentitySettings {
    /// Whether browsers reach us over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// The name of the session's cookie. A name that begins with `__Host-` is taken by browsers from
    /// this very host over TLS only, so that neither a sibling domain nor a sibling path plants one
    /// (RFC 6265bis, section 4.1.3.2).
    #[must_use]
    pub fn cookie_name(&self) -> &'static str {
        if self.is_https() { "__Host-automate_session" } else { "automate_session" }
    }

    /// `Set-Cookie` with the id of a session.
    pub(crate) fn set_cookie(&self, id: &str) -> String {
        // A cookie of the browser's session: the server knows when it ends.
        format!("{}={id}; Path=/; HttpOnly; SameSite=Lax{}", self.cookie_name(), self.secure())
    }

    /// `Set-Cookie` that takes the session's cookie away.
    #[must_use]
    pub fn clear_cookie(&self) -> String {
        format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{}", self.cookie_name(), self.secure())
    }

    fn secure(&self) -> &'static str {
        if self.is_https() { "; Secure" } else { "" }
    }
}
