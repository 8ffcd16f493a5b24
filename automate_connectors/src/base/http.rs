//! The port to outgoing HTTP: the only way out that a connector has. The egress guard implements
//! it; a connector sees requests and responses and never a socket.

mod stream;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use automate_core::error::ErrorCode;
use automate_core::ids::TenantId;
use automate_core::limits;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use url::Url;

pub use stream::{Chunks, HttpStream};

use super::error::ConnectorError;

/// Sends HTTP requests on behalf of actions.
///
/// An implementation checks the address (and that of each redirect) against the egress policy,
/// connects only to addresses that it checked, keeps the request's `timeout` over everything from
/// the name lookup to the last byte of the body, stops reading at `max_response_bytes` after
/// decompression, keeps no cookies and takes no proxy from the environment. Dropping the future
/// stops the call.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a request and reads the whole response. A response of any status is `Ok`.
    ///
    /// # Errors
    /// [`HttpError`] where there is no complete response.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;

    /// Sends a request and gives the response as soon as its head is there; what holds for
    /// [`Self::send`] holds for the body while it comes. A client that cannot do this gives the
    /// body as one piece.
    ///
    /// # Errors
    /// [`HttpError`] where there is no head of a response; what happens later comes from the body.
    async fn send_streaming(&self, request: HttpRequest) -> Result<HttpStream, HttpError> {
        self.send(request).await.map(HttpStream::whole)
    }
}

/// One outgoing request.
///
/// Its `Debug` shows neither the query (tokens live there), nor the body, nor the values of
/// sensitive headers.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to; always `http` or `https`.
    pub url: Url,
    /// Headers. Credentials are marked with [`HeaderValue::set_sensitive`], so that they are
    /// neither shown nor sent on to another origin by a redirect.
    pub headers: HeaderMap,
    /// The body, empty for none.
    pub body: Bytes,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// Bytes of the decompressed body beyond which the call fails with [`HttpError::TooLarge`].
    pub max_response_bytes: usize,
    /// Cut the body at `max_response_bytes` instead of failing; for callers that need the status
    /// and at most the beginning of the body.
    pub truncate_response: bool,
    /// Redirects that may be followed; with 0 a 3xx is the response. The client may allow fewer.
    pub max_redirects: u8,
    /// Whose call it is, for policy and for metrics.
    pub tenant_id: Option<TenantId>,
}

impl HttpRequest {
    /// A request without body or headers, with the default timeout and response bound and without
    /// redirects.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: limits::DEFAULT_STEP_TIMEOUT,
            max_response_bytes: limits::RESPONSE_BYTES,
            truncate_response: false,
            max_redirects: 0,
            tenant_id: None,
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// The same, with `Authorization: Bearer …`, never shown.
    ///
    /// # Errors
    /// `CONFIG_INVALID` where the token has characters that a header cannot carry.
    pub fn bearer(self, token: &str) -> Result<Self, ConnectorError> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| ConnectorError::config_invalid("the token has characters that a header cannot carry"))?;
        Ok(self.sensitive_header(http::header::AUTHORIZATION, value))
    }

    /// The same, with a header that replaces one of that name.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same, with a header whose value is never shown.
    #[must_use]
    pub fn sensitive_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// The same, with a body and its media type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// The same, with how long the exchange may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &shown_url(&self.url))
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A URL as it may be shown: without user, password, query and fragment.
#[must_use]
pub fn shown_url(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// A complete response.
#[derive(Clone)]
#[non_exhaustive]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The decompressed body.
    pub body: Bytes,
}

impl HttpResponse {
    /// A response of these parts.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `INVALID_OUTPUT` where it is not JSON.
    pub fn json(&self) -> Result<serde_json::Value, ConnectorError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            ConnectorError::new(ErrorCode::InvalidOutput, "the service answered with something that is not JSON")
                .with_details(serde_json::json!({ "status": self.status.as_u16() }))
        })
    }

    /// A header's value, where it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why there is no complete response. Texts hold hosts and reasons, never headers, queries or
/// bodies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The exchange passed its timeout.
    #[error("no complete answer within {} ms", .after.as_millis())]
    Timeout {
        /// The timeout.
        after: Duration,
    },
    /// No connection could be made: name lookup, refusal, TLS. Nothing was sent.
    #[error("could not connect: {reason}")]
    Connect {
        /// What went wrong.
        reason: String,
    },
    /// The connection ended before the response did. The request may have had its effect.
    #[error("the connection was cut: {reason}")]
    Cut {
        /// What went wrong.
        reason: String,
    },
    /// The body passed the bound.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The egress guard refused the address or a redirect.
    #[error("the address was refused: {reason}")]
    Denied {
        /// Which rule, and what an operator can do.
        reason: String,
    },
    /// The request cannot be sent as it is, for instance with a scheme other than http and https.
    #[error("the request is not valid: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
}

/// Refuses every request: for commands and tests that run no action.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHttp;

#[async_trait]
impl HttpClient for NoHttp {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Denied { reason: "this process makes no outgoing calls".to_owned() })
    }
}
