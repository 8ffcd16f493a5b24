//! A server that abuses HTTP/2 (RFC 9113) towards the client, over TLS as it is spoken in earnest.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use automate_connectors::base::http::{HttpClient as _, HttpError, HttpRequest, HttpResponse};
use automate_governance::egress::{GuardedClient, install_crypto_provider};
use http::Method;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use url::Url;

const HEADERS: u8 = 1;
const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// `:status: 200` (RFC 7541, appendix A).
const OK: &[u8] = &[0x88];
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes that a client may take before it has had enough.
const ENOUGH: usize = 64 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A server that writes `first` once and then `again` for ever. Answers with its address, and with how
/// many bytes of `again` were taken in all.
fn server(first: Vec<u8>, again: Vec<u8>) -> (Url, Arc<AtomicUsize>) {
    install_crypto_provider();
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("certificates/leaf.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certificates/leaf.key")).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = Url::parse(&format!("https://{}", listener.local_addr().unwrap())).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            socket.set_write_timeout(Some(PATIENCE)).unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            // The preface, the settings and the request, which come together or not at all here.
            let mut buffer = [0; 4096];
            let mut heard = 0;
            while heard < 24 + 9 + 9 {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => heard += length,
                }
            }
            let begin = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[]), first.clone()].concat();
            if stream.write_all(&begin).is_err() {
                continue;
            }
            while stream.write_all(&again).is_ok() && stream.flush().is_ok() {
                count.fetch_add(again.len(), Ordering::SeqCst);
            }
        }
    });
    (url, taken)
}

async fn call(url: &Url) -> Result<HttpResponse, HttpError> {
    let client = GuardedClient::for_server(url, Some(include_bytes!("certificates/ca.pem"))).unwrap();
    client.send(HttpRequest::new(Method::GET, url.join("/x").unwrap()).timeout(PATIENCE)).await
}

#[tokio::test]
async fn an_answer_over_http2_is_taken() {
    let answer = [frame(HEADERS, END_HEADERS, 1, OK), frame(DATA, 1, 1, b"hello")].concat();
    let (url, _) = server(answer, frame(PING, 1, 0, &[0; 8]));
    let response = call(&url).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body.as_ref()), (200, &b"hello"[..]));
}

#[tokio::test]
async fn o15_what_abuses_http2_is_dropped_in_bounded_time_and_memory() {
    let filler = [&[0x00, 1, b'a', 0x7f, 0x81, 0x1f][..], &[b'v'; 4096]].concat();
    let reset = frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes());
    for (abuse, first, again) in [
        ("empty DATA for ever", frame(HEADERS, END_HEADERS, 1, OK), frame(DATA, 0, 1, &[]).repeat(1_000)),
        ("a head without an end", frame(HEADERS, 0, 1, OK), frame(CONTINUATION, 0, 1, &filler)),
        ("resets for ever", frame(HEADERS, END_HEADERS, 1, OK), reset.repeat(1_000)),
        ("settings for ever", Vec::new(), frame(SETTINGS, 0, 0, &[]).repeat(1_000)),
        ("pings for ever", Vec::new(), frame(PING, 0, 0, &[7; 8]).repeat(1_000)),
        ("streams that nobody asked for", Vec::new(), frame(HEADERS, END_HEADERS, 2, OK)),
    ] {
        let (url, taken) = server(first, again);
        let begun = Instant::now();
        let result = call(&url).await;
        assert!(result.is_err(), "{abuse}: {result:?}");
        assert!(begun.elapsed() < PATIENCE * 2, "{abuse}: {:?}", begun.elapsed());
        // The call is over, and so is its connection: nothing more is read. What is in the buffers of
        // the system may still be counted.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let then = taken.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let later = taken.load(Ordering::SeqCst);
        assert!(later - then < ENOUGH, "{abuse}: {} bytes were read after the end", later - then);
    }
}
