//! The declaration table: each key once, with its type, default and meaning. Parsing, the
//! reference page and `config show` all come from it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{AllowRule, Config, Hidden, LogFormat, MASK, VaultAuth, mask_url};
use crate::limits;

/// A value as its source gave it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    /// From the environment, a flag or the table of defaults: always text.
    Text(String),
    /// From a file: typed.
    Typed(Value),
}

/// One key of the configuration.
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What it takes, as the end of "expected …".
    pub takes: &'static str,
    /// The default, as it would be written in an environment variable; empty is "none".
    pub default: &'static str,
    /// What it means, in a sentence.
    pub doc: &'static str,
    set: fn(&mut Config, &Raw) -> Result<(), String>,
    show: fn(&Config) -> String,
}

impl Key {
    /// The environment variable that sets it.
    #[must_use]
    pub fn env_name(&self) -> String {
        env_name(self.name)
    }

    /// The effective value as text, secrets masked.
    #[must_use]
    pub fn show(&self, config: &Config) -> String {
        (self.show)(config)
    }

    /// Sets it; the error describes what was given instead.
    pub(super) fn set(&self, config: &mut Config, raw: &Raw) -> Result<(), String> {
        (self.set)(config, raw)
    }

    /// Sets it to its default.
    pub(super) fn set_default(&self, config: &mut Config) -> Result<(), String> {
        // The default of the database follows the data directory, see `follow_data_dir`.
        if self.name == "database.url" { Ok(()) } else { self.set(config, &Raw::Text(self.default.to_owned())) }
    }
}

/// The environment variable of a dotted name.
pub(super) fn env_name(key: &str) -> String {
    format!("AUTOMATE_{}", key.replace('.', "__").to_ascii_uppercase())
}

macro_rules! table {
    ($($name:literal => $($field:ident).+, $takes:literal, $default:expr, $read:expr, $doc:literal;)*) => {
        const KEYS: &[Key] = &[$(Key {
            name: $name,
            takes: $takes,
            default: $default,
            doc: $doc,
            set: |config, raw| {
                config.$($field).+ = ($read)(raw)?;
                Ok(())
            },
            show: |config| config.$($field).+.show(),
        }),*];
    };
}

