//! HTTP/2 (RFC 9113) written by hand, as no client of good faith writes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use automate_core::limits;
use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::webhooks::site::Answer;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types of frames.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flags of HEADERS.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET /slow` over http, without Huffman coding (RFC 7541, appendix A): three names of the static
/// table and one path.
const SLOW: &[u8] = &[0x82, 0x86, 0x04, 5, b'/', b's', b'l', b'o', b'w', 0x01, 1, b'x'];
/// How long a server may take to end a connection that abuses it.
const PATIENCE: Duration = Duration::from_secs(20);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a server answered until it closed or stayed silent: the types of the frames, and the error
/// codes of GOAWAY and RST_STREAM.
#[derive(Debug, Default)]
struct Heard {
    gone_away: Option<u32>,
    reset: Vec<u32>,
    answered: usize,
    closed: bool,
    concurrent: Option<u32>,
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

async fn hear(socket: &mut tokio::net::tcp::OwnedReadHalf, patience: Duration) -> Heard {
    let mut heard = Heard::default();
    let mut buffer = Vec::new();
    loop {
        match tokio::time::timeout(patience, socket.read_buf(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => heard.closed = true,
            Ok(Ok(_)) => {}
            Err(_) => return heard,
        }
        while buffer.len() >= 9 {
            let length = number(&[0, buffer[0], buffer[1], buffer[2]]) as usize;
            if buffer.len() < 9 + length {
                break;
            }
            let payload = &buffer[9..9 + length];
            match buffer[3] {
                HEADERS => heard.answered += 1,
                RST_STREAM => heard.reset.push(number(payload)),
                GOAWAY => heard.gone_away = Some(number(&payload[4..8])),
                SETTINGS => {
                    for setting in payload.chunks_exact(6).filter(|setting| setting[..2] == [0, 3]) {
                        heard.concurrent = Some(number(&setting[2..]));
                    }
                }
                _ => {}
            }
            buffer.drain(..9 + length);
        }
        if heard.closed {
            return heard;
        }
    }
}

/// A server on a port of its own.
struct Server {
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A server whose handlers wait, and how many of them wait at most.
async fn waiting() -> (Server, Arc<AtomicUsize>) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    let slow = get(move || {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(500)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            "done"
        }
    });
    let router = Router::new().route("/slow", slow).route("/ok", get(async || "ok"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    tokio::spawn(automate_api::server::serve(listener, router, stop.clone(), Duration::from_secs(5)));
    (Server { address, stop }, peak)
}

/// Writes what an abuser writes, until the server hangs up, and hears what it says meanwhile.
async fn abuse(server: &Server, pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> (Heard, usize) {
    let (mut read, mut write) = TcpStream::connect(server.address).await.unwrap().into_split();
    let writer = tokio::spawn(async move {
        let mut written = 0;
        if write.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.is_err() {
            return written;
        }
        for piece in pieces {
            match tokio::time::timeout(PATIENCE, write.write_all(&piece)).await {
                Ok(Ok(())) => written += piece.len(),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        // Kept open: only the server ends it.
        tokio::time::sleep(PATIENCE).await;
        written
    });
    let heard = hear(&mut read, PATIENCE).await;
    writer.abort();
    let written = writer.await.unwrap_or(0);
    (heard, written)
}

async fn others_are_served(server: &Server) {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::of(&answer).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn r18_streams_that_are_opened_and_reset_at_once_end_the_connection() {
    let (server, peak) = waiting().await;
    let pairs = (0..10_000_u32).map(|n| {
        let stream = 2 * n + 1;
        let cancel = 8_u32.to_be_bytes();
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, SLOW), frame(RST_STREAM, 0, stream, &cancel)].concat()
    });
    let begun = Instant::now();
    let (heard, _) = abuse(&server, pairs).await;
    // ENHANCE_YOUR_CALM
    assert!(heard.gone_away == Some(11) || heard.closed, "{heard:?}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert!(peak.load(Ordering::SeqCst) <= limits::STREAMS_PER_CONNECTION as usize, "{peak:?}");
    others_are_served(&server).await;
}

#[tokio::test]
async fn r18_a_head_that_goes_on_for_ever_ends_the_connection() {
    let (server, _) = waiting().await;
    let begin = std::iter::once(frame(HEADERS, END_STREAM, 1, SLOW));
    // A field without indexing and a value of 4 KiB in each, 400 MiB in all.
    let filler = [&[0x00, 1, b'a', 0x7f, 0x81, 0x1f][..], &[b'v'; 4096]].concat();
    let endless = (0..100_000).map(move |_| frame(CONTINUATION, 0, 1, &filler));
    let begun = Instant::now();
    let (heard, written) = abuse(&server, begin.chain(endless)).await;
    assert!(heard.gone_away.is_some() || heard.closed, "{heard:?}");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    assert!(written < 100 << 20, "{written} bytes were taken");
    others_are_served(&server).await;
}

#[tokio::test]
async fn r18_of_ten_thousand_streams_only_so_many_are_worked_on_at_once() {
    let (server, peak) = waiting().await;
    let streams = (0..10_000_u32).map(|n| frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, SLOW));
    let (heard, _) = abuse(&server, streams).await;
    assert_eq!(heard.concurrent, Some(limits::STREAMS_PER_CONNECTION));
    let most = peak.load(Ordering::SeqCst);
    assert!(most > 0 && most <= limits::STREAMS_PER_CONNECTION as usize, "{most}");
    // REFUSED_STREAM for what is beyond it, or the end.
    assert!(heard.closed || heard.gone_away.is_some() || heard.reset.contains(&7), "{heard:?}");
    others_are_served(&server).await;
}
