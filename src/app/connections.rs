//! The tenant's stored connections, and behind them those of `[connections.NAME]`; their secrets are
//! bound when an action asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use automate_connectors::base::{ConnectionResolver, ConnectorError, Result};
use automate_core::actions::ActionCall;
use automate_core::config::ConnectionConfig;
use automate_core::error::ErrorCode;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::secrets::{Purpose, SecretResolver, SecretValue};
use automate_governance::connections::StoredConnections;
use serde_json::Value;

/// What a field begins with that names a secret.
const REFERENCE: &str = "$secret:";
/// The name that is asked for where a step names none.
const DEFAULT: &str = "default";

/// Connections as stored and as configured.
pub(super) struct Connections {
    /// None where there is no database, in tests.
    stored: Option<StoredConnections>,
    connections: BTreeMap<String, ConnectionConfig>,
    secrets: Arc<dyn SecretResolver>,
}

impl Connections {
    /// Over what is stored and the configuration, with what resolves their secrets.
    pub(super) fn new(
        stored: Option<StoredConnections>,
        connections: BTreeMap<String, ConnectionConfig>,
        secrets: Arc<dyn SecretResolver>,
    ) -> Self {
        Self { stored, connections, secrets }
    }

    /// The fields of a connection: the tenant's own first, then the installation's.
    async fn fields(&self, tenant: TenantId, connector: &str, name: &str) -> Result<Option<BTreeMap<String, Value>>> {
        if let Some(stored) = &self.stored {
            let own = stored.of(tenant).await.map_err(|error| {
                let retryable = error.is_transient();
                ConnectorError::internal(format!("the connections cannot be read: {error}")).with_retryable(retryable)
            })?;
            let own: BTreeMap<&str, (&str, &BTreeMap<String, Value>)> =
                own.iter().map(|(name, c)| (name.as_str(), (c.connector.as_str(), &c.fields))).collect();
            if let Some(fields) = find(&own, connector, name)? {
                return Ok(Some(fields.clone()));
            }
        }
        let configured =
            self.connections.iter().map(|(name, c)| (name.as_str(), (c.connector.as_str(), &c.fields))).collect();
        Ok(find(&configured, connector, name)?.cloned())
    }
}

/// The connection of a name. The default one of a connector is named `default` or like the
/// connector.
fn find<'c>(
    all: &BTreeMap<&str, (&str, &'c BTreeMap<String, Value>)>,
    connector: &str,
    name: &str,
) -> Result<Option<&'c BTreeMap<String, Value>>> {
    let named = |name: &str| all.get(name).filter(|(own, _)| *own == connector).map(|(_, fields)| *fields);
    if name == DEFAULT {
        return Ok(named(DEFAULT).or_else(|| named(connector)));
    }
    match all.get(name) {
        Some((own, _)) if *own != connector => Err(ConnectorError::config_invalid(format!(
            "the connection `{name}` belongs to `{own}`, not to `{connector}`"
        ))),
        found => Ok(found.map(|(_, fields)| *fields)),
    }
}

impl Connections {
    /// The values of a connection, for the step where there is one.
    async fn values(
        &self,
        tenant: TenantId,
        connector: &str,
        name: &str,
        step: Option<(ExecutionId, String)>,
    ) -> Result<Option<BTreeMap<String, SecretValue>>> {
        let Some(found) = self.fields(tenant, connector, name).await? else { return Ok(None) };
        let purpose = Purpose::Connection { connector: connector.to_owned(), name: name.to_owned(), step };
        let mut fields = BTreeMap::new();
        for (field, value) in &found {
            let value = match value {
                Value::String(text) => match text.strip_prefix(REFERENCE) {
                    Some(key) => self
                        .secrets
                        .resolve_for(tenant, key, &purpose)
                        .await
                        .map_err(|e| ConnectorError::new(ErrorCode::SecretUnavailable, e.to_string()))?,
                    None => SecretValue::new(text.clone()),
                },
                other => SecretValue::new(other.to_string()),
            };
            fields.insert(field.clone(), value);
        }
        Ok(Some(fields))
    }
}

#[async_trait]
impl ConnectionResolver for Connections {
    async fn resolve(
        &self,
        tenant: TenantId,
        connector: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretValue>>> {
        self.values(tenant, connector, name, None).await
    }

    async fn resolve_for(
        &self,
        call: &ActionCall,
        connector: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretValue>>> {
        let step = Some((call.execution_id, call.step_path.clone()));
        self.values(call.tenant_id, connector, name, step).await
    }
}

#[cfg(test)]
mod tests {
    use automate_core::secrets::SecretError;

    use super::*;

    struct One;

    #[async_trait]
    impl SecretResolver for One {
        async fn resolve(&self, _: TenantId, key: &str) -> std::result::Result<SecretValue, SecretError> {
            match key {
                "TOKEN" => Ok(SecretValue::new("hidden".into())),
                _ => Err(SecretError::NotFound { key: key.into(), asked: vec!["env".into()] }),
            }
        }
    }

    fn configured(name: &str, field: &str) -> Connections {
        let fields = BTreeMap::from([("token".to_owned(), Value::String(field.to_owned()))]);
        let connection = ConnectionConfig { connector: "slack".into(), fields };
        Connections::new(None, BTreeMap::from([(name.to_owned(), connection)]), Arc::new(One))
    }

    #[tokio::test]
    async fn a_field_that_names_a_secret_has_its_value() {
        let fields = configured("team", "$secret:TOKEN").resolve(TenantId::DEFAULT, "slack", "team").await.unwrap();
        assert_eq!(fields.unwrap()["token"].expose_secret(), "hidden");
        let error = configured("team", "$secret:GONE").resolve(TenantId::DEFAULT, "slack", "team").await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::SecretUnavailable);
    }

    #[tokio::test]
    async fn a_connection_of_another_connector_is_refused_and_the_default_is_found_by_either_name() {
        let of = |c: Connections, connector: &'static str, name: &'static str| async move {
            c.resolve(TenantId::DEFAULT, connector, name).await
        };
        assert!(of(configured("team", "x"), "github", "team").await.is_err());
        assert!(of(configured("team", "x"), "slack", "other").await.unwrap().is_none());
        assert!(of(configured("slack", "x"), "slack", "default").await.unwrap().is_some());
        assert!(of(configured("default", "x"), "slack", "default").await.unwrap().is_some());
        assert!(of(configured("default", "x"), "github", "default").await.unwrap().is_none());
    }
}
