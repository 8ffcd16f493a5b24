//! The account of what is read: who read which secret, from where, for what. Never a value.
//!
//! Reading a secret must not wait for the account of it. [`ReadQueue`] takes entries without waiting
//! and hands them on in batches; what does not fit is counted, and said in the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::Purpose;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;

/// How reading a secret ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// The reader has the value.
    Found,
    /// The same, from memory.
    Cached,
    /// No backend has it.
    NotFound,
    /// A backend did not answer, or could not decrypt it.
    Unavailable,
    /// The reference is none.
    Refused,
}

impl ReadOutcome {
    /// One word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Cached => "cached",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Refused => "refused",
        }
    }

    /// Whether the reader got the value.
    #[must_use]
    pub const fn has_value(self) -> bool {
        matches!(self, Self::Found | Self::Cached)
    }
}

/// One reading of one secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRead {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose secret.
    pub tenant: TenantId,
    /// The key, without backend and version.
    pub key: String,
    /// The backend that answered; where none did, the one that was asked for or that failed.
    pub backend: Option<String>,
    /// The version that was asked for; the newest where absent.
    pub version: Option<u32>,
    /// What for.
    pub purpose: Purpose,
    /// How it ended.
    pub outcome: ReadOutcome,
}

/// Is told of each reading, cached or not. Called on the path of every step: it must not wait.
pub trait SecretReads: Send + Sync + 'static {
    /// Takes one reading.
    fn read(&self, read: SecretRead);
}

/// Writes readings to the log, at `debug`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogReads;

impl SecretReads for LogReads {
    fn read(&self, read: SecretRead) {
        tracing::debug!(
            tenant = %read.tenant,
            key = read.key,
            backend = read.backend,
            version = read.version,
            outcome = read.outcome.as_str(),
            purpose = %read.purpose,
            "a secret was read"
        );
    }
}

/// Keeps readings for good, many at a time.
#[async_trait]
pub trait SecretReadSink: Send + Sync + 'static {
    /// Keeps them. A batch that fails is tried again.
    ///
    /// # Errors
    /// Why it could not, for the log.
    async fn keep(&self, batch: &[SecretRead]) -> Result<(), String>;
}

/// Takes readings without waiting and hands them to a [`SecretReadSink`] in batches, from a task of
/// its own. Holds [`limits::SECRET_READS_PENDING`] at most: what does not fit, and what the sink
/// refuses for good, is lost, counted by `automate_secret_reads_lost_total` and said in the log.
#[derive(Clone)]
pub struct ReadQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    /// Told when the queue is closed.
    closing: Notify,
    /// Lost since the log last said so.
    lost: AtomicU64,
}

#[derive(Default)]
struct State {
    pending: VecDeque<SecretRead>,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, count: usize) {
        metrics::counter!("automate_secret_reads_lost_total").increment(count as u64);
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// The next batch; `None` where none comes any more.
    async fn next(&self) -> Option<Vec<SecretRead>> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut state = self.state();
                if !state.pending.is_empty() {
                    if state.closed {
                        self.closing.notify_one();
                    }
                    let count = state.pending.len().min(limits::SECRET_READS_BATCH);
                    return Some(state.pending.drain(..count).collect());
                }
                if state.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    async fn work(&self, sink: &dyn SecretReadSink) {
        while let Some(batch) = self.next().await {
            let mut pause = limits::SECRET_READS_PAUSE;
            for attempt in 1.. {
                match sink.keep(&batch).await {
                    Ok(()) => break,
                    Err(error) if attempt < limits::SECRET_READS_TRIES => {
                        tracing::warn!(error, attempt, "readings of secrets could not be recorded; trying again");
                        tokio::time::sleep(pause).await;
                        pause *= 2;
                    }
                    Err(error) => {
                        tracing::error!(error, "readings of secrets could not be recorded");
                        self.lose(batch.len());
                        break;
                    }
                }
            }
            // So that a busy process has few large batches and not many small ones.
            let _ = tokio::time::timeout(limits::SECRET_READS_GATHER, self.closing.notified()).await;
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::error!(lost, "readings of secrets are missing from the record: more came than can be kept");
            }
        }
    }
}

