//! A plain HTTP client for tests: no TLS, no redirects, no egress policy. Programs use the egress
//! guard.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::response::Parts;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::base::http::{HttpClient, HttpError, HttpRequest, HttpResponse, HttpStream};

/// One connection per request, over HTTP/1.1.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainHttp;

#[async_trait]
impl HttpClient for PlainHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.send_streaming(request).await?.read().await
    }

    async fn send_streaming(&self, request: HttpRequest) -> Result<HttpStream, HttpError> {
        let (after, until) = (request.timeout, Instant::now() + request.timeout);
        let (limit, truncate) = (request.max_response_bytes, request.truncate_response);
        let opened = tokio::time::timeout_at(until, open(request)).await;
        let (parts, body, connection) = opened.unwrap_or(Err(HttpError::Timeout { after }))?;
        let body = Body { body, connection, limit, left: limit, truncate };
        let chunks = stream::unfold(Some(body), move |body| async move {
            let mut body = body?;
            match tokio::time::timeout_at(until, body.next()).await {
                Ok(Ok(Some(piece))) => Some((Ok(piece), Some(body))),
                Ok(Ok(None)) => None,
                Ok(Err(error)) => Some((Err(error), None)),
                Err(_) => Some((Err(HttpError::Timeout { after }), None)),
            }
        });
        Ok(HttpStream::new(parts.status, parts.headers, chunks.boxed()))
    }
}

fn cut(error: hyper::Error) -> HttpError {
    HttpError::Cut { reason: error.to_string() }
}

/// A body that is still coming. The connection ends with it, so that a cancelled call closes it.
struct Body {
    body: Incoming,
    #[expect(dead_code, reason = "held so that the connection lives as long as its body")]
    connection: AbortOnDropHandle<hyper::Result<()>>,
    limit: usize,
    left: usize,
    truncate: bool,
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.body.frame().await {
            let Ok(mut piece) = frame.map_err(cut)?.into_data() else { continue };
            if piece.len() > self.left {
                if !self.truncate {
                    return Err(HttpError::TooLarge { limit: self.limit });
                }
                if self.left == 0 {
                    return Ok(None);
                }
                piece.truncate(self.left);
            }
            self.left -= piece.len();
            return Ok(Some(piece));
        }
        Ok(None)
    }
}

async fn open(request: HttpRequest) -> Result<(Parts, Incoming, AbortOnDropHandle<hyper::Result<()>>), HttpError> {
    let invalid = |reason: &str| HttpError::Invalid { reason: reason.to_owned() };
    if request.url.scheme() != "http" {
        return Err(invalid("the test client speaks http only"));
    }
    let host = request.url.host_str().ok_or_else(|| invalid("no host"))?.to_owned();
    let port = request.url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .map_err(|error| HttpError::Connect { reason: error.to_string() })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(cut)?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));

    let target = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let mut outgoing = hyper::Request::new(Full::new(request.body));
    *outgoing.method_mut() = request.method;
    *outgoing.uri_mut() = target.parse().map_err(|_| invalid("the path is not valid"))?;
    *outgoing.headers_mut() = request.headers;
    let host = HeaderValue::from_str(&format!("{host}:{port}")).map_err(|_| invalid("the host is not valid"))?;
    outgoing.headers_mut().insert(HOST, host);
    let (parts, body) = sender.send_request(outgoing).await.map_err(cut)?.into_parts();
    Ok((parts, body, connection))
}
