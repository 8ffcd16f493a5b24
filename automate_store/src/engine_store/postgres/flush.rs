//! A committer's connection to PostgreSQL: turns a batch into as few statements as possible, finds
//! the culprit when a batch is refused, and finds out what happened when the connection was cut.

use async_trait::async_trait;
use automate_core::limits::DATABASE_TIMEOUT;
use automate_core::store::{Accept, StoreError};
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::Instant;

use super::super::accepting::{self, is_queued};
use super::super::hints::Hints;
use super::super::progress::{self, Held, Progress};
use super::{accept, adopt, checkpoint, keyed};
use crate::committer::{Answer, Flush, Op};
use crate::error::store_error;

/// How often a batch is tried again after a deadlock or a serialization failure.
const CONFLICT_TRIES: u32 = 5;
/// How often a batch is tried again after its connection was cut.
const CUT_TRIES: u32 = 3;

/// Settings of a committer's session. Its few statements are planned once: planning them for each
/// batch would cost more than running them. A plan made while a table was empty must not scan it
/// when it is full.
const SESSION: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off";

/// Operations that one statement, or one transaction, stores together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Accepts without start keys: one statement.
    Accepts,
    /// Accepts with start keys or with steps that they take over: a transaction.
    KeyedAccepts,
    /// Checkpoints that publish nothing: one statement.
    Checkpoints,
    /// Checkpoints that publish: a transaction.
    Publishing,
}

/// One committer.
pub(super) struct PgFlusher {
    pool: PgPool,
    connection: Option<PgConnection>,
    hints: Hints,
}

impl PgFlusher {
    pub(super) fn new(pool: PgPool, hints: Hints) -> Self {
        Self { pool, connection: None, hints }
    }

    /// The connection, opened where there is none. It is taken out of the pool for good, so the
    /// check before each hand-out is not paid per batch.
    async fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.pool.acquire().await?.detach();
                sqlx::raw_sql(SESSION).execute(&mut connection).await?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// Commits operations of one shape, all or none.
    async fn attempt(
        &mut self,
        shape: Shape,
        ops: &[Op],
        again: bool,
    ) -> Result<Vec<Result<Answer, StoreError>>, sqlx::Error> {
        let conn = self.connection().await?;
        match shape {
            Shape::Accepts => {
                let accepts: Vec<&Accept> = ops.iter().filter_map(accept_of).collect();
                let answers = accept::store(conn, &accepts, again).await?;
                Ok(answers.into_iter().map(|answer| Ok(Answer::Accepted(answer))).collect())
            }
            Shape::KeyedAccepts => {
                let accepts: Vec<&Accept> = ops.iter().filter_map(accept_of).collect();
                let mut transaction = conn.begin().await?;
                let answers = keyed::store_keyed(&mut transaction, &accepts, again).await?;
                adopt::store_adopted(&mut transaction, &accepts, &answers).await?;
                transaction.commit().await?;
                Ok(answers.into_iter().map(|answer| Ok(Answer::Accepted(answer))).collect())
            }
            Shape::Checkpoints => {
                let batch: Vec<&Progress> = ops.iter().filter_map(progress_of).collect();
                let held = checkpoint::record(conn, &batch).await?;
                let held = if again { after_unseen_commit(conn, &batch, held).await? } else { held };
                Ok(held.into_iter().map(|held| progress::plain(held).map(Answer::Ack)).collect())
            }
            Shape::Publishing => {
                let batch: Vec<&Progress> = ops.iter().filter_map(progress_of).collect();
                publishing(conn, &batch, again).await
            }
        }
    }

