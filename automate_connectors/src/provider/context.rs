//! What a provider gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use automate_core::ids::TenantId;
use automate_core::secrets::SecretValue;
use automate_core::status::Effect;
use chrono::{DateTime, Utc};
use http::Method;
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::budget::Budget;
use crate::base::http::{HttpRequest, HttpResponse};
use crate::base::{ConnectorError, Outbound, Result, StreamedResponse};

/// What makes a repetition recognisable to the other side.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// On whose behalf, what for and until when a model is asked. An action has it from
/// [`ActionContext::provider_call`](crate::ActionContext::provider_call).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderCall {
    /// Whose call it is: whose secrets, whose budget.
    pub tenant_id: TenantId,
    /// What for, as `llm.chat`.
    pub purpose: String,
    /// When it must have ended.
    pub deadline: DateTime<Utc>,
    /// What ties it to what caused it; sent as `X-Correlation-ID`.
    pub correlation_id: String,
    /// The same over all attempts; sent as `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Ends it.
    pub cancel: CancellationToken,
    pub(crate) effect: Effect,
    pub(crate) sent: Arc<AtomicBool>,
}

impl ProviderCall {
    /// A call for a tenant, until a time.
    #[must_use]
    pub fn new(tenant_id: TenantId, purpose: &str, deadline: DateTime<Utc>) -> Self {
        Self {
            tenant_id,
            purpose: purpose.to_owned(),
            deadline,
            correlation_id: String::new(),
            idempotency_key: None,
            cancel: CancellationToken::new(),
            effect: Effect::Idempotent,
            sent: Arc::default(),
        }
    }

    /// The same, tied to what caused it.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// The same, recognisable when it is repeated.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The same, ended by a token.
    #[must_use]
    pub fn cancel(mut self, token: CancellationToken) -> Self {
        self.cancel = token;
        self
    }
}

/// The settings of an entry, secrets resolved for the length of one call. `Debug` shows names.
#[derive(Clone, Default)]
pub struct Credentials {
    provider: String,
    fields: BTreeMap<String, SecretValue>,
}

impl Credentials {
    /// These settings of an entry.
    #[must_use]
    pub fn new(provider: &str, fields: BTreeMap<String, SecretValue>) -> Self {
        Self { provider: provider.to_owned(), fields }
    }

    /// A setting, where it is there and not empty.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(SecretValue::expose_secret).filter(|value| !value.is_empty())
    }

    /// A setting.
    ///
    /// # Errors
    /// `CONFIG_INVALID` that says what to do.
    pub fn require(&self, field: &str) -> Result<&str> {
        self.get(field).ok_or_else(|| {
            let name = &self.provider;
            ConnectorError::config_invalid(format!(
                "the provider `{name}` has no `{field}`; add it to [providers.{name}] of the configuration"
            ))
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("provider", &self.provider)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What an entry may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ProviderPolicy {
    /// The models, where not all are allowed.
    pub models: Option<BTreeSet<String>>,
    /// Tokens of an answer, at most; what a request without a bound is held to.
    pub max_output_tokens: Option<u64>,
}

/// What a provider may use: the settings with their secrets, the guarded HTTP client, the policy,
/// the deadline, the cancellation token, the clock and the budget.
pub struct ProviderContext {
    pub(super) outbound: Outbound,
    pub(super) purpose: String,
    pub(super) idempotency_key: Option<String>,
    pub(super) cancel: CancellationToken,
    pub(super) credentials: Credentials,
    pub(super) policy: ProviderPolicy,
    pub(super) budget: Arc<dyn Budget>,
    /// The other side has begun to answer with success: it may have cost something.
    pub(super) answered: AtomicBool,
}

impl ProviderContext {
    /// The entry that is asked.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.outbound.connector
    }

    /// Whose call it is.
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.outbound.tenant_id
    }

    /// What ties the call to what caused it; sent as `X-Correlation-ID` by [`Self::send`].
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        &self.outbound.correlation_id
    }

    /// What for, as `llm.chat`.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The entry's settings, secrets resolved.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What the entry may be asked. The registry holds requests against it before they come here.
    #[must_use]
    pub fn policy(&self) -> &ProviderPolicy {
        &self.policy
    }

    /// The tenant's budget. The registry reserves and settles the call itself; only a provider
    /// that makes further calls has to.
    #[must_use]
    pub fn budget(&self) -> &dyn Budget {
        self.budget.as_ref()
    }

    /// Fires when the call is cancelled. The provider's future is dropped then.
    #[must_use]
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.outbound.now()
    }

    /// When the call must have ended. HTTP calls keep it by themselves.
    #[must_use]
    pub fn deadline(&self) -> DateTime<Utc> {
        self.outbound.deadline
    }

    /// How much time is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.outbound.remaining()
    }

    /// A POST of JSON that may take all the time that is left, with the idempotency key.
    #[must_use]
    pub fn post(&self, url: Url, body: &Value) -> HttpRequest {
        let mut request =
            HttpRequest::new(Method::POST, url).body("application/json", body.to_string()).timeout(self.remaining());
        if let Some(key) = self.idempotency_key.as_deref().and_then(|key| HeaderValue::from_str(key).ok()) {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        request
    }

    /// Sends a request through the egress guard and reads the whole response, of any status.
    ///
    /// # Errors
    /// As [`ActionContext::send`](crate::ActionContext::send).
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let response = self.outbound.send(request).await?;
        self.note(response.status);
        Ok(response)
    }

    /// As [`Self::send`], with the body piece by piece as it comes.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_streaming(&self, request: HttpRequest) -> Result<StreamedResponse> {
        let response = self.outbound.open(request).await?;
        self.note(response.status());
        Ok(response)
    }

    fn note(&self, status: http::StatusCode) {
        if status.is_success() {
            self.answered.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for ProviderContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderContext")
            .field("provider", &self.provider())
            .field("tenant_id", &self.tenant_id())
            .field("purpose", &self.purpose)
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}
