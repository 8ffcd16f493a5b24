//! The app: what is registered by hand, what is linked in, and the command line over both.

mod beats;
mod build;
mod connections;
mod database;
mod error;
mod parts;
mod people;
mod rest;
mod secrets;

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use automate_admin::{AdminSite, BaseModelAdmin};
use automate_api::v1::base::{BaseApiView, IntoView, Views};
use automate_api::v1::{Authenticator, Services, system_views};
use automate_connectors::ConnectorRegistry;
use automate_connectors::base::Connector;
use automate_connectors::provider::{Budget, Provider, ProviderRegistry};
use automate_core::actions::Catalog;
use automate_core::config::{Config, ProviderConfig};
use automate_core::document::{Diagnostic, Document, Severity};
use automate_core::expr::{Expressions, FilterRegistry, FilterSpec};
use automate_core::outbox::{EXECUTION_KIND, OutboxHandler};
use automate_core::registry::{LoadReport, Loaded};
use automate_core::secrets::SecretsBackend;
use automate_core::signals::Signal;
use automate_core::store::StoreError;
use automate_store::db::Database;

pub use build::Role;
pub(crate) use build::{environment, init_telemetry, install_crypto};
pub(crate) use database::{connect, pending_migrations};
pub use error::AppError;
pub use parts::Parts;

type Prepare = Arc<dyn Fn(Database) -> Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>> + Send + Sync>;
type Receive = Arc<dyn Fn(&Signal) + Send + Sync>;

/// A receiver of signals, as given to [`App::receiver`].
#[derive(Clone)]
struct Receiver {
    signal: Option<&'static str>,
    name: String,
    receive: Receive,
}

/// What an application consists of besides what is linked in.
///
/// Explicit entries go before linked ones: of two connectors with the same key the explicit one is
/// taken, and the load report (`automate connectors list`) says so.
#[derive(Clone, Default)]
pub struct App {
    connectors: Vec<Arc<dyn Connector>>,
    providers: Vec<Arc<dyn Provider>>,
    budget: Option<Arc<dyn Budget>>,
    backends: Vec<Arc<dyn SecretsBackend>>,
    handlers: Vec<Arc<dyn OutboxHandler>>,
    receivers: Vec<Receiver>,
    filters: Vec<FilterSpec>,
    views: Views,
    admins: AdminSite,
    services: Services,
    authenticator: Option<Arc<dyn Authenticator>>,
    preparations: Vec<Prepare>,
    /// Made once: compiled expressions refer to it for as long as the process lives.
    expressions: Arc<OnceLock<Expressions>>,
}

