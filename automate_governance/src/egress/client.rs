//! The guarded HTTP client.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use automate_connectors::base::http::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpStream, shown_url};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::policy::Policies;
use http::header::{self, HeaderMap, HeaderName};
use tokio::time::Instant;
use url::{Origin, Url};

use super::address::{AddressPolicy, Denied};
use super::body::{open, read};
use super::lookup::{GuardedResolver, LookupError, NameLookup, SystemLookup};
use super::redirect::{RedirectError, is_redirect, next_request};
use super::target::{Target, TargetError, vet_target};

/// What the client calls itself where a request names nothing.
const USER_AGENT: &str = concat!("automate/", env!("CARGO_PKG_VERSION"));

/// Headers that describe the connection and its framing: the client's own business. A request that
/// sets them could disagree with what is sent (request smuggling) or go to another virtual host.
const FORBIDDEN_HEADERS: &[HeaderName] = &[
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
];

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EgressSetupError {
    /// The TLS library refused, most often because the system has no root certificates.
    #[error("the HTTP client cannot be set up: {0}. Are the system's CA certificates installed?")]
    Tls(String),
    /// Not the address of a server: scheme, host and port.
    #[error("`{0}` is not the address of a server, such as `https://vault.internal:8200`")]
    Address(String),
    /// Not certificates.
    #[error("these are no certificates in PEM: {0}")]
    Certificates(String),
}

