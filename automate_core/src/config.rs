//! Configuration: one declaration table of keys, layered sources, and errors that name the key,
//! where the value came from and what was expected.
//!
//! Layers, each over the one before: defaults, `automate.toml`, `DATABASE_URL`, environment
//! variables `AUTOMATE_…` with `__` between levels, flags. [`Config::load`] takes all of them as
//! arguments, so that nothing but the file is read from the outside.

mod allow;
mod error;
mod hidden;
mod key;
mod layers;
mod load;
mod mask;
mod oidc;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

pub use allow::{AllowRule, AllowRuleError};
pub use error::{ConfigError, ConfigErrors};
pub use hidden::Hidden;
pub use key::{Key, keys, reference_table};
pub use load::{DEFAULT_FILE, Effective, LoadOptions, Loaded, Source};
pub use mask::{MASK, is_sensitive_name, mask_url};
pub use oidc::OidcConfig;

/// The effective configuration. Each field is one key of [`keys`].
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `data_dir`.
    pub data_dir: PathBuf,
    /// `server.*`.
    pub server: Server,
    /// `database.*`.
    pub database: Database,
    /// `worker.*`.
    pub worker: Worker,
    /// `outbox.*`.
    pub outbox: Outbox,
    /// `egress.*`.
    pub egress: Egress,
    /// `secrets.*`.
    pub secrets: Secrets,
    /// `templates.*`.
    pub templates: Templates,
    /// `history.*`.
    pub history: History,
    /// `log.*`.
    pub log: Log,
    /// `metrics.*`.
    pub metrics: Metrics,
    /// `api.*`.
    pub api: Api,
    /// `webhooks.*`.
    pub webhooks: Webhooks,
    /// `sessions.*`.
    pub sessions: Sessions,
    /// `[connections.NAME]`, by name.
    pub connections: BTreeMap<String, ConnectionConfig>,
    /// `[providers.NAME]`, by name.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// `[oidc.NAME]`, by name.
    pub oidc: BTreeMap<String, OidcConfig>,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port`; port 0 takes a free one.
    pub bind: String,
    /// Where browsers find us; empty where nobody said.
    pub public_url: String,
    /// Bytes of a request's body.
    pub body_limit_bytes: usize,
    /// Threads of the runtime; 0 is one per core.
    pub workers: usize,
}

/// The database. `Debug` masks the password of the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    /// `sqlite://…` or `postgres://…`, with its password.
    pub url: String,
    /// Connections of the pool.
    pub max_connections: u32,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &mask_url(&self.url))
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

/// The worker of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Executions at once.
    pub concurrency: usize,
    /// `worker.drain_seconds`: how long running work may go on after the signal to stop.
    pub drain: Duration,
    /// The queues (kinds of outbox items) that it takes; all where empty.
    pub queues: Vec<String>,
}

/// The outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// `outbox.lease_seconds`: how long a claim lasts without being extended.
    pub lease: Duration,
    /// `outbox.reap_interval_seconds`: how often expired leases are looked for.
    pub reap_interval: Duration,
    /// Attempts after which an item becomes a dead letter.
    pub max_attempts: u32,
    /// Live items beyond which new work is refused with `Busy`.
    pub max_depth: u64,
}

/// What may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress {
    /// Non-public networks that the guard lets through.
    pub allow: Vec<AllowRule>,
}

/// Where secrets come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The backends, asked in order.
    pub backends: Vec<String>,
    /// What the names of environment variables that hold secrets begin with.
    pub env_prefix: String,
    /// `secrets.cache_seconds`: how long a value is kept in memory; zero asks the backend each time.
    pub cache: Duration,
    /// `secrets.file_dir`: the folder of the `file` backend; none where empty.
    pub file_dir: PathBuf,
    /// `secrets.vault.*`.
    pub vault: Vault,
}

/// HashiCorp Vault, or a server that speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    /// Scheme, host and port; empty where there is none.
    pub address: String,
    /// The namespace; none where empty.
    pub namespace: String,
    /// Where the KV engine, version 2, is mounted.
    pub mount: String,
    /// What the paths of secrets begin with; nothing where empty.
    pub prefix: String,
    /// The field of a secret's data that is its value.
    pub field: String,
    /// How to log in.
    pub auth: VaultAuth,
    /// Where the AppRole method is mounted.
    pub auth_mount: String,
    /// The token.
    pub token: Hidden,
    /// A file with the token; none where empty.
    pub token_file: PathBuf,
    /// The role id of AppRole.
    pub role_id: Hidden,
    /// The secret id of AppRole.
    pub secret_id: Hidden,
    /// A file with the secret id; none where empty.
    pub secret_id_file: PathBuf,
    /// Certificates in PEM that are trusted besides the system's; none where empty.
    pub ca_file: PathBuf,
}

