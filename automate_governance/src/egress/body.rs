//! The body of a response, whole or piece by piece, under the same bounds: bytes are counted after
//! decompression (O13), and the time of the exchange goes on.

use std::time::Duration;

use automate_connectors::base::http::{HttpError, HttpRequest, HttpResponse, HttpStream};
use automate_core::limits;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::client::root_cause;

/// A body, and how much of it may still come.
struct Body {
    response: reqwest::Response,
    limit: usize,
    left: usize,
    truncate: bool,
    ended: bool,
}

impl Body {
    fn of(response: reqwest::Response, request: &HttpRequest) -> Result<Self, HttpError> {
        let limit = request.max_response_bytes.min(limits::RESPONSE_BYTES);
        let truncate = request.truncate_response;
        if !truncate && response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(HttpError::TooLarge { limit });
        }
        Ok(Self { response, limit, left: limit, truncate, ended: false })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        if self.ended {
            return Ok(None);
        }
        let chunk = self.response.chunk().await.map_err(|e| HttpError::Cut { reason: root_cause(&e.without_url()) })?;
        let Some(mut chunk) = chunk else {
            self.ended = true;
            return Ok(None);
        };
        if chunk.len() > self.left {
            self.ended = true;
            if !self.truncate {
                return Err(HttpError::TooLarge { limit: self.limit });
            }
            chunk.truncate(self.left);
        }
        self.left -= chunk.len();
        Ok(Some(chunk))
    }
}

/// Reads the whole body.
pub(super) async fn read(mut response: reqwest::Response, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
    let status = response.status();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Body::of(response, request)?;
    let mut all = BytesMut::new();
    while let Some(chunk) = body.next().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(HttpResponse::new(status, headers, all.freeze()))
}

/// Gives the body piece by piece, until a time.
pub(super) fn open(
    response: reqwest::Response,
    request: &HttpRequest,
    until: Instant,
) -> Result<HttpStream, HttpError> {
    let status = response.status();
    let headers = response.headers().clone();
    let body = Body::of(response, request)?;
    let after = request.timeout;
    let chunks = stream::unfold(Some(body), move |body| next(body, until, after));
    Ok(HttpStream::new(status, headers, chunks.boxed()))
}

/// The next piece; nothing after an error, which closes the connection.
async fn next(body: Option<Body>, until: Instant, after: Duration) -> Option<(Result<Bytes, HttpError>, Option<Body>)> {
    let mut body = body?;
    match tokio::time::timeout_at(until, body.next()).await {
        Ok(Ok(Some(chunk))) => Some((Ok(chunk), Some(body))),
        Ok(Ok(None)) => None,
        Ok(Err(error)) => Some((Err(error), None)),
        Err(_) => Some((Err(HttpError::Timeout { after }), None)),
    }
}