/// Installs ring as the process's TLS provider; harmless when repeated. Whoever opens TLS
/// connections outside the guard (the database's driver brings its own) calls it first.
pub fn install_crypto_provider() {
    // An error means that another provider is installed already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The [`HttpClient`] that checks where it goes. Cheap to clone; connections are pooled per port.
#[derive(Clone)]
pub struct GuardedClient {
    shared: Arc<Shared>,
}

struct Shared {
    policy: Arc<AddressPolicy>,
    lookup: Arc<dyn NameLookup>,
    /// The one server that may be called, where there is one.
    only: Option<Origin>,
    /// Certificates that are trusted besides the system's.
    roots: Vec<reqwest::Certificate>,
    /// What the tenants' own policies say of hosts.
    policies: Option<Arc<dyn Policies>>,
    /// One client per port, most recently made last: the resolver is told names only, and rules
    /// may name ports, so each port has a resolver of its own.
    clients: Mutex<Vec<(u16, reqwest::Client)>>,
}

impl GuardedClient {
    /// A client under a policy, with the operating system's resolver.
    ///
    /// # Errors
    /// [`EgressSetupError`] where TLS cannot be set up; found here rather than at the first call.
    pub fn new(policy: AddressPolicy) -> Result<Self, EgressSetupError> {
        Self::with_lookup(policy, Arc::new(SystemLookup))
    }

    /// The same, with a resolver of one's own.
    ///
    /// # Errors
    /// As [`GuardedClient::new`].
    pub fn with_lookup(policy: AddressPolicy, lookup: Arc<dyn NameLookup>) -> Result<Self, EgressSetupError> {
        install_crypto_provider();
        let shared = Shared {
            policy: Arc::new(policy),
            lookup,
            only: None,
            roots: Vec::new(),
            policies: None,
            clients: Mutex::default(),
        };
        shared.client_for(443)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A client for one server that the operator has named in the configuration, wherever it is: it
    /// may be in a private network, and nothing else can be called. Metadata services of clouds stay
    /// closed. `roots` are certificates in PEM that are trusted besides the system's.
    ///
    /// # Errors
    /// [`EgressSetupError`] where the address is more or less than scheme, host and port, where
    /// `roots` does not parse, and as [`GuardedClient::new`].
    pub fn for_server(address: &Url, roots: Option<&[u8]>) -> Result<Self, EgressSetupError> {
        let refused = || EgressSetupError::Address(shown_url(address));
        let plain = matches!(address.scheme(), "http" | "https")
            && address.username().is_empty()
            && address.password().is_none()
            && matches!(address.path(), "" | "/")
            && address.query().is_none()
            && address.fragment().is_none();
        let port = address.port_or_known_default().filter(|_| plain && address.has_host()).ok_or_else(refused)?;
        let everywhere = [format!("0.0.0.0/0:{port}"), format!("[::/0]:{port}")];
        let rules = everywhere.iter().map(|rule| rule.parse()).collect::<Result<_, _>>().map_err(|_| refused())?;
        let roots = match roots {
            Some(pem) => {
                let found = reqwest::Certificate::from_pem_bundle(pem)
                    .map_err(|e| EgressSetupError::Certificates(root_cause(&e)))?;
                if found.is_empty() {
                    return Err(EgressSetupError::Certificates("there is none".to_owned()));
                }
                found
            }
            None => Vec::new(),
        };
        install_crypto_provider();
        let shared = Shared {
            policy: Arc::new(AddressPolicy::new(rules)),
            lookup: Arc::new(SystemLookup),
            only: Some(address.origin()),
            roots,
            policies: None,
            clients: Mutex::new(Vec::new()),
        };
        shared.client_for(port)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The same, under the policies of the tenants that calls are made for as well. Connections are
    /// its own.
    #[must_use]
    pub fn with_policies(self, policies: Arc<dyn Policies>) -> Self {
        let Shared { policy, lookup, only, roots, .. } = self.shared.as_ref();
        let shared = Shared {
            policy: Arc::clone(policy),
            lookup: Arc::clone(lookup),
            only: only.clone(),
            roots: roots.clone(),
            policies: Some(policies),
            clients: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl Shared {
    fn client_for(&self, port: u16) -> Result<reqwest::Client, EgressSetupError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(own, _)| *own == port) {
            return Ok(client.clone());
        }
        let resolver = GuardedResolver { policy: Arc::clone(&self.policy), lookup: Arc::clone(&self.lookup), port };
        let client = build_client(resolver, &self.roots).map_err(|e| EgressSetupError::Tls(root_cause(&e)))?;
        if clients.len() >= limits::EGRESS_POOLS {
            clients.remove(0);
        }
        clients.push((port, client.clone()));
        Ok(client)
    }

    /// Whether the tenant's policy lets the call through; asked again at each redirect.
    async fn check_tenant(&self, request: &HttpRequest) -> Result<(), HttpError> {
        let (Some(policies), Some(tenant)) = (&self.policies, request.tenant_id) else { return Ok(()) };
        let policy = policies
            .policy(tenant)
            .await
            .map_err(|error| HttpError::Denied { reason: format!("the tenant's policy: {error}") })?;
        policy.check_host(request.url.host_str().unwrap_or_default()).map_err(|refusal| {
            policies.refused(tenant, "egress", &refusal);
            HttpError::Denied { reason: refusal.to_string() }
        })
    }

    /// One request and answer, without following anything.
    async fn exchange(&self, request: &HttpRequest) -> Result<(reqwest::Response, Target), HttpError> {
        if self.only.as_ref().is_some_and(|only| *only != request.url.origin()) {
            return Err(HttpError::Denied { reason: "this client calls the one server it was made for".to_owned() });
        }
        let target = vet_target(&request.url, &self.policy).map_err(refused)?;
        self.check_tenant(request).await?;
        let client = self.client_for(target.port()).map_err(|e| HttpError::Connect { reason: e.to_string() })?;
        let mut out = reqwest::Request::new(request.method.clone(), request.url.clone());
        *out.headers_mut() = request.headers.clone();
        // Set from the body itself.
        out.headers_mut().remove(header::CONTENT_LENGTH);
        if !request.body.is_empty() {
            *out.body_mut() = Some(reqwest::Body::from(request.body.clone()));
        }
        let response = client.execute(out).await.map_err(|e| exchange_error(&e.without_url()))?;
        // Once more on what was really reached (O7); a policy that said no before cannot get here.
        if let Some(peer) = response.remote_addr() {
            self.policy.check(peer.ip(), peer.port()).map_err(|denied| refused(denied.into()))?;
        }
        Ok((response, target))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (response, request) = self.follow(request).await?;
        read(response, &request).await
    }

    /// The last response, after the redirects that may be followed, with the request it answers.
    async fn follow(&self, mut request: HttpRequest) -> Result<(reqwest::Response, HttpRequest), HttpError> {
        check_headers(&request.headers)?;
        let allowed = request.max_redirects.min(limits::EGRESS_REDIRECTS);
        let mut hops = 0;
        loop {
            let (response, _) = self.exchange(&request).await?;
            let status = response.status();
            if allowed == 0 || !is_redirect(status) {
                return Ok((response, request));
            }
            match next_request(request.clone(), status, response.headers()) {
                Ok(None) => return Ok((response, request)),
                Ok(Some(_)) if hops == allowed => {
                    return Err(HttpError::Denied { reason: RedirectError::TooMany(allowed).to_string() });
                }
                Ok(Some(next)) => request = next,
                Err(error) => return Err(HttpError::Denied { reason: error.to_string() }),
            }
            hops += 1;
        }
    }
}

#[async_trait]
impl HttpClient for GuardedClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let after = request.timeout;
        let told = Told::of(&request);
        let result = match tokio::time::timeout(after, self.shared.send(request)).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout { after }),
        };
        told.tell(&result);
        result
    }

    async fn send_streaming(&self, request: HttpRequest) -> Result<HttpStream, HttpError> {
        let after = request.timeout;
        let until = Instant::now() + after;
        let told = Told::of(&request);
        let result = match tokio::time::timeout_at(until, self.shared.follow(request)).await {
            Ok(Ok((response, request))) => open(response, &request, until),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(HttpError::Timeout { after }),
        };
        told.tell(&result);
        result
    }
}

