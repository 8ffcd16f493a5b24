//! The settings of one entry, read and checked.

use std::collections::{BTreeMap, BTreeSet};

use automate_core::config::{ProviderConfig, mask_url};
use automate_core::redaction::process_scrubber;
use automate_core::secrets::{SecretRef, SecretValue};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Provider;
use super::context::ProviderPolicy;
use super::price::Price;
use crate::schema::Schema;

/// What a setting begins with that names a secret.
pub(super) const REFERENCE: &str = "$secret:";
/// The price of models that have none of their own.
const ANY_MODEL: &str = "*";

/// A setting as people may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderSetting {
    /// No secret: its value.
    Value(String),
    /// It names a secret: the key of it.
    Secret(String),
    /// A secret that is written out; it is not told.
    Hidden,
}

/// Settings as written, apart from those that every provider has.
#[derive(Clone, Default)]
pub(super) struct Settings {
    /// The provider's own, as text; references to secrets as they are.
    pub(super) fields: BTreeMap<String, String>,
    /// Those whose values must not show.
    pub(super) hidden: BTreeSet<String>,
    pub(super) default_model: Option<String>,
    pub(super) policy: ProviderPolicy,
    prices: BTreeMap<String, Price>,
}

impl Settings {
    /// Reads the settings of a `[providers.NAME]`.
    ///
    /// # Errors
    /// Why they cannot be used, without values.
    pub(super) fn read(provider: &dyn Provider, config: &ProviderConfig) -> Result<Self, String> {
        let schema = provider.config_schema();
        let mut settings = Self::default();
        let mut own = Map::new();
        for (field, value) in &config.fields {
            match field.as_str() {
                "default_model" => settings.default_model = Some(text(field, value)?),
                "models" => settings.policy.models = Some(names(field, value)?),
                "max_output_tokens" => settings.policy.max_output_tokens = Some(count(field, value)?),
                "prices" => settings.prices = prices(value)?,
                _ => {
                    own.insert(field.clone(), typed(&schema["properties"][field], value));
                }
            }
        }
        if let (Some(model), Some(models)) = (&settings.default_model, &settings.policy.models)
            && !models.contains(model)
        {
            return Err("`default_model` is not among `models`".to_owned());
        }
        let own = Value::Object(own);
        Schema::compile(&schema)?.check(&own).map_err(|breaches| breaches.text())?;
        for (field, value) in own.as_object().into_iter().flatten() {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            if text.starts_with(REFERENCE) || schema["properties"][field]["writeOnly"] == true {
                settings.hidden.insert(field.clone());
                // A reference is known to the scrubber once it is resolved; a key that is written out
                // is known from here.
                if !text.starts_with(REFERENCE) && !text.is_empty() {
                    process_scrubber().add(&SecretValue::new(text.clone()));
                }
            }
            settings.fields.insert(field.clone(), text);
        }
        Ok(settings)
    }

    /// All settings as people may see them. A password in an address is none of them.
    pub(super) fn shown(&self) -> BTreeMap<String, ProviderSetting> {
        let shown = |(name, text): (&String, &String)| {
            let key = text.strip_prefix(REFERENCE).and_then(SecretRef::read).map(|secret| secret.key.to_owned());
            let setting = match key {
                Some(key) => ProviderSetting::Secret(key),
                None if self.hidden.contains(name) => ProviderSetting::Hidden,
                None => ProviderSetting::Value(process_scrubber().scrub_str(&mask_url(text)).into_owned()),
            };
            (name.clone(), setting)
        };
        self.fields.iter().map(shown).collect()
    }

    /// The prices of models, as they are given.
    pub(super) fn prices(&self) -> &BTreeMap<String, Price> {
        &self.prices
    }

    /// The price of a model, its own or the one of all others.
    pub(super) fn price(&self, model: &str) -> Option<&Price> {
        self.prices.get(model).or_else(|| self.prices.get(ANY_MODEL))
    }
}

/// A value from the environment is text; where the schema wants something else, it is read as that.
fn typed(schema: &Value, value: &Value) -> Value {
    let wanted = schema["type"].as_str().unwrap_or("string");
    match value {
        Value::String(text) if matches!(wanted, "boolean" | "integer" | "number") => {
            serde_json::from_str(text).unwrap_or_else(|_| value.clone())
        }
        other => other.clone(),
    }
}

fn text(field: &str, value: &Value) -> Result<String, String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| format!("`{field}` takes a text"))
}

fn names(field: &str, value: &Value) -> Result<BTreeSet<String>, String> {
    let list = match value {
        Value::String(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Value::Array(items) => items.iter().map(|item| text(field, item)).collect::<Result<BTreeSet<_>, _>>()?,
        _ => BTreeSet::new(),
    };
    if list.is_empty() || list.contains("") { Err(format!("`{field}` takes a list of names")) } else { Ok(list) }
}

fn count(field: &str, value: &Value) -> Result<u64, String> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.filter(|n| *n > 0).ok_or_else(|| format!("`{field}` takes a whole number from 1"))
}

fn prices(value: &Value) -> Result<BTreeMap<String, Price>, String> {
    let parsed = match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let Value::Object(models) = parsed else {
        return Err("`prices` takes a table of models, as prices.\"gpt-x\" = { input = \"0.15\", output = \"0.60\" }"
            .to_owned());
    };
    models
        .iter()
        .map(|(model, price)| {
            Price::read(price)
                .map(|price| (model.clone(), price))
                .map_err(|error| format!("`prices` of `{model}`: {error}"))
        })
        .collect()
}
