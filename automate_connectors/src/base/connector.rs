//! The trait that a connector implements.

use std::time::Duration;

use async_trait::async_trait;
use automate_core::document::definition::VerifyScheme;
use automate_core::secrets::SecretValue;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde_json::Value;

use super::connection::ConnectionSpec;
use super::context::ActionContext;
use super::error::{ConnectorError, Result};
use super::spec::{ActionSpec, TriggerSpec};
use super::typed::TypedAction;
use crate::verify::{DEFAULT_TOLERANCE, Signed, Verified, VerifyError, verify};

/// A connector: a key, actions, triggers, and what its connections consist of.
///
/// Most connectors write `#[action]` functions, list them in [`Connector::typed_actions`], and
/// leave [`Connector::actions`] and [`Connector::execute_action`] as they are. One whose actions
/// are only known at run time implements those two.
///
/// It has no access to the database or the environment; all that it may use is in the
/// [`ActionContext`].
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// What stands before the dot in `uses`: lower-case letters, digits, `-` and `_`.
    fn key(&self) -> &'static str;

    /// What people see.
    fn display_name(&self) -> &'static str;

    /// The actions that `#[action]` functions make.
    fn typed_actions(&self) -> &'static [TypedAction] {
        &[]
    }

    /// All actions. Called once, at registration.
    fn actions(&self) -> Vec<ActionSpec> {
        self.typed_actions().iter().map(TypedAction::spec).collect()
    }

    /// All triggers. Called once, at registration.
    fn triggers(&self) -> Vec<TriggerSpec> {
        Vec::new()
    }

    /// What its connections consist of, where it takes any.
    fn connection(&self) -> Option<ConnectionSpec> {
        None
    }

    /// How many of its actions may run at the same time in one process; `None` for as many as
    /// there are workers.
    fn max_concurrency(&self) -> Option<usize> {
        None
    }

    /// Performs an action. The input has been checked against the schema; the output will be. The
    /// future is dropped when the step is cancelled or passes its deadline.
    ///
    /// # Errors
    /// [`ConnectorError`], without secrets.
    async fn execute_action(&self, ctx: &ActionContext, action: &str, input: Value) -> Result<Value> {
        match self.typed_actions().iter().find(|typed| typed.name() == action) {
            Some(typed) => typed.run(ctx, input).await,
            None => Err(ConnectorError::unknown_action(self.key(), action)),
        }
    }

    /// Whether a delivery to one of its webhook triggers is genuine. By default, what
    /// the first webhook trigger's `verification` says.
    ///
    /// # Errors
    /// [`VerifyError`] saying what does not hold.
    fn verify_webhook(
        &self,
        headers: &HeaderMap,
        raw_body: &[u8],
        secrets: &WebhookSecrets,
    ) -> Result<Verified, VerifyError> {
        let scheme = self.triggers().iter().find_map(|trigger| trigger.verification);
        match scheme {
            Some(scheme) => secrets.verify(scheme, headers, raw_body),
            None => Err(VerifyError::Unsupported),
        }
    }

    /// Asks for what is new since the cursor; the first time there is none.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where the connector has no such polling trigger.
    async fn poll(&self, ctx: &ActionContext, trigger: &str, input: Value, cursor: Option<Value>) -> Result<Polled> {
        let _ = (ctx, input, cursor);
        Err(ConnectorError::config_invalid(format!("`{}` has no polling trigger `{trigger}`", self.key())))
    }

    /// Whether the other side can be used with this connection.
    async fn health(&self, ctx: &ActionContext) -> Health {
        let _ = ctx;
        Health::Unknown
    }
}

/// What a poll found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Polled {
    /// New payloads, oldest first.
    pub items: Vec<Value>,
    /// What to pass next time; kept durably once the items are accepted.
    pub cursor: Option<Value>,
}

/// Whether the other side can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The connector does not say.
    Unknown,
    /// It can.
    Ok,
    /// It cannot.
    Failing {
        /// Why, without secrets.
        reason: String,
    },
}

/// What a webhook is verified with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WebhookSecrets {
    /// The secrets, any of which may have signed.
    pub secrets: Vec<SecretValue>,
    /// The header of the plain `hmac` scheme.
    pub header: Option<String>,
    /// How far the timestamp may be from now.
    pub tolerance: Duration,
    /// The time.
    pub now: DateTime<Utc>,
}

impl WebhookSecrets {
    /// These secrets, with the usual tolerance.
    #[must_use]
    pub fn new(secrets: Vec<SecretValue>, now: DateTime<Utc>) -> Self {
        Self { secrets, header: None, tolerance: DEFAULT_TOLERANCE, now }
    }

    /// Verifies by a scheme.
    ///
    /// # Errors
    /// [`VerifyError`] saying what does not hold.
    pub fn verify(&self, scheme: VerifyScheme, headers: &HeaderMap, body: &[u8]) -> Result<Verified, VerifyError> {
        let secrets: Vec<&str> = self.secrets.iter().map(SecretValue::expose_secret).collect();
        verify(scheme, &Signed { headers, body }, &secrets, self.header.as_deref(), self.tolerance, self.now)
    }
}
