//! The sources of secrets: master keys, backends, the chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_core::config::Config;
use automate_core::registry::Loaded;
use automate_core::secrets::SecretsBackend;
use automate_governance::secrets::{
    BackendRegistry, DatabaseBackend, EnvBackend, FileBackend, MasterKeys, SecretChain, StoredTenants, VaultBackend,
    VaultSettings,
};
use automate_store::db::Database;

use super::{App, AppError, Role};

/// Where built-in backends come from.
const BUILT_IN: &str = "built in";

impl App {
    /// The stored secrets, and the chain of the configured backends over them.
    pub(super) fn secrets(
        &self,
        config: &Config,
        env: &BTreeMap<String, String>,
        database: &Database,
        keys: MasterKeys,
        role: Role,
    ) -> Result<(DatabaseBackend, SecretChain), AppError> {
        let stored = stored(database, keys);
        let mut backends = self.backends(config, env, database, role);
        backends.add(BUILT_IN, Arc::new(stored.clone()));
        let chain = backends
            .chain(&config.secrets.backends, config.secrets.cache, stored.changes())
            .map_err(|e| AppError::Secrets { message: e.to_string(), hint: None })?;
        Ok((stored, chain))
    }

    /// The backends apart from the database's: the environment, the app's own, linked ones, and those
    /// of the configuration. An own one named like one of the configuration goes before it.
    fn backends(
        &self,
        config: &Config,
        env: &BTreeMap<String, String>,
        database: &Database,
        role: Role,
    ) -> BackendRegistry {
        let mut registry = BackendRegistry::default();
        registry.add(BUILT_IN, Arc::new(EnvBackend::new(&config.secrets.env_prefix, env)));
        for backend in &self.backends {
            registry.add("app", backend.clone());
        }
        registry.add_linked(env);
        let has = |registry: &BackendRegistry, name: &str| {
            registry.report().entries.iter().any(|entry| entry.key == name && entry.refused.is_none())
        };
        let wanted = |name: &str| config.secrets.backends.iter().any(|wanted| wanted == name);
        let tenants = Arc::new(StoredTenants::new(database.orm_reader().clone()));
        if wanted("file") && !has(&registry, "file") {
            if config.secrets.file_dir.as_os_str().is_empty() {
                registry.refuse("file", BUILT_IN, "`secrets.file_dir` is not set".to_owned());
            } else {
                let backend = FileBackend::new(config.secrets.file_dir.clone()).with_tenants(tenants.clone());
                registry.add(BUILT_IN, Arc::new(backend));
            }
        }
        if wanted("vault") && !has(&registry, "vault") {
            match VaultSettings::from_config(&config.secrets.vault).and_then(VaultBackend::new) {
                Ok(backend) => {
                    let backend = backend.with_tenants(tenants);
                    if role != Role::Tool {
                        backend.keep_renewed();
                    }
                    registry.add(BUILT_IN, Arc::new(backend));
                }
                Err(error) => registry.refuse("vault", BUILT_IN, error.to_string()),
            }
        }
        registry
    }
}

fn stored(database: &Database, keys: MasterKeys) -> DatabaseBackend {
    DatabaseBackend::new(database.orm().clone(), keys).with_reader(database.orm_reader().clone())
}

/// The master keys. A process that accepts or works does not start without those that the stored
/// secrets need: each step that names one would fail. Tools start with any, to see and to mend.
pub(super) async fn master_keys(
    config: &Config,
    env: &BTreeMap<String, String>,
    database: &Database,
    role: Role,
) -> Result<MasterKeys, AppError> {
    let plain = |message: String| AppError::Secrets { message, hint: None };
    let found = MasterKeys::find(env, &config.data_dir).map_err(|e| plain(e.to_string()))?;
    let have = found.as_ref().map_or_else(MasterKeys::none, |found| found.keys.clone());
    let missing = stored(database, have.clone()).missing_keys().await.map_err(|e| plain(e.to_string()))?;
    if missing.is_empty() {
        // With nothing stored that it could not open, a new key may be made.
        return match found {
            Some(found) => Ok(found.keys),
            None => MasterKeys::load(env, &config.data_dir).map(|made| made.keys).map_err(|e| plain(e.to_string())),
        };
    }
    if role == Role::Tool && !have.ids().is_empty() {
        return Ok(have);
    }
    let at_hand =
        if have.ids().is_empty() { "there is none".to_owned() } else { format!("at hand: {}", have.ids().join(", ")) };
    Err(AppError::Secrets {
        message: format!(
            "stored secrets are encrypted with the master key {}, which this process does not have ({at_hand})",
            missing.join(", ")
        ),
        hint: Some(
            "give it in AUTOMATE_MASTER_KEY or AUTOMATE_MASTER_KEY_FILE, after the current one where there is one; if it is \
             lost, `automate secrets delete` what it encrypts (`automate doctor` counts it), and set it again"
                .to_owned(),
        ),
    })
}

/// The secrets backends for a load report, without making any that needs set-up.
pub(super) fn backends_report(own: &[Arc<dyn SecretsBackend>]) -> Vec<Loaded> {
    let mut registry = BackendRegistry::default();
    for backend in own {
        registry.add("app", backend.clone());
    }
    registry.add_linked(&super::environment());
    let mut entries = registry.report().entries;
    let taken: Vec<String> = entries.iter().filter(|e| e.refused.is_none()).map(|e| e.key.clone()).collect();
    let built_in = ["env", "database", "file", "vault"].into_iter().filter(|key| !taken.iter().any(|t| t == key));
    entries.extend(built_in.map(|key| Loaded {
        kind: "secrets backend",
        key: key.to_owned(),
        origin: BUILT_IN.to_owned(),
        refused: None,
    }));
    entries
}