table! {
    "data_dir" => data_dir, "a path", "./data", path,
        "Where the embedded database, the key file and artifacts live.";
    "server.bind" => server.bind, "host:port", "127.0.0.1:8000", host_and_port,
        "The address that the server listens on; port 0 takes a free one.";
    "server.public_url" => server.public_url, "`http://` or `https://` with host and port, and nothing after it", "",
        server_address,
        "Where browsers find the server, such as `https://automate.example`. With `https` the cookies of sessions are \
         `Secure`; log-ins at identity providers need it.";
    "server.body_limit_bytes" => server.body_limit_bytes, "a whole number from 1 to 104857600", "1048576",
        |r| whole(r, 1, limits::BODY_BYTES_MAX as u64),
        "The most bytes of a request's body; a larger one gets 413.";
    "server.workers" => server.workers, "a whole number from 0 to 1024", "0", |r| whole(r, 0, 1024),
        "Threads of the runtime; 0 is one per core.";
    "database.url" => database.url, "a URL that begins with `sqlite:`, `postgres://` or `postgresql://`",
        "sqlite://./data/automate.db", database_url,
        "The database. The default lies in `data_dir`. `DATABASE_URL` sets it too.";
    "database.max_connections" => database.max_connections, "a whole number from 1 to 1000", "10",
        |r| whole(r, 1, 1000),
        "The most connections of this process to the database.";
    "worker.concurrency" => worker.concurrency, "a whole number from 1 to 10000", "256", |r| whole(r, 1, 10_000),
        "Executions that one process advances at once.";
    "worker.drain_seconds" => worker.drain, "a whole number of seconds from 0 to 3600", "30", |r| seconds(r, 0, 3600),
        "How long running work may finish after the signal to stop; what is left goes back to the queue.";
    "worker.queues" => worker.queues, "a list of names, or names separated by commas", "", list,
        "The kinds of outbox items that this process takes; all of them where empty.";
    "outbox.lease_seconds" => outbox.lease, "a whole number of seconds from 1 to 3600", "30", |r| seconds(r, 1, 3600),
        "How long a claim lasts; a worker extends it while it lives.";
    "outbox.reap_interval_seconds" => outbox.reap_interval, "a whole number of seconds from 1 to 3600", "10",
        |r| seconds(r, 1, 3600),
        "How often each worker gives back what dead workers held.";
    "outbox.max_attempts" => outbox.max_attempts, "a whole number from 1 to 100", "10", |r| whole(r, 1, 100),
        "Attempts after which an outbox item becomes a dead letter.";
    "outbox.max_depth" => outbox.max_depth, "a whole number from 1 to 1000000000", "1000000",
        |r| whole(r, 1, 1_000_000_000),
        "Live outbox items beyond which new work is refused with 503.";
    "egress.allow" => egress.allow, "a list of addresses or CIDRs, each with an optional port", "", allow_rules,
        "Non-public networks that outgoing calls may reach, such as `10.0.0.0/8` or `127.0.0.1:9000`. Cloud metadata \
         addresses must be named exactly.";
    "secrets.backends" => secrets.backends, "a list of backend names, at least one", "env,database", backends,
        "Where secrets are looked for, in order.";
    "secrets.env_prefix" => secrets.env_prefix,
        "letters, digits and `_`, ending in `_`, that no `AUTOMATE_MASTER_KEY` begins with", "AUTOMATE_SECRET_",
        env_prefix,
        "What the names of environment variables that hold secrets begin with.";
    "secrets.cache_seconds" => secrets.cache, "a whole number of seconds from 0 to 3600", "60", |r| seconds(r, 0, 3600),
        "How long a secret's value is kept in memory; 0 asks the backend each time.";
    "secrets.file_dir" => secrets.file_dir, "a path", "", optional_path,
        "The folder of the backend `file`: one file for each key, in a folder for each tenant but the default one.";
    "secrets.vault.address" => secrets.vault.address, "`http://` or `https://` with host and port, and nothing after it",
        "", server_address, "The Vault of the backend `vault`.";
    "secrets.vault.namespace" => secrets.vault.namespace, "names separated by `/`", "", segments,
        "Its namespace, where it has them.";
    "secrets.vault.mount" => secrets.vault.mount, "names separated by `/`, at least one", "secret",
        |r| some(segments(r)?, r), "Where the KV engine, version 2, is mounted.";
    "secrets.vault.prefix" => secrets.vault.prefix, "names separated by `/`", "automate", segments,
        "What paths begin with: the key `K` of the tenant `acme` is `PREFIX/acme/K`.";
    "secrets.vault.field" => secrets.vault.field, "a name", "value", |r| some(segments(r)?, r),
        "The field of a secret's data that is its value.";
    "secrets.vault.auth" => secrets.vault.auth, "`token` or `approle`", "token", vault_auth, "How to log in.";
    "secrets.vault.auth_mount" => secrets.vault.auth_mount, "names separated by `/`, at least one", "approle",
        |r| some(segments(r)?, r), "Where the AppRole method is mounted.";
    "secrets.vault.token" => secrets.vault.token, "a token", "", hidden,
        "The token; better in a file, or in the environment than in `automate.toml`.";
    "secrets.vault.token_file" => secrets.vault.token_file, "a path", "", optional_path,
        "A file with the token, read at each log-in.";
    "secrets.vault.role_id" => secrets.vault.role_id, "a role id", "", hidden, "The role id of AppRole.";
    "secrets.vault.secret_id" => secrets.vault.secret_id, "a secret id", "", hidden,
        "The secret id of AppRole; none where the role needs none.";
    "secrets.vault.secret_id_file" => secrets.vault.secret_id_file, "a path", "", optional_path,
        "A file with the secret id, read at each log-in.";
    "secrets.vault.ca_file" => secrets.vault.ca_file, "a path", "", optional_path,
        "Certificates in PEM that are trusted besides the system's.";
    "templates.env_allow" => templates.env_allow, "a list of names of environment variables", "", env_names,
        "Environment variables that `env.` in templates may read.";
    "history.retention_days" => history.retention_days, "a whole number from 0 to 36500", "30", |r| whole(r, 0, 36_500),
        "Days that finished executions, events and received webhooks are kept; 0 is for ever.";
    "log.format" => log.format, "`text` or `json`", "text", log_format,
        "The shape of log lines; `RUST_LOG` filters them.";
    "metrics.token" => metrics.token, "a token of 16 characters or more", "", metrics_token,
        "What whoever reads `/metrics` must send as `Authorization: Bearer …`. Without one, only the machine itself may \
         read them.";
    "api.requests_per_minute" => api.requests_per_minute, "a whole number from 1 to 10000000", "6000",
        |r| whole(r, 1, 10_000_000),
        "Requests to the REST API in a minute, by one token or session; a third of them may come at once.";
    "api.address_requests_per_minute" => api.address_requests_per_minute, "a whole number from 1 to 10000000", "12000",
        |r| whole(r, 1, 10_000_000),
        "The same, from one address.";
    "api.failures_per_minute" => api.failures_per_minute, "a whole number from 1 to 10000000", "60",
        |r| whole(r, 1, 10_000_000),
        "Requests with wrong credentials in a minute, from one address.";
    "webhooks.tolerance_seconds" => webhooks.tolerance, "a whole number of seconds from 1 to 3600", "300",
        |r| seconds(r, 1, 3600),
        "How far the signed timestamp of a webhook may be from now.";
    "sessions.idle_minutes" => sessions.idle_minutes, "a whole number from 5 to 10080", "60", |r| whole(r, 5, 10_080),
        "Minutes without a request after which somebody is logged out.";
    "sessions.absolute_hours" => sessions.absolute_hours, "a whole number from 1 to 8760", "12", |r| whole(r, 1, 8_760),
        "Hours after a log-in at which somebody is logged out in any case.";
}

