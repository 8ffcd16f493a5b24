//! Wiring: from configuration and registrations to a running engine.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use automate_connectors::ConnectorRegistry;
use automate_connectors::base::http::HttpClient;
use automate_connectors::provider::{Budget, ProviderRegistry};
use automate_core::config::{Config, mask_url};
use automate_core::runtime::{Engine, Ports, Settings};
use automate_core::secrets::SecretResolver;
use automate_governance::connections::StoredConnections;
use automate_governance::egress::{AddressPolicy, GuardedClient};
use automate_governance::identity::oidc::Oidc;
use automate_governance::policy::Governor;
use automate_governance::secrets::{AuditedReads, MasterKeys, ReadQueue};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::db::Database;
use automate_store::resource::Resources;
use metrics_exporter_prometheus::PrometheusHandle;

use super::connections::Connections;
use super::{App, AppError, Parts, database};

/// Where PostgreSQL listens when its URL names no port.
const POSTGRES_PORT: u16 = 5432;

/// What a process does with an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Accepts and works.
    Worker,
    /// Accepts, and leaves the work to others.
    Accept,
    /// Looks and operates; starts nothing by itself.
    Tool,
}

impl App {
    /// Opens the database, migrates an embedded one, and wires every port of the engine.
    ///
    /// # Errors
    /// [`AppError`], each with what to do. Nothing runs then.
    pub async fn build(&self, config: &Config, role: Role) -> Result<Parts, AppError> {
        install_crypto();
        database::make_data_dir(&config.data_dir)?;
        let env = environment();
        let database = database::open(config).await?;
        for prepare in &self.preparations {
            prepare(database.clone()).await?;
        }
        let store = automate_store::open(&database)?;

        let keys = super::secrets::master_keys(config, &env, &database, role).await?;
        let audit = audit_log(&database, &keys)?;
        let identity = super::people::identity(config, &database, &audit, &keys, &self.views());
        if role != Role::Tool {
            super::people::prepare(&identity).await?;
        }
        let resources = Resources::new(database.clone(), audit.clone(), cursor_key(&keys));
        let governor = Governor::new(database.clone(), audit.clone());
        let (stored_secrets, chain) = self.secrets(config, &env, &database, keys, role)?;
        let (reads, reads_worker) = ReadQueue::start(Arc::new(AuditedReads::new(audit.clone())));
        let chain = Arc::new(chain.with_reads(Arc::new(reads)));
        let secrets: Arc<dyn SecretResolver> = chain.clone();

        let policy = AddressPolicy::new(config.egress.allow.clone()).deny_own(own_endpoints(config));
        let guard = GuardedClient::new(policy)
            .map_err(|e| AppError::Egress(e.to_string()))?
            .with_policies(Arc::new(governor.clone()));
        let http: Arc<dyn HttpClient> = Arc::new(guard);
        let oidc = Oidc::new(identity.clone(), &config.oidc, http.clone(), secrets.clone());
        let stored_connections = StoredConnections::new(database.clone());
        let configured = config.connections.clone();
        let connections = Arc::new(Connections::new(Some(stored_connections.clone()), configured, secrets.clone()));
        let budget: Arc<dyn Budget> = match &self.budget {
            Some(budget) => budget.clone(),
            None => Arc::new(governor.budget()),
        };
        let providers = ProviderRegistry::new(http.clone(), secrets.clone()).with_budget(budget);
        let providers = Arc::new(self.fill_providers(providers, &config.providers));
        let registry = ConnectorRegistry::new(http, connections).with_providers(providers.clone());
        let connectors = Arc::new(self.fill(registry));

        let scrubber = Arc::new(automate_governance::redaction::process_scrubber().clone());
        let (actions, expressions) = (connectors.clone(), self.expressions());
        let mut ports = Ports::with_expressions(store.clone(), actions, secrets.clone(), scrubber, expressions);
        ports.policies = Arc::new(governor.clone());
        ports.handlers.extend(self.handlers.iter().cloned());
        for receiver in &self.receivers {
            let receive = receiver.receive.clone();
            ports.signals.connect(receiver.signal, receiver.name.clone(), move |signal| receive(signal));
        }
        let engine = Engine::new(ports, settings(config, &env, role));
        Ok(Parts {
            engine,
            store,
            database,
            database_shown: mask_url(&config.database.url),
            connectors,
            providers,
            secrets,
            secret_chain: chain,
            stored_secrets,
            audit,
            identity,
            oidc,
            resources,
            views: self.views(),
            site: self.site(),
            services: self.services.clone(),
            authenticator: self.authenticator.clone(),
            governor,
            stored_connections,
            reads: Arc::new(Mutex::new(Some(reads_worker))),
        })
    }

    /// The engine of [`App::build`], accepting and working, for programs that need nothing else.
    ///
    /// # Errors
    /// As [`App::build`].
    pub async fn engine(&self, config: &Config) -> Result<Engine, AppError> {
        Ok(self.build(config, Role::Worker).await?.engine)
    }
}

