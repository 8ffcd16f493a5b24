//! The server over real sockets, written to by hand where a client would not send such things.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::routing::{get, post};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::*;
use crate::problem::Problem;

/// A server on a port of its own.
pub(crate) struct TestServer {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) shutdown: CancellationToken,
    served: JoinHandle<Served>,
}

impl TestServer {
    pub(crate) async fn start(routes: Router, drain: Duration) -> Self {
        let routes = routes
            .fallback(async || Problem::not_found())
            .method_not_allowed_fallback(crate::router::method_not_allowed);
        let router = crate::edge::around(routes, Arc::new(Semaphore::new(100)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(serve(listener, router, shutdown.clone(), drain));
        Self { address, shutdown, served }
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        // The server may answer and close before everything is written.
        let _ = socket.write_all(bytes.as_ref()).await;
        rest_of(&mut socket).await
    }

    async fn stop(self) -> Served {
        self.shutdown.cancel();
        self.served.await.unwrap()
    }
}

pub(crate) async fn rest_of(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default()
}

pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

pub(crate) fn body(answer: &str) -> Value {
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

fn plain() -> Router {
    Router::new()
        .route("/ok", get(async || "ok").post(async |body: String| body.len().to_string()))
        .route("/panic", get(async || -> String { panic!("secret internals at src/secret.rs") }))
}

const GRACE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_answer_has_the_security_headers_and_a_correlation_id() {
    let server = TestServer::start(plain(), GRACE).await;
    let get = "GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Correlation-ID: mine-1\r\n\r\n";
    let answer = server.send(get).await;
    assert_eq!(status(&answer), 200);
    for (name, value) in [
        ("x-correlation-id", "mine-1"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(header(&answer, name), Some(value), "{answer}");
    }
    assert!(header(&answer, "content-security-policy").unwrap().contains("default-src 'none'"));

    let answer = server.send("GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!((status(&answer), header(&answer, "content-type")), (404, Some("application/problem+json")));
    let problem = body(&answer);
    assert_eq!(problem["code"], "NOT_FOUND");
    assert_eq!(problem["correlation_id"].as_str(), header(&answer, "x-correlation-id"));
    assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn r15_a_panic_is_a_500_that_tells_nothing_and_the_server_goes_on() {
    let server = TestServer::start(plain(), GRACE).await;
    let answer = server.send("GET /panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!((status(&answer), body(&answer)["code"].as_str()), (500, Some("INTERNAL")));
    assert!(!answer.contains("secret"), "{answer}");
    let answer = server.send("GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 200);
}

#[tokio::test]
async fn w19_wrong_methods_are_405_with_allow_and_long_addresses_414() {
    let server = TestServer::start(plain(), GRACE).await;
    for method in ["PUT", "DELETE", "TRACE", "BREW"] {
        let answer = server.send(format!("{method} /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert_eq!((status(&answer), body(&answer)["code"].as_str()), (405, Some("METHOD_NOT_ALLOWED")), "{method}");
        assert_eq!(header(&answer, "allow"), Some("GET,HEAD,POST"), "{answer}");
    }
    for length in [8 * 1024, 32 * 1024] {
        let long = "x".repeat(length);
        let answer = server.send(format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!((status(&answer), body(&answer)["code"].as_str()), (414, Some("URI_TOO_LONG")));
        assert_eq!(header(&answer, "connection"), Some("close"));
    }
}

#[tokio::test]
async fn too_many_or_too_large_headers_are_431() {
    let server = TestServer::start(plain(), GRACE).await;
    let many: String = (0..150).map(|n| format!("X-{n}: 1\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "x".repeat(40 * 1024));
    let huge = format!("X-Huge: {}\r\n", "x".repeat(1024 * 1024));
    for headers in [many, large, huge] {
        let answer = server.send(format!("GET /ok HTTP/1.1\r\nHost: a\r\n{headers}\r\n")).await;
        assert_eq!(status(&answer), 431, "{}", &answer[..answer.len().min(300)]);
    }
}

#[tokio::test]
async fn w17_a_request_whose_length_is_in_doubt_is_refused_and_the_connection_closed() {
    let server = TestServer::start(plain(), GRACE).await;
    let smuggled = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "transfer-encoding: chunked\r\ncontent-LENGTH:5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
        "X-Folded: a\r\n b",
    ] {
        let request = format!("POST /ok HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n{smuggled}");
        let answer = server.send(&request).await;
        assert_eq!(status(&answer), 400, "{headers}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{headers}: the rest was taken as a request: {answer}");
    }
    // Behind a good request on the same connection as well, pipelined or not.
    let good = "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx";
    let bad = "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = server.send(format!("{good}{bad}{smuggled}")).await;
    assert!(answer.contains("AMBIGUOUS_LENGTH") && answer.matches("HTTP/1.1 ").count() == 2, "{answer}");
    // What is in no doubt is taken.
    let chunked = "POST /ok HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let last = "GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = server.send(format!("{chunked}{chunked}{last}")).await;
    assert_eq!(answer.matches("200 OK").count(), 3, "{answer}");
}

#[tokio::test]
async fn w13_slow_heads_are_cut_after_ten_seconds_while_others_are_served() {
    let server = TestServer::start(plain(), GRACE).await;
    let started = Instant::now();
    let mut slow = Vec::new();
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n\r\nS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /ok HTTP/1.1\r\nHo"]
    {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(beginning.as_bytes()).await.unwrap();
        slow.push(tokio::spawn(async move {
            rest_of(&mut socket).await;
            started.elapsed()
        }));
    }
    let mut dripping = TcpStream::connect(server.address).await.unwrap();
    slow.push(tokio::spawn(async move {
        dripping.write_all(b"GET /ok HTTP/1.1\r\nX-Drip: ").await.unwrap();
        while dripping.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        started.elapsed()
    }));
    for _ in 0..20 {
        let before = Instant::now();
        let answer = server.send("GET /ok HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert_eq!(status(&answer), 200);
        assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for (n, closed) in slow.into_iter().enumerate() {
        let after = closed.await.unwrap();
        assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&after), "{n}: {after:?}");
    }
}

#[tokio::test]
async fn g24_the_handler_goes_on_when_the_client_goes_away() {
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    let routes = Router::new().route(
        "/work",
        post(async move || {
            tokio::time::sleep(Duration::from_millis(300)).await;
            flag.store(true, Ordering::SeqCst);
            "done"
        }),
    );
    let server = TestServer::start(routes, GRACE).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(socket);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(done.load(Ordering::SeqCst));
}

fn slow_route(takes: Duration) -> Router {
    Router::new().route(
        "/slow",
        get(async move || {
            tokio::time::sleep(takes).await;
            "slow"
        }),
    )
}

#[tokio::test]
async fn a_stream_is_not_cut_while_its_client_takes_what_comes() {
    let ticks = async || {
        axum::body::Body::from_stream(futures_util::stream::unfold(0_u32, async |n| {
            tokio::time::sleep(Duration::from_secs(15)).await;
            (n < 12).then(|| (Ok::<_, std::convert::Infallible>(format!("tick {n}\n")), n + 1))
        }))
    };
    let routes = Router::new().route("/ticks", get(ticks));
    let server = TestServer::start(routes, GRACE).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /ticks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    // Three minutes of it, at once.
    tokio::time::pause();
    let rest = rest_of(&mut socket).await;
    assert!(rest.contains("tick 11") && rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn g16_a_stop_lets_requests_end_and_idle_connections_go() {
    let server = TestServer::start(slow_route(Duration::from_millis(400)).merge(plain()), GRACE).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut under_way = TcpStream::connect(server.address).await.unwrap();
    under_way.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    let address = server.address;
    assert_eq!(server.stop().await, Served { cut: 0 });
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    let answer = rest_of(&mut under_way).await;
    assert_eq!((status(&answer), header(&answer, "connection")), (200, Some("close")), "{answer}");
    assert_eq!(status(&rest_of(&mut idle).await), 200);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn what_has_not_ended_at_the_deadline_is_cut() {
    let server = TestServer::start(slow_route(Duration::from_secs(60)), Duration::from_millis(200)).await;
    let mut under_way = TcpStream::connect(server.address).await.unwrap();
    under_way.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.stop().await, Served { cut: 1 });
    assert_eq!(rest_of(&mut under_way).await, "");
}