/// How to log in to Vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VaultAuth {
    /// With a token.
    Token,
    /// With a role id and a secret id.
    AppRole,
}

impl VaultAuth {
    /// The configured word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::AppRole => "approle",
        }
    }
}

/// What templates may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// Environment variables that `env.` may read.
    pub env_allow: Vec<String>,
}

/// How long history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Days; 0 keeps it for ever.
    pub retention_days: u32,
}

/// Logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The shape of a line.
    pub format: LogFormat,
}

/// Who may read the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    /// What whoever reads them must send; where there is none, the machine itself may read them.
    pub token: Hidden,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    /// The configured word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// How often the REST API may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// `api.requests_per_minute`: by one token or session.
    pub requests_per_minute: u32,
    /// `api.address_requests_per_minute`: from one address.
    pub address_requests_per_minute: u32,
    /// `api.failures_per_minute`: with wrong credentials, from one address.
    pub failures_per_minute: u32,
}

/// Webhooks that come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// `webhooks.tolerance_seconds`: how far a signed timestamp may be from now.
    pub tolerance: Duration,
}

/// How long people stay logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    /// Minutes without a request.
    pub idle_minutes: u32,
    /// Hours at all.
    pub absolute_hours: u32,
}

/// One named connection: which connector, and its fields. Values that hold `$secret:KEY` are bound
/// when an action runs. `Debug` shows the names of the fields only.
#[derive(Clone, Default, PartialEq)]
pub struct ConnectionConfig {
    /// The connector's key.
    pub connector: String,
    /// The fields, as written.
    pub fields: BTreeMap<String, Value>,
}

impl fmt::Debug for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionConfig")
            .field("connector", &self.connector)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// One configured provider of language models: its kind, and its settings. Values that are
/// `$secret:KEY` are looked up when a model is asked. `Debug` shows the names of the fields only.
#[derive(Clone, Default, PartialEq)]
pub struct ProviderConfig {
    /// The kind of provider, as `openai`; empty where it is the name itself.
    pub kind: String,
    /// The other fields, as written.
    pub fields: BTreeMap<String, Value>,
}

impl fmt::Debug for ProviderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderConfig")
            .field("kind", &self.kind)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Default for Config {
    /// Every key at its default.
    fn default() -> Self {
        let mut config = Self::unset();
        for key in keys() {
            // The defaults are constants of the table; a test parses every one of them.
            drop(key.set_default(&mut config));
        }
        config.follow_data_dir();
        config
    }
}

impl Config {
    /// A configuration without values, which the table of keys then fills.
    fn unset() -> Self {
        Self {
            data_dir: PathBuf::new(),
            server: Server { bind: String::new(), public_url: String::new(), body_limit_bytes: 0, workers: 0 },
            database: Database { url: String::new(), max_connections: 0 },
            worker: Worker { concurrency: 0, drain: Duration::ZERO, queues: Vec::new() },
            outbox: Outbox { lease: Duration::ZERO, reap_interval: Duration::ZERO, max_attempts: 0, max_depth: 0 },
            egress: Egress { allow: Vec::new() },
            secrets: Secrets {
                backends: Vec::new(),
                env_prefix: String::new(),
                cache: Duration::ZERO,
                file_dir: PathBuf::new(),
                vault: Vault {
                    address: String::new(),
                    namespace: String::new(),
                    mount: String::new(),
                    prefix: String::new(),
                    field: String::new(),
                    auth: VaultAuth::Token,
                    auth_mount: String::new(),
                    token: Hidden::default(),
                    token_file: PathBuf::new(),
                    role_id: Hidden::default(),
                    secret_id: Hidden::default(),
                    secret_id_file: PathBuf::new(),
                    ca_file: PathBuf::new(),
                },
            },
            templates: Templates { env_allow: Vec::new() },
            history: History { retention_days: 0 },
            log: Log { format: LogFormat::Text },
            metrics: Metrics::default(),
            api: Api { requests_per_minute: 1, address_requests_per_minute: 1, failures_per_minute: 1 },
            webhooks: Webhooks { tolerance: Duration::ZERO },
            sessions: Sessions { idle_minutes: 0, absolute_hours: 0 },
            connections: BTreeMap::new(),
            providers: BTreeMap::new(),
            oidc: BTreeMap::new(),
        }
    }

    /// The default database lies in the data directory; a configured one stays where it is.
    fn follow_data_dir(&mut self) {
        if self.database.url.is_empty() {
            let dir = self.data_dir.display().to_string();
            self.database.url = format!("sqlite://{}/automate.db", dir.trim_end_matches('/'));
        }
    }
}

#[cfg(test)]
mod tests;
