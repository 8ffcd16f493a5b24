//! A registry with connectors, a misbehaving server and a log that can be read.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use automate_core::actions::{ActionCall, ActionRunner, LogLevel, LogLine, LogSink};
use automate_core::clock;
use automate_core::error::StepError;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::limits::LOG_LINES_PER_ATTEMPT;
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use chrono::TimeDelta;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::PlainHttp;
use super::server::MisbehavingServer;
use crate::base::{ConnectionResolver, Connector, Result};
use crate::provider::ProviderRegistry;
use crate::registry::ConnectorRegistry;

/// Keeps log lines.
#[derive(Debug, Default)]
pub struct RecordingLog(Mutex<Vec<LogLine>>);

impl RecordingLog {
    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl LogSink for RecordingLog {
    fn log(&self, level: LogLevel, message: String, fields: Option<Value>) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LOG_LINES_PER_ATTEMPT {
            lines.push(LogLine { at: clock::now(), level, message, fields });
        }
    }
}

/// Connections from a map, the same for every tenant.
#[derive(Debug, Clone, Default)]
pub struct FixedConnections(BTreeMap<(String, String), BTreeMap<String, SecretValue>>);

impl FixedConnections {
    /// The same, with a connection of a connector.
    #[must_use]
    pub fn with(mut self, connector: &str, name: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(k, v)| ((*k).to_owned(), SecretValue::new((*v).to_owned()))).collect();
        self.0.insert((connector.to_owned(), name.to_owned()), fields);
        self
    }
}

#[async_trait]
impl ConnectionResolver for FixedConnections {
    async fn resolve(&self, _: TenantId, connector: &str, name: &str) -> Result<Option<BTreeMap<String, SecretValue>>> {
        Ok(self.0.get(&(connector.to_owned(), name.to_owned())).cloned())
    }
}

/// Secrets from a map, the same for every tenant.
#[derive(Debug, Clone, Default)]
pub struct FixedSecrets(BTreeMap<String, SecretValue>);

impl FixedSecrets {
    /// The same, with a secret.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.to_owned(), SecretValue::new(value.to_owned()));
        self
    }
}

#[async_trait]
impl SecretResolver for FixedSecrets {
    async fn resolve(&self, _: TenantId, key: &str) -> std::result::Result<SecretValue, SecretError> {
        let not_found = || SecretError::NotFound { key: key.to_owned(), asked: vec!["tests".to_owned()] };
        self.0.get(key).cloned().ok_or_else(not_found)
    }
}

/// A call with the usual circumstances: five seconds, the first attempt, nothing cancelled.
#[must_use]
pub fn call(uses: &str, input: Value, log: Arc<dyn LogSink>) -> ActionCall {
    ActionCall {
        uses: uses.to_owned(),
        input,
        connection: None,
        tenant_id: TenantId::DEFAULT,
        execution_id: ExecutionId::new(),
        step_path: "test".to_owned(),
        attempt: 1,
        idempotency_key: "test-0123456789".to_owned(),
        correlation_id: "correlation-1".to_owned(),
        deadline: clock::now() + TimeDelta::seconds(5),
        cancel: CancellationToken::new(),
        log,
    }
}

/// A server, a registry and a log.
pub struct TestBed {
    /// The server to call.
    pub server: MisbehavingServer,
    /// The registry under test.
    pub registry: ConnectorRegistry,
    /// What actions wrote.
    pub log: Arc<RecordingLog>,
}

impl TestBed {
    /// A bed with these connectors and connections.
    ///
    /// # Errors
    /// Where the server cannot be started.
    pub async fn new(connectors: Vec<Arc<dyn Connector>>, connections: FixedConnections) -> io::Result<Self> {
        let server = MisbehavingServer::start().await?;
        Ok(Self::over(server, connectors, connections))
    }

    /// A bed over a server that runs already, for connections that name its address.
    #[must_use]
    pub fn over(server: MisbehavingServer, connectors: Vec<Arc<dyn Connector>>, connections: FixedConnections) -> Self {
        let mut registry = ConnectorRegistry::new(Arc::new(PlainHttp), Arc::new(connections));
        for connector in connectors {
            registry.add(connector);
        }
        Self { server, registry, log: Arc::new(RecordingLog::default()) }
    }

    /// The same, with providers of language models.
    #[must_use]
    pub fn with_providers(mut self, providers: ProviderRegistry) -> Self {
        self.registry = self.registry.with_providers(Arc::new(providers));
        self
    }

    /// A call of this bed.
    #[must_use]
    pub fn call(&self, uses: &str, input: Value) -> ActionCall {
        call(uses, input, self.log.clone())
    }

    /// Performs an action.
    ///
    /// # Errors
    /// What the action fails with.
    pub async fn run(&self, uses: &str, input: Value) -> std::result::Result<Value, StepError> {
        self.registry.run(self.call(uses, input)).await
    }
}
