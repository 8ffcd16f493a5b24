//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use automate_core::limits;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::Socket;
use super::framing::Framing;
use super::stream::Stream;

/// Serves a connection until either side closes it. hyper times the head of HTTP/1 requests; what
/// it does not time is watched here: a connection that never sends a request, and an HTTP/2
/// connection that has none for a long time.
pub(super) async fn run(
    builder: &auto::Builder<TokioExecutor>,
    socket: Socket,
    peer: SocketAddr,
    router: Router,
    shutdown: CancellationToken,
) {
    let activity = Arc::new(Activity::new());
    let framing = Arc::new(Framing::default());
    let stream = TokioIo::new(Stream::new(socket, Arc::clone(&framing)));
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |mut request: Request<Incoming>| {
            let busy = Activity::begin(&activity);
            let framing = Arc::clone(&framing);
            request.extensions_mut().insert(ConnectInfo(peer));
            if let Some(ambiguous) = framing.judge(request.headers()) {
                request.extensions_mut().insert(ambiguous);
            }
            let answer = router.clone().call(request.map(Body::new));
            async move {
                let response = answer.await.unwrap_or_else(|never: Infallible| match never {});
                if response.headers().get(header::CONNECTION).is_some_and(|value| value == "close") {
                    framing.linger.store(true, Ordering::Release);
                }
                let activity = Arc::clone(&busy.0);
                drop(busy);
                // A stream of events is answered at once and goes on for an hour: each part of it that
                // is taken is a sign of life. Of a client that takes none, the connection has none.
                Ok::<_, Infallible>(response.map(|body| Taken { body, activity }))
            }
        })
    };
    let mut connection = pin!(builder.serve_connection(stream, service));
    let mut closing = false;
    let mut look_at = Instant::now() + limits::HEADER_READ;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(error, %peer, "a connection ended with an error");
                }
                return;
            }
            () = shutdown.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            () = tokio::time::sleep_until(look_at) => match activity.idle() {
                Idle::Never => return,
                Idle::For(idle) if idle >= limits::CONNECTION_IDLE => {
                    if closing {
                        return;
                    }
                    closing = true;
                    connection.as_mut().graceful_shutdown();
                    look_at = Instant::now() + limits::HEADER_READ;
                }
                Idle::For(idle) => look_at = Instant::now() + limits::CONNECTION_IDLE.saturating_sub(idle),
                Idle::Busy => look_at = Instant::now() + limits::CONNECTION_IDLE,
            },
        }
    }
}

/// Whether a connection has requests under way, and since when nothing came of it.
struct Activity {
    opened: Instant,
    busy: AtomicUsize,
    /// Milliseconds after `opened` at which the last request began or ended, or the last part of an answer
    /// was taken; 0 before the first.
    last: AtomicU64,
}

enum Idle {
    /// No request has begun.
    Never,
    Busy,
    For(Duration),
}

impl Activity {
    fn new() -> Self {
        Self { opened: Instant::now(), busy: AtomicUsize::new(0), last: AtomicU64::new(0) }
    }

    fn begin(this: &Arc<Self>) -> Busy {
        this.busy.fetch_add(1, Ordering::AcqRel);
        this.touch();
        Busy(Arc::clone(this))
    }

    fn touch(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now.max(1), Ordering::Release);
    }

    fn idle(&self) -> Idle {
        if self.busy.load(Ordering::Acquire) > 0 {
            return Idle::Busy;
        }
        match self.last.load(Ordering::Acquire) {
            0 => Idle::Never,
            last => Idle::For(self.opened.elapsed().saturating_sub(Duration::from_millis(last))),
        }
    }
}

/// The body of an answer, which says of each part that it was taken.
struct Taken {
    body: Body,
    activity: Arc<Activity>,
}

impl hyper::body::Body for Taken {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.activity.touch();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
