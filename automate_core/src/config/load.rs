//! Layering: defaults, file, `DATABASE_URL`, environment, flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::{ConfigError, ConfigErrors};
use super::key::{Raw, describe, env_name, keys};
use super::layers::{CONNECTIONS, NAMED, OIDC, PROVIDERS, Setting, from_env, from_toml};
use super::mask::{MASK, is_sensitive_name};
use super::oidc::Fault;
use super::{Config, ConnectionConfig, ProviderConfig};
use crate::limits;

/// The file that is read where none is named; it may be absent.
pub const DEFAULT_FILE: &str = "automate.toml";

/// Everything that a configuration comes from.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// `--config`; goes before `AUTOMATE_CONFIG`.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub env: BTreeMap<String, String>,
    /// Flags, as dotted key and text; the last of the same key wins.
    pub overrides: Vec<(String, String)>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The table of keys.
    Default,
    /// A file, with the line from 1.
    File {
        /// The file.
        path: String,
        /// From 1.
        line: usize,
    },
    /// An environment variable, `DATABASE_URL` among them.
    Env(String),
    /// A flag of the command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Env(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("command line"),
        }
    }
}

/// A configuration together with where each value comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The source of each key that is not at its default, connections' fields included.
    pub sources: BTreeMap<String, Source>,
    /// The file that was read, where there was one.
    pub file: Option<PathBuf>,
}

/// One line of `config show`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// The dotted key.
    pub key: String,
    /// The value as text, secrets masked.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

impl Config {
    /// Reads the file and layers everything else over it.
    ///
    /// # Errors
    /// Every fault at once: a named file that is absent, TOML that does not parse, unknown keys,
    /// values that a key does not take.
    pub fn load(options: LoadOptions) -> Result<Loaded, ConfigErrors> {
        let (path, named_by) = match (&options.file, options.env.get("AUTOMATE_CONFIG").filter(|v| !v.is_empty())) {
            (Some(file), _) => (file.clone(), Some("--config")),
            (None, Some(file)) => (PathBuf::from(file), Some("AUTOMATE_CONFIG")),
            (None, None) => (PathBuf::from(DEFAULT_FILE), None),
        };
        match read(&path) {
            Ok(text) => {
                let mut loaded = Self::from_layers(Some((&path.display().to_string(), &text)), &options)?;
                loaded.file = Some(path);
                Ok(loaded)
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && named_by.is_none() => {
                Self::from_layers(None, &options)
            }
            Err(e) => Err(ConfigErrors(vec![ConfigError::Unreadable {
                path: path.display().to_string(),
                from: named_by.unwrap_or("default").to_owned(),
                reason: e.to_string(),
            }])),
        }
    }

    /// The same over the text of a file; touches nothing outside its arguments. `options.file` is
    /// not looked at.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_layers(file: Option<(&str, &str)>, options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
        let mut errors = Vec::new();
        let mut settings = Vec::new();
        if let Some((path, text)) = file {
            let (read, faults) = from_toml(path, text);
            settings.extend(read);
            errors.extend(faults);
        }
        if let Some(url) = options.env.get("DATABASE_URL").filter(|url| !url.is_empty()) {
            settings.push(Setting {
                name: "database.url".to_owned(),
                raw: Raw::Text(url.clone()),
                source: Source::Env("DATABASE_URL".to_owned()),
            });
        }
        settings.extend(from_env(&options.env));
        settings.extend(options.overrides.iter().map(|(name, value)| Setting {
            name: name.clone(),
            raw: Raw::Text(value.clone()),
            source: Source::Flag,
        }));

        let mut loaded = Loaded { config: Self::unset(), sources: BTreeMap::new(), file: None };
        for key in keys() {
            if let Err(got) = key.set_default(&mut loaded.config) {
                errors.push(invalid(key.name, &Source::Default, key.takes, got));
            }
        }
        // The prefix of secrets decides which variables are no keys, so it goes first.
        let (first, rest): (Vec<_>, Vec<_>) = settings.into_iter().partition(|s| s.name == "secrets.env_prefix");
        for setting in first.into_iter().chain(rest) {
            loaded.apply(setting, &mut errors);
        }
        for (name, connection) in &loaded.config.connections {
            if connection.connector.is_empty() {
                errors.push(ConfigError::Missing {
                    key: format!("{CONNECTIONS}.{name}.connector"),
                    hint: "name the connector that it belongs to, such as `connector = \"slack\"`".to_owned(),
                });
            }
        }
        for (name, provider) in &loaded.config.oidc {
            if let Some(field) = provider.missing() {
                let hint = "an identity provider needs its `issuer` and our `client_id` there".to_owned();
                errors.push(ConfigError::Missing { key: format!("{OIDC}.{name}.{field}"), hint });
            }
        }
        loaded.config.follow_data_dir();
        if errors.is_empty() { Ok(loaded) } else { Err(ConfigErrors(errors)) }
    }
}

