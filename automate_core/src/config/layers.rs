//! The sources of configuration, each read into a flat list of settings.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::key::{Raw, keys};
use super::load::Source;

/// One value for one name, from one source.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) name: String,
    pub(super) raw: Raw,
    pub(super) source: Source,
}

/// Where named connections stand.
pub(super) const CONNECTIONS: &str = "connections";
/// Where providers of language models stand.
pub(super) const PROVIDERS: &str = "providers";
/// Where identity providers stand.
pub(super) const OIDC: &str = "oidc";
/// The sections whose keys are names of the operator's own.
pub(super) const NAMED: [&str; 3] = [CONNECTIONS, PROVIDERS, OIDC];

/// Variables that begin with `AUTOMATE_` and are no keys.
fn is_reserved(name: &str) -> bool {
    matches!(name, "AUTOMATE_CONFIG" | "AUTOMATE_MASTER_KEY" | "AUTOMATE_MASTER_KEY_FILE")
        || name.starts_with("AUTOMATE_SECRET_")
        || name.starts_with("AUTOMATE_TEST_")
}

/// The settings of the environment; the names of keys are upper case with `__` between levels.
pub(super) fn from_env(env: &BTreeMap<String, String>) -> Vec<Setting> {
    env.iter()
        .filter_map(|(variable, value)| {
            let rest = variable.strip_prefix("AUTOMATE_").filter(|_| !is_reserved(variable))?;
            Some(Setting {
                name: rest.to_ascii_lowercase().replace("__", "."),
                raw: Raw::Text(value.clone()),
                source: Source::Env(variable.clone()),
            })
        })
        .collect()
}

/// The settings of a file, flattened to dotted names, each with its line.
pub(super) fn from_toml(path: &str, text: &str) -> (Vec<Setting>, Vec<ConfigError>) {
    let (table, faults) = DeTable::parse_recoverable(text);
    let errors: Vec<ConfigError> = faults
        .iter()
        .map(|fault| ConfigError::Syntax {
            path: path.to_owned(),
            line: fault.span().map_or(1, |span| line_of(text, span.start)),
            // The message without the line itself, which may hold a password.
            reason: fault.message().to_owned(),
        })
        .collect();
    let mut settings = Vec::new();
    if errors.is_empty() {
        flatten(&mut settings, path, text, "", table.get_ref());
    }
    (settings, errors)
}

fn flatten(out: &mut Vec<Setting>, path: &str, text: &str, prefix: &str, table: &DeTable<'_>) {
    for (name, value) in table {
        let full = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) if descends(&full, inner) => flatten(out, path, text, &full, inner),
            other => out.push(Setting {
                name: full,
                raw: Raw::Typed(to_json(other)),
                source: Source::File { path: path.to_owned(), line: line_of(text, name.span().start) },
            }),
        }
    }
}

/// Whether a table holds further keys, as opposed to being the value of one (of a field of a
/// connection or provider) or a name that is not known at all.
fn descends(name: &str, inner: &DeTable<'_>) -> bool {
    let is_key = keys().iter().any(|key| key.name == name);
    let in_entry =
        NAMED.iter().any(|section| name.strip_prefix(section).is_some_and(|rest| rest.matches('.').count() >= 2));
    let begins = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    let is_section = NAMED.contains(&name) || keys().iter().any(|key| begins(key.name));
    !is_key && !in_entry && (!inner.is_empty() || is_section)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(n) => n.into(),
            Err(_) => Value::String(number.to_string()),
        },
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map_or_else(|| Value::String(number.to_string()), Value::Number),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| to_json(item.get_ref())).collect()),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(name, value)| (name.get_ref().to_string(), to_json(value.get_ref())))
                .collect::<Map<_, _>>(),
        ),
    }
}
