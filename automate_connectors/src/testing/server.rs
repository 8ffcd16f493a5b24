//! A local HTTP server that misbehaves on request.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// Requests that are kept; older ones are dropped.
const KEPT_REQUESTS: usize = 10_000;
/// Bytes of a request's body that are read.
const REQUEST_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of one piece of a huge body.
const PIECE: usize = 64 * 1024;

/// How the server answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    /// A complete answer.
    Answer {
        /// Its status.
        status: u16,
        /// Its headers.
        headers: Vec<(String, String)>,
        /// Its body.
        body: String,
    },
    /// A status, and as its body everything that was sent, headers included.
    Echo {
        /// Its status.
        status: u16,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// A complete answer, late.
    Slow {
        /// How late.
        after: Duration,
        /// The answer.
        then: Box<Behaviour>,
    },
    /// The connection closes without an answer.
    Disconnect,
    /// The connection closes in the middle of the body of a 200.
    CutBody,
    /// A 200 with a body of so many bytes.
    Huge {
        /// How many.
        bytes: usize,
    },
    /// Headers of a 200, then a byte of the body every so often, without end.
    Drip {
        /// How often.
        every: Duration,
    },
    /// A 200 whose body comes in these pieces, each by itself; then it ends, or is cut.
    Pieces {
        /// Its media type.
        content_type: String,
        /// The pieces.
        pieces: Vec<Vec<u8>>,
        /// Whether the connection closes before the body has ended.
        cut: bool,
    },
    /// Nothing, while the connection stays open.
    Silence,
}

impl Behaviour {
    /// A status with a short text.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: format!("status {status}") }
    }

    /// A 200 with JSON.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self::Answer { status: 200, headers, body: body.to_string() }
    }

    /// A 429 that asks to wait: seconds or an HTTP date.
    #[must_use]
    pub fn rate_limited(retry_after: &str) -> Self {
        let headers = vec![("retry-after".to_owned(), retry_after.to_owned())];
        Self::Answer { status: 429, headers, body: "slow down".to_owned() }
    }

    /// A stream of server-sent events, in one piece for each text.
    #[must_use]
    pub fn events<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec()).collect();
        Self::Pieces { content_type: "text/event-stream".to_owned(), pieces, cut: false }
    }

    /// A redirect.
    #[must_use]
    pub fn redirect(status: u16, to: &str) -> Self {
        let headers = vec![("location".to_owned(), to.to_owned())];
        Self::Answer { status, headers, body: String::new() }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Recorded {
    /// A header's value, where it is there and text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON; `null` where it is not.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Default)]
struct Shared {
    plans: Mutex<Plans>,
    requests: Mutex<VecDeque<Recorded>>,
    aborted: AtomicUsize,
}

#[derive(Default)]
struct Plans {
    next: VecDeque<Behaviour>,
    paths: HashMap<String, Behaviour>,
    otherwise: Option<Behaviour>,
}

/// A server on a free port of 127.0.0.1. By default it answers 200 with `{}`. It stops when it is
/// dropped.
pub struct MisbehavingServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl MisbehavingServer {
    /// Starts it; needs a running tokio runtime.
    ///
    /// # Errors
    /// Where no port can be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{}", self.address, path.trim_start_matches('/'))
    }

    /// Answers every request so that has no other plan.
    pub fn always(&self, behaviour: Behaviour) -> &Self {
        lock(&self.shared.plans).otherwise = Some(behaviour);
        self
    }

    /// Answers requests for a path so, unless something is queued.
    pub fn on(&self, path: &str, behaviour: Behaviour) -> &Self {
        lock(&self.shared.plans).paths.insert(format!("/{}", path.trim_start_matches('/')), behaviour);
        self
    }

    /// Answers the next `times` requests so, after what is queued already.
    pub fn next(&self, times: usize, behaviour: Behaviour) -> &Self {
        lock(&self.shared.plans).next.extend(std::iter::repeat_n(behaviour, times));
        self
    }

    /// Forgets all plans and requests.
    pub fn reset(&self) -> &Self {
        *lock(&self.shared.plans) = Plans::default();
        lock(&self.shared.requests).clear();
        self.shared.aborted.store(0, Ordering::SeqCst);
        self
    }

    /// The requests so far, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.requests).iter().cloned().collect()
    }

    /// How many requests were given up by the client before they were answered.
    #[must_use]
    pub fn aborted(&self) -> usize {
        self.shared.aborted.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come.
    ///
    /// # Panics
    /// After five seconds.
    pub async fn wait_for_requests(&self, count: usize) {
        wait_until("requests", || lock(&self.shared.requests).len() >= count).await;
    }

    /// Waits until so many requests were given up.
    ///
    /// # Panics
    /// After five seconds.
    pub async fn wait_for_aborted(&self, count: usize) {
        wait_until("aborted requests", || self.aborted() >= count).await;
    }
}

impl Drop for MisbehavingServer {
    fn drop(&mut self) {
        // The task owns the connections, which end with it.
        self.accepting.abort();
    }
}

async fn wait_until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited five seconds for {what} in vain");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(shared.clone(), request));
            // A connection that ends badly is what this server is for.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// Counts a request as given up when it is dropped before it is answered.
struct InFlight<'a>(&'a AtomicUsize, bool);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BYTES).collect().await.map_err(io::Error::other)?.to_bytes();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let recorded = Recorded { method: parts.method, path, headers: parts.headers, body };
    let behaviour = {
        let mut plans = lock(&shared.plans);
        let queued = plans.next.pop_front();
        queued
            .or_else(|| plans.paths.get(parts.uri.path()).cloned())
            .or_else(|| plans.otherwise.clone())
            .unwrap_or_else(|| Behaviour::json(&json!({})))
    };
    {
        let mut requests = lock(&shared.requests);
        if requests.len() == KEPT_REQUESTS {
            requests.pop_front();
        }
        requests.push_back(recorded.clone());
    }
    let mut in_flight = InFlight(&shared.aborted, false);
    let response = behave(behaviour, &recorded).await;
    in_flight.1 = true;
    response
}

