//! The socket as hyper sees it: watched for ambiguous requests, and closed in a way that lets the
//! last answer arrive.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use automate_core::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::Socket;
use super::framing::{Framing, Scanner};

pub(super) struct Stream {
    socket: Socket,
    framing: Arc<Framing>,
    scanner: Scanner,
    closing: Closing,
}

/// Closing a socket with unread bytes in it resets the connection, and the reset can overtake the
/// answer. So the sending half is closed first, and what the client still sends is read and
/// dropped for a while ("lingering close").
enum Closing {
    No,
    Lingering { until: Pin<Box<Sleep>>, left: usize },
    Done,
}

impl Stream {
    pub(super) fn new(socket: Socket, framing: Arc<Framing>) -> Self {
        Self { socket, framing, scanner: Scanner::default(), closing: Closing::No }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        let this = &mut *self;
        this.scanner.scan(&buf.filled()[before..], &this.framing);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match &mut this.closing {
                Closing::Done => return Poll::Ready(Ok(())),
                Closing::No => {
                    ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
                    this.closing = if this.framing.linger.load(Ordering::Acquire) {
                        let until = Box::pin(tokio::time::sleep(limits::LINGER));
                        Closing::Lingering { until, left: limits::LINGER_BYTES }
                    } else {
                        Closing::Done
                    };
                }
                Closing::Lingering { until, left } => {
                    if until.as_mut().poll(cx).is_ready() {
                        this.closing = Closing::Done;
                        continue;
                    }
                    let mut dropped = [0; 8 * 1024];
                    let mut buf = ReadBuf::new(&mut dropped);
                    match ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buf)) {
                        Ok(()) if !buf.filled().is_empty() && *left > buf.filled().len() => *left -= buf.filled().len(),
                        Ok(()) | Err(_) => this.closing = Closing::Done,
                    }
                }
            }
        }
    }
}
