//! What every handler sees.

use std::sync::Arc;
use std::time::Duration;

use automate_connectors::verify::DEFAULT_TOLERANCE;
use automate_core::limits;
use automate_core::outbox::OutboxStats;
use automate_core::runtime::Engine;
use automate_core::secrets::SecretValue;
use automate_core::store::{StoreError, StoreHealth};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::hooks::Inbox;
use crate::sampled::Sampled;

/// How the API behaves.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Bytes of a request's body (`server.body_limit_bytes`).
    pub body_limit: usize,
    /// How far a signature's timestamp may be from now where the trigger says nothing
    /// (`webhooks.tolerance_seconds`).
    pub tolerance: Duration,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self { body_limit: limits::BODY_BYTES, tolerance: DEFAULT_TOLERANCE, metrics: MetricsAccess::Local }
    }
}

/// Who may read `/metrics`; everybody else gets 404.
#[derive(Debug, Clone)]
pub enum MetricsAccess {
    /// Whoever connects from this machine itself, and not through a proxy on it.
    Local,
    /// Whoever sends `Authorization: Bearer …` with this token.
    Token(SecretValue),
    /// Everybody. For a listener that only the operator reaches.
    Everybody,
}

/// What every handler sees; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Engine,
    pub(crate) settings: ApiSettings,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) shutdown: CancellationToken,
    /// Permits of requests under way.
    pub(crate) requests: Arc<Semaphore>,
    /// Permits of body bytes in memory.
    pub(crate) body_bytes: Arc<Semaphore>,
    /// Permits of requests that wait for their execution.
    pub(crate) waiters: Arc<Semaphore>,
    pub(crate) inbox: Inbox,
    pub(crate) health: Sampled<Result<StoreHealth, StoreError>>,
    pub(crate) outbox: Sampled<Result<OutboxStats, StoreError>>,
    /// The key under which bodies for unknown endpoints are hashed. No secret: it only costs time.
    pub(crate) dummy_secret: String,
}

impl ApiState {
    /// The state over an engine. `metrics` comes from [`crate::metrics::install`]; `shutdown` is the
    /// token that is given to [`crate::server::serve`] too: once it fires, `/readyz` answers 503.
    #[must_use]
    pub fn new(engine: Engine, metrics: PrometheusHandle, settings: ApiSettings, shutdown: CancellationToken) -> Self {
        // One body of the configured size must fit, whatever it is.
        let body_bytes = limits::BODY_BYTES_IN_FLIGHT.max(settings.body_limit.saturating_mul(2));
        let inner = Inner {
            engine,
            settings,
            metrics,
            shutdown,
            requests: Arc::new(Semaphore::new(limits::REQUESTS_IN_FLIGHT)),
            body_bytes: Arc::new(Semaphore::new(body_bytes.min(Semaphore::MAX_PERMITS))),
            waiters: Arc::new(Semaphore::new(limits::HOOK_WAITERS)),
            inbox: Inbox::default(),
            health: Sampled::default(),
            outbox: Sampled::default(),
            dummy_secret: automate_core::ids::new_v7().to_string(),
        };
        Self { inner: Arc::new(inner) }
    }
}