/// What is said of a call that was refused.
struct Told {
    tenant: Option<TenantId>,
    host: Option<String>,
}

impl Told {
    fn of(request: &HttpRequest) -> Self {
        Self { tenant: request.tenant_id, host: request.url.host_str().map(str::to_owned) }
    }

    fn tell<T>(self, result: &Result<T, HttpError>) {
        if let Err(HttpError::Denied { reason }) = result {
            tracing::warn!(tenant = ?self.tenant, host = self.host, reason, "an outgoing call was refused");
        }
    }
}

/// The one place that makes a `reqwest::Client`.
#[expect(clippy::disallowed_methods, reason = "the egress guard makes the one client")]
fn build_client(resolver: GuardedResolver, roots: &[reqwest::Certificate]) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder();
    if !roots.is_empty() {
        builder = builder.tls_certs_merge(roots.iter().cloned());
    }
    builder
        .dns_resolver(Arc::new(resolver))
        // A proxy would connect on our behalf, past every check (O12).
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(limits::EGRESS_CONNECT)
        .http1_max_headers(limits::EGRESS_RESPONSE_HEADERS)
        .pool_idle_timeout(limits::EGRESS_IDLE)
        .pool_max_idle_per_host(limits::EGRESS_IDLE_PER_HOST)
        .tcp_keepalive(Duration::from_secs(30))
        .user_agent(USER_AGENT)
        .build()
}

fn check_headers(headers: &HeaderMap) -> Result<(), HttpError> {
    match FORBIDDEN_HEADERS.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(HttpError::Invalid { reason: format!("the header `{name}` is set by the client itself") }),
        None => Ok(()),
    }
}

fn refused(error: TargetError) -> HttpError {
    let reason = error.to_string();
    match error {
        TargetError::Denied(_) | TargetError::MetadataName(_) => HttpError::Denied { reason },
        TargetError::Malformed(_)
        | TargetError::TooLong
        | TargetError::Characters
        | TargetError::Scheme(_)
        | TargetError::UserInfo
        | TargetError::Host => HttpError::Invalid { reason },
    }
}

fn exchange_error(error: &reqwest::Error) -> HttpError {
    if let Some(denied) = find_denied(error) {
        return HttpError::Denied { reason: denied.to_string() };
    }
    let reason = root_cause(error);
    if error.is_connect() {
        HttpError::Connect { reason }
    } else if error.is_builder() {
        HttpError::Invalid { reason }
    } else {
        HttpError::Cut { reason }
    }
}

/// The error and what caused it, outermost first.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let current = next?;
        next = current.source();
        Some(current)
    })
}

fn find_denied(error: &reqwest::Error) -> Option<&Denied> {
    causes(error).find_map(|cause| match cause.downcast_ref::<LookupError>() {
        Some(LookupError::Denied(denied)) => Some(denied),
        Some(LookupError::Empty(_) | LookupError::TooMany(_) | LookupError::Failed { .. }) => None,
        None => cause.downcast_ref::<Denied>(),
    })
}

/// The innermost text of an error, on one line: the outer ones say little more than "it failed".
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
    text.chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
