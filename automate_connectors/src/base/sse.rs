//! Server-sent events that come in (WHATWG HTML, section 9.2.6), with bounds on lines and events.

use std::collections::VecDeque;

use automate_core::error::ErrorCode;
use automate_core::limits::{SSE_EVENT_BYTES, SSE_LINE_BYTES};

use super::error::{ConnectorError, Result};
use super::outbound::StreamedResponse;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type; `message` where the stream names none.
    pub event: String,
    /// Its data, several lines joined by line breaks.
    pub data: String,
}

/// Reads events out of bytes that come in pieces of any size. What an unfinished event left behind
/// at the end of the stream is no event, as the standard has it.
#[derive(Debug, Default)]
pub struct SseParser {
    line: Vec<u8>,
    event: String,
    data: String,
    has_data: bool,
    /// The last byte was a carriage return, so that a line feed now ends no second line.
    after_return: bool,
    begun: bool,
    ready: VecDeque<SseEvent>,
}

impl SseParser {
    /// Takes the next piece.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` where a line or an event is too long, `INVALID_OUTPUT` where a line is not
    /// UTF-8.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<()> {
        while let Some(first) = piece.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &piece[..end.unwrap_or(piece.len())];
            if self.line.len() + part.len() > SSE_LINE_BYTES {
                return Err(too_long("line", SSE_LINE_BYTES));
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_return = piece[end] == b'\r';
            piece = &piece[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.take_line(&line)?;
        }
        Ok(())
    }

    /// The next complete event.
    pub fn next_event(&mut self) -> Option<SseEvent> {
        self.ready.pop_front()
    }

    /// Whether bytes of an unfinished event are left.
    #[must_use]
    pub fn is_within_event(&self) -> bool {
        !self.line.is_empty() || self.has_data
    }

    fn take_line(&mut self, line: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(line).map_err(|_| {
            ConnectorError::new(ErrorCode::InvalidOutput, "the stream of events is not UTF-8, as it must be")
        })?;
        let text = if self.begun { text } else { text.strip_prefix('\u{feff}').unwrap_or(text) };
        self.begun = true;
        if text.is_empty() {
            let (event, data) = (std::mem::take(&mut self.event), std::mem::take(&mut self.data));
            if std::mem::take(&mut self.has_data) {
                let event = if event.is_empty() { "message".to_owned() } else { event };
                self.ready.push_back(SseEvent { event, data });
            }
            return Ok(());
        }
        let (field, value) = match text.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (text, ""),
        };
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.data.len() + value.len() >= SSE_EVENT_BYTES {
                    return Err(too_long("event", SSE_EVENT_BYTES));
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments (an empty name), `id`, `retry` and what the standard does not know.
            _ => {}
        }
        Ok(())
    }
}

fn too_long(what: &str, limit: usize) -> ConnectorError {
    ConnectorError::new(ErrorCode::LimitExceeded, format!("the stream has one {what} of more than {limit} bytes"))
}

/// The events of a response.
pub struct SseStream {
    response: StreamedResponse,
    parser: SseParser,
}

impl SseStream {
    /// The events of a response whose body is a stream of events.
    #[must_use]
    pub fn new(response: StreamedResponse) -> Self {
        Self { response, parser: SseParser::default() }
    }

    /// The next event; `None` where the body has ended. An event that the end cut in two is none.
    ///
    /// # Errors
    /// As [`StreamedResponse::chunk`] and [`SseParser::push`].
    pub async fn next_event(&mut self) -> Result<Option<SseEvent>> {
        loop {
            if let Some(event) = self.parser.next_event() {
                return Ok(Some(event));
            }
            match self.response.chunk().await? {
                Some(piece) => self.parser.push(&piece)?,
                None => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = SseParser::default();
        for piece in pieces {
            parser.push(piece).unwrap();
        }
        std::iter::from_fn(|| parser.next_event()).map(|event| (event.event, event.data)).collect()
    }

    fn message(data: &str) -> (String, String) {
        ("message".to_owned(), data.to_owned())
    }

    #[test]
    fn lines_end_in_three_ways_and_events_with_an_empty_line() {
        let stream =
            "\u{feff}data: a\n\ndata:b\r\n\r\ndata:  c\r\r: comment\nevent: x\nid: 1\ndata: d\ndata\ndata: e\n\n";
        let expected = vec![message("a"), message("b"), message(" c"), ("x".to_owned(), "d\n\ne".to_owned())];
        assert_eq!(events(&[stream.as_bytes()]), expected);
        // Cut at every place, and into single bytes.
        for cut in 0..=stream.len() {
            let (one, two) = stream.as_bytes().split_at(cut);
            assert_eq!(events(&[one, two]), expected, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), expected);
    }

    #[test]
    fn an_event_without_data_is_none_and_one_that_was_cut_is_none() {
        assert_eq!(events(&[b"event: ping\n\n\n\ndata: whole\n\ndata: half"]), [message("whole")]);
        let mut parser = SseParser::default();
        parser.push(b"data: half").unwrap();
        assert!(parser.is_within_event() && parser.next_event().is_none());
    }

    #[test]
    fn a_character_may_be_cut_and_what_is_not_utf8_is_refused() {
        let text = "data: zwölf 🍵\n\n".as_bytes();
        for cut in 0..text.len() {
            assert_eq!(events(&[&text[..cut], &text[cut..]]), [message("zwölf 🍵")]);
        }
        let error = SseParser::default().push(b"data: \xff\n").unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOutput);
    }

    #[test]
    fn lines_and_events_are_bounded() {
        let mut parser = SseParser::default();
        let piece = vec![b'x'; 64 * 1024];
        let endless_line = (0..100).find_map(|_| parser.push(&piece).err()).unwrap();
        assert_eq!(endless_line.code(), ErrorCode::LimitExceeded);
        let mut parser = SseParser::default();
        let line = [b"data: ", piece.as_slice(), b"\n"].concat();
        let endless_event = (0..100).find_map(|_| parser.push(&line).err()).unwrap();
        assert_eq!(endless_event.code(), ErrorCode::LimitExceeded);
    }
}
