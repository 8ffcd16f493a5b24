//! Server-sent events (the HTML standard, section 9.2).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use automate_core::limits;
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::BoxStream;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// What the client sends back in `Last-Event-ID` to go on after it.
    pub id: Option<String>,
    /// Its kind.
    pub event: String,
    /// What it says, as JSON.
    pub data: Value,
}

impl StreamEvent {
    /// An event of a kind.
    pub fn new(event: impl Into<String>, data: Value) -> Self {
        Self { id: None, event: event.into(), data }
    }

    /// The same, after which a client can go on.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    fn write(&self, into: &mut BytesMut) {
        // A line break would end the field: neither ids nor kinds have any.
        let line = |text: &str| text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect::<String>();
        if let Some(id) = &self.id {
            into.put_slice(format!("id: {}\n", line(id)).as_bytes());
        }
        into.put_slice(format!("event: {}\n", line(&self.event)).as_bytes());
        // JSON in one line has no line breaks.
        into.put_slice(format!("data: {}\n\n", self.data).as_bytes());
    }
}

/// What is sent while nothing happens, so that both ends and whatever is between them know that the
/// connection is alive.
const HEARTBEAT: Bytes = Bytes::from_static(b": still here\n\n");

/// The body of an answer: events, comments between them, and an end.
pub(crate) struct Events {
    events: Option<BoxStream<'static, StreamEvent>>,
    first: bool,
    heartbeat: Duration,
    beat: Pin<Box<Sleep>>,
    until: Pin<Box<Sleep>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    _slots: Vec<OwnedSemaphorePermit>,
}

impl Events {
    /// A body over a stream; it holds its slots until it ends or the client goes away.
    pub(crate) fn new(
        events: BoxStream<'static, StreamEvent>,
        shutdown: CancellationToken,
        heartbeat: Duration,
        slots: Vec<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            events: Some(events),
            first: true,
            heartbeat,
            beat: Box::pin(tokio::time::sleep(heartbeat)),
            until: Box::pin(tokio::time::sleep(limits::STREAM_TIME)),
            shutdown: Box::pin(shutdown.cancelled_owned()),
            _slots: slots,
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.first {
            this.first = false;
            // How long a client waits before it connects again, in milliseconds.
            let retry = format!("retry: {}\n\n", limits::STREAM_RETRY.as_millis());
            return Poll::Ready(Some(Ok(Bytes::from(retry))));
        }
        let Some(events) = &mut this.events else { return Poll::Ready(None) };
        match events.as_mut().poll_next(cx) {
            Poll::Ready(Some(event)) => {
                let mut bytes = BytesMut::new();
                event.write(&mut bytes);
                this.beat.as_mut().reset(Instant::now() + this.heartbeat);
                return Poll::Ready(Some(Ok(bytes.freeze())));
            }
            Poll::Ready(None) => {
                this.events = None;
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        // A client that wants more connects again, with the id of the last event.
        if this.shutdown.as_mut().poll(cx).is_ready() || this.until.as_mut().poll(cx).is_ready() {
            this.events = None;
            return Poll::Ready(None);
        }
        if this.beat.as_mut().poll(cx).is_ready() {
            this.beat.as_mut().reset(Instant::now() + this.heartbeat);
            return Poll::Ready(Some(Ok(HEARTBEAT)));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use serde_json::json;

    use super::*;

    fn body(events: BoxStream<'static, StreamEvent>, stop: CancellationToken) -> Events {
        Events::new(events, stop, Duration::from_millis(20), Vec::new())
    }

    #[tokio::test]
    async fn a_stream_has_a_retry_hint_ids_and_an_end() {
        let events = futures_util::stream::iter([
            StreamEvent::new("step.started", json!({"text": "a\nb"})).id("1\n2"),
            StreamEvent::new("done", json!(null)),
        ]);
        let all: Vec<_> = body(events.boxed(), CancellationToken::new()).collect().await;
        let text: String = all.into_iter().map(|part| String::from_utf8(part.unwrap().to_vec()).unwrap()).collect();
        assert_eq!(
            text,
            "retry: 2000\n\nid: 12\nevent: step.started\ndata: {\"text\":\"a\\nb\"}\n\nevent: done\ndata: null\n\n"
        );
    }

    #[tokio::test]
    async fn silence_is_broken_by_comments_and_a_stop_ends_it() {
        let stop = CancellationToken::new();
        let mut body = body(futures_util::stream::pending().boxed(), stop.clone());
        assert!(body.next().await.unwrap().unwrap().starts_with(b"retry"));
        assert_eq!(body.next().await.unwrap().unwrap(), HEARTBEAT);
        assert_eq!(body.next().await.unwrap().unwrap(), HEARTBEAT);
        stop.cancel();
        assert!(body.next().await.is_none());
    }
}
