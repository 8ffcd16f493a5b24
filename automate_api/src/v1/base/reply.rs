//! What an operation answers with.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::sse::StreamEvent;
use crate::Problem;

/// What an answer consists of.
pub enum ReplyBody {
    /// Nothing.
    Empty,
    /// JSON, written.
    Json(Bytes),
    /// Anything; the header says of which type.
    Bytes(Bytes),
    /// Server-sent events, until the stream ends.
    Events(BoxStream<'static, StreamEvent>),
}

/// What an operation answers with when it succeeds.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers besides those that every answer has.
    pub headers: HeaderMap,
    /// What it consists of.
    pub body: ReplyBody,
    /// Whether it holds what is shown once only, and is not kept for a repeated request.
    pub confidential: bool,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({})", self.status)
    }
}

impl Reply {
    fn of(status: StatusCode, body: ReplyBody) -> Self {
        Self { status, headers: HeaderMap::new(), body, confidential: false }
    }

    /// JSON with a status.
    ///
    /// # Errors
    /// 500 where the value cannot be written as JSON.
    pub fn json(status: StatusCode, value: impl Serialize) -> Result<Self, Problem> {
        let bytes = serde_json::to_vec(&value).map_err(|error| {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::internal()
        })?;
        Ok(Self::of(status, ReplyBody::Json(bytes.into())))
    }

    /// 200 with JSON.
    ///
    /// # Errors
    /// As [`Reply::json`].
    pub fn ok(value: impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, value)
    }

    /// 201 with JSON, and where the new row is.
    ///
    /// # Errors
    /// As [`Reply::json`].
    pub fn created(location: &str, value: impl Serialize) -> Result<Self, Problem> {
        let reply = Self::json(StatusCode::CREATED, value)?;
        Ok(match HeaderValue::from_str(location) {
            Ok(location) => reply.with_header(header::LOCATION, location),
            Err(_) => reply,
        })
    }

    /// 202 with JSON: it will be done.
    ///
    /// # Errors
    /// As [`Reply::json`].
    pub fn accepted(value: impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::ACCEPTED, value)
    }

    /// 204.
    #[must_use]
    pub fn no_content() -> Self {
        Self::of(StatusCode::NO_CONTENT, ReplyBody::Empty)
    }

    /// 200 with bytes of a media type.
    #[must_use]
    pub fn bytes(media_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self::of(StatusCode::OK, ReplyBody::Bytes(bytes.into()))
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static(media_type))
    }

    /// 200 with server-sent events. The answer ends when the stream does; the stream is dropped when
    /// the client goes away, so what it does with a database belongs into `Database::run`.
    #[must_use]
    pub fn events(stream: impl Stream<Item = StreamEvent> + Send + 'static) -> Self {
        Self::of(StatusCode::OK, ReplyBody::Events(stream.boxed()))
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The same with the `ETag` of a row's version, to be given back in `If-Match`.
    #[must_use]
    pub fn with_version(self, version: i64) -> Self {
        match HeaderValue::from_str(&format!("\"{version}\"")) {
            Ok(tag) => self.with_header(header::ETAG, tag),
            Err(_) => self,
        }
    }

    /// The same, but it is not kept: it holds what is shown once only, such as a new token. A
    /// repetition of the request has no second effect and is told that the answer is gone.
    #[must_use]
    pub fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }
}
