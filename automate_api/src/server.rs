//! The server: an accept loop over hyper, with the limits that `axum::serve` does not set.
//!
//! `axum::serve` installs no timer, so that hyper's header timeout never fires there. Here a client
//! has [`limits::HEADER_READ`] for the head of a request, connections are counted over all and per
//! address, and a stop lets requests under way end within a deadline.

mod connection;
mod framing;
mod slots;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use automate_core::limits;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use framing::AmbiguousFraming;
use slots::Slots;

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Connections that were cut because they had not ended within the deadline.
    pub cut: usize,
}

/// Serves until `shutdown` fires; then accepts nothing more, tells clients to close, and gives
/// requests under way `drain` to end.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken, drain: Duration) -> Served {
    let builder = Arc::new(builder());
    let slots = Slots::default();
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                rest_after(&error).await;
                continue;
            }
        };
        metrics::counter!("automate_http_connections_total").increment(1);
        let slot = match slots.take(peer.ip()) {
            Ok(slot) => slot,
            Err(reason) => {
                metrics::counter!("automate_http_connections_refused_total", "reason" => reason).increment(1);
                continue;
            }
        };
        // Answers are small and complete: waiting for more to send only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let (builder, router) = (Arc::clone(&builder), router.clone());
        let (shutdown, cut) = (shutdown.clone(), cut.clone());
        connections.spawn(async move {
            tokio::select! {
                () = connection::run(&builder, stream, peer, router, shutdown) => {}
                () = cut.cancelled() => {}
            }
            drop(slot);
        });
    }
    drop(listener);
    connections.close();
    let cut_connections = match tokio::time::timeout(drain, connections.wait()).await {
        Ok(()) => 0,
        Err(_) => {
            let open = connections.len();
            tracing::warn!(open, "connections were cut at the end of the grace period");
            cut.cancel();
            connections.wait().await;
            open
        }
    };
    Served { cut: cut_connections }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_READ)
        .max_headers(limits::HEADER_COUNT)
        // The head must fit: the target and the headers, each with a limit of its own, and some.
        .max_buf_size(2 * limits::HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS_PER_CONNECTION)
        .max_header_list_size(u32::try_from(limits::HEADER_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(limits::CONNECTION_IDLE / 3)
        .keep_alive_timeout(limits::HEADER_READ);
    builder
}

/// A connection that was gone before it was accepted is no reason to wait; anything else, too many
/// open files above all, is, so that the loop does not spin.
async fn rest_after(error: &std::io::Error) {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return;
    }
    tracing::error!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// What a connection is made of; a name for the submodules.
type Socket = TcpStream;

#[cfg(test)]
pub(crate) mod tests;
