//! A small HTTP/1.1 client over one kept-alive connection, for what `demo` and `bench` send to
//! this machine's own server. It reads answers that have a `Content-Length`, which ours do (RFC
//! 9112, section 6.2); everything that leaves the machine goes through the egress guard instead.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of an answer's head, at most.
const HEAD_BYTES: usize = 16 * 1024;
/// Bytes of an answer's body, at most.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A kept-alive connection; one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address, sent: Vec::new(), received: Vec::new() })
    }

    /// Posts a JSON body and reads the whole answer.
    pub(crate) async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        self.sent.clear();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        self.sent.extend_from_slice(head.as_bytes());
        for (name, value) in headers {
            self.sent.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        self.sent.extend_from_slice(b"\r\n");
        self.sent.extend_from_slice(body);
        self.stream.write_all(&self.sent).await?;
        self.answer().await
    }

    /// Asks for an address and reads the whole answer.
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.sent.clear();
        self.sent.extend_from_slice(format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", self.address).as_bytes());
        for (name, value) in headers {
            self.sent.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        self.sent.extend_from_slice(b"\r\n");
        self.stream.write_all(&self.sent).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut searched = 0;
        let head_end = loop {
            if let Some(at) = find(&self.received[searched..], b"\r\n\r\n") {
                break searched + at + 4;
            }
            if self.received.len() > HEAD_BYTES {
                return Err(bad("the head of the answer is too long"));
            }
            searched = self.received.len().saturating_sub(3);
            self.more().await?;
        };
        let head = std::str::from_utf8(&self.received[..head_end]).map_err(|_| bad("the head is not text"))?;
        let (status, length) = parse(head)?;
        while self.received.len() < head_end + length {
            self.more().await?;
        }
        let body = self.received[head_end..head_end + length].to_vec();
        self.received.drain(..head_end + length);
        Ok(Answer { status, body })
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// The status and the length of the body.
fn parse(head: &str) -> io::Result<(u16, usize)> {
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1."))
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| bad("the answer has no status"))?;
    let mut length = 0;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| bad("the answer has no valid length"))?;
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(bad("the answer comes in chunks"));
        }
    }
    if length > BODY_BYTES { Err(bad("the answer is too long")) } else { Ok((status, length)) }
}

fn find(within: &[u8], what: &[u8]) -> Option<usize> {
    within.windows(what.len()).position(|w| w == what)
}

fn bad(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn two_answers_on_one_connection_are_told_apart_however_they_are_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = [0; 4096];
            for parts in
                [["HTTP/1.1 202 Accepted\r\nContent-Le", "ngth: 3\r\n\r\nab", "c"], ["HTTP/1.1 503 X\r\n", "\r", "\n"]]
            {
                assert!(stream.read(&mut seen).await.unwrap() > 0);
                for part in parts {
                    stream.write_all(part.as_bytes()).await.unwrap();
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        });
        let mut connection = Connection::open(address).await.unwrap();
        let first = connection.post("/a", &[("x", "y")], b"{}").await.unwrap();
        assert_eq!((first.status, first.body.as_slice()), (202, b"abc".as_slice()));
        let second = connection.post("/a", &[], b"{}").await.unwrap();
        assert_eq!((second.status, second.body.len()), (503, 0));
        server.await.unwrap();
        assert!(connection.post("/a", &[], b"{}").await.is_err());
    }
}
