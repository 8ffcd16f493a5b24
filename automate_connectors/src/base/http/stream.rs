//! A response whose body comes piece by piece.

use std::fmt;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http::StatusCode;
use http::header::HeaderMap;

use super::{HttpError, HttpResponse};

/// The pieces of a body, decompressed, as they come. It ends after the first error.
pub type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, HttpError>> + Send>>;

/// A response whose head is there and whose body is still coming. The request's timeout and its
/// bound on bytes go on to hold; dropping it closes the connection.
#[non_exhaustive]
pub struct HttpStream {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    chunks: Chunks,
}

impl HttpStream {
    /// A response of these parts.
    #[must_use]
    pub fn new(status: StatusCode, headers: HeaderMap, chunks: Chunks) -> Self {
        Self { status, headers, chunks }
    }

    /// A complete response, whose body is one piece.
    #[must_use]
    pub fn whole(response: HttpResponse) -> Self {
        let HttpResponse { status, headers, body } = response;
        Self { status, headers, chunks: stream::iter((!body.is_empty()).then_some(Ok(body))).boxed() }
    }

    /// The next piece; `None` where the body has ended as it should.
    ///
    /// # Errors
    /// [`HttpError`] where the body is cut, too large or late.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        self.chunks.next().await.transpose()
    }

    /// Reads the rest, for an answer that is wanted whole after all.
    ///
    /// # Errors
    /// As [`Self::chunk`].
    pub async fn read(mut self) -> Result<HttpResponse, HttpError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        Ok(HttpResponse::new(self.status, self.headers, body.freeze()))
    }
}

impl fmt::Debug for HttpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStream").field("status", &self.status).finish_non_exhaustive()
    }
}