/// The audit log, signed with a key that comes from the master keys.
fn audit_log(database: &Database, keys: &MasterKeys) -> Result<AuditLog, AppError> {
    let keys = keys.derive("audit log").into_iter().map(|(id, key)| AuditKey { id, key }).collect();
    Ok(AuditLog::new(database.clone(), keys)?)
}

/// What signs the cursors of lists: the same in all processes of an installation.
fn cursor_key(keys: &MasterKeys) -> [u8; 32] {
    keys.derive("cursors of lists").first().map_or([0; 32], |(_, key)| **key)
}

fn settings(config: &Config, env: &BTreeMap<String, String>, role: Role) -> Settings {
    let allowed = &config.templates.env_allow;
    let env = env.iter().filter(|(name, _)| allowed.contains(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let days = u64::from(config.history.retention_days);
    Settings {
        owner: owner(),
        concurrency: match role {
            Role::Worker => config.worker.concurrency,
            Role::Accept | Role::Tool => 0,
        },
        queues: config.worker.queues.clone(),
        lease: config.outbox.lease,
        reap_interval: config.outbox.reap_interval,
        drain: config.worker.drain,
        max_attempts: i32::try_from(config.outbox.max_attempts).unwrap_or(i32::MAX),
        max_depth: i64::try_from(config.outbox.max_depth).unwrap_or(i64::MAX),
        env: Arc::new(env),
        retention: (days > 0).then(|| Duration::from_secs(days * 24 * 3_600)),
        ..Settings::default()
    }
}

/// The name under which this process holds leases, so that people can tell where it runs: machine,
/// process id, and what tells two starts with the same process id apart.
fn owner() -> String {
    let host =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host: String =
        host.unwrap_or_default().trim().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(63).collect();
    let host = if host.is_empty() { "automate".to_owned() } else { host };
    format!("{host}-{}-{}", std::process::id(), automate_core::ids::new_v7().simple())
}

/// Where this installation itself can be reached, as far as the configuration says so in numbers: a
/// workflow must not call its own server or database around their doors.
fn own_endpoints(config: &Config) -> Vec<SocketAddr> {
    let mut own = Vec::new();
    let mut add = |address: SocketAddr| match address.ip() {
        _ if address.port() == 0 => {}
        ip if ip.is_unspecified() => {
            own.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()));
            own.push(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), address.port()));
        }
        _ => own.push(address),
    };
    if let Ok(bind) = config.server.bind.parse() {
        add(bind);
    }
    let host =
        config.database.url.split_once("://").filter(|(scheme, _)| scheme.starts_with("postgres")).map(|(_, rest)| {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            authority.rsplit_once('@').map_or(authority, |(_, host)| host)
        });
    if let Some(host) = host {
        let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:{POSTGRES_PORT}")
        };
        if let Ok(address) = with_port.replace("localhost", "127.0.0.1").parse() {
            add(address);
        }
    }
    own
}

/// The environment of the process. Variables that are not UTF-8 cannot be ours.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Installs the process's TLS provider, once.
pub(crate) fn install_crypto() {
    automate_governance::egress::install_crypto_provider();
}

/// Logs to stderr in the configured shape. `RUST_LOG` goes before `default`; where neither says
/// anything, what happens is logged.
pub(crate) fn init_telemetry(config: &Config, default: Option<&str>) -> Result<(), AppError> {
    let filter = std::env::var("RUST_LOG").ok().filter(|f| !f.trim().is_empty());
    automate_governance::telemetry::init_tracing(config.log.format, filter.as_deref().or(default))
        .map_err(|e| AppError::Telemetry(e.to_string()))
}

/// The process's metrics; there is one recorder for all servers of a process.
pub(super) fn metrics() -> Result<PrometheusHandle, AppError> {
    static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();
    HANDLE
        .get_or_init(|| automate_api::metrics::install().map_err(|e| e.to_string()))
        .clone()
        .map_err(AppError::Telemetry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(bind: &str, database: &str) -> Vec<String> {
        let mut config = Config::default();
        config.server.bind = bind.to_owned();
        config.database.url = database.to_owned();
        own_endpoints(&config).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_installation_knows_its_own_addresses() {
        assert_eq!(own("127.0.0.1:8000", "sqlite://a.db"), ["127.0.0.1:8000"]);
        assert_eq!(own("0.0.0.0:80", "sqlite://a.db"), ["127.0.0.1:80", "[::1]:80"]);
        assert_eq!(own("127.0.0.1:0", "postgres://u:p@10.0.0.5/db?x=1"), ["10.0.0.5:5432"]);
        assert_eq!(own("127.0.0.1:0", "postgres://u:p@localhost:6543/db"), ["127.0.0.1:6543"]);
        assert_eq!(own("127.0.0.1:0", "postgres://db.internal/db"), Vec::<String>::new());
    }
}
