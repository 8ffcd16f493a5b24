//! A plain HTTP client for tests: no TLS, no redirects, no egress policy. Programs use the egress
//! guard.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::base::http::{HttpClient, HttpError, HttpRequest, HttpResponse};

/// One connection per request, over HTTP/1.1.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainHttp;

#[async_trait]
impl HttpClient for PlainHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let after = request.timeout;
        tokio::time::timeout(after, exchange(request)).await.unwrap_or(Err(HttpError::Timeout { after }))
    }
}

async fn exchange(request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let invalid = |reason: &str| HttpError::Invalid { reason: reason.to_owned() };
    let cut = |error: hyper::Error| HttpError::Cut { reason: error.to_string() };
    if request.url.scheme() != "http" {
        return Err(invalid("the test client speaks http only"));
    }
    let host = request.url.host_str().ok_or_else(|| invalid("no host"))?.to_owned();
    let port = request.url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port))
        .await
        .map_err(|error| HttpError::Connect { reason: error.to_string() })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(cut)?;
    // Ends with this future, so that a cancelled call closes its connection.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));

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
    let (parts, mut body) = sender.send_request(outgoing).await.map_err(cut)?.into_parts();

    let limit = request.max_response_bytes;
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
        let room = limit - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            if request.truncate_response {
                break;
            }
            return Err(HttpError::TooLarge { limit });
        }
    }
    Ok(HttpResponse::new(parts.status, parts.headers, Bytes::from(read)))
}