async fn behave(behaviour: Behaviour, request: &Recorded) -> io::Result<Response<Body>> {
    let mut behaviour = behaviour;
    loop {
        match behaviour {
            Behaviour::Slow { after, then } => {
                tokio::time::sleep(after).await;
                behaviour = *then;
            }
            Behaviour::Answer { status, headers, body } => return Ok(response(status, &headers, whole(body))),
            Behaviour::Echo { status, headers } => return Ok(response(status, &headers, whole(echo(request)))),
            Behaviour::Disconnect => return Err(io::ErrorKind::ConnectionAborted.into()),
            Behaviour::Silence => std::future::pending::<()>().await,
            Behaviour::CutBody => {
                let parts = [Ok(Frame::data(Bytes::from_static(b"{\"begun\":"))), Err(io::ErrorKind::Other.into())];
                // The pause lets the first piece out before the connection is cut.
                let body = stream::unfold(parts.into_iter(), |mut parts| async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    parts.next().map(|part| (part, parts))
                });
                let headers = [("content-length".to_owned(), "1000".to_owned())];
                return Ok(response(200, &headers, pieces(body)));
            }
            Behaviour::Pieces { content_type, pieces: all, cut } => {
                let end = cut.then(|| Err(io::ErrorKind::Other.into()));
                let parts: Vec<io::Result<Frame<Bytes>>> =
                    all.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece)))).chain(end).collect();
                let body = stream::unfold(parts.into_iter(), |mut parts| async move {
                    // The pause sends each piece by itself.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    parts.next().map(|part| (part, parts))
                });
                return Ok(response(200, &[("content-type".to_owned(), content_type)], pieces(body)));
            }
            Behaviour::Huge { bytes } => {
                let body = stream::unfold(bytes, |left| async move {
                    let size = left.min(PIECE);
                    (size > 0).then(|| (Ok(Frame::data(Bytes::from(vec![b' '; size]))), left - size))
                });
                return Ok(response(200, &[], pieces(body)));
            }
            Behaviour::Drip { every } => {
                let body = stream::unfold((), move |()| async move {
                    tokio::time::sleep(every).await;
                    Some((Ok(Frame::data(Bytes::from_static(b" "))), ()))
                });
                return Ok(response(200, &[], pieces(body)));
            }
        }
    }
}

fn pieces(stream: impl stream::Stream<Item = io::Result<Frame<Bytes>>> + Send + Sync + 'static) -> Body {
    BodyExt::boxed(StreamBody::new(Box::pin(stream)))
}

fn whole(body: String) -> Body {
    Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed()
}

fn response(status: u16, headers: &[(String, String)], body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Everything of a request as text, as an unwise server writes it into its errors.
fn echo(request: &Recorded) -> String {
    let headers: Vec<String> = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    format!("{}\n{}", headers.join("\n"), String::from_utf8_lossy(&request.body))
}
