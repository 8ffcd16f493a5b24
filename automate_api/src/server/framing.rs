//! Finds requests that say twice how long they are.
//!
//! A request with both `Transfer-Encoding` and `Content-Length` is how requests are smuggled past
//! a proxy that believes the other header (RFC 9112, section 6.3). hyper answers it by the first
//! and hides the second, so the bytes themselves are watched: every line that begins with
//! `content-length:` is counted, and a chunked request is refused when more were seen on its
//! connection than requests have shown. The count may be too high, where such a line stands in a
//! body or in the next, pipelined request; it is never too low.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{HeaderMap, StatusCode, header};

use crate::problem::Problem;

const NEEDLE: &[u8] = b"\ncontent-length:";

/// Marks a request that says twice how long it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AmbiguousFraming;

impl AmbiguousFraming {
    #[expect(clippy::unused_self, reason = "the mark is what entitles to the answer")]
    pub(crate) fn problem(self) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "AMBIGUOUS_LENGTH",
            "a request has either `Transfer-Encoding` or `Content-Length`, not both",
        )
        .closing()
    }
}

/// What one connection's bytes and requests have shown.
#[derive(Debug, Default)]
pub(super) struct Framing {
    seen: AtomicUsize,
    shown: AtomicUsize,
    /// The answer closes the connection before the request was read to its end.
    pub(super) linger: AtomicBool,
}

impl Framing {
    /// Accounts for a request; `Some` where it is to be refused.
    pub(super) fn judge(&self, headers: &HeaderMap) -> Option<AmbiguousFraming> {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let hidden = self.seen.load(Ordering::Acquire) > self.shown.load(Ordering::Acquire);
            return hidden.then_some(AmbiguousFraming);
        }
        self.shown.fetch_add(usize::from(headers.contains_key(header::CONTENT_LENGTH)), Ordering::AcqRel);
        None
    }
}

/// Looks for the line over the borders of reads.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    matched: usize,
}

impl Scanner {
    pub(super) fn scan(&mut self, chunk: &[u8], framing: &Framing) {
        // Most bodies have no line breaks; looking for one is much faster than the loop.
        if self.matched == 0 && !chunk.contains(&b'\n') {
            return;
        }
        for byte in chunk {
            let byte = byte.to_ascii_lowercase();
            if byte == NEEDLE[self.matched] {
                self.matched += 1;
                if self.matched == NEEDLE.len() {
                    self.matched = 0;
                    framing.seen.fetch_add(1, Ordering::AcqRel);
                }
            } else {
                self.matched = usize::from(byte == b'\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_line_is_found_however_it_is_cut_and_written() {
        let text = b"POST / HTTP/1.1\r\nHost: a\r\ncOnTent-Length: 3\r\n\n\ncontent-length:x-content-length: 5\r\n";
        for size in 1..text.len() {
            let framing = Framing::default();
            let mut scanner = Scanner::default();
            for chunk in text.chunks(size) {
                scanner.scan(chunk, &framing);
            }
            assert_eq!(framing.seen.load(Ordering::Acquire), 2, "chunks of {size}");
        }
    }

    #[test]
    fn a_hidden_length_is_found_behind_pipelined_requests() {
        let framing = Framing::default();
        Scanner::default().scan(b"\ncontent-length: 1\r\n\r\nx\ncontent-length: 2\r\n", &framing);
        let mut first = HeaderMap::new();
        first.insert(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        assert!(framing.judge(&first).is_none());
        let mut second = HeaderMap::new();
        second.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert!(framing.judge(&second).is_some());
    }
}
