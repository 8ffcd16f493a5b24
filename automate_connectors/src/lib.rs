//! Connectors: what a third party's crate plugs into, and the connectors that come with Automate.
//!
//! - [`base`]: the [`Connector`] trait, its errors, the [`ActionContext`], the port to HTTP.
//! - [`provider`]: language models, and what asking them costs.
//! - [`ConnectorRegistry`]: which connectors there are and how their actions are performed.
//! - [`verify`]: verification of signed webhooks.
//! - `builtin` (feature `builtin`): the connectors that come with Automate.
//! - `testing` (feature `testing`): the conformance kit.
//!
//! A connector in one file: `docs/write-a-connector.md`.

// The macros name this crate by its path from outside, also when it uses them itself.
extern crate self as automate_connectors;

pub mod base;
#[cfg(feature = "builtin")]
pub mod builtin;
pub mod provider;
mod registry;
mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verify;

pub use automate_core::actions::{ActionCall, ActionMeta, ActionRunner, Catalog, LogLevel, LogLine, LogSink};
pub use automate_core::document::definition::VerifyScheme;
pub use automate_core::error::{ErrorCode, StepError};
pub use automate_core::registry::{LoadReport, Loaded};
pub use automate_core::secrets::SecretValue;
pub use automate_core::status::Effect;
pub use automate_macros::{action, filter, link_plugins, receiver};
pub use base::{
    ActionContext, ActionSpec, Connection, ConnectionField, ConnectionResolver, ConnectionSpec, Connector,
    ConnectorError, Health, Polled, Result, TriggerKind, TriggerSpec, TypedAction, WebhookSecrets,
};
pub use provider::{Provider, ProviderRegistration, ProviderRegistry};
pub use registry::{ConnectorRegistry, Registration};

/// The crates that authors' types derive from; named here so that versions agree.
pub use {async_trait::async_trait, http, schemars, serde, serde_json, url::Url};

#[doc(hidden)]
pub mod __private {
    pub use {automate_core, inventory, serde_json};
}
