//! An app that is wired up: what commands and tests work with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_admin::AdminSite;
use automate_api::v1::base::Views;
use automate_api::v1::{Authenticator, Services};
use automate_api::{ApiSettings, ApiState, MetricsAccess};
use automate_connectors::ConnectorRegistry;
use automate_connectors::provider::ProviderRegistry;
use automate_core::config::Config;
use automate_core::runtime::Engine;
use automate_core::secrets::SecretResolver;
use automate_core::store::Store;
use automate_governance::connections::StoredConnections;
use automate_governance::identity::Identity;
use automate_governance::identity::oidc::Oidc;
use automate_governance::policy::Governor;
use automate_governance::secrets::{DatabaseBackend, ReadWorker, SecretChain};
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use automate_store::resource::Resources;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::AppError;
use super::beats::Beats;
use super::build::Role;

/// An app over its database, ready to be used. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The engine.
    pub engine: Engine,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The database under the store, for an application's own tables.
    pub database: Database,
    /// The database's URL, without a password.
    pub database_shown: String,
    /// The connectors.
    pub connectors: Arc<ConnectorRegistry>,
    /// The providers of language models, their budget included.
    pub providers: Arc<ProviderRegistry>,
    /// Resolves secrets through the configured chain.
    pub secrets: Arc<dyn SecretResolver>,
    /// The same chain, for looking at its backends.
    pub secret_chain: Arc<SecretChain>,
    /// The secrets that are stored in the database, for setting and listing them.
    pub stored_secrets: DatabaseBackend,
    /// Who did what.
    pub audit: AuditLog,
    /// Users, groups, sessions and API tokens.
    pub identity: Identity,
    /// Log-ins at identity providers.
    pub oidc: Oidc,
    /// Lists, reads and writes rows of models.
    pub resources: Resources,
    /// What the REST API consists of.
    pub views: Views,
    /// The admins of models.
    pub site: AdminSite,
    /// What the app's own operations work with.
    pub(super) services: Services,
    /// Who finds out who sends a request to the REST API, where the app says it.
    pub(super) authenticator: Option<Arc<dyn Authenticator>>,
    /// What tenants may do.
    pub governor: Governor,
    /// The connections that are stored per tenant.
    pub stored_connections: StoredConnections,
    /// Records who read which secret.
    pub(super) reads: Arc<Mutex<Option<ReadWorker>>>,
}

impl Parts {
    /// Records what is left to be recorded, commits what waits, and closes the database.
    pub async fn close(&self) {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reads) = reads {
            reads.close().await;
        }
        self.store.close().await;
    }

    /// Serves HTTP, and works where the role says so, until `shutdown` fires; then drains both
    /// within `worker.drain_seconds`.
    ///
    /// # Errors
    /// Where metrics cannot be set up, and where the app's views contradict each other.
    pub async fn serve(
        &self,
        listener: TcpListener,
        config: &Config,
        role: Role,
        shutdown: CancellationToken,
    ) -> Result<(), AppError> {
        let metrics = super::build::metrics()?;
        let settings = ApiSettings {
            body_limit: config.server.body_limit_bytes,
            tolerance: config.webhooks.tolerance,
            metrics: config.metrics.token.value().map_or(MetricsAccess::Local, MetricsAccess::Token),
        };
        let state = ApiState::new(self.engine.clone(), metrics, settings, shutdown.clone());
        let limiter = self.buckets();
        let rest = automate_api::v1::router(self.api(config, limiter.clone(), shutdown.clone()), &self.views)?;
        let doors = automate_api::auth::router(self.oidc.clone(), self.identity.clone(), limiter);
        let pages = self.site.clone().router(self.admin(config, shutdown.clone()))?;
        let drain: Duration = config.worker.drain;
        let upkeep = tokio::spawn(super::people::upkeep(self.identity.clone(), shutdown.clone()));
        let router = automate_api::router_with(state, [rest, doors, pages]);
        let beats = Beats::begin(self.database.clone(), self.engine.clone(), "serve");
        let server = automate_api::server::serve(listener, router, shutdown.clone(), drain);
        match role {
            Role::Worker => {
                tokio::join!(server, self.engine.run_worker(shutdown));
            }
            Role::Accept | Role::Tool => {
                server.await;
            }
        }
        // It ends with the shutdown, which has fired.
        drop(upkeep.await);
        beats.end().await;
        Ok(())
    }

    /// Works until `shutdown` fires, then drains: as [`Parts::serve`] without HTTP.
    pub async fn work(&self, shutdown: CancellationToken) {
        let beats = Beats::begin(self.database.clone(), self.engine.clone(), "worker");
        self.engine.run_worker(shutdown).await;
        beats.end().await;
    }
}
