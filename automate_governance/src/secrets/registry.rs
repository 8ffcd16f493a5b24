//! Which backends there are, from where, and the chain of those that are configured.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use automate_core::registry::{LoadReport, Loaded};
use automate_core::secrets::SecretsBackend;

use super::chain::{SecretChain, SecretChanges};

/// Makes a backend from the environment of the process; the error says what is missing.
pub type MakeBackend = fn(&BTreeMap<String, String>) -> Result<Arc<dyn SecretsBackend>, String>;

/// A backend that a crate registers at link time.
pub struct BackendEntry {
    /// Its name in configuration.
    pub name: &'static str,
    /// The crate and version that it comes from.
    pub origin: &'static str,
    /// Makes it.
    pub make: MakeBackend,
}

inventory::collect!(BackendEntry);

/// Registers a [`SecretsBackend`](automate_core::secrets::SecretsBackend) at link time:
/// `register_secrets_backend!("vault", |env| Ok(Arc::new(Vault::from_env(env)?)));`
#[macro_export]
macro_rules! register_secrets_backend {
    ($name:literal, $make:expr) => {
        $crate::inventory::submit! {
            $crate::secrets::BackendEntry {
                name: $name,
                origin: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
                make: $make,
            }
        }
    };
}

/// A name in `secrets.backends` that no backend has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`secrets.backends` names `{name}`, which {why}; there are: {}", .known.join(", "))]
pub struct UnknownBackend {
    /// The name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
    /// The names that could stand there.
    pub known: Vec<String>,
}

/// The backends of this process. The first of a name stays; later ones are refused and reported.
#[derive(Default)]
pub struct BackendRegistry {
    backends: BTreeMap<String, Arc<dyn SecretsBackend>>,
    report: LoadReport,
}

impl BackendRegistry {
    /// Adds a backend; `origin` says from where, for the load report.
    pub fn add(&mut self, origin: &str, backend: Arc<dyn SecretsBackend>) {
        let name = backend.name().to_owned();
        let refused = self.backends.contains_key(&name).then(|| "the name is taken".to_owned());
        if refused.is_none() {
            self.backends.insert(name.clone(), backend);
        }
        self.note(name, origin, refused);
    }

    /// Notes that a backend cannot be made, unless there is one of that name from elsewhere.
    pub fn refuse(&mut self, name: &str, origin: &str, reason: String) {
        if !self.backends.contains_key(name) {
            self.note(name.to_owned(), origin, Some(reason));
        }
    }

    /// Adds everything that was registered at link time.
    pub fn add_linked(&mut self, env: &BTreeMap<String, String>) {
        for entry in inventory::iter::<BackendEntry> {
            match (entry.make)(env) {
                Ok(backend) if backend.name() == entry.name => self.add(entry.origin, backend),
                Ok(other) => {
                    let reason = format!("it calls itself `{}`", other.name());
                    self.note(entry.name.to_owned(), entry.origin, Some(reason));
                }
                Err(reason) => self.note(entry.name.to_owned(), entry.origin, Some(reason)),
            }
        }
    }

    /// What was loaded and refused.
    #[must_use]
    pub fn report(&self) -> LoadReport {
        let mut report = self.report.clone();
        report.entries.sort_by(|a, b| a.key.cmp(&b.key));
        report
    }

    /// The chain of the named backends, in that order.
    ///
    /// # Errors
    /// [`UnknownBackend`] for the first name that is not there, or is there twice.
    pub fn chain(
        &self,
        names: &[String],
        cache_for: Duration,
        changes: SecretChanges,
    ) -> Result<SecretChain, UnknownBackend> {
        let known: Vec<String> = self.backends.keys().cloned().collect();
        let mut chain: Vec<Arc<dyn SecretsBackend>> = Vec::new();
        for name in names {
            let fail = |why: String| Err(UnknownBackend { name: name.clone(), why, known: known.clone() });
            if chain.iter().any(|backend| backend.name() == name) {
                return fail("is named twice".to_owned());
            }
            let Some(backend) = self.backends.get(name) else {
                let refused = self.report.refused().find(|entry| entry.key == *name);
                return match refused.and_then(|entry| entry.refused.as_ref().map(|why| (&entry.origin, why))) {
                    Some((origin, why)) => fail(format!("could not be loaded from {origin}: {why}")),
                    None => fail(match known.iter().min_by_key(|k| strsim::damerau_levenshtein(k, name)) {
                        Some(nearest) => format!("does not exist; did you mean `{nearest}`?"),
                        None => "does not exist".to_owned(),
                    }),
                };
            };
            chain.push(Arc::clone(backend));
        }
        Ok(SecretChain::new(chain, cache_for, changes))
    }

    fn note(&mut self, key: String, origin: &str, refused: Option<String>) {
        self.report.entries.push(Loaded { kind: "secrets backend", key, origin: origin.to_owned(), refused });
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use automate_core::ids::TenantId;
    use automate_core::secrets::{SecretError, SecretResolver as _, SecretValue};

    use super::*;
    use crate::secrets::EnvBackend;

    struct Fixed;

    #[async_trait]
    impl SecretsBackend for Fixed {
        fn name(&self) -> &str {
            "fixed"
        }

        async fn get_secret(&self, _: TenantId, _: &str) -> Result<Option<SecretValue>, SecretError> {
            Ok(Some(SecretValue::new("fixed-value".to_owned())))
        }
    }

    crate::register_secrets_backend!("fixed", |_| Ok(Arc::new(Fixed)));
    crate::register_secrets_backend!("broken", |_| Err("VAULT_ADDR is not set".to_owned()));

    fn registry() -> BackendRegistry {
        let env = BTreeMap::new();
        let mut registry = BackendRegistry::default();
        registry.add("built in", Arc::new(EnvBackend::new("AUTOMATE_SECRET_", &env)));
        registry.add_linked(&env);
        registry
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[tokio::test]
    async fn a_backend_registered_at_link_time_is_found_by_name() {
        let chain = registry().chain(&names(&["env", "fixed"]), Duration::ZERO, SecretChanges::default()).unwrap();
        assert_eq!(chain.backends(), ["env", "fixed"]);
        assert_eq!(chain.resolve(TenantId::DEFAULT, "X").await.unwrap().expose_secret(), "fixed-value");
    }

    #[test]
    fn what_is_refused_is_reported_with_its_reason() {
        let mut registry = registry();
        registry.add("app", Arc::new(Fixed));
        let report = registry.report();
        let refused: Vec<_> = report.refused().map(|e| (e.key.as_str(), e.refused.as_deref().unwrap())).collect();
        assert_eq!(refused, [("broken", "VAULT_ADDR is not set"), ("fixed", "the name is taken")]);
        assert!(report.entries.iter().any(|e| e.key == "fixed" && e.origin.starts_with("automate_governance 0.")));
        let chain = |list: &[&str]| {
            registry.chain(&names(list), Duration::ZERO, SecretChanges::default()).err().unwrap().to_string()
        };
        assert!(chain(&["evn"]).contains("did you mean `env`?"));
        assert!(chain(&["broken"]).contains("VAULT_ADDR is not set"));
        assert!(chain(&["env", "env"]).contains("named twice"));
    }
}