    /// Commits operations of one shape and answers each. A batch that the database refuses is
    /// halved until the culprit is alone.
    async fn commit(&mut self, shape: Shape, ops: Vec<Op>) {
        let mut work = vec![ops];
        while let Some(mut ops) = work.pop() {
            if ops.is_empty() {
                continue;
            }
            match self.tried(shape, &ops).await {
                Ok(answers) => {
                    for (op, answer) in ops.into_iter().zip(answers) {
                        if let Ok(Answer::Accepted(accepted)) = &answer
                            && is_queued(accepted)
                        {
                            self.hints.work();
                        }
                        if let Ok(Answer::Ack(ack)) = &answer
                            && ack.published.iter().any(is_queued)
                        {
                            self.hints.work();
                        }
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

    /// One attempt, and further ones where those can help: after a deadlock, and after the
    /// connection was cut, which tells whether the one before was committed.
    async fn tried(&mut self, shape: Shape, ops: &[Op]) -> Result<Vec<Result<Answer, StoreError>>, StoreError> {
        let until = Instant::now() + DATABASE_TIMEOUT;
        let (mut cuts, mut conflicts) = (0, 0);
        loop {
            let again = cuts > 0;
            // A connection that cannot be opened has committed nothing, and another try now would
            // find the same.
            match tokio::time::timeout_at(until, self.connection()).await {
                Ok(connected) => connected.map(|_| ()).map_err(store_error)?,
                Err(_) => return Err(StoreError::Unavailable("the database does not take connections".into())),
            }
            let error = match tokio::time::timeout_at(until, self.attempt(shape, ops, again)).await {
                Ok(Ok(answers)) => return Ok(answers),
                Ok(Err(error)) => error,
                Err(_) => {
                    // Whatever the server still does there, nobody waits for it.
                    self.connection = None;
                    return Err(StoreError::Unavailable(
                        "the database did not answer in time; whether it was stored is not known".into(),
                    ));
                }
            };
            if is_conflict(&error) && conflicts < CONFLICT_TRIES {
                conflicts += 1;
                continue;
            }
            if is_cut(&error) {
                self.connection = None;
                if cuts < CUT_TRIES {
                    cuts += 1;
                    continue;
                }
            }
            if again
                && is_duplicate(&error)
                && let [op] = ops
                && let Some(accept) = accept_of(op)
                && let Ok(Ok(true)) = tokio::time::timeout_at(until, self.was_committed(accept)).await
            {
                return Ok(vec![Ok(Answer::Accepted(accepting::stored(accept)))]);
            }
            return Err(store_error(error));
        }
    }

    async fn was_committed(&mut self, accept: &Accept) -> Result<bool, sqlx::Error> {
        let conn = self.connection().await?;
        accept::committed(conn, accept).await
    }
}

#[async_trait]
impl Flush for PgFlusher {
    async fn flush(&mut self, ops: Vec<Op>) {
        let mut shapes: [(Shape, Vec<Op>); 4] = [
            (Shape::Checkpoints, Vec::new()),
            (Shape::Publishing, Vec::new()),
            (Shape::Accepts, Vec::new()),
            (Shape::KeyedAccepts, Vec::new()),
        ];
        for op in ops {
            let shape = match &op {
                Op::Accept(op) if accepting::has_start_keys(&op.input) || accepting::has_adopted(&op.input) => 3,
                Op::Accept(_) => 2,
                Op::Checkpoint(op) if op.input.checkpoint.publish.is_empty() => 0,
                Op::Checkpoint(_) => 1,
            };
            shapes[shape].1.push(op);
        }
        for (shape, ops) in shapes {
            self.commit(shape, ops).await;
        }
    }

    fn reset(&mut self) {
        self.connection = None;
    }
}

fn accept_of(op: &Op) -> Option<&Accept> {
    match op {
        Op::Accept(op) => Some(&op.input),
        Op::Checkpoint(_) => None,
    }
}

fn progress_of(op: &Op) -> Option<&Progress> {
    match op {
        Op::Checkpoint(op) => Some(&op.input),
        Op::Accept(_) => None,
    }
}

/// Accepts with the places of their answers: which checkpoint, which of what it publishes.
type Places<'a> = (Vec<&'a Accept>, Vec<(usize, usize)>);

/// Checkpoints and what those that are held publish, in one transaction.
async fn publishing(
    conn: &mut PgConnection,
    batch: &[&Progress],
    again: bool,
) -> Result<Vec<Result<Answer, StoreError>>, sqlx::Error> {
    let mut transaction = conn.begin().await?;
    let mut held = checkpoint::record(&mut transaction, batch).await?;
    let mut published: Vec<Vec<_>> = batch.iter().map(|_| Vec::new()).collect();
    // Each answer goes to its place.
    let (mut plain, mut with_keys): (Places<'_>, Places<'_>) = Default::default();
    for (op, progress) in batch.iter().enumerate().filter(|(op, _)| held[*op].is_some()) {
        published[op] = vec![None; progress.checkpoint.publish.len()];
        for (place, accept) in progress.checkpoint.publish.iter().enumerate() {
            let (accepts, places) = if accepting::has_start_keys(accept) { &mut with_keys } else { &mut plain };
            accepts.push(accept);
            places.push((op, place));
        }
    }
    // Start keys before delivery keys, as everywhere, so that nobody waits in a circle.
    let answers = keyed::store_keyed(&mut transaction, &with_keys.0, again).await?;
    for ((op, place), answer) in with_keys.1.into_iter().zip(answers) {
        published[op][place] = Some(answer);
    }
    let answers = accept::store(&mut transaction, &plain.0, again).await?;
    for ((op, place), answer) in plain.1.into_iter().zip(answers) {
        published[op][place] = Some(answer);
    }
    transaction.commit().await?;
    if again {
        let before = held.clone();
        held = after_unseen_commit(conn, batch, held).await?;
        for (op, progress) in batch.iter().enumerate().filter(|(op, _)| before[*op].is_none() && held[*op].is_some()) {
            // Committed with the checkpoint by the try that was not seen.
            published[op] = progress.checkpoint.publish.iter().map(|accept| Some(accepting::stored(accept))).collect();
        }
    }
    Ok(held
        .into_iter()
        .zip(published)
        .map(|(held, published)| {
            let held = held.ok_or(StoreError::LeaseLost)?;
            Ok(Answer::Ack(held.ack(published.into_iter().flatten().collect())))
        })
        .collect())
}

/// After a cut connection: a claim that is no longer held may have been given up by the very
/// checkpoint whose answer was not seen.
async fn after_unseen_commit(
    conn: &mut PgConnection,
    batch: &[&Progress],
    mut held: Vec<Option<Held>>,
) -> Result<Vec<Option<Held>>, sqlx::Error> {
    for (held, progress) in held.iter_mut().zip(batch) {
        if held.is_none() {
            *held = checkpoint::committed(conn, &progress.checkpoint).await?;
        }
    }
    Ok(held)
}

fn state_of(error: &sqlx::Error) -> Option<String> {
    match error {
        sqlx::Error::Database(error) => error.code().map(|code| code.into_owned()),
        _ => None,
    }
}

fn is_conflict(error: &sqlx::Error) -> bool {
    matches!(state_of(error).as_deref(), Some("40001" | "40P01"))
}

fn is_duplicate(error: &sqlx::Error) -> bool {
    state_of(error).as_deref() == Some("23505")
}

/// Whether the connection is of no more use, so that the outcome of what was sent is not known.
fn is_cut(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => {
            // The operator ended the session, or the server restarts.
            state_of(error).is_some_and(|state| matches!(state.as_str(), "57P01" | "57P02" | "57P03" | "57P05"))
        }
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}