/// Every key, in the order of the reference page.
#[must_use]
pub const fn keys() -> &'static [Key] {
    KEYS
}

/// The table of keys in Markdown, as `docs/configuration.md` holds it between its markers.
#[must_use]
pub fn reference_table() -> String {
    let mut table = String::from("| key | environment | takes | default | meaning |\n|---|---|---|---|---|\n");
    for key in KEYS {
        let default = if key.default.is_empty() { "(none)".to_owned() } else { format!("`{}`", key.default) };
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | `{}` | {} | {default} | {} |",
            key.name,
            key.env_name(),
            key.takes.replace('|', "\\|"),
            key.doc.replace('|', "\\|")
        );
    }
    table
}

/// What a wrong value looks like in an error: short, on one line, URLs masked.
pub(super) fn describe(raw: &Raw) -> String {
    match raw {
        Raw::Text(text) => quoted(text),
        Raw::Typed(Value::String(text)) => format!("the text {}", quoted(text)),
        Raw::Typed(Value::Array(_)) => "a list".to_owned(),
        Raw::Typed(Value::Object(_)) => "a table".to_owned(),
        Raw::Typed(other) => quoted(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    let masked = mask_url(text);
    let mut short: String = masked.chars().take(60).flat_map(char::escape_debug).collect();
    if masked.chars().count() > 60 {
        short.push('…');
    }
    format!("`{short}`")
}

pub(super) fn text(raw: &Raw) -> Result<String, String> {
    match raw {
        Raw::Text(text) | Raw::Typed(Value::String(text)) => Ok(text.trim().to_owned()),
        Raw::Typed(_) => Err(describe(raw)),
    }
}

fn whole<T: TryFrom<u64>>(raw: &Raw, min: u64, max: u64) -> Result<T, String> {
    let number = match raw {
        Raw::Text(text) => text.trim().parse::<u64>().ok(),
        Raw::Typed(value) => value.as_u64(),
    };
    number.filter(|n| (min..=max).contains(n)).and_then(|n| T::try_from(n).ok()).ok_or_else(|| describe(raw))
}

fn seconds(raw: &Raw, min: u64, max: u64) -> Result<Duration, String> {
    whole(raw, min, max).map(Duration::from_secs)
}

pub(super) fn list(raw: &Raw) -> Result<Vec<String>, String> {
    let parts: Vec<String> = match raw {
        Raw::Text(text) | Raw::Typed(Value::String(text)) => text.split(',').map(|s| s.trim().to_owned()).collect(),
        Raw::Typed(Value::Array(items)) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.trim().to_owned()),
                other => Err(format!("a list with {}", describe(&Raw::Typed(other.clone())))),
            })
            .collect::<Result<_, _>>()?,
        Raw::Typed(_) => return Err(describe(raw)),
    };
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect())
}

fn path(raw: &Raw) -> Result<PathBuf, String> {
    let text = text(raw)?;
    if text.is_empty() || text.contains('\0') { Err(describe(raw)) } else { Ok(PathBuf::from(text)) }
}

fn optional_path(raw: &Raw) -> Result<PathBuf, String> {
    let text = text(raw)?;
    if text.contains('\0') { Err(describe(raw)) } else { Ok(PathBuf::from(text)) }
}

/// Takes whatever is text; what is wrong with it must not be told by showing it.
fn hidden(raw: &Raw) -> Result<Hidden, String> {
    match raw {
        Raw::Text(text) | Raw::Typed(Value::String(text)) => Ok(Hidden::new(text.trim().to_owned())),
        Raw::Typed(_) => Err("something that is no text".to_owned()),
    }
}

