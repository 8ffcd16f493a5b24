//! Which providers there are, and under which names they can be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use async_trait::async_trait;
use automate_core::clock::{Clock, SystemClock};
use automate_core::config::ProviderConfig;
use automate_core::ids::TenantId;
use automate_core::registry::{LoadReport, Loaded};
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use serde::Serialize;

use super::budget::{Budget, Unlimited};
use super::config::{ProviderSetting, Settings};
use super::price::Price;
use super::{Capability, Provider};
use crate::base::http::{HttpClient, NoHttp};
use crate::base::{ConnectorError, Result};
use crate::registry::{Breakers, NAME_RULE, is_name};
use crate::schema::Schema;

/// The kind of a provider in load reports.
const KIND: &str = "provider";
/// Where configured entries come from, in load reports.
const CONFIGURATION: &str = "configuration";
/// Where the app's own come from, in load reports.
const APP: &str = "app";
/// The entry that is asked where nobody names one.
const DEFAULT: &str = "default";

/// One name that can be asked: a provider with its settings.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) settings: Settings,
    origin: String,
    configured: bool,
}

/// What is known of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProviderInfo {
    /// Its name, for `provider` of a step.
    pub name: String,
    /// The provider's key.
    pub kind: String,
    /// What people see.
    pub display_name: String,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// The model that is asked where a step names none.
    pub default_model: Option<String>,
    /// The models that may be asked, where not all may.
    pub models: Option<BTreeSet<String>>,
    /// Tokens of an answer, at most; what a request without a bound is held to.
    pub max_output_tokens: Option<u64>,
    /// The prices of models; `*` is that of all others.
    pub prices: BTreeMap<String, Price>,
    /// Whether it stands in the configuration; others are asked with no settings.
    pub configured: bool,
    /// Where it comes from: `configuration`, `app`, or a crate and its version.
    pub origin: String,
    /// Its provider's own settings, by name, without what is secret.
    pub settings: BTreeMap<String, ProviderSetting>,
}

/// All providers, by name.
///
/// First the kinds are added ([`Self::add`], [`Self::add_linked`]), then the entries of the
/// configuration ([`Self::configure`]), which go before kinds of the same name.
pub struct ProviderRegistry {
    kinds: BTreeMap<String, (Arc<dyn Provider>, String)>,
    entries: BTreeMap<String, Entry>,
    report: LoadReport,
    pub(super) http: Arc<dyn HttpClient>,
    pub(super) secrets: Arc<dyn SecretResolver>,
    pub(super) budget: Arc<dyn Budget>,
    pub(super) breakers: Arc<Breakers>,
    pub(super) clock: Arc<dyn Clock>,
}

impl ProviderRegistry {
    /// An empty registry whose providers use this client, and whose settings' secrets are resolved
    /// here.
    #[must_use]
    pub fn new(http: Arc<dyn HttpClient>, secrets: Arc<dyn SecretResolver>) -> Self {
        Self {
            kinds: BTreeMap::new(),
            entries: BTreeMap::new(),
            report: LoadReport::default(),
            http,
            secrets,
            budget: Arc::new(Unlimited),
            breakers: Arc::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// A registry without providers, network and secrets.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Arc::new(NoHttp), Arc::new(NoSecrets))
    }

    /// The same, with the budget that every call is charged to.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<dyn Budget>) -> Self {
        self.budget = budget;
        self
    }

    /// The same, with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a provider of the application itself. Where it is refused, the reason is in the
    /// [`LoadReport`].
    pub fn add(&mut self, provider: Arc<dyn Provider>) -> &mut Self {
        self.add_from(APP, provider)
    }

    /// As [`Self::add`], naming where it comes from.
    pub fn add_from(&mut self, origin: &str, provider: Arc<dyn Provider>) -> &mut Self {
        // Somebody else's code: a panic of it must not stop the program from starting.
        let described = catch_unwind(AssertUnwindSafe(|| {
            let key = provider.key();
            let fault = match Schema::compile(&provider.config_schema()) {
                _ if !is_name(key) => Some(format!("`{key}` is not a valid key; {NAME_RULE}")),
                Err(reason) => Some(format!("the schema of its settings is not valid: {reason}")),
                Ok(_) => None,
            };
            (key.to_owned(), fault)
        }));
        let Ok((key, fault)) = described else {
            return self.refuse("(unknown)", origin, "it panicked while it described itself".to_owned());
        };
        if let Some(reason) = fault {
            return self.refuse(&key, origin, reason);
        }
        if let Some((_, first)) = self.kinds.get(&key) {
            let reason = format!("the key `{key}` is taken by {first}");
            return self.refuse(&key, origin, reason);
        }
        self.kinds.insert(key.clone(), (provider.clone(), origin.to_owned()));
        let entry = Entry {
            name: key.clone(),
            provider,
            settings: Settings::default(),
            origin: origin.to_owned(),
            configured: false,
        };
        if !self.entries.get(&key).is_some_and(|taken| taken.configured) {
            self.entries.insert(key.clone(), entry);
        }
        self.note(&key, origin, None)
    }

