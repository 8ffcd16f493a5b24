//! Hints that there is work. They are never needed: whoever waits for one also looks from time to
//! time. On PostgreSQL they travel between processes by NOTIFY, sent outside the transactions that
//! cause them and at most once per interval, because a NOTIFY inside a transaction makes commits
//! wait for each other.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The channel for work and for requests to cancel.
pub(super) const WORK: &str = "automate_hint";
/// The channel for changed triggers.
pub(super) const TRIGGERS: &str = "automate_triggers";

/// The shortest time between two notifications of one process.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long to wait after the listening connection failed.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Where hints are given and waited for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    here: Notify,
    work_elsewhere: Notify,
    triggers_elsewhere: Notify,
}

impl Hints {
    /// Work is there, or a request to cancel: wakes this process at once and others soon.
    pub(super) fn work(&self) {
        self.wake();
        self.inner.work_elsewhere.notify_one();
    }

    /// Triggers have changed.
    pub(super) fn triggers(&self) {
        self.wake();
        self.inner.triggers_elsewhere.notify_one();
    }

    fn wake(&self) {
        self.inner.here.notify_waiters();
        // Kept for a waiter that is just not waiting.
        self.inner.here.notify_one();
    }

    /// Answers when a hint came or after `timeout`.
    pub(super) async fn wait(&self, timeout: Duration) {
        let _timed_out = tokio::time::timeout(timeout, self.inner.here.notified()).await;
    }

    /// Sends this process's hints to others.
    pub(super) async fn send(self, pool: PgPool, closed: CancellationToken) {
        loop {
            let channel = tokio::select! {
                () = closed.cancelled() => return,
                () = self.inner.work_elsewhere.notified() => WORK,
                () = self.inner.triggers_elsewhere.notified() => TRIGGERS,
            };
            if let Err(error) = sqlx::query("SELECT pg_notify($1, '')").bind(channel).execute(&pool).await {
                tracing::debug!(%error, channel, "a hint could not be sent; others look by themselves");
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Takes hints of other processes. Every new connection counts as a hint, because what was sent
    /// while there was none is lost.
    pub(super) async fn listen(self, pool: PgPool, closed: CancellationToken) {
        loop {
            let listening = async {
                let mut listener = PgListener::connect_with(&pool).await?;
                listener.listen_all([WORK, TRIGGERS]).await?;
                loop {
                    self.wake();
                    listener.try_recv().await?;
                }
            };
            let ended: Result<std::convert::Infallible, sqlx::Error> = tokio::select! {
                () = closed.cancelled() => return,
                ended = listening => ended,
            };
            let Err(error) = ended;
            tracing::debug!(%error, "no hints from other processes for the moment");
            tokio::select! {
                () = closed.cancelled() => return,
                () = tokio::time::sleep(LISTEN_AGAIN) => {}
            }
        }
    }
}
