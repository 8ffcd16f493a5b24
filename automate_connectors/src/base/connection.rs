//! Connections: named credentials of a connector, resolved for the length of one call.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use automate_core::actions::ActionCall;
use automate_core::ids::TenantId;
use automate_core::secrets::SecretValue;

use super::error::{ConnectorError, Result};

/// One field of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionField {
    /// Its name, as `token`.
    pub name: &'static str,
    /// What people see.
    pub title: &'static str,
    /// Whether its value is never shown again.
    pub secret: bool,
    /// Whether a connection without it is refused.
    pub required: bool,
}

impl ConnectionField {
    /// A field whose value is never shown.
    #[must_use]
    pub const fn secret(name: &'static str, title: &'static str) -> Self {
        Self { name, title, secret: true, required: false }
    }

    /// A field that may be shown.
    #[must_use]
    pub const fn plain(name: &'static str, title: &'static str) -> Self {
        Self { name, title, secret: false, required: false }
    }

    /// The same, required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

/// What a connection of a connector consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionSpec {
    /// Its fields.
    pub fields: Vec<ConnectionField>,
    /// Whether a step that names no connection gets the one named `default`, where there is one.
    /// Wrong for a connector whose steps choose the host: credentials would go anywhere.
    pub uses_default: bool,
}

impl ConnectionSpec {
    /// A connection of these fields, only used where a step names it.
    #[must_use]
    pub fn new(fields: impl IntoIterator<Item = ConnectionField>) -> Self {
        Self { fields: fields.into_iter().collect(), uses_default: false }
    }

    /// The same, with the connection `default` for steps that name none.
    #[must_use]
    pub fn with_default(mut self) -> Self {
        self.uses_default = true;
        self
    }
}

/// The resolved fields of a connection. Its `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Connection {
    connector: String,
    name: Option<String>,
    fields: BTreeMap<String, SecretValue>,
}

impl Connection {
    /// No connection.
    #[must_use]
    pub fn none(connector: &str) -> Self {
        Self { connector: connector.to_owned(), name: None, fields: BTreeMap::new() }
    }

    /// A connection of that name.
    #[must_use]
    pub fn new(connector: &str, name: &str, fields: BTreeMap<String, SecretValue>) -> Self {
        Self { connector: connector.to_owned(), name: Some(name.to_owned()), fields }
    }

    /// Its name, where the step has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// A field's value, where it is there and not empty.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(SecretValue::expose_secret).filter(|value| !value.is_empty())
    }

    /// A field's value.
    ///
    /// # Errors
    /// `CONFIG_INVALID` that names connector, connection and field, and says what to do.
    pub fn require(&self, field: &str) -> Result<&str> {
        self.get(field).ok_or_else(|| {
            let connector = &self.connector;
            ConnectorError::config_invalid(match &self.name {
                Some(name) => format!("the connection `{name}` of `{connector}` has no `{field}`; add it"),
                None => format!(
                    "`{connector}` needs a connection with `{field}`: name one with `connection:` on the step, or \
                     set up the connection `default` of `{connector}`"
                ),
            })
        })
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &SecretValue)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("connector", &self.connector)
            .field("name", &self.name)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The port to where connections are kept.
#[async_trait]
pub trait ConnectionResolver: Send + Sync + 'static {
    /// The fields of a tenant's connection, secrets resolved; `None` where there is none of that
    /// name.
    ///
    /// # Errors
    /// What the step is to fail with: `SECRET_UNAVAILABLE` where a secret cannot be had,
    /// `CONFIG_INVALID` where the connection is set up wrongly.
    async fn resolve(
        &self,
        tenant: TenantId,
        connector: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretValue>>>;

    /// The same for an action, saying which: whoever keeps an account of the secrets that are read
    /// enters it there.
    ///
    /// # Errors
    /// As [`ConnectionResolver::resolve`].
    async fn resolve_for(
        &self,
        call: &ActionCall,
        connector: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretValue>>> {
        self.resolve(call.tenant_id, connector, name).await
    }
}

/// There are no connections: for tests and for commands that run no action.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConnections;

#[async_trait]
impl ConnectionResolver for NoConnections {
    async fn resolve(&self, _: TenantId, _: &str, _: &str) -> Result<Option<BTreeMap<String, SecretValue>>> {
        Ok(None)
    }
}
