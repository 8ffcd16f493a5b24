//! The way out of one call, which actions and providers share: the guarded client, the circuit
//! breaker, the deadline, and what ties the call to what caused it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use automate_core::clock::Clock;
use automate_core::error::ErrorCode;
use automate_core::ids::TenantId;
use automate_core::status::Effect;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::error::{ConnectorError, Result};
use super::http::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpStream, shown_url};
use crate::registry::{Breakers, Circuit};

/// The header that ties calls to what caused them.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// How long before the deadline a call is given up.
const CALL_MARGIN: Duration = Duration::from_millis(25);

/// See the module.
#[derive(Clone)]
pub(crate) struct Outbound {
    /// Whose circuits are used: a connector's key, or a provider's name.
    pub(crate) connector: String,
    pub(crate) effect: Effect,
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) breakers: Arc<Breakers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tenant_id: TenantId,
    pub(crate) correlation_id: String,
    pub(crate) deadline: DateTime<Utc>,
    /// Set while a request may have reached the other side; read after the action was dropped.
    pub(crate) sent: Arc<AtomicBool>,
}

/// A request that may go out.
struct Ready<'a> {
    request: HttpRequest,
    what: String,
    circuit: Circuit<'a>,
    already_sent: bool,
}

impl Outbound {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn remaining(&self) -> Duration {
        (self.deadline - self.now()).to_std().unwrap_or(Duration::ZERO)
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse> {
        let Ready { request, what, circuit, already_sent } = self.ready(request)?;
        let outcome = self.http.send(request).await;
        self.report(circuit, outcome.as_ref().map(|response| response.status));
        outcome.map_err(|error| self.failed(&what, error, already_sent))
    }

    /// Sends a request and reads the head of the response.
    pub(crate) async fn open(&self, request: HttpRequest) -> Result<StreamedResponse> {
        let Ready { request, what, circuit, already_sent } = self.ready(request)?;
        let outcome = self.http.send_streaming(request).await;
        self.report(circuit, outcome.as_ref().map(|response| response.status));
        match outcome {
            Ok(stream) => Ok(StreamedResponse { stream, what, once: self.effect == Effect::Once }),
            Err(error) => Err(self.failed(&what, error, already_sent)),
        }
    }

    fn ready(&self, mut request: HttpRequest) -> Result<Ready<'_>> {
        let remaining = self.remaining();
        if remaining.is_zero() {
            let error = ConnectorError::new(ErrorCode::Timeout, "the step's time is up");
            let sent = self.sent.load(Ordering::Relaxed);
            return Err(if sent { error } else { error.with_details(json!({ "sent": false })) });
        }
        // A little before the deadline, so that the error can still say which host did not answer.
        request.timeout = request.timeout.min(remaining - CALL_MARGIN.min(remaining / 10));
        request.tenant_id = Some(self.tenant_id);
        if !request.headers.contains_key(&CORRELATION_ID)
            && let Ok(value) = HeaderValue::from_str(&self.correlation_id)
        {
            request.headers.insert(CORRELATION_ID, value);
        }
        let what = format!("{} {}", request.method, shown_url(&request.url));
        let circuit = self.breakers.enter(self.tenant_id, &self.connector, &request.url, self.now())?;
        let already_sent = self.sent.swap(true, Ordering::Relaxed);
        Ok(Ready { request, what, circuit, already_sent })
    }

    fn report(&self, circuit: Circuit<'_>, outcome: std::result::Result<StatusCode, &HttpError>) {
        match outcome {
            Ok(status) => circuit.report(!status.is_server_error(), self.now()),
            Err(HttpError::Timeout { .. } | HttpError::Connect { .. } | HttpError::Cut { .. }) => {
                circuit.report(false, self.now());
            }
            Err(HttpError::TooLarge { .. } | HttpError::Denied { .. } | HttpError::Invalid { .. }) => {}
        }
    }

    fn failed(&self, what: &str, error: HttpError, already_sent: bool) -> ConnectorError {
        let nothing_sent =
            matches!(error, HttpError::Connect { .. } | HttpError::Denied { .. } | HttpError::Invalid { .. });
        if nothing_sent {
            self.sent.store(already_sent, Ordering::Relaxed);
        }
        let mapped = mapped(what, error, self.effect == Effect::Once);
        // For a `once` action the engine must know: without it the outcome would be open.
        if nothing_sent && !already_sent { mapped.with_details(json!({ "sent": false })) } else { mapped }
    }
}

/// The error of a call; for an action that must not be repeated, one that leaves open whether it
/// happened says so.
fn mapped(what: &str, error: HttpError, once: bool) -> ConnectorError {
    let open = matches!(error, HttpError::Timeout { .. } | HttpError::Cut { .. } | HttpError::TooLarge { .. });
    let mapped = ConnectorError::from(error);
    let code = if once && open { ErrorCode::OutcomeUnknown } else { mapped.code() };
    ConnectorError::new(code, format!("{what}: {}", mapped.message()))
}

/// A response whose body is still coming. The deadline of the call and the request's bound on
/// bytes hold for it too; dropping it closes the connection.
pub struct StreamedResponse {
    stream: HttpStream,
    what: String,
    once: bool,
}

impl StreamedResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.stream.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.stream.headers
    }

    /// The call, as `POST https://api.example/x`: for messages.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The next piece of the body; `None` where it has ended as it should.
    ///
    /// # Errors
    /// `TIMEOUT`, `TRANSIENT_NETWORK` or `LIMIT_EXCEEDED`; `OUTCOME_UNKNOWN` in an action with
    /// `effect = once`.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.stream.chunk().await.map_err(|error| mapped(&self.what, error, self.once))
    }

    /// Reads the rest, for an answer that is wanted whole after all.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn read(self) -> Result<HttpResponse> {
        let Self { stream, what, once } = self;
        stream.read().await.map_err(|error| mapped(&what, error, once))
    }
}

impl fmt::Debug for StreamedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedResponse").field("what", &self.what).field("status", &self.status()).finish()
    }
}
