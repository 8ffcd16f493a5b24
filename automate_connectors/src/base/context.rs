//! What an action gets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_core::actions::{LogLevel, LogSink};
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::secrets::SecretValue;
use chrono::{DateTime, Utc};
use http::header::HeaderValue;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::error::{ConnectorError, Result};
use super::http::{HttpRequest, HttpResponse, shown_url};
use super::outbound::{Outbound, StreamedResponse};
use super::scrub::Scrubber;
use crate::provider::{ProviderCall, ProviderRegistry};

/// Values that an action may add to the scrubbed ones.
const MAX_EXTRA_SECRETS: usize = 16;

/// What a context is made from.
pub(crate) struct ContextParts {
    pub(crate) outbound: Outbound,
    pub(crate) providers: Arc<ProviderRegistry>,
    pub(crate) connection: Connection,
    pub(crate) execution_id: ExecutionId,
    pub(crate) step_path: String,
    pub(crate) attempt: u32,
    pub(crate) idempotency_key: String,
    pub(crate) cancel: CancellationToken,
    pub(crate) log: Arc<dyn LogSink>,
    /// The connection's secret fields.
    pub(crate) secrets: Vec<SecretValue>,
}

/// What an action may use: the guarded HTTP client, the connection, the idempotency key, the
/// deadline, the cancellation token and the log of its step.
pub struct ActionContext {
    parts: ContextParts,
    extra_secrets: Mutex<Vec<SecretValue>>,
}

impl ActionContext {
    pub(crate) fn new(parts: ContextParts) -> Self {
        Self { parts, extra_secrets: Mutex::new(Vec::new()) }
    }

    /// The fields of the step's connection.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.parts.connection
    }

    /// The same over all attempts of the step: what makes a repetition recognisable to the other
    /// side.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.parts.idempotency_key
    }

    /// When the attempt must have ended. The context's HTTP calls keep it by themselves.
    #[must_use]
    pub fn deadline(&self) -> DateTime<Utc> {
        self.parts.outbound.deadline
    }

    /// How much time is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.parts.outbound.remaining()
    }

    /// Fires when the step is cancelled. The action's future is dropped then, so that only one
    /// that spawns something needs it.
    #[must_use]
    pub fn cancel(&self) -> &CancellationToken {
        &self.parts.cancel
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.parts.outbound.now()
    }

    /// Whose call it is.
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.parts.outbound.tenant_id
    }

    /// The execution that the step belongs to.
    #[must_use]
    pub fn execution_id(&self) -> ExecutionId {
        self.parts.execution_id
    }

    /// The step, by its path.
    #[must_use]
    pub fn step_path(&self) -> &str {
        &self.parts.step_path
    }

    /// Which attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.parts.attempt
    }

    /// What ties this call to what caused it; sent as `X-Correlation-ID` by [`Self::send`].
    #[must_use]
    pub fn correlation_id(&self) -> &str {
        &self.parts.outbound.correlation_id
    }

    /// Writes a line to the step's log. Values of the connection are taken out.
    pub fn log(&self, level: LogLevel, message: impl Into<String>, fields: Option<Value>) {
        let (mut message, mut fields) = (message.into(), fields);
        let scrubber = self.scrubber();
        if !scrubber.is_empty() {
            scrubber.text(&mut message);
            fields.iter_mut().for_each(|fields| scrubber.value(fields));
        }
        self.parts.log.log(level, message, fields);
    }

    /// Writes an `info` line to the step's log.
    pub fn info(&self, message: impl Into<String>) {
        self.log(LogLevel::Info, message, None);
    }

    /// Adds a value that must not show in output, errors or log lines, as one derived from a
    /// credential. The connection's secret fields are known already.
    pub fn hide(&self, value: String) {
        let mut extra = self.extra_secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if extra.len() < MAX_EXTRA_SECRETS {
            extra.push(SecretValue::new(value));
        }
    }

    /// Sends a request through the egress guard. The request's timeout is cut to what is left
    /// until the deadline, and `X-Correlation-ID` is added. A response of any status is `Ok`.
    ///
    /// # Errors
    /// `TIMEOUT`, `TRANSIENT_NETWORK`, `LIMIT_EXCEEDED`, `EGRESS_DENIED` or `INVALID_INPUT`; in
    /// an action with `effect = once`, `OUTCOME_UNKNOWN` in place of the first two where the
    /// request may have reached the other side. `UPSTREAM_5XX` without a call while the circuit
    /// breaker of that host is open.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        self.parts.outbound.send(request).await
    }

    /// As [`Self::send`], with the body of the response piece by piece as it comes.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn send_streaming(&self, request: HttpRequest) -> Result<StreamedResponse> {
        self.parts.outbound.open(request).await
    }

    /// As [`Self::send`], and a status outside 2xx is an error too.
    ///
    /// # Errors
    /// As [`Self::send`] and [`ConnectorError::from_response`].
    pub async fn send_ok(&self, request: HttpRequest) -> Result<HttpResponse> {
        let what = format!("{} {}", request.method, shown_url(&request.url));
        let response = self.send(request).await?;
        if response.status.is_success() {
            Ok(response)
        } else {
            Err(ConnectorError::from_response(&what, &response, self.now()))
        }
    }

    /// Posts JSON and reads JSON, with a bearer token where one is given.
    ///
    /// # Errors
    /// As [`Self::send_ok`]; `INVALID_OUTPUT` where the answer is not JSON.
    pub async fn post_json(&self, url: url::Url, token: Option<&str>, body: &Value) -> Result<Value> {
        let mut request = HttpRequest::new(http::Method::POST, url)
            .body("application/json; charset=utf-8", body.to_string())
            .header(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            request = request.bearer(token)?;
        }
        self.send_ok(request).await?.json()
    }

    /// The providers of language models.
    #[must_use]
    pub fn providers(&self) -> &ProviderRegistry {
        &self.parts.providers
    }

    /// A call of a provider on behalf of this step, for [`ProviderRegistry::chat`]. `purpose` says
    /// what for, as `llm.chat`.
    #[must_use]
    pub fn provider_call(&self, purpose: &str) -> ProviderCall {
        let Outbound { effect, tenant_id, correlation_id, deadline, sent, .. } = self.parts.outbound.clone();
        let key = self.parts.idempotency_key.clone();
        ProviderCall { effect, sent, ..ProviderCall::new(tenant_id, purpose, deadline) }
            .correlation_id(correlation_id)
            .idempotency_key(key)
            .cancel(self.parts.cancel.clone())
    }

    pub(crate) fn scrubber(&self) -> Scrubber {
        let extra = self.extra_secrets.lock().unwrap_or_else(PoisonError::into_inner);
        Scrubber::new(self.parts.secrets.iter().chain(extra.iter()).cloned().collect())
    }
}

impl fmt::Debug for ActionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionContext")
            .field("connector", &self.parts.outbound.connector)
            .field("execution_id", &self.parts.execution_id)
            .field("step_path", &self.parts.step_path)
            .field("attempt", &self.parts.attempt)
            .field("connection", &self.parts.connection)
            .finish_non_exhaustive()
    }
}
