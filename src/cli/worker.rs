//! `automate worker`.

use clap::Args;

use super::serve::{Shutdown, announce_drain};
use super::{CliError, Context, output};
use crate::app::Role;

/// Arguments of `worker`.
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Executions at once [default: worker.concurrency]
    #[arg(long, value_name = "N")]
    concurrency: Option<usize>,
    /// The queues (kinds of queued work) to take, separated by commas [default: all]
    #[arg(long, value_name = "A,B")]
    queues: Option<String>,
}

impl WorkerArgs {
    /// The keys of the configuration that the flags set.
    pub(crate) fn overrides(&self) -> Vec<(String, String)> {
        let mut list = Vec::new();
        if let Some(n) = self.concurrency {
            list.push(("worker.concurrency".to_owned(), n.to_string()));
        }
        if let Some(queues) = &self.queues {
            list.push(("worker.queues".to_owned(), queues.clone()));
        }
        list
    }
}

/// Works until asked to stop, then drains.
pub(crate) async fn run(context: Context, _args: WorkerArgs) -> Result<(), CliError> {
    let known = context.app.queues();
    if let Some(unknown) = context.config().worker.queues.iter().find(|queue| !known.contains(queue)) {
        return Err(CliError::usage(format!("there is no queue `{unknown}`"))
            .hint(format!("this program handles: {}", known.join(", "))));
    }
    let shutdown = Shutdown::listen()?;
    let parts = super::serve::open_with_patience(&context, Role::Worker, &shutdown).await?;
    output::line(format!(
        "automate worker {}: {} executions at once",
        parts.engine.settings().owner,
        parts.engine.settings().concurrency
    ));
    let announce = tokio::spawn(announce_drain(shutdown.token.clone(), context.config().worker.drain));
    parts.work(shutdown.token.clone()).await;
    announce.abort();
    parts.close().await;
    Ok(())
}
