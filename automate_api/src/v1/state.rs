//! What every operation stands over.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_connectors::ConnectorRegistry;
use automate_core::access::Principal;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::runtime::Engine;
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use automate_store::idempotency::IdempotencyKeys;
use automate_store::resource::Resources;
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::auth::{AuthError, Authenticator, NobodyKnown};
use super::base::{CorsPolicy, Limit, RateLimiter, Throttle, ThrottleBy};
use super::buckets::LocalBuckets;
use crate::Problem;

/// How the REST API behaves.
#[derive(Debug, Clone)]
pub struct V1Settings {
    /// Bytes of a request's body (`server.body_limit_bytes`).
    pub body_limit: usize,
    /// Limits on all operations together.
    pub throttles: Vec<Throttle>,
    /// The limit on requests whose credentials are wrong, by address.
    pub failures: Limit,
    /// Which other origins may call from a browser, where an operation does not say itself.
    pub cors: Option<CorsPolicy>,
    /// Open streams of one tenant.
    pub streams_per_tenant: usize,
    /// How long a stream is silent at most.
    pub heartbeat: Duration,
}

impl Default for V1Settings {
    fn default() -> Self {
        Self {
            body_limit: limits::BODY_BYTES,
            throttles: vec![
                Throttle::new("api", ThrottleBy::Principal, Limit::per_minute(6_000).burst(2_000)),
                Throttle::new("api", ThrottleBy::Tenant, Limit::per_minute(30_000).burst(10_000)),
                Throttle::new("api", ThrottleBy::Address, Limit::per_minute(12_000).burst(4_000)),
            ],
            failures: Limit::per_minute(60).burst(60),
            cors: None,
            streams_per_tenant: limits::STREAMS_PER_TENANT,
            heartbeat: limits::STREAM_HEARTBEAT,
        }
    }
}

/// Services of whoever embeds the API, by their types.
#[derive(Clone, Default)]
pub struct Services {
    by_type: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Services {
    /// A service; it takes the place of an earlier one of the same type.
    #[must_use]
    pub fn with<S: Any + Send + Sync>(mut self, service: Arc<S>) -> Self {
        self.by_type.insert(TypeId::of::<S>(), service);
        self
    }

    /// The service of a type.
    #[must_use]
    pub fn get<S: Any + Send + Sync>(&self) -> Option<Arc<S>> {
        self.by_type.get(&TypeId::of::<S>())?.clone().downcast().ok()
    }
}

/// What every operation stands over. Cheap to clone.
#[derive(Clone)]
pub struct ApiV1 {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for ApiV1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiV1")
    }
}

struct Inner {
    engine: Engine,
    resources: Resources,
    connectors: Arc<ConnectorRegistry>,
    authenticator: Arc<dyn Authenticator>,
    limiter: Arc<dyn RateLimiter>,
    services: Services,
    settings: V1Settings,
    keys: IdempotencyKeys,
    shutdown: CancellationToken,
    body_bytes: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    tenants: Mutex<BTreeMap<TenantId, Arc<Semaphore>>>,
}

/// Makes an [`ApiV1`].
pub struct ApiV1Builder {
    inner: Inner,
}

impl ApiV1 {
    /// Begins an API over an engine and a database. It knows nobody until it is given an
    /// authenticator.
    #[must_use]
    pub fn builder(engine: Engine, resources: Resources, connectors: Arc<ConnectorRegistry>) -> ApiV1Builder {
        let keys = IdempotencyKeys::new(resources.db().clone());
        ApiV1Builder {
            inner: Inner {
                engine,
                resources,
                connectors,
                authenticator: Arc::new(NobodyKnown),
                limiter: Arc::new(LocalBuckets::default()),
                services: Services::default(),
                settings: V1Settings::default(),
                keys,
                shutdown: CancellationToken::new(),
                body_bytes: Arc::new(Semaphore::new(limits::BODY_BYTES_IN_FLIGHT)),
                streams: Arc::new(Semaphore::new(limits::STREAMS)),
                tenants: Mutex::default(),
            },
        }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The service for rows of models.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.inner.resources
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.inner.resources.db()
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        self.inner.resources.audit()
    }

