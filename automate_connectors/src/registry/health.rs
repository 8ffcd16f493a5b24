//! Whether a connection works.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use automate_core::actions::{LogLevel, LogSink};
use automate_core::error::ErrorCode;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::status::Effect;
use chrono::TimeDelta;
use futures_util::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ConnectorRegistry;
use crate::base::{ActionContext, Connection, ConnectionSpec, ConnectorError, ContextParts, Health, Outbound, Result};

/// Drops what is logged.
struct Unheard;

impl LogSink for Unheard {
    fn log(&self, _: LogLevel, _: String, _: Option<Value>) {}
}

impl ConnectorRegistry {
    /// What the connections of a connector consist of; none where there is no such connector, or it
    /// takes no connections.
    #[must_use]
    pub fn connection_spec(&self, key: &str) -> Option<&ConnectionSpec> {
        self.entries.get(key)?.connection.as_ref()
    }

    /// Asks a connector whether the other side can be used with a tenant's connection: its fields are
    /// resolved, those that are required must be there, and [`Connector::health`] says the rest
    /// within `patience`.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where there is no such connector or connection or a field is missing,
    /// `SECRET_UNAVAILABLE`, `TIMEOUT`. Without secrets.
    ///
    /// [`Connector::health`]: crate::base::Connector::health
    pub async fn test_connection(
        &self,
        tenant: TenantId,
        connector: &str,
        name: &str,
        correlation_id: &str,
        patience: Duration,
    ) -> Result<Health> {
        let Some(entry) = self.entries.get(connector) else {
            return Err(ConnectorError::config_invalid(format!("there is no connector `{connector}`")));
        };
        let Some(spec) = &entry.connection else {
            return Err(ConnectorError::config_invalid(format!("`{connector}` takes no connection")));
        };
        let Some(fields) = self.connections.resolve(tenant, connector, name).await? else {
            let message = format!("there is no connection `{name}` of `{connector}`");
            return Err(ConnectorError::config_invalid(message));
        };
        let connection = Connection::new(connector, name, fields);
        for field in spec.fields.iter().filter(|field| field.required) {
            connection.require(field.name)?;
        }
        let is_shown = |name: &str| spec.fields.iter().any(|field| field.name == name && !field.secret);
        let secrets = connection.values().filter(|(name, _)| !is_shown(name)).map(|(_, value)| value.clone()).collect();
        let deadline = self.clock.now() + TimeDelta::from_std(patience).unwrap_or(TimeDelta::MAX);
        let ctx = ActionContext::new(ContextParts {
            outbound: Outbound {
                connector: connector.to_owned(),
                effect: Effect::Idempotent,
                http: self.http.clone(),
                breakers: self.breakers.clone(),
                clock: self.clock.clone(),
                tenant_id: tenant,
                correlation_id: correlation_id.to_owned(),
                deadline,
                sent: Arc::new(AtomicBool::new(false)),
            },
            providers: self.providers.clone(),
            connection,
            execution_id: ExecutionId::new(),
            step_path: String::new(),
            attempt: 1,
            idempotency_key: String::new(),
            cancel: CancellationToken::new(),
            log: Arc::new(Unheard),
            secrets,
        });
        let asked = AssertUnwindSafe(entry.connector.health(&ctx)).catch_unwind();
        let health = match tokio::time::timeout(patience, asked).await {
            Ok(Ok(health)) => health,
            Ok(Err(_)) => {
                let message = format!("`{connector}` panicked; this is a fault of the connector");
                return Err(ConnectorError::internal(message));
            }
            Err(_) => {
                let message = format!("the other side did not answer within {} ms", patience.as_millis());
                return Err(ConnectorError::new(ErrorCode::Timeout, message));
            }
        };
        Ok(match health {
            Health::Failing { mut reason } => {
                ctx.scrubber().text(&mut reason);
                Health::Failing { reason }
            }
            fine => fine,
        })
    }
}
