//! The hot paths on PostgreSQL.

mod accept;
mod adopt;
mod checkpoint;
mod flush;
mod keyed;

use sqlx::PgPool;

use super::hints::Hints;
use crate::committer::Committer;

/// Committers with a connection each.
pub(super) fn committer(pool: &PgPool, hints: &Hints, connections: usize) -> Committer {
    let flushers = (0..connections.max(1)).map(|_| flush::PgFlusher::new(pool.clone(), hints.clone())).collect();
    Committer::start(flushers)
}
