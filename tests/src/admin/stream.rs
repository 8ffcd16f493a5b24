//! Server-sent events of a page, as a browser reads them.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::Browser;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// What it says.
    pub data: String,
}

/// A stream that is open.
#[derive(Debug)]
pub struct Stream {
    /// The status of the answer.
    pub status: u16,
    stream: TcpStream,
    /// What has come and is not yet an event; without the marks of chunks.
    text: String,
    raw: Vec<u8>,
    ended: bool,
}

impl Browser {
    /// Opens a stream; `last` is the id of the last event that was seen.
    ///
    /// # Panics
    /// Where no answer comes.
    #[must_use]
    pub fn stream(&self, target: &str, last: Option<&str>) -> Stream {
        let mut headers = vec![("accept", "text/event-stream")];
        headers.extend(last.map(|last| ("last-event-id", last)));
        let mut stream = self.ask("GET", target, &headers, None);
        let mut raw = Vec::new();
        let mut part = [0; 4096];
        let end = loop {
            let count = stream.read(&mut part).unwrap();
            raw.extend_from_slice(&part[..count]);
            if let Some(end) = raw.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert!(count > 0, "no answer: {}", String::from_utf8_lossy(&raw));
        };
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        raw.drain(..end + 4);
        Stream { status, stream, text: String::new(), raw, ended: false }
    }
}

impl Stream {
    /// The next event, where one comes within a time; comments are none.
    pub fn next(&mut self, within: Duration) -> Option<Event> {
        let until = Instant::now() + within;
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = event(block);
                self.text = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            if !self.read(until) {
                return None;
            }
        }
    }

    /// Whether the server ends it within a time.
    pub fn ends(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.ended && self.read(until) {}
        self.ended
    }

    /// Reads more; `false` where nothing comes any more, or in time.
    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if self.ended || left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).unwrap();
        let mut part = [0; 4096];
        match self.stream.read(&mut part) {
            // Killed, or over.
            Ok(0) => self.ended = true,
            Ok(count) => self.raw.extend_from_slice(&part[..count]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                return false;
            }
            Err(_) => self.ended = true,
        }
        self.take_chunks();
        !self.ended || !self.text.is_empty() && self.text.contains("\n\n")
    }

    /// Takes whole chunks (RFC 9112, section 7.1) out of what has come.
    fn take_chunks(&mut self) {
        while let Some(line) = self.raw.windows(2).position(|two| two == b"\r\n") {
            let length =
                std::str::from_utf8(&self.raw[..line]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
            let Some(length) = length else { return };
            if length == 0 {
                self.ended = true;
                return;
            }
            let end = line + 2 + length;
            if self.raw.len() < end + 2 {
                return;
            }
            self.text.push_str(&String::from_utf8_lossy(&self.raw[line + 2..end]));
            self.raw.drain(..end + 2);
        }
    }
}

fn event(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", id)) => id.clone_into(&mut event.id),
            Some(("event", kind)) => kind.clone_into(&mut event.kind),
            Some(("data", data)) => event.data.push_str(data),
            _ => {}
        }
    }
    (!event.kind.is_empty()).then_some(event)
}