impl App {
    /// An app with what is linked in, and nothing else.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connector.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connectors.push(Arc::new(connector));
        self
    }

    /// Adds a provider of language models. Its key can be named by steps, and is a `kind` of
    /// `[providers.NAME]`.
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.providers.push(Arc::new(provider));
        self
    }

    /// Takes the place of the budget that calls of language models are charged to.
    #[must_use]
    pub fn budget(mut self, budget: impl Budget) -> Self {
        self.budget = Some(Arc::new(budget));
        self
    }

    /// Adds a secrets backend; it is asked where `secrets.backends` names it.
    #[must_use]
    pub fn secrets_backend(mut self, backend: impl SecretsBackend) -> Self {
        self.backends.push(Arc::new(backend));
        self
    }

    /// Adds a handler of the application's own kind of queued work.
    #[must_use]
    pub fn handler(mut self, handler: impl OutboxHandler) -> Self {
        self.handlers.push(Arc::new(handler));
        self
    }

    /// Adds a receiver of one signal (`workflow_completed`, …), or of all of them. It is called
    /// after the commit and cannot fail the engine.
    #[must_use]
    pub fn receiver(
        mut self,
        signal: Option<&'static str>,
        name: impl Into<String>,
        receive: impl Fn(&Signal) + Send + Sync + 'static,
    ) -> Self {
        self.receivers.push(Receiver { signal, name: name.into(), receive: Arc::new(receive) });
        self
    }

    /// Adds a filter of templates.
    #[must_use]
    pub fn filter(mut self, filter: FilterSpec) -> Self {
        self.filters.push(filter);
        self.expressions = Arc::default();
        self
    }

    /// Adds a resource to the REST API: any of `BaseModelViewSet`, `BaseReadOnlyViewSet`, `BaseViewSet`
    /// and `BaseApiView`.
    #[must_use]
    pub fn viewset<Kind>(mut self, viewset: impl IntoView<Kind>) -> Self {
        self.views = self.views.with(viewset);
        self
    }

    /// Adds addresses with operations of their own to the REST API.
    #[must_use]
    pub fn view(self, view: impl BaseApiView) -> Self {
        self.viewset(view)
    }

    /// Adds the admin of a model.
    #[must_use]
    pub fn admin(mut self, admin: impl BaseModelAdmin) -> Self {
        self.admins = self.admins.with(admin);
        self
    }

    /// Adds something that the app's own operations work with; they find it by its type:
    /// `call.api.service::<S>()`.
    #[must_use]
    pub fn service<S: Any + Send + Sync>(mut self, service: Arc<S>) -> Self {
        self.services = self.services.with(service);
        self
    }

    /// Takes the place of what finds out who sends a request to the REST API.
    #[must_use]
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Adds work on the database that is done whenever it is opened, before anything else: an
    /// application's own migrations. It must be able to find its work done.
    #[must_use]
    pub fn prepare<P, F>(mut self, prepare: P) -> Self
    where
        P: Fn(Database) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), StoreError>> + Send + 'static,
    {
        self.preparations.push(Arc::new(move |database| Box::pin(prepare(database))));
        self
    }

    /// What the REST API consists of: the system's own resources, and the app's.
    #[must_use]
    pub fn views(&self) -> Views {
        system_views().and(self.views.clone())
    }

    /// The admins of models: the system's own, those that are linked in, the app's.
    #[must_use]
    pub fn site(&self) -> AdminSite {
        AdminSite::new().and(&self.admins)
    }

    /// Runs the command line over the app, with the arguments of the process.
    #[must_use]
    pub fn run(self) -> ExitCode {
        crate::cli::main(self)
    }

    /// The connectors, for looking only: their actions reach nothing.
    #[must_use]
    pub fn catalog(&self) -> ConnectorRegistry {
        self.fill(ConnectorRegistry::new(
            Arc::new(automate_connectors::base::http::NoHttp),
            Arc::new(automate_connectors::base::NoConnections),
        ))
    }

    /// What was loaded, from where, and what was refused and why.
    #[must_use]
    pub fn load_report(&self) -> LoadReport {
        self.load_report_of(&BTreeMap::new())
    }

    /// As [`App::load_report`], with what the configuration adds to it.
    #[must_use]
    pub fn load_report_with(&self, config: &Config) -> LoadReport {
        self.load_report_of(&config.providers)
    }

    fn load_report_of(&self, providers: &BTreeMap<String, ProviderConfig>) -> LoadReport {
        let mut report = self.catalog().load_report().clone();
        let registry = self.fill_providers(ProviderRegistry::none(), providers);
        report.entries.extend(registry.load_report().entries.iter().cloned());
        report.entries.extend(self.filters().1.entries);
        report.entries.extend(secrets::backends_report(&self.backends));
        report.entries.extend(self.receivers_report());
        report.entries.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
        report
    }

    /// Parses and checks a document against the connectors and filters that are there, without a
    /// database. `Ok` has the warnings.
    ///
    /// # Errors
    /// Every finding, where one of them refuses publication.
    pub fn check(&self, source: &str) -> Result<(Document, Vec<Diagnostic>), Vec<Diagnostic>> {
        let catalog = self.catalog();
        let validation = automate_core::document::validate(source, &catalog as &dyn Catalog, &self.expressions());
        match validation.document {
            Some(document) if validation.findings.iter().all(|d| d.severity != Severity::Error) => {
                Ok((document, validation.findings))
            }
            Some(_) | None => Err(validation.findings),
        }
    }

    /// The kinds of queued work that this app can handle.
    #[must_use]
    pub fn queues(&self) -> Vec<String> {
        let own = self.handlers.iter().map(|handler| handler.kind().to_owned());
        std::iter::once(EXECUTION_KIND.to_owned()).chain(own).collect()
    }

    fn fill(&self, mut registry: ConnectorRegistry) -> ConnectorRegistry {
        for connector in &self.connectors {
            registry.add(connector.clone());
        }
        registry.add_linked();
        registry
    }

    /// Kinds first, the app's own before linked ones, then what the configuration names.
    fn fill_providers(
        &self,
        mut registry: ProviderRegistry,
        configured: &BTreeMap<String, ProviderConfig>,
    ) -> ProviderRegistry {
        for provider in &self.providers {
            registry.add(provider.clone());
        }
        registry.add_linked();
        for (name, config) in configured {
            registry.configure(name, config);
        }
        registry
    }

    fn receivers_report(&self) -> Vec<Loaded> {
        let loaded =
            |key: String, origin: &str| Loaded { kind: "receiver", key, origin: origin.to_owned(), refused: None };
        let own = self.receivers.iter().map(|receiver| loaded(receiver.name.clone(), "app"));
        let linked = automate_core::signals::linked();
        own.chain(linked.iter().map(|entry| loaded(entry.name.to_owned(), entry.origin))).collect()
    }

    fn filters(&self) -> (FilterRegistry, LoadReport) {
        let (mut registry, mut report) = FilterRegistry::link_time();
        for spec in &self.filters {
            report.entries.push(Loaded {
                kind: "filter",
                key: spec.name.to_owned(),
                origin: "app".to_owned(),
                refused: registry.register(*spec).err().map(|e| e.to_string()),
            });
        }
        (registry, report)
    }

    fn expressions(&self) -> Expressions {
        self.expressions.get_or_init(|| Expressions::new(&self.filters().0)).clone()
    }
}
