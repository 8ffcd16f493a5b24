//! Secrets from environment variables.

use std::collections::BTreeMap;

use async_trait::async_trait;
use automate_core::ids::TenantId;
use automate_core::secrets::{BackendHealth, SecretError, SecretValue, SecretsBackend};

/// Serves the variables that begin with a prefix: `AUTOMATE_SECRET_SLACK` is the key `SLACK`. A key
/// that no variable can be named after (`slack-token`) is looked for in upper case with `_` in place
/// of `-` and `.`.
///
/// The environment belongs to the operator, so only the default tenant sees it.
pub struct EnvBackend {
    values: BTreeMap<String, SecretValue>,
}

impl EnvBackend {
    /// The variables of an environment that begin with the prefix; the rest is not kept.
    #[must_use]
    pub fn new(prefix: &str, env: &BTreeMap<String, String>) -> Self {
        let values = env
            .iter()
            .filter_map(|(name, value)| {
                let key = name.strip_prefix(prefix).filter(|key| !key.is_empty())?;
                Some((key.to_owned(), SecretValue::new(value.clone())))
            })
            .collect();
        Self { values }
    }
}

#[async_trait]
impl SecretsBackend for EnvBackend {
    fn name(&self) -> &str {
        "env"
    }

    async fn get_secret(&self, tenant: TenantId, key: &str) -> Result<Option<SecretValue>, SecretError> {
        if tenant != TenantId::DEFAULT {
            return Ok(None);
        }
        let as_variable = || key.to_ascii_uppercase().replace(['-', '.'], "_");
        Ok(self.values.get(key).or_else(|| self.values.get(&as_variable())).cloned())
    }

    async fn health(&self) -> BackendHealth {
        BackendHealth::Ok(match self.values.len() {
            1 => "1 variable".to_owned(),
            n => format!("{n} variables"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_prefixed_variables_are_served_and_only_to_the_default_tenant() {
        let env = [
            ("AUTOMATE_SECRET_SLACK_TOKEN", "xoxb"),
            ("PATH", "/bin"),
            ("AUTOMATE_SECRET_", "none"),
            ("AUTOMATE_MASTER_KEY", "k"),
        ];
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let backend = EnvBackend::new("AUTOMATE_SECRET_", &env);
        for key in ["SLACK_TOKEN", "slack-token", "slack.token"] {
            let value = backend.get_secret(TenantId::DEFAULT, key).await.unwrap();
            assert_eq!(value.unwrap().expose_secret(), "xoxb", "{key}");
        }
        for key in ["PATH", "", "AUTOMATE_MASTER_KEY", "AUTOMATE_SECRET_SLACK_TOKEN"] {
            assert!(backend.get_secret(TenantId::DEFAULT, key).await.unwrap().is_none(), "{key}");
        }
        assert!(backend.get_secret(TenantId::new(), "SLACK_TOKEN").await.unwrap().is_none());
    }
}
