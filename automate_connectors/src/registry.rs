//! The registry: which connectors there are, where they came from, and how one of their actions
//! is performed.

mod breaker;
mod entry;
mod health;
mod link;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automate_core::actions::{ActionMeta, Catalog};
use automate_core::clock::{Clock, SystemClock};
use automate_core::registry::{LoadReport, Loaded};

pub(crate) use breaker::{Breakers, Circuit};
use entry::Entry;
pub(crate) use entry::{NAME_RULE, is_name};
pub use link::Registration;

use crate::base::http::{HttpClient, NoHttp};
use crate::base::{ConnectionResolver, Connector, NoConnections, TriggerSpec};
use crate::provider::ProviderRegistry;

/// The kind of a connector in load reports.
const KIND: &str = "connector";

/// All connectors, keyed and checked. It is the engine's [`Catalog`] and
/// [`ActionRunner`](automate_core::actions::ActionRunner).
pub struct ConnectorRegistry {
    entries: BTreeMap<String, Entry>,
    report: LoadReport,
    http: Arc<dyn HttpClient>,
    connections: Arc<dyn ConnectionResolver>,
    breakers: Arc<Breakers>,
    clock: Arc<dyn Clock>,
    providers: Arc<ProviderRegistry>,
}

impl ConnectorRegistry {
    /// An empty registry whose actions use this client and these connections.
    #[must_use]
    pub fn new(http: Arc<dyn HttpClient>, connections: Arc<dyn ConnectionResolver>) -> Self {
        Self {
            entries: BTreeMap::new(),
            report: LoadReport::default(),
            http,
            connections,
            breakers: Arc::new(Breakers::default()),
            clock: Arc::new(SystemClock),
            providers: Arc::new(ProviderRegistry::none()),
        }
    }

    /// A registry of everything that [`register_connector!`](crate::register_connector) linked
    /// into the program, the built-in connectors included.
    #[must_use]
    pub fn link_time(http: Arc<dyn HttpClient>, connections: Arc<dyn ConnectionResolver>) -> Self {
        let mut registry = Self::new(http, connections);
        registry.add_linked();
        registry
    }

    /// As [`Self::link_time`], for looking only: its actions reach nothing.
    #[must_use]
    pub fn link_time_catalog() -> Self {
        Self::link_time(Arc::new(NoHttp), Arc::new(NoConnections))
    }

    /// The same, with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same, with providers of language models, which actions reach by
    /// [`ActionContext::providers`](crate::ActionContext::providers).
    #[must_use]
    pub fn with_providers(mut self, providers: Arc<ProviderRegistry>) -> Self {
        self.providers = providers;
        self
    }

    /// The providers of language models.
    #[must_use]
    pub fn providers(&self) -> &Arc<ProviderRegistry> {
        &self.providers
    }

    /// Adds a connector of the application itself. Where it is refused (its key is taken, a
    /// schema is not valid, …), the reason is in the [`LoadReport`].
    pub fn add(&mut self, connector: Arc<dyn Connector>) -> &mut Self {
        self.add_from("app", connector)
    }

    /// As [`Self::add`], naming where it comes from.
    pub fn add_from(&mut self, origin: &str, connector: Arc<dyn Connector>) -> &mut Self {
        // A connector is somebody else's code; a panic of its declarations must not stop the
        // program from starting.
        let checked = catch_unwind(AssertUnwindSafe(|| {
            let key = connector.key().to_owned();
            let entry = Entry::check(connector, origin);
            (key, entry)
        }));
        let (key, entry) = match checked {
            Ok(checked) => checked,
            Err(_) => ("(unknown)".to_owned(), Err("it panicked while it described itself".to_owned())),
        };
        let refused = match entry {
            Err(reason) => Some(reason),
            Ok(entry) => match self.entries.get(&key) {
                Some(first) => Some(format!("the key `{key}` is taken by {}", first.origin)),
                None => {
                    self.entries.insert(key.clone(), entry);
                    None
                }
            },
        };
        self.report.entries.push(Loaded { kind: KIND, key, origin: origin.to_owned(), refused });
        // Stable: of two with the same key, the one that came first stands first.
        self.report.entries.sort_by(|a, b| a.key.cmp(&b.key));
        self
    }

    /// What was loaded and refused, by key.
    #[must_use]
    pub fn load_report(&self) -> &LoadReport {
        &self.report
    }

    /// A connector by its key.
    #[must_use]
    pub fn connector(&self, key: &str) -> Option<&Arc<dyn Connector>> {
        self.entries.get(key).map(|entry| &entry.connector)
    }

    /// The triggers of a connector; empty where there is no such connector.
    #[must_use]
    pub fn triggers(&self, key: &str) -> &[TriggerSpec] {
        self.entries.get(key).map_or(&[], |entry| &entry.triggers)
    }

    /// The example input of an action, where it has one.
    #[must_use]
    pub fn example(&self, uses: &str) -> Option<&serde_json::Value> {
        self.find(uses)?.1.example.as_ref()
    }

    fn find(&self, uses: &str) -> Option<(&Entry, &entry::Action)> {
        let (key, name) = uses.split_once('.')?;
        let entry = self.entries.get(key)?;
        Some((entry, entry.actions.get(name)?))
    }
}

impl Catalog for ConnectorRegistry {
    fn action(&self, uses: &str) -> Option<Arc<ActionMeta>> {
        Some(self.find(uses)?.1.meta.clone())
    }

    fn connectors(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn actions(&self, connector: &str) -> Vec<String> {
        self.entries.get(connector).map(|entry| entry.actions.keys().cloned().collect()).unwrap_or_default()
    }
}
