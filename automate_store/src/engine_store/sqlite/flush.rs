//! The writer of SQLite: one transaction per batch, on the one connection that writes.

use std::sync::Arc;

use async_trait::async_trait;
use automate_core::clock::Clock;
use automate_core::limits::DATABASE_TIMEOUT;
use automate_core::store::{Accept, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{SqliteConnection, SqlitePool};

use super::super::accepting::is_queued;
use super::super::hints::Hints;
use super::super::progress::{self, Progress};
use super::{accept, checkpoint};
use crate::committer::{Answer, Flush, Op};
use crate::error::store_error;

/// The committer.
pub(super) struct SqliteFlusher {
    writer: SqlitePool,
    hints: Hints,
    clock: Arc<dyn Clock>,
}

type Answers = Vec<Result<Answer, StoreError>>;

impl SqliteFlusher {
    pub(super) fn new(writer: SqlitePool, hints: Hints, clock: Arc<dyn Clock>) -> Self {
        Self { writer, hints, clock }
    }

    async fn attempt(&self, ops: &[Op]) -> Result<Answers, sqlx::Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let answers = store(&mut transaction, ops, self.clock.now()).await?;
        transaction.commit().await?;
        Ok(answers)
    }
}

/// Accepts and checkpoints of one batch, inside a transaction.
async fn store(connection: &mut SqliteConnection, ops: &[Op], now: DateTime<Utc>) -> Result<Answers, sqlx::Error> {
    let (mut accepts, mut batch): (Vec<&Accept>, Vec<&Progress>) = (Vec::new(), Vec::new());
    for op in ops {
        match op {
            Op::Accept(op) => accepts.push(&op.input),
            Op::Checkpoint(op) => batch.push(&op.input),
        }
    }
    let held = checkpoint::record(connection, &batch, now).await?;
    // What held checkpoints publish is accepted together with the rest.
    let own = accepts.len();
    for (progress, _) in batch.iter().zip(&held).filter(|(_, held)| held.is_some()) {
        accepts.extend(&progress.checkpoint.publish);
    }
    let mut answered = if accepts.is_empty() { Vec::new() } else { accept::store(connection, &accepts, now).await? };
    let mut published = answered.split_off(own).into_iter();
    let mut acks = batch.iter().zip(held).map(|(progress, held)| match held {
        Some(held) => Ok(held.ack(published.by_ref().take(progress.checkpoint.publish.len()).collect())),
        None => progress::plain(None),
    });
    let mut answered = answered.into_iter();
    let missing = || Err(StoreError::Internal("an operation got no answer".into()));
    Ok(ops
        .iter()
        .map(|op| match op {
            Op::Accept(_) => answered.next().map_or_else(missing, |accepted| Ok(Answer::Accepted(accepted))),
            Op::Checkpoint(_) => acks.next().map_or_else(missing, |ack| ack.map(Answer::Ack)),
        })
        .collect())
}

#[async_trait]
impl Flush for SqliteFlusher {
    async fn flush(&mut self, ops: Vec<Op>) {
        let mut work = vec![ops];
        while let Some(mut ops) = work.pop() {
            let tried = match tokio::time::timeout(DATABASE_TIMEOUT, self.attempt(&ops)).await {
                Ok(tried) => tried.map_err(store_error),
                Err(_) => Err(StoreError::Unavailable(
                    "the database did not answer in time; whether it was stored is not known".into(),
                )),
            };
            match tried {
                Ok(answers) => {
                    if answers.iter().flatten().any(holds_work) {
                        self.hints.work();
                    }
                    for (op, answer) in ops.into_iter().zip(answers) {
                        op.answer(answer);
                    }
                }
                Err(error) if ops.len() > 1 && progress::is_about_the_data(&error) => {
                    let rest = ops.split_off(ops.len() / 2);
                    work.push(rest);
                    work.push(ops);
                }
                Err(error) => {
                    for op in ops {
                        op.refuse(error.clone());
                    }
                }
            }
        }
    }

    fn reset(&mut self) {}
}

fn holds_work(answer: &Answer) -> bool {
    match answer {
        Answer::Accepted(accepted) => is_queued(accepted),
        Answer::Ack(ack) => ack.published.iter().any(is_queued),
    }
}
