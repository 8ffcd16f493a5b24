//! What an action gets.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use automate_core::actions::{LogLevel, LogSink};
use automate_core::clock::Clock;
use automate_core::error::ErrorCode;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::secrets::SecretValue;
use automate_core::status::Effect;
use chrono::{DateTime, Utc};
use http::header::{HeaderName, HeaderValue};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::error::{ConnectorError, Result};
use super::http::{HttpClient, HttpError, HttpRequest, HttpResponse, shown_url};
use super::scrub::Scrubber;
use crate::registry::Breakers;

/// The header that ties calls to what caused them.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
/// Values that an action may add to the scrubbed ones.
const MAX_EXTRA_SECRETS: usize = 16;

/// How long before the deadline a call is given up.
const CALL_MARGIN: Duration = Duration::from_millis(25);

/// What a context is made from.
pub(crate) struct ContextParts {
    pub(crate) connector: String,
    pub(crate) effect: Effect,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) connection: Connection,
    pub(crate) tenant_id: TenantId,
    pub(crate) execution_id: ExecutionId,
    pub(crate) step_path: String,
    pub(crate) attempt: u32,
    pub(crate) idempotency_key: String,
    pub(crate) correlation_id: String,
    pub(crate) deadline: DateTime<Utc>,
    pub(crate) cancel: CancellationToken,
    pub(crate) log: Arc<dyn LogSink>,
    /// The connection's secret fields.
    pub(crate) secrets: Vec<SecretValue>,
    /// Set while a request may have reached the other side; read after the action was dropped.
    pub(crate) sent: Arc<AtomicBool>,
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
        self.parts.deadline
    }

    /// How much time is left.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        (self.parts.deadline - self.now()).to_std().unwrap_or(Duration::ZERO)
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
        self.parts.clock.now()
    }

    /// Whose call it is.
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.parts.tenant_id
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
        &self.parts.correlation_id
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
    pub async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse> {
        let parts = &self.parts;
        let remaining = self.remaining();
        if remaining.is_zero() {
            return Err(ConnectorError::new(ErrorCode::Timeout, "the step's time is up"));
        }
        // A little before the deadline, so that the error can still say which host did not answer.
        request.timeout = request.timeout.min(remaining - CALL_MARGIN.min(remaining / 10));
        request.tenant_id = Some(parts.tenant_id);
        if !request.headers.contains_key(&CORRELATION_ID)
            && let Ok(value) = HeaderValue::from_str(&parts.correlation_id)
        {
            request.headers.insert(CORRELATION_ID, value);
        }
        let what = format!("{} {}", request.method, shown_url(&request.url));
        let circuit = parts.breakers.enter(parts.tenant_id, &parts.connector, &request.url, self.now())?;
        let already_sent = parts.sent.swap(true, Ordering::Relaxed);
        let outcome = parts.http.send(request).await;
        match &outcome {
            Ok(response) => circuit.report(!response.status.is_server_error(), self.now()),
            Err(HttpError::Timeout { .. } | HttpError::Connect { .. } | HttpError::Cut { .. }) => {
                circuit.report(false, self.now());
            }
            Err(HttpError::TooLarge { .. } | HttpError::Denied { .. } | HttpError::Invalid { .. }) => {}
        }
        outcome.map_err(|error| {
            if matches!(error, HttpError::Connect { .. } | HttpError::Denied { .. } | HttpError::Invalid { .. }) {
                parts.sent.store(already_sent, Ordering::Relaxed);
            }
            let unknown = parts.effect == Effect::Once
                && matches!(error, HttpError::Timeout { .. } | HttpError::Cut { .. } | HttpError::TooLarge { .. });
            let mapped = ConnectorError::from(error);
            let code = if unknown { ErrorCode::OutcomeUnknown } else { mapped.code() };
            ConnectorError::new(code, format!("{what}: {}", mapped.message()))
        })
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

    pub(crate) fn scrubber(&self) -> Scrubber {
        let extra = self.extra_secrets.lock().unwrap_or_else(PoisonError::into_inner);
        Scrubber::new(self.parts.secrets.iter().chain(extra.iter()).cloned().collect())
    }
}

impl fmt::Debug for ActionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionContext")
            .field("connector", &self.parts.connector)
            .field("execution_id", &self.parts.execution_id)
            .field("step_path", &self.parts.step_path)
            .field("attempt", &self.parts.attempt)
            .field("connection", &self.parts.connection)
            .finish_non_exhaustive()
    }
}