/// The task that hands readings on. Dropping it leaves the task running until the queue is closed.
#[derive(Debug)]
pub struct ReadWorker {
    task: tokio::task::JoinHandle<()>,
    queue: std::sync::Weak<Shared>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl ReadWorker {
    /// Hands on what is there, takes no more, and ends; at the latest after
    /// [`limits::SECRET_READS_CLOSE`]. For a process that stops.
    pub async fn close(self) {
        if let Some(queue) = self.queue.upgrade() {
            queue.state().closed = true;
            queue.arrived.notify_one();
            queue.closing.notify_one();
        }
        let abort = self.task.abort_handle();
        if tokio::time::timeout(limits::SECRET_READS_CLOSE, self.task).await.is_err() {
            abort.abort();
            tracing::error!("the process stops before all readings of secrets were recorded");
        }
    }
}

impl ReadQueue {
    /// A queue before a sink, and the task between them.
    #[must_use]
    pub fn start(sink: Arc<dyn SecretReadSink>) -> (Self, ReadWorker) {
        let shared = Arc::new(Shared::default());
        let queue = Arc::downgrade(&shared);
        let worker = Arc::clone(&shared);
        let task = tokio::spawn(async move { worker.work(sink.as_ref()).await });
        (Self { shared }, ReadWorker { task, queue })
    }
}

impl SecretReads for ReadQueue {
    fn read(&self, read: SecretRead) {
        let mut state = self.shared.state();
        if state.closed || state.pending.len() >= limits::SECRET_READS_PENDING {
            drop(state);
            self.shared.lose(1);
            return;
        }
        state.pending.push_back(read);
        drop(state);
        self.shared.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    /// Keeps what it is given; each batch needs a permit, and the first `failures` are refused.
    struct Book {
        batches: Mutex<Vec<Vec<SecretRead>>>,
        permits: Semaphore,
        failures: AtomicU64,
    }

    impl Book {
        fn new(permits: usize, failures: u64) -> Arc<Self> {
            let (batches, permits) = (Mutex::default(), Semaphore::new(permits));
            Arc::new(Self { batches, permits, failures: AtomicU64::new(failures) })
        }

        fn kept(&self) -> usize {
            self.batches.lock().unwrap().iter().map(Vec::len).sum()
        }
    }

    #[async_trait]
    impl SecretReadSink for Book {
        async fn keep(&self, batch: &[SecretRead]) -> Result<(), String> {
            self.permits.acquire().await.unwrap().forget();
            if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                return Err("away".to_owned());
            }
            self.batches.lock().unwrap().push(batch.to_vec());
            Ok(())
        }
    }

    fn read(n: usize) -> SecretRead {
        SecretRead {
            at: automate_core::clock::now(),
            tenant: TenantId::DEFAULT,
            key: format!("K{n}"),
            backend: Some("env".to_owned()),
            version: None,
            purpose: Purpose::Check,
            outcome: ReadOutcome::Found,
        }
    }

    #[tokio::test]
    async fn readings_arrive_in_order_and_in_batches() {
        let book = Book::new(1_000, 0);
        let (queue, worker) = ReadQueue::start(book.clone());
        for n in 0..3_000 {
            queue.read(read(n));
        }
        worker.close().await;
        let batches = book.batches.lock().unwrap();
        let keys: Vec<&str> = batches.iter().flatten().map(|r| r.key.as_str()).collect();
        assert_eq!(keys, (0..3_000).map(|n| format!("K{n}")).collect::<Vec<_>>());
        assert!(batches.len() < 1_000 && batches.iter().all(|b| b.len() <= limits::SECRET_READS_BATCH));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_lost_and_counted_and_nobody_waits() {
        let book = Book::new(0, 0);
        let (queue, worker) = ReadQueue::start(book.clone());
        for n in 0..limits::SECRET_READS_PENDING + 500 {
            queue.read(read(n));
        }
        assert_eq!(queue.shared.lost.load(Ordering::SeqCst), 500);
        book.permits.add_permits(1_000);
        worker.close().await;
        assert_eq!(book.kept(), limits::SECRET_READS_PENDING);
        // The log has said it, and what comes after the end is lost too.
        assert_eq!(queue.shared.lost.load(Ordering::SeqCst), 0);
        queue.read(read(0));
        assert_eq!(queue.shared.lost.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_is_away_for_a_while_loses_nothing_and_one_that_stays_away_one_batch() {
        let book = Book::new(1_000, 2);
        let (queue, worker) = ReadQueue::start(book.clone());
        queue.read(read(1));
        worker.close().await;
        assert_eq!(book.kept(), 1);
        let book = Book::new(1_000, u64::from(limits::SECRET_READS_TRIES));
        let (queue, worker) = ReadQueue::start(book.clone());
        queue.read(read(1));
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        queue.read(read(2));
        worker.close().await;
        assert_eq!(book.batches.lock().unwrap().iter().flatten().map(|r| r.key.as_str()).collect::<Vec<_>>(), ["K2"]);
    }
}
