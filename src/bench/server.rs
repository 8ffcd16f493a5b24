//! The measured server: API and worker, as `automate serve` has them, on a free port.

use std::net::SocketAddr;

use automate_core::config::Config;
use automate_core::ids::TenantId;
use automate_store::db::Database;
use tokio_util::sync::CancellationToken;

use super::BenchError;
use crate::app::{Parts, Role};

/// Requests a minute that nobody sends.
const UNLIMITED: u32 = 100_000_000;

/// A running server.
pub(crate) struct Server {
    parts: Parts,
    address: SocketAddr,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Begins to serve and to work.
    pub(crate) async fn begin(parts: Parts, config: &Config) -> Result<Self, BenchError> {
        let failed = |e: std::io::Error| BenchError::Load(format!("cannot listen: {e}"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shutdown = CancellationToken::new();
        let (serving, token, mut config) = (parts.clone(), shutdown.clone(), config.clone());
        // One address sends everything here, and the limits are not what is measured.
        config.api.requests_per_minute = UNLIMITED;
        config.api.address_requests_per_minute = UNLIMITED;
        let task = tokio::spawn(async move {
            if let Err(error) = serving.serve(listener, &config, Role::Worker, token).await {
                tracing::error!(%error, "the measured server ended");
            }
        });
        Ok(Self { parts, address, shutdown, task })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its database.
    pub(crate) const fn database(&self) -> &Database {
        &self.parts.database
    }

    /// What it is wired of.
    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Publishes a document of the benchmark.
    pub(crate) async fn publish(&self, document: &str) -> Result<(), BenchError> {
        match self.parts.engine.publish(TenantId::DEFAULT, document, "bench", "").await {
            Ok(_) => Ok(()),
            Err(error) => Err(BenchError::Load(format!("a document of the benchmark was refused: {error:?}"))),
        }
    }

    /// Drains and ends.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        // A server that panicked has ended too.
        drop(self.task.await);
        self.parts.close().await;
    }
}