impl Loaded {
    /// Every key with its effective value and source, in the order of the reference page, then the
    /// connections, the providers and the identity providers.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let source_of = |key: &str| self.sources.get(key).cloned().unwrap_or(Source::Default);
        let mut lines: Vec<Effective> = keys()
            .iter()
            .map(|key| Effective {
                key: key.name.to_owned(),
                value: key.show(&self.config),
                source: source_of(key.name),
            })
            .collect();
        let connections =
            self.config.connections.iter().map(|(name, c)| (CONNECTIONS, name, "connector", &c.connector, &c.fields));
        let providers = self.config.providers.iter().map(|(name, p)| (PROVIDERS, name, "kind", &p.kind, &p.fields));
        for (section, name, kind_field, kind, fields) in connections.chain(providers) {
            let key = format!("{section}.{name}.{kind_field}");
            // A provider's kind may be its name.
            let value = if kind.is_empty() { name.clone() } else { kind.clone() };
            lines.push(Effective { value, source: source_of(&key), key });
            for (field, value) in fields {
                let key = format!("{section}.{name}.{field}");
                lines.push(Effective { value: show_field(field, value), source: source_of(&key), key });
            }
        }
        for (name, provider) in &self.config.oidc {
            for (field, value) in provider.shown() {
                let key = format!("{OIDC}.{name}.{field}");
                lines.push(Effective { value, source: source_of(&key), key });
            }
        }
        lines
    }

    fn apply(&mut self, setting: Setting, errors: &mut Vec<ConfigError>) {
        let within = |section: &str| setting.name.strip_prefix(section).and_then(|rest| rest.strip_prefix('.'));
        if let Some(path) = within(CONNECTIONS) {
            self.apply_named(CONNECTIONS, path, &setting, errors);
        } else if let Some(path) = within(PROVIDERS) {
            self.apply_named(PROVIDERS, path, &setting, errors);
        } else if let Some(path) = within(OIDC) {
            self.apply_oidc(path, &setting, errors);
        } else if let Some(key) = keys().iter().find(|key| key.name == setting.name) {
            match key.set(&mut self.config, &setting.raw) {
                Ok(()) => {
                    self.sources.insert(setting.name, setting.source);
                }
                Err(got) => errors.push(invalid(&setting.name, &setting.source, key.takes, got)),
            }
        } else if let Source::Env(variable) = &setting.source
            && variable.starts_with(&self.config.secrets.env_prefix)
        {
            // A secret under a prefix of the operator's own.
        } else if is_section(&setting.name) {
            if setting.raw != Raw::Typed(Value::Object(serde_json::Map::new())) {
                let got = describe(&setting.raw);
                errors.push(invalid(&setting.name, &setting.source, "a section with keys", got));
            }
        } else {
            errors.push(unknown(&setting));
        }
    }

    /// One field of `[connections.NAME]` or `[providers.NAME]`.
    fn apply_named(&mut self, section: &str, path: &str, setting: &Setting, errors: &mut Vec<ConfigError>) {
        let key = &setting.name;
        let (kind_field, kind_takes) = if section == CONNECTIONS {
            ("connector", "the key of a connector")
        } else {
            ("kind", "a kind of provider")
        };
        let Some((name, field)) = path.split_once('.') else {
            let got = describe(&setting.raw);
            let takes = match section {
                CONNECTIONS => "a section `[connections.NAME]` with `connector = …`",
                _ => "a section `[providers.NAME]` with `kind = …`",
            };
            errors.push(invalid(key, &setting.source, takes, got));
            return;
        };
        if !is_name(name) || !is_name(field) {
            errors.push(invalid(key, &setting.source, NAME, format!("`{path}`")));
            return;
        }
        let (kind, fields) = if section == CONNECTIONS {
            let ConnectionConfig { connector, fields } = self.config.connections.entry(name.to_owned()).or_default();
            (connector, fields)
        } else {
            if self.config.providers.len() >= limits::PROVIDERS && !self.config.providers.contains_key(name) {
                let takes = format!("{} providers at most", limits::PROVIDERS);
                errors.push(invalid(key, &setting.source, &takes, "one more".to_owned()));
                return;
            }
            let ProviderConfig { kind, fields } = self.config.providers.entry(name.to_owned()).or_default();
            (kind, fields)
        };
        let value = match &setting.raw {
            Raw::Text(text) => Value::String(text.clone()),
            Raw::Typed(value) => value.clone(),
        };
        match value {
            Value::String(word) if field == kind_field => *kind = word,
            _ if field == kind_field => {
                errors.push(invalid(key, &setting.source, kind_takes, describe(&setting.raw)));
                return;
            }
            value => {
                fields.insert(field.to_owned(), value);
            }
        }
        self.sources.insert(key.clone(), setting.source.clone());
    }

    /// One field of `[oidc.NAME]`.
    fn apply_oidc(&mut self, path: &str, setting: &Setting, errors: &mut Vec<ConfigError>) {
        let key = &setting.name;
        let Some((name, field)) = path.split_once('.') else {
            let takes = "a section `[oidc.NAME]` with `issuer = …`";
            errors.push(invalid(key, &setting.source, takes, describe(&setting.raw)));
            return;
        };
        let known = self.config.oidc.contains_key(name);
        if !is_name(name) || (!known && self.config.oidc.len() >= limits::IDENTITY_PROVIDERS) {
            let takes = format!("{NAME}, {} providers at most", limits::IDENTITY_PROVIDERS);
            errors.push(invalid(key, &setting.source, &takes, format!("`{path}`")));
            return;
        }
        let provider = self.config.oidc.entry(name.to_owned()).or_default();
        match provider.set(field, &setting.raw) {
            Ok(()) => {
                self.sources.insert(key.clone(), setting.source.clone());
            }
            Err(Fault::Invalid(takes, got)) => errors.push(invalid(key, &setting.source, takes, got)),
            Err(Fault::Unknown(nearest)) => errors.push(ConfigError::Unknown {
                key: key.clone(),
                from: setting.source.to_string(),
                nearest: format!("{OIDC}.{name}.{nearest}"),
            }),
        }
    }
}

