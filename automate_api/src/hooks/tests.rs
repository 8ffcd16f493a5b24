//! Bodies over real sockets. What needs a store is tested from outside, in the tests package.

use std::sync::Arc;
use std::time::{Duration, Instant};

use automate_core::limits;
use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::body;
use crate::problem::Problem;
use crate::server::tests::{TestServer, body as json, header, rest_of, status};

const LIMIT: usize = limits::BODY_BYTES;

async fn server() -> TestServer {
    let memory = Arc::new(Semaphore::new(limits::BODY_BYTES_IN_FLIGHT));
    let read = async move |request: Request| -> Result<String, Problem> {
        let (parts, received) = request.into_parts();
        body::check_head(&parts.headers, LIMIT)?;
        let (bytes, _held) = body::read(received, LIMIT, &memory).await?;
        Ok(bytes.len().to_string())
    };
    TestServer::start(Router::new().route("/", post(read)), Duration::from_secs(5)).await
}

#[tokio::test]
async fn w12_too_large_a_body_is_413_before_it_is_read_and_the_connection_is_closed() {
    let server = server().await;
    let started = Instant::now();
    // Nothing of the body is sent: the length alone is refused.
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", LIMIT + 1);
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = rest_of(&mut socket).await;
    assert_eq!((status(&answer), header(&answer, "connection")), (413, Some("close")), "{answer}");
    assert_eq!(json(&answer)["code"], "PAYLOAD_TOO_LARGE");
    // A client that sends everything before it reads still gets the answer, not a reset.
    let answer = server.send([head.as_bytes(), &vec![b' '; LIMIT + 1]].concat()).await;
    assert_eq!(status(&answer), 413, "{answer}");
    // Chunks are counted as they come.
    let mut chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..=LIMIT / 65_536 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b' '; 65_536]);
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = server.send(&chunked).await;
    assert_eq!((status(&answer), header(&answer, "connection")), (413, Some("close")), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    // What just fits is taken.
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {LIMIT}\r\n\r\n");
    let answer = server.send([head.as_bytes(), &vec![b' '; LIMIT]].concat()).await;
    assert_eq!(status(&answer), 200, "{answer}");
}

#[tokio::test]
async fn w12_expect_100_continue_is_answered_413_without_the_body() {
    let server = server().await;
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", LIMIT * 10);
    let answer = server.send(head).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_body() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    socket.shutdown().await.unwrap();
    let answer = rest_of(&mut socket).await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn w13_a_body_that_drips_is_cut_after_thirty_seconds() {
    let server = server().await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
    let started = Instant::now();
    let (mut reader, mut writer) = socket.into_split();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut answer = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert_eq!(status(&answer), 408, "{answer}");
    assert!((29..36).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    dripping.await.unwrap();
}