    /// Adds an entry of the configuration. Where it is refused, the reason is in the
    /// [`LoadReport`], and asking for it says so.
    pub fn configure(&mut self, name: &str, config: &ProviderConfig) -> &mut Self {
        let kind = if config.kind.is_empty() { name } else { &config.kind };
        let Some((provider, _)) = self.kinds.get(kind) else {
            let known = self.kinds.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return self.reject(name, format!("there is no kind of provider `{kind}`; there are: {known}"));
        };
        let provider = provider.clone();
        match catch_unwind(AssertUnwindSafe(|| Settings::read(provider.as_ref(), config))) {
            Ok(Ok(settings)) => {
                let entry = Entry {
                    name: name.to_owned(),
                    provider,
                    settings,
                    origin: CONFIGURATION.to_owned(),
                    configured: true,
                };
                self.entries.insert(name.to_owned(), entry);
                self.note(name, CONFIGURATION, None)
            }
            Ok(Err(reason)) => self.reject(name, reason),
            Err(_) => self.reject(name, "it panicked while it described itself".to_owned()),
        }
    }

    /// A wrong `[providers.NAME]` does not fall back to the bare provider of that name.
    fn reject(&mut self, name: &str, reason: String) -> &mut Self {
        self.entries.remove(name);
        self.refuse(name, CONFIGURATION, reason)
    }

    pub(super) fn refuse(&mut self, key: &str, origin: &str, reason: String) -> &mut Self {
        self.note(key, origin, Some(reason))
    }

    fn note(&mut self, key: &str, origin: &str, refused: Option<String>) -> &mut Self {
        self.report.entries.push(Loaded { kind: KIND, key: key.to_owned(), origin: origin.to_owned(), refused });
        // Stable: of two with the same key, the one that came first stands first.
        self.report.entries.sort_by(|a, b| a.key.cmp(&b.key));
        self
    }

    /// What was loaded and refused, by name.
    #[must_use]
    pub fn load_report(&self) -> &LoadReport {
        &self.report
    }

    /// All entries, by name.
    #[must_use]
    pub fn list(&self) -> Vec<ProviderInfo> {
        self.entries.values().map(Entry::info).collect()
    }

    /// The entry of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<ProviderInfo> {
        self.entries.get(name).map(Entry::info)
    }

    /// The name of the entry that is asked where nobody names one: the configured one called
    /// `default`, else the first configured one by name, else the first of the app's own. One that
    /// was merely linked in is never chosen: it has to be named.
    #[must_use]
    pub fn resolve_for(&self, capability: Capability) -> Option<&str> {
        let able = || self.entries.values().filter(|entry| entry.can(capability));
        able()
            .find(|entry| entry.configured && entry.name == DEFAULT)
            .or_else(|| able().find(|entry| entry.configured))
            .or_else(|| able().find(|entry| entry.origin == APP))
            .map(|entry| entry.name.as_str())
    }

    /// The named entry, or the one for what is needed.
    ///
    /// # Errors
    /// `CONFIG_INVALID` that says what to do.
    pub(super) fn entry(&self, name: Option<&str>, needs: &[Capability]) -> Result<&Entry> {
        let most = needs.last().copied().unwrap_or(Capability::Chat);
        let name = match name {
            Some(name) => name,
            None => self.resolve_for(most).ok_or_else(|| {
                ConnectorError::config_invalid(
                    "no provider of language models is configured; add [providers.NAME] to the configuration",
                )
            })?,
        };
        let Some(entry) = self.entries.get(name) else {
            let refused = self.report.refused().find(|loaded| loaded.key == name);
            return Err(ConnectorError::config_invalid(match refused.and_then(|loaded| loaded.refused.as_deref()) {
                Some(reason) => format!("the provider `{name}` was refused at start: {reason}"),
                None => format!("there is no provider `{name}`; add [providers.{name}] to the configuration"),
            }));
        };
        match needs.iter().find(|capability| !entry.can(**capability)) {
            None => Ok(entry),
            Some(lacking) => Err(ConnectorError::config_invalid(format!(
                "the provider `{name}` is not able to do `{}`",
                lacking.as_str()
            ))),
        }
    }
}

impl Entry {
    pub(super) fn can(&self, capability: Capability) -> bool {
        self.provider.capabilities().contains(&capability)
    }

    pub(super) fn default_model(&self) -> Option<&str> {
        self.settings.default_model.as_deref().or_else(|| self.provider.default_model())
    }

    fn info(&self) -> ProviderInfo {
        ProviderInfo {
            name: self.name.clone(),
            kind: self.provider.key().to_owned(),
            display_name: self.provider.display_name().to_owned(),
            capabilities: self.provider.capabilities().to_vec(),
            default_model: self.default_model().map(str::to_owned),
            models: self.settings.policy.models.clone(),
            max_output_tokens: self.settings.policy.max_output_tokens,
            prices: self.settings.prices().clone(),
            configured: self.configured,
            origin: self.origin.clone(),
            settings: self.settings.shown(),
        }
    }
}

/// There are no secrets.
struct NoSecrets;

#[async_trait]
impl SecretResolver for NoSecrets {
    async fn resolve(&self, _: TenantId, key: &str) -> std::result::Result<SecretValue, SecretError> {
        Err(SecretError::NotFound { key: key.to_owned(), asked: Vec::new() })
    }
}
