//! Group commit: operations of many concurrent callers gather while the last flush runs and are
//! then committed together. There is no timer, so a lone operation is flushed at once, and a busy
//! store makes its own batches.
//!
//! An operation that was handed over goes on when its caller is dropped; one that waited past the
//! deadline is answered without having been tried, so that nobody is told "not available" about
//! something that happens a minute later.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use automate_core::limits::{COMMIT_BATCH, COMMIT_QUEUE, DATABASE_TIMEOUT};
use automate_core::store::{Accept, Accepted, Checkpoint, CheckpointAck, StoreError};
use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::engine_store::Progress;

/// How long a caller waits beyond the deadline of the flush before it gives up on its own.
const CALLER_GRACE: Duration = Duration::from_secs(2);

/// One operation with the place its answer goes to.
pub(crate) struct Pending<T, A> {
    /// What is to be stored.
    pub(crate) input: T,
    answer: oneshot::Sender<Result<A, StoreError>>,
    since: Instant,
}

impl<T, A> Pending<T, A> {
    /// Answers the caller, who may have gone.
    pub(crate) fn answer(self, answer: Result<A, StoreError>) {
        let _gone = self.answer.send(answer);
    }
}

/// What a committer is given.
pub(crate) enum Op {
    /// An event with what it starts.
    Accept(Box<Pending<Accept, Accepted>>),
    /// Progress of an execution.
    Checkpoint(Box<Pending<Progress, CheckpointAck>>),
}

impl Op {
    fn since(&self) -> Instant {
        match self {
            Self::Accept(op) => op.since,
            Self::Checkpoint(op) => op.since,
        }
    }

    /// Answers the caller with an error.
    pub(crate) fn refuse(self, error: StoreError) {
        match self {
            Self::Accept(op) => op.answer(Err(error)),
            Self::Checkpoint(op) => op.answer(Err(error)),
        }
    }

    /// Answers the caller.
    pub(crate) fn answer(self, answer: Result<Answer, StoreError>) {
        match (self, answer) {
            (Self::Accept(op), Ok(Answer::Accepted(accepted))) => op.answer(Ok(accepted)),
            (Self::Checkpoint(op), Ok(Answer::Ack(ack))) => op.answer(Ok(ack)),
            (op, Err(error)) => op.refuse(error),
            (op, Ok(_)) => op.refuse(StoreError::Internal("an operation got the answer of another kind".into())),
        }
    }
}

/// The answer to one operation.
pub(crate) enum Answer {
    /// To an accept.
    Accepted(Accepted),
    /// To a checkpoint.
    Ack(CheckpointAck),
}

/// Commits one batch and answers every operation of it.
#[async_trait]
pub(crate) trait Flush: Send + 'static {
    /// Commits and answers. An operation that is dropped without an answer is reported as `Internal`.
    async fn flush(&mut self, ops: Vec<Op>);
    /// Forgets its connection, after a panic.
    fn reset(&mut self);
}

type Receiver = Arc<Mutex<mpsc::Receiver<Op>>>;

/// The queue in front of one or more flushers.
pub(crate) struct Committer {
    sender: RwLock<Option<mpsc::Sender<Op>>>,
    tasks: TaskTracker,
}

impl Committer {
    /// Starts one task for each flusher.
    pub(crate) fn start<F: Flush>(flushers: Vec<F>) -> Self {
        let (sender, receiver) = mpsc::channel(COMMIT_QUEUE);
        let receiver: Receiver = Arc::new(Mutex::new(receiver));
        let tasks = TaskTracker::new();
        for flusher in flushers {
            tasks.spawn(run(Arc::clone(&receiver), flusher));
        }
        tasks.close();
        Self { sender: RwLock::new(Some(sender)), tasks }
    }

    /// Stores an event with what it starts.
    pub(crate) async fn accept(&self, accept: Accept) -> Result<Accepted, StoreError> {
        self.submit(accept, Op::Accept).await
    }

    /// Records progress.
    pub(crate) async fn checkpoint(&self, checkpoint: Checkpoint) -> Result<CheckpointAck, StoreError> {
        self.submit(Progress::new(checkpoint), Op::Checkpoint).await
    }

    async fn submit<T, A>(&self, input: T, op: fn(Box<Pending<T, A>>) -> Op) -> Result<A, StoreError> {
        let (answer, answered) = oneshot::channel();
        let op = op(Box::new(Pending { input, answer, since: Instant::now() }));
        {
            let sender = self.sender.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            let Some(sender) = sender.as_ref() else {
                return Err(StoreError::Unavailable("the store is closed".into()));
            };
            sender.try_send(op).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    StoreError::Busy(format!("{COMMIT_QUEUE} operations wait to be committed"))
                }
                mpsc::error::TrySendError::Closed(_) => StoreError::Unavailable("the store is closed".into()),
            })?;
        }
        match tokio::time::timeout(DATABASE_TIMEOUT + CALLER_GRACE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(StoreError::Internal("the committer gave up on an operation".into())),
            Err(_) => Err(StoreError::Unavailable("no answer in time; whether it was stored is not known".into())),
        }
    }

    /// Takes nothing more, commits what waits and ends.
    pub(crate) async fn close(&self) {
        drop(self.sender.write().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        self.tasks.wait().await;
    }
}

async fn run<F: Flush>(receiver: Receiver, mut flusher: F) {
    loop {
        let mut batch = Vec::new();
        // Held only while idle: whoever waits here takes the next batch, the others flush or queue up.
        if receiver.lock().await.recv_many(&mut batch, COMMIT_BATCH).await == 0 {
            return;
        }
        let now = Instant::now();
        let (late, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|op| now - op.since() > DATABASE_TIMEOUT);
        for op in late {
            op.refuse(StoreError::Unavailable("the database did not keep up; nothing was stored".into()));
        }
        if batch.is_empty() {
            continue;
        }
        metrics::histogram!("automate_commit_batch_size").record(batch.len() as f64);
        if AssertUnwindSafe(flusher.flush(batch)).catch_unwind().await.is_err() {
            tracing::error!("a flush panicked; its operations were refused");
            flusher.reset();
        }
    }
}

#[cfg(test)]
mod tests;
