//! Signs of life of this process, so that others see it while it is idle, too.

use std::time::Duration;

use automate_core::limits;
use automate_core::runtime::Engine;
use automate_store::db::Database;
use automate_store::outbox::processes::{self, Beat};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Beats between two looks for processes that are long gone: an hour.
const TIDY_EVERY: u64 = Duration::from_secs(3600).as_secs() / limits::PROCESS_BEAT.as_secs();

/// Beats until it ends, or is dropped.
pub(super) struct Beats {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Beats {
    /// Begins to beat. Nothing waits for it: a database that is away is told of by the worker.
    pub(super) fn begin(database: Database, engine: Engine, role: &'static str) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(live(database, engine, role, stop.clone()));
        Self { stop: stop.drop_guard(), task }
    }

    /// Takes the process off the list.
    pub(super) async fn end(self) {
        drop(self.stop);
        if tokio::time::timeout(limits::PROCESS_GOODBYE, self.task).await.is_err() {
            tracing::debug!("this process could not be taken off the list; others will see that it is gone");
        }
    }
}

async fn live(database: Database, engine: Engine, role: &'static str, stop: CancellationToken) {
    let mut beats: u64 = 0;
    while !stop.is_cancelled() {
        if let Err(error) = processes::beat(&database, now(&engine, role)).await {
            tracing::debug!(%error, "a sign of life could not be given");
        } else if beats.is_multiple_of(TIDY_EVERY)
            && let Err(error) = processes::tidy(&database).await
        {
            tracing::debug!(%error, "processes that are long gone could not be taken off the list");
        }
        beats += 1;
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(limits::PROCESS_BEAT) => {}
        }
    }
    if let Err(error) = processes::goodbye(&database, &engine.settings().owner).await {
        tracing::debug!(%error, "this process could not be taken off the list");
    }
}

fn now(engine: &Engine, role: &str) -> Beat {
    let status = engine.worker_status();
    Beat {
        owner: status.owner,
        role: role.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        queues: engine.settings().queues.clone(),
        concurrency: status.concurrency,
        running: status.running,
        draining: status.draining,
    }
}
