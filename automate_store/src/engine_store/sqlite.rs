//! The hot paths on SQLite.

mod accept;
mod checkpoint;
mod flush;
mod many;

use sqlx::SqlitePool;

use super::hints::Hints;
use crate::committer::Committer;

/// The one committer, on the connection that writes.
pub(super) fn committer(writer: &SqlitePool, hints: &Hints) -> Committer {
    Committer::start(vec![flush::SqliteFlusher::new(writer.clone(), hints.clone())])
}
