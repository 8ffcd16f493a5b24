//! The demo's stand-in for somebody else's service: it fails once, then answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a request's head, at most.
const HEAD_BYTES: usize = 16 * 1024;
/// How long a client may take to send it.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// A running server; ends with the process.
pub(super) struct Upstream {
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Upstream {
    /// Begins to listen on a free port of this machine.
    pub(super) async fn begin() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let failed_once = Arc::new(AtomicBool::new(false));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let failed_once = failed_once.clone();
                tokio::spawn(async move {
                    // A client that goes away or is too slow only loses its own answer.
                    drop(tokio::time::timeout(HEAD_TIME, answer(stream, &failed_once)).await);
                });
            }
        });
        Ok(Self { address })
    }
}

async fn answer(mut stream: TcpStream, failed_once: &AtomicBool) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES || stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (status, body) = if failed_once.swap(true, Ordering::SeqCst) {
        ("200 OK", r#"{"id":"C-7","name":"Ada Lovelace","tier":"gold"}"#)
    } else {
        ("503 Service Unavailable", r#"{"error":"come back in a moment"}"#)
    };
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
