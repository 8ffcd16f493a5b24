//! What an engine is built over, and how it is set.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::actions::ActionRunner;
use crate::clock::{Clock, SystemClock};
use crate::expr::secret::Scrubber;
use crate::expr::{Expressions, FilterRegistry};
use crate::outbox::OutboxHandler;
use crate::policy::{Policies, Unrestricted};
use crate::secrets::SecretResolver;
use crate::signals::Signals;
use crate::store::Store;

/// The parts of the world that the engine reaches through ports.
#[derive(Clone)]
pub struct Ports {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// What performs actions.
    pub actions: Arc<dyn ActionRunner>,
    /// What resolves secrets.
    pub secrets: Arc<dyn SecretResolver>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Templates and expressions, with their filters.
    pub expressions: Expressions,
    /// Knows every secret that was resolved, and takes them out of whatever is stored or shown.
    pub scrubber: Arc<Scrubber>,
    /// What tenants may do.
    pub policies: Arc<dyn Policies>,
    /// Who observes what happens.
    pub signals: Signals,
    /// Embedders' own kinds of queued work.
    pub handlers: Vec<Arc<dyn OutboxHandler>>,
}

/// How an engine behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name under which this process holds leases; unique per process start.
    pub owner: String,
    /// Executions that run at once in this process. 0 means that it only accepts.
    pub concurrency: usize,
    /// The kinds of queued work that this process takes, of those it can handle; all where empty.
    pub queues: Vec<String>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How often the reaper looks.
    pub reap_interval: Duration,
    /// How long draining waits for running actions.
    pub drain: Duration,
    /// Times that an execution which cannot run here is given back before it fails, at most.
    pub max_attempts: i32,
    /// Losses of a lease in a row after which an item is quarantined that its worker held alone.
    pub max_lost_leases: i32,
    /// Ready items beyond which new work is refused with 503; 0 means no bound.
    pub max_depth: i64,
    /// The environment variables that templates may read, already filtered by the allow-list.
    pub env: Arc<BTreeMap<String, String>>,
    /// How long history is kept; for ever where absent.
    pub retention: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            owner: format!("{}-{}", std::process::id(), crate::ids::new_v7().simple()),
            concurrency: 256,
            queues: Vec::new(),
            lease: Duration::from_secs(30),
            reap_interval: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            max_attempts: 10,
            max_lost_leases: crate::limits::LOST_LEASES,
            max_depth: 1_000_000,
            env: Arc::default(),
            retention: None,
        }
    }
}

impl Ports {
    /// Ports with the system's clock, the filters and receivers of link time, and no handlers.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        actions: Arc<dyn ActionRunner>,
        secrets: Arc<dyn SecretResolver>,
        scrubber: Arc<Scrubber>,
    ) -> Self {
        Self::with_expressions(store, actions, secrets, scrubber, Expressions::new(&FilterRegistry::link_time().0))
    }

    /// The same with expressions made elsewhere; each one made keeps its templates' environment for
    /// as long as the process lives.
    #[must_use]
    pub fn with_expressions(
        store: Arc<dyn Store>,
        actions: Arc<dyn ActionRunner>,
        secrets: Arc<dyn SecretResolver>,
        scrubber: Arc<Scrubber>,
        expressions: Expressions,
    ) -> Self {
        Self {
            store,
            actions,
            secrets,
            clock: Arc::new(SystemClock),
            expressions,
            scrubber,
            policies: Arc::new(Unrestricted),
            signals: Signals::link_time(),
            handlers: Vec::new(),
        }
    }
}
