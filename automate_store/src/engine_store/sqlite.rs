//! The hot paths on SQLite.

mod accept;
mod checkpoint;
mod flush;
mod many;

use std::sync::Arc;

use automate_core::clock::Clock;
use sqlx::SqlitePool;

use super::hints::Hints;
use crate::committer::Committer;

/// The one committer, on the connection that writes.
pub(super) fn committer(writer: &SqlitePool, hints: &Hints, clock: &Arc<dyn Clock>) -> Committer {
    Committer::start(vec![flush::SqliteFlusher::new(writer.clone(), hints.clone(), Arc::clone(clock))])
}