/// What names of the operator's own are like.
const NAME: &str = "a name of letters, digits, `_` and `-`, 64 characters at most";

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.len() <= 64 && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    let mut file = std::fs::File::open(path)?.take(limits::CONFIG_BYTES as u64 + 1);
    file.read_to_string(&mut text)?;
    if text.len() > limits::CONFIG_BYTES {
        return Err(std::io::Error::other(format!("it has more than {} bytes", limits::CONFIG_BYTES)));
    }
    Ok(text)
}

/// A field's value for people: references to secrets are shown, literal credentials are not.
fn show_field(field: &str, value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with("$secret:") => text.clone(),
        _ if is_sensitive_name(field) => MASK.to_owned(),
        Value::String(text) => super::mask_url(text),
        other => other.to_string(),
    }
}

fn is_section(name: &str) -> bool {
    NAMED.contains(&name)
        || keys().iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

fn invalid(key: &str, source: &Source, takes: &str, got: String) -> ConfigError {
    ConfigError::Invalid { key: key.to_owned(), from: source.to_string(), expected: takes.to_owned(), got }
}

fn unknown(setting: &Setting) -> ConfigError {
    // Levels are compared without their separator, so that a single `_` in a variable is found.
    let plain = |name: &str| name.replace(['.', '-'], "_");
    let given = plain(&setting.name);
    let nearest = keys()
        .iter()
        .map(|key| key.name)
        .chain(["connections.NAME.connector", "providers.NAME.kind", "oidc.NAME.issuer"])
        .min_by_key(|name| strsim::damerau_levenshtein(&plain(name), &given))
        .unwrap_or_default();
    let (key, nearest) = match &setting.source {
        Source::Env(variable) => (variable.clone(), env_name(nearest)),
        Source::Default | Source::File { .. } | Source::Flag => (setting.name.clone(), nearest.to_owned()),
    };
    ConfigError::Unknown { key, from: setting.source.to_string(), nearest }
}