    /// The connectors.
    #[must_use]
    pub fn connectors(&self) -> &Arc<ConnectorRegistry> {
        &self.inner.connectors
    }

    /// A service that was given to [`ApiV1Builder::service`].
    ///
    /// # Errors
    /// 500 where there is none of that type: a fault of the wiring.
    pub fn service<S: Any + Send + Sync>(&self) -> Result<Arc<S>, Problem> {
        self.inner.services.get().ok_or_else(|| {
            tracing::error!(service = std::any::type_name::<S>(), "the API was not given a service that it needs");
            Problem::internal()
        })
    }

    /// How it behaves.
    #[must_use]
    pub fn settings(&self) -> &V1Settings {
        &self.inner.settings
    }

    /// Fires when the process stops.
    #[must_use]
    pub fn shutdown(&self) -> &CancellationToken {
        &self.inner.shutdown
    }

    pub(crate) fn limiter(&self) -> &dyn RateLimiter {
        &*self.inner.limiter
    }

    pub(crate) fn keys(&self) -> &IdempotencyKeys {
        &self.inner.keys
    }

    pub(crate) fn body_bytes(&self) -> &Arc<Semaphore> {
        &self.inner.body_bytes
    }

    pub(crate) async fn authenticate(
        &self,
        headers: &http::HeaderMap,
        address: Option<IpAddr>,
        unsafe_method: bool,
    ) -> Result<Principal, AuthError> {
        self.inner.authenticator.authenticate(headers, address, unsafe_method).await
    }

    /// Places for an open stream of a tenant.
    ///
    /// # Errors
    /// 429 where the tenant has as many as it may, 503 where the process has.
    pub(crate) fn stream_slots(&self, tenant: Option<TenantId>) -> Result<Vec<OwnedSemaphorePermit>, Problem> {
        let mut slots = Vec::new();
        if let Some(tenant) = tenant {
            let most = self.inner.settings.streams_per_tenant;
            let mut tenants = self.inner.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            // Tenants without an open stream need no entry.
            tenants.retain(|id, open| *id == tenant || open.available_permits() < most);
            let open = tenants.entry(tenant).or_insert_with(|| Arc::new(Semaphore::new(most)));
            slots.push(Arc::clone(open).try_acquire_owned().map_err(|_| {
                Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "TOO_MANY_STREAMS",
                    format!("your tenant has {most} open streams already; close one"),
                )
                .with_retry_after(limits::STREAM_HEARTBEAT)
            })?);
        }
        slots.push(Arc::clone(&self.inner.streams).try_acquire_owned().map_err(|_| {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", "too many streams are open; try again shortly")
                .with_retry_after(limits::STREAM_HEARTBEAT)
        })?);
        Ok(slots)
    }
}

impl ApiV1Builder {
    /// Who finds out who asks.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.inner.authenticator = authenticator;
        self
    }

    /// Where the buckets of throttles are; in this process where it is not said.
    #[must_use]
    pub fn limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.inner.limiter = limiter;
        self
    }

    /// A service for operations, found by its type: [`ApiV1::service`].
    #[must_use]
    pub fn service<S: Any + Send + Sync>(mut self, service: Arc<S>) -> Self {
        self.inner.services = self.inner.services.with(service);
        self
    }

    /// Services for operations, all at once.
    #[must_use]
    pub fn services(mut self, services: Services) -> Self {
        self.inner.services = services;
        self
    }

    /// How it behaves.
    #[must_use]
    pub fn settings(mut self, settings: V1Settings) -> Self {
        // One body of the configured size must fit, whatever it is.
        let bytes = limits::BODY_BYTES_IN_FLIGHT.max(settings.body_limit.saturating_mul(2)).min(Semaphore::MAX_PERMITS);
        self.inner.body_bytes = Arc::new(Semaphore::new(bytes));
        self.inner.settings = settings;
        self
    }

    /// What fires when the process stops; open streams end then.
    #[must_use]
    pub fn shutdown(mut self, shutdown: CancellationToken) -> Self {
        self.inner.shutdown = shutdown;
        self
    }

    /// The API.
    #[must_use]
    pub fn build(self) -> ApiV1 {
        ApiV1 { inner: Arc::new(self.inner) }
    }
}
