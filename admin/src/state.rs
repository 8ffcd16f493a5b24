//! What every page stands over.

use std::fmt;
use std::sync::Arc;

use automate_connectors::ConnectorRegistry;
use automate_connectors::provider::ProviderRegistry;
use automate_core::limits;
use automate_core::runtime::Engine;
use automate_governance::connections::StoredConnections;
use automate_governance::identity::Identity;
use automate_governance::identity::oidc::Oidc;
use automate_governance::policy::Governor;
use automate_governance::secrets::{DatabaseBackend, SecretChain};
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use automate_store::resource::Resources;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::counted::DeadLetters;
use crate::site::AdminSite;

/// How the admin behaves.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// Bytes of a form (`server.body_limit_bytes`).
    pub body_limit: usize,
    /// Where browsers find us (`server.public_url`); empty where nobody said.
    pub public_url: String,
    /// Where we listen (`server.bind`): what commands on pages name where there is no public address.
    pub bind: String,
}

impl Default for AdminSettings {
    fn default() -> Self {
        Self { body_limit: limits::BODY_BYTES, public_url: String::new(), bind: "127.0.0.1:8000".to_owned() }
    }
}

/// What the admin is made of.
#[derive(Clone)]
pub struct AdminParts {
    /// The engine.
    pub engine: Engine,
    /// The service for rows of models.
    pub resources: Resources,
    /// People.
    pub identity: Identity,
    /// Log-ins at identity providers.
    pub oidc: Oidc,
    /// The connectors.
    pub connectors: Arc<ConnectorRegistry>,
    /// The providers of language models.
    pub providers: Arc<ProviderRegistry>,
    /// Secrets that are stored in the database.
    pub secrets: DatabaseBackend,
    /// The chain of secrets backends.
    pub secret_chain: Arc<SecretChain>,
    /// Connections that are stored per tenant.
    pub connections: StoredConnections,
    /// What tenants may do.
    pub governor: Governor,
    /// How it behaves.
    pub settings: AdminSettings,
    /// Fires when the process stops; streams end then.
    pub shutdown: CancellationToken,
}

/// What every page stands over. Cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    inner: Arc<Inner>,
}

struct Inner {
    parts: AdminParts,
    site: AdminSite,
    dead: DeadLetters,
    /// Rung where a run waits for a process.
    runs_waiting: Notify,
}

impl fmt::Debug for AdminState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminState")
    }
}

impl AdminState {
    pub(crate) fn new(parts: AdminParts, site: AdminSite) -> Self {
        let (dead, runs_waiting) = (DeadLetters::default(), Notify::new());
        Self { inner: Arc::new(Inner { parts, site, dead, runs_waiting }) }
    }

    pub(crate) fn runs_waiting(&self) -> &Notify {
        &self.inner.runs_waiting
    }

    /// What it is made of.
    #[must_use]
    pub fn parts(&self) -> &AdminParts {
        &self.inner.parts
    }

    /// The admins of models.
    #[must_use]
    pub fn site(&self) -> &AdminSite {
        &self.inner.site
    }

    /// How many dead letters there are, for the navigation.
    pub(crate) fn dead_letters(&self) -> &DeadLetters {
        &self.inner.dead
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.parts.engine
    }

    /// The service for rows of models.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.inner.parts.resources
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.inner.parts.resources.db()
    }

    /// The audit log.
    #[must_use]
    pub fn audit(&self) -> &AuditLog {
        self.inner.parts.resources.audit()
    }

    /// People.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.parts.identity
    }
}