/// Short ones are guessed.
fn metrics_token(raw: &Raw) -> Result<Hidden, String> {
    let token = hidden(raw)?;
    let short = token.value().is_some_and(|token| token.expose_secret().chars().count() < 16);
    if short { Err("a shorter one".to_owned()) } else { Ok(token) }
}

/// Names that can stand in a path and lead nowhere else.
fn segments(raw: &Raw) -> Result<String, String> {
    let text = text(raw)?;
    let ok = text.is_empty() || text.split('/').all(crate::secrets::is_valid_key);
    if ok { Ok(text) } else { Err(describe(raw)) }
}

fn some(text: String, raw: &Raw) -> Result<String, String> {
    if text.is_empty() { Err(describe(raw)) } else { Ok(text) }
}

fn server_address(raw: &Raw) -> Result<String, String> {
    let text = text(raw)?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let plain = host.is_some_and(|host| {
        !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '?' | '#' | '\\'))
    });
    if plain || text.is_empty() { Ok(text) } else { Err(describe(raw)) }
}

fn vault_auth(raw: &Raw) -> Result<VaultAuth, String> {
    match text(raw)?.as_str() {
        "token" => Ok(VaultAuth::Token),
        "approle" => Ok(VaultAuth::AppRole),
        _ => Err(describe(raw)),
    }
}

fn host_and_port(raw: &Raw) -> Result<String, String> {
    let text = text(raw)?;
    let ok = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && !bare_v6 && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok()
    });
    if ok { Ok(text) } else { Err(describe(raw)) }
}

fn database_url(raw: &Raw) -> Result<String, String> {
    let text = text(raw)?;
    let known = ["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
    if known { Ok(text) } else { Err(describe(raw)) }
}

fn allow_rules(raw: &Raw) -> Result<Vec<AllowRule>, String> {
    let rules = list(raw)?;
    if rules.len() > limits::EGRESS_RULES {
        return Err(format!("{} rules, more than {}", rules.len(), limits::EGRESS_RULES));
    }
    rules.iter().map(|rule| rule.parse().map_err(|e: super::AllowRuleError| e.to_string())).collect()
}

fn backends(raw: &Raw) -> Result<Vec<String>, String> {
    let names = list(raw)?;
    if names.is_empty() { Err("an empty list".to_owned()) } else { Ok(names) }
}

/// What the names of variables begin with that hold what opens everything else.
const CREDENTIALS: [&str; 3] = ["AUTOMATE_MASTER_KEY", "AUTOMATE_SECRETS__VAULT__", "AUTOMATE_OIDC__"];

fn is_env_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn env_names(raw: &Raw) -> Result<Vec<String>, String> {
    let names = list(raw)?;
    match names.iter().find(|name| !is_env_name(name) || CREDENTIALS.iter().any(|c| name.starts_with(c))) {
        Some(bad) => Err(quoted(bad)),
        None => Ok(names),
    }
}

/// A prefix that is too wide would turn every variable into a secret, the master key among them.
fn env_prefix(raw: &Raw) -> Result<String, String> {
    let prefix = text(raw)?;
    let safe = is_env_name(&prefix)
        && prefix.ends_with('_')
        && prefix.len() >= 3
        && !CREDENTIALS.iter().any(|c| c.starts_with(prefix.as_str()) || prefix.starts_with(c));
    if safe { Ok(prefix) } else { Err(describe(raw)) }
}

fn log_format(raw: &Raw) -> Result<LogFormat, String> {
    match text(raw)?.as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(describe(raw)),
    }
}

/// How an effective value reads in `config show`.
trait Show {
    fn show(&self) -> String;
}

impl Show for String {
    fn show(&self) -> String {
        mask_url(self)
    }
}

impl Show for PathBuf {
    fn show(&self) -> String {
        Path::display(self).to_string()
    }
}

impl Show for Hidden {
    fn show(&self) -> String {
        if self.is_empty() { String::new() } else { MASK.to_owned() }
    }
}

impl Show for VaultAuth {
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Show for Duration {
    fn show(&self) -> String {
        self.as_secs().to_string()
    }
}

impl Show for LogFormat {
    fn show(&self) -> String {
        self.as_str().to_owned()
    }
}

impl Show for Vec<String> {
    fn show(&self) -> String {
        self.join(",")
    }
}

impl Show for Vec<AllowRule> {
    fn show(&self) -> String {
        self.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }
}

macro_rules! show_numbers {
    ($($number:ty),*) => {$(impl Show for $number {
        fn show(&self) -> String {
            self.to_string()
        }
    })*};
}

show_numbers!(u32, u64, usize);
