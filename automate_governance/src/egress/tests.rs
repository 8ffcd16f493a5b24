//! The guarded client against a real server on a loopback port.

mod streaming;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use automate_connectors::base::http::{HttpClient, HttpError, HttpRequest, HttpResponse};
use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::*;

/// A server that answers each request with bytes, so that it can be as wrong as a test needs.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Answer {
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, then one more of the last ones each time, for ever.
    Endless(Vec<u8>, Vec<u8>, Duration),
}

fn ok(headers: &str, body: &[u8]) -> Answer {
    let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

fn redirect(status: u16, location: &str) -> Answer {
    Answer::Bytes(format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n").into_bytes())
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (log, count, answer) = (Arc::clone(&seen), Arc::clone(&connections), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move { drop(serve(stream, &log, answer.as_ref()).await) });
            }
        });
        Self { address, seen, connections }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str) -> Answer + Sync),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let length = text
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())
            .unwrap_or(0);
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let request = String::from_utf8_lossy(&buffer[..head + length]).into_owned();
        buffer.drain(..head + length);
        log.lock().unwrap().push(request.clone());
        match answer(&request) {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await?,
            Answer::Endless(first, again, pause) => {
                stream.write_all(&first).await?;
                loop {
                    stream.write_all(&again).await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Names and the answers that they give in turn; the last one stays.
struct Table(HashMap<&'static str, Mutex<Vec<Vec<IpAddr>>>>);

impl Table {
    fn of(name: &'static str, answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|a| a.parse().unwrap()).collect();
        Arc::new(Self(HashMap::from([(name, Mutex::new(answers.iter().map(parse).collect()))])))
    }
}

#[async_trait]
impl NameLookup for Table {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let answers = self.0.get(name).ok_or_else(|| io::Error::other("no such name"))?;
        let mut answers = answers.lock().unwrap();
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

fn client(rules: &[&str]) -> GuardedClient {
    GuardedClient::new(AddressPolicy::new(rules.iter().map(|r| r.parse().unwrap()).collect())).unwrap()
}

fn client_with(rules: &[&str], names: Arc<Table>) -> GuardedClient {
    GuardedClient::with_lookup(AddressPolicy::new(rules.iter().map(|r| r.parse().unwrap()).collect()), names).unwrap()
}

fn get(url: Url) -> HttpRequest {
    HttpRequest::new(Method::GET, url).timeout(Duration::from_secs(5))
}

async fn text(client: &GuardedClient, url: Url) -> Result<String, HttpError> {
    client.send(get(url)).await.map(|r| String::from_utf8_lossy(&r.body).into_owned())
}

fn is_denied(result: &Result<HttpResponse, HttpError>) -> bool {
    matches!(result, Err(HttpError::Denied { .. }))
}

#[tokio::test]
async fn an_allowed_server_answers_over_one_pooled_connection() {
    let server = Server::start(|_| ok("x-answer: yes\r\n", b"hello")).await;
    let client = client(&[&format!("{}", server.address)]);
    for _ in 0..3 {
        let request = get(server.url("/a?b=c")).header(HeaderName::from_static("x-one"), HeaderValue::from_static("1"));
        let response = client.send(request).await.unwrap();
        assert_eq!(
            (response.status, response.header("x-answer"), &response.body[..]),
            (StatusCode::OK, Some("yes"), &b"hello"[..])
        );
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-one: 1\r\n") && request.contains("user-agent: automate/"), "{request}");

    let post = HttpRequest::new(Method::POST, server.url("/p")).body("text/plain", "body");
    client.send(post).await.unwrap();
    assert!(server.requests()[3].ends_with("content-length: 4\r\n\r\nbody"), "{}", server.requests()[3]);
}

#[tokio::test]
async fn o1_a_name_for_loopback_is_denied_and_nothing_connects() {
    let server = Server::start(|_| ok("", b"secret")).await;
    let client = client(&[]);
    let port = server.address.port();
    for host in ["localhost", "localhost.", "127.0.0.1", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"] {
        let result = client.send(get(Url::parse(&format!("http://{host}:{port}/")).unwrap())).await;
        // Not every resolver knows `localhost.`; then there is nothing to connect to.
        let unknown = host == "localhost." && matches!(result, Err(HttpError::Connect { .. }));
        assert!(is_denied(&result) || unknown, "{host}: {result:?}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn o5_a_name_with_one_private_address_is_denied() {
    let server = Server::start(|_| ok("", b"secret")).await;
    let names = Table::of("mixed.example", &[&["8.8.8.8", "127.0.0.1"]]);
    let url = Url::parse(&format!("http://mixed.example:{}/", server.address.port())).unwrap();
    assert!(is_denied(&client_with(&[], names).send(get(url)).await));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn o6_a_name_that_flips_between_lookups_connects_only_to_what_was_checked() {
    let server = Server::start(|_| {
        Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".to_vec())
    })
    .await;
    let rule = server.address.to_string();
    let url = Url::parse(&format!("http://flip.example:{}/", server.address.port())).unwrap();
    // Each connection looks up once, and that answer is both checked and used.
    let names = Table::of("flip.example", &[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]]);
    let client = client_with(&[&rule, "169.254.0.0/16"], names);
    assert_eq!(text(&client, url.clone()).await, Ok("ok".to_owned()));
    assert!(is_denied(&client.send(get(url.clone())).await));
    assert_eq!(text(&client, url).await, Ok("ok".to_owned()));
}

#[tokio::test]
async fn o6_a_rule_for_one_port_does_not_open_another_through_a_name() {
    let (open, closed) = (Server::start(|_| ok("", b"open")).await, Server::start(|_| ok("", b"closed")).await);
    let client = client_with(&[&open.address.to_string()], Table::of("two.example", &[&["127.0.0.1"]]));
    let at = |server: &Server| Url::parse(&format!("http://two.example:{}/", server.address.port())).unwrap();
    assert_eq!(text(&client, at(&open)).await, Ok("open".to_owned()));
    assert!(is_denied(&client.send(get(at(&closed))).await));
    assert_eq!(closed.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn o8_redirects_are_answers_unless_asked_for() {
    let server = Server::start(|_| redirect(302, "/elsewhere")).await;
    let client = client(&["127.0.0.1"]);
    let response = client.send(get(server.url("/"))).await.unwrap();
    assert_eq!((response.status, response.header("location")), (StatusCode::FOUND, Some("/elsewhere")));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn o8_each_hop_is_checked_again() {
    let target = Server::start(|_| ok("", b"internal")).await;
    let to = format!("http://{}/", target.address);
    let links = [
        to,
        "http://169.254.169.254/".into(),
        "http://localhost:22/".into(),
        "file:///etc/passwd".into(),
        "http://u:p@h/".into(),
        "http:\\\\h/".into(),
    ];
    for location in links {
        let target_url = location.clone();
        let server = Server::start(move |_| redirect(302, &location)).await;
        let mut request = get(server.url("/"));
        request.max_redirects = 3;
        let result = client(&[&server.address.to_string()]).send(request).await;
        assert!(
            matches!(result, Err(HttpError::Denied { .. } | HttpError::Invalid { .. })),
            "{target_url}: {result:?}"
        );
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn o8_credentials_are_not_carried_to_another_origin_and_hops_are_bounded() {
    let target = Server::start(|_| ok("", b"done")).await;
    let to = format!("http://{}/final", target.address);
    let server = Server::start(move |_| redirect(302, &to)).await;
    let client = client(&["127.0.0.1"]);
    let mut request = get(server.url("/")).header(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
    request.max_redirects = 1;
    let response = client.send(request).await.unwrap();
    assert_eq!(&response.body[..], b"done");
    assert!(server.requests()[0].contains("s3cret"));
    assert!(!target.requests()[0].contains("s3cret"), "{}", target.requests()[0]);
    assert!(!target.requests()[0].contains("referer"), "{}", target.requests()[0]);

    let looping = Server::start(|_| redirect(302, "/again")).await;
    let mut request = get(looping.url("/"));
    request.max_redirects = 200;
    assert!(is_denied(&client.send(request).await));
    assert_eq!(looping.requests().len(), 4, "the first and three hops");
}

#[tokio::test]
async fn o10_user_info_and_connection_headers_are_refused() {
    let client = client(&["127.0.0.1"]);
    let url = Url::parse("http://user:pw@127.0.0.1/").unwrap();
    let error = client.send(get(url)).await.unwrap_err();
    assert!(matches!(error, HttpError::Invalid { .. }), "{error}");
    assert!(!error.to_string().contains("pw@"));
    let url = Url::parse("http://127.0.0.1:1/").unwrap();
    let error = client.send(get(url).header(HOST, HeaderValue::from_static("other"))).await.unwrap_err();
    assert!(matches!(error, HttpError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn o13_bodies_are_cut_at_the_bound_after_decompression() {
    // 10 MiB + of zeros in some 10 KiB of gzip, written by hand: stored by repeating one block.
    let bomb = gzip_zeros(12 * 1024 * 1024);
    assert!(bomb.len() < 100 * 1024, "{}", bomb.len());
    let server = Server::start(move |request| {
        if request.starts_with("GET /bomb") {
            ok("content-encoding: gzip\r\n", &bomb)
        } else if request.starts_with("GET /long") {
            Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx".to_vec())
        } else {
            let first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            Answer::Endless(first, chunk, Duration::ZERO)
        }
    })
    .await;
    let client = client(&["127.0.0.1"]);
    for path in ["/bomb", "/long", "/endless"] {
        let result = client.send(get(server.url(path))).await;
        assert_eq!(result.map(|r| r.body.len()), Err(HttpError::TooLarge { limit: 10 * 1024 * 1024 }), "{path}");
    }
    let mut request = get(server.url("/endless"));
    request.max_response_bytes = 1000;
    request.truncate_response = true;
    assert_eq!(client.send(request).await.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn o13_a_body_of_single_bytes_is_cut_at_the_deadline() {
    let first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let server =
        Server::start(move |_| Answer::Endless(first.clone(), b"1\r\nx\r\n".to_vec(), Duration::from_millis(20))).await;
    let begin = Instant::now();
    let after = Duration::from_millis(300);
    let result = client(&["127.0.0.1"]).send(get(server.url("/")).timeout(after)).await;
    assert_eq!(result.map(|r| r.status), Err(HttpError::Timeout { after }));
    assert!(begin.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn o13_a_megabyte_of_headers_is_refused() {
    let server = Server::start(|request| {
        let header = if request.starts_with("GET /many") {
            "x-a: b\r\n".repeat(100_000)
        } else {
            format!("x-a: {}\r\n", "b".repeat(1024 * 1024))
        };
        ok(&header, b"")
    })
    .await;
    for path in ["/many", "/long"] {
        let result = client(&["127.0.0.1"]).send(get(server.url(path))).await;
        assert!(matches!(result, Err(HttpError::Cut { .. })), "{path}: {result:?}");
    }
}

#[tokio::test]
async fn o14_a_server_that_speaks_no_tls_is_a_connection_error() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = Url::parse(&format!("https://{}/?token=hush", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = client(&["127.0.0.1"]).send(get(url)).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(!error.to_string().contains("hush"));
}

#[tokio::test]
async fn errors_name_the_reason_and_never_the_query() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("http://{closed}/?token=hush")).unwrap();
    let error = client(&["127.0.0.1"]).send(get(url)).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
    assert!(error.to_string().to_lowercase().contains("refused") && !error.to_string().contains("hush"), "{error}");

    let cutting = Server::start(|_| Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-len".to_vec())).await;
    let url = cutting.url("/?token=hush");
    let error = client(&["127.0.0.1"]).send(get(url).timeout(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { .. }), "{error:?}");

    let error =
        client_with(&[], Table::of("x.example", &[&[]])).send(get(Url::parse("http://x.example/").unwrap())).await;
    assert!(matches!(error, Err(HttpError::Connect { .. })), "{error:?}");
}

#[tokio::test]
async fn dropping_the_call_stops_it() {
    let first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let server =
        Server::start(move |_| Answer::Endless(first.clone(), b"1\r\nx\r\n".to_vec(), Duration::from_millis(5))).await;
    let client = client(&["127.0.0.1"]);
    for calls in 1..=2 {
        let (client, url) = (client.clone(), server.url("/"));
        let call = tokio::spawn(async move { client.send(get(url)).await });
        while server.requests().len() < calls {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        // The pool does not hand the abandoned connection out again.
        assert_eq!(server.connections.load(Ordering::SeqCst), calls);
    }
}

/// A gzip member of zeros: one deflate block (RFC 1951, fixed Huffman codes) of one literal and
/// matches of length 258 at distance 1, 13 bits each.
fn gzip_zeros(length: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut used) = (0u64, 0u32);
    let mut put = |out: &mut Vec<u8>, value: u64, count: u32| {
        bits |= value << used;
        used += count;
        while used >= 8 {
            out.push((bits & 0xff) as u8);
            bits >>= 8;
            used -= 8;
        }
    };
    put(&mut out, 0b011, 3);
    // Literal 0: code 00110000, most significant bit first.
    put(&mut out, 0b0000_1100, 8);
    for _ in 0..length / 258 {
        // Length 258: code 285 = 11000101, then distance code 0 in 5 bits.
        put(&mut out, 0b1010_0011, 8);
        put(&mut out, 0, 5);
    }
    put(&mut out, 0, 7);
    put(&mut out, 0, 7);
    out.extend_from_slice(&[0; 8]);
    out
}

#[test]
fn o12_no_proxy_is_taken_from_the_environment() {
    // The environment of a running process cannot be changed safely, so the test runs itself again.
    const MARK: &str = "AUTOMATE_TEST_PROXY_CHILD";
    if std::env::var_os(MARK).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::start(|_| ok("", b"direct")).await;
            assert_eq!(text(&client(&["127.0.0.1"]), server.url("/")).await, Ok("direct".to_owned()));
        });
        return;
    }
    let name = "egress::tests::o12_no_proxy_is_taken_from_the_environment";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .envs([
            (MARK, "1"),
            ("HTTP_PROXY", "http://127.0.0.1:9"),
            ("http_proxy", "http://127.0.0.1:9"),
            ("ALL_PROXY", "http://127.0.0.1:9"),
        ])
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}
