//! Who asks for a page, and how.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use automate_core::access::Principal;
use automate_core::audit::{AuditEntry, Origin};
use automate_core::clock::{Clock as _, SystemClock};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_governance::identity::{Authenticated, Client, Session};
use automate_store::resource::Writer;
use axum::extract::{ConnectInfo, FromRequestParts};
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, header};

use super::{Fields, Flash, Prefs, Shell, flash, prefs};
use crate::error::AdminError;
use crate::state::AdminState;

/// Somebody who may not have logged in.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// From where.
    pub client: Client,
    /// How pages look to them.
    pub prefs: Prefs,
    /// What is to be said to them.
    pub flashes: Vec<Flash>,
    /// The headers of their request.
    pub headers: HeaderMap,
}

impl Visitor {
    pub(crate) fn of(parts: &Parts) -> Self {
        let headers = &parts.headers;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip().to_canonical());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let origin = Origin {
            // The layer around all routes has put there what it took or made.
            correlation_id: text("x-correlation-id").to_owned(),
            address: address.to_string(),
            agent: text("user-agent").chars().take(limits::AUDIT_TEXT_CHARS).collect(),
        };
        Self {
            client: Client { address, origin },
            prefs: cookie(headers, prefs::COOKIE).map(Prefs::read).unwrap_or_default(),
            flashes: cookie(headers, flash::COOKIE).and_then(Flash::read).into_iter().collect(),
            headers: headers.clone(),
        }
    }
}

/// The first cookie of a name. Only for what proves nothing: the session's is read by the identity.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Who asks for a page, and how. Cheap to clone.
#[derive(Clone)]
pub struct Cx {
    inner: Arc<Inner>,
}

struct Inner {
    state: AdminState,
    visitor: Visitor,
    principal: Principal,
    session: Session,
    path: String,
    query: Fields,
    fragment: bool,
}

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cx({} at {})", self.inner.principal.actor.name, self.inner.path)
    }
}

impl Cx {
    pub(crate) fn new(state: AdminState, visitor: Visitor, who: Authenticated, parts: &Parts) -> Option<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let inner = Inner {
            state,
            visitor,
            principal: who.principal,
            session: who.session?,
            path: parts.uri.path().to_owned(),
            query: Fields::parse(query.as_bytes()).ok()?,
            fragment: parts.headers.contains_key("x-fragment"),
        };
        Some(Self { inner: Arc::new(inner) })
    }

    /// Somebody whose work goes on without a request of theirs.
    pub(crate) fn apart(state: AdminState, principal: Principal, session: Session, origin: Origin) -> Self {
        let client = Client { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), origin };
        let visitor = Visitor { client, prefs: Prefs::default(), flashes: Vec::new(), headers: HeaderMap::new() };
        let inner = Inner {
            state,
            visitor,
            principal,
            session,
            path: "/admin/".to_owned(),
            query: Fields::default(),
            fragment: false,
        };
        Self { inner: Arc::new(inner) }
    }

    /// What every page stands over.
    #[must_use]
    pub fn state(&self) -> &AdminState {
        &self.inner.state
    }

    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.inner.principal
    }

    /// Their session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.inner.session
    }

    /// Who asks, and from where: what the service for rows takes.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer { principal: self.inner.principal.clone(), origin: self.origin().clone() }
    }

    /// From where they ask.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.inner.visitor.client.origin
    }

    /// The same, with the address, for log-ins.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.visitor.client
    }

    /// The headers of the request.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.inner.visitor.headers
    }

    /// Whether they have a permission.
    #[must_use]
    pub fn can(&self, permission: &str) -> bool {
        self.inner.principal.can(permission)
    }

    /// Asks for a permission. Where it is lacking, the refusal is audited with the answer.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn require(&self, permission: &str) -> Result<(), AdminError> {
        if self.can(permission) { Ok(()) } else { Err(AdminError::Forbidden(permission.to_owned())) }
    }

    /// The tenant that they work in.
    ///
    /// # Errors
    /// `NotFound` where they work in none: they see nothing.
    pub fn tenant(&self) -> Result<TenantId, AdminError> {
        self.inner.principal.tenant.ok_or(AdminError::NotFound)
    }

    /// An entry of the audit log about something that they do: `execution.cancel`.
    #[must_use]
    pub fn entry(&self, action: &str) -> AuditEntry {
        let tenant = self.inner.principal.tenant.unwrap_or(TenantId::DEFAULT);
        AuditEntry::new(tenant, self.inner.principal.actor.clone(), action).from(self.origin().clone())
    }

    /// What their forms carry.
    #[must_use]
    pub fn csrf(&self) -> &str {
        &self.inner.session.csrf
    }

    /// How pages look to them.
    #[must_use]
    pub fn prefs(&self) -> &Prefs {
        &self.inner.visitor.prefs
    }

    /// What is to be said to them.
    #[must_use]
    pub fn flashes(&self) -> &[Flash] {
        &self.inner.visitor.flashes
    }

    /// The path of the address.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.inner.path
    }

    /// The parameters of the address.
    #[must_use]
    pub fn query(&self) -> &Fields {
        &self.inner.query
    }

    /// The address as it was asked for.
    #[must_use]
    pub fn here(&self) -> String {
        format!("{}{}", self.inner.path, self.inner.query.to_query())
    }

    /// Whether a script asks for a part of the page.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.inner.fragment
    }

    /// Whether browsers reach us over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.inner.state.identity().settings().is_https()
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    /// What surrounds a page.
    #[must_use]
    pub fn shell(&self, title: impl Into<String>) -> Shell {
        Shell::of(self, title)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Cx {
    type Rejection = http::StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // Put there by the layer around all pages; a route without the layer shows nothing.
        parts.extensions.get::<Self>().cloned().ok_or(http::StatusCode::FORBIDDEN)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = http::StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get::<Self>().cloned().ok_or(http::StatusCode::FORBIDDEN)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Fields {
    type Rejection = http::StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // The form of a POST, read and checked by the layer around all pages.
        parts.extensions.get::<Self>().cloned().ok_or(http::StatusCode::BAD_REQUEST)
    }
}
