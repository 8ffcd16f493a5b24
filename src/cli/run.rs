//! `automate run`, and what `executions replay` shares with it.

use std::collections::HashSet;
use std::io::Read;
use std::time::Duration;

use automate_core::ids::ExecutionId;
use automate_core::runtime::StartRequest;
use automate_core::status::ExecutionStatus;
use clap::Args;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::record::{entry, on_record};
use super::timeline::Story;
use super::{CliError, Context, TENANT, output, shape};
use crate::app::{Parts, Role};

/// How often a followed execution is read again.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of an input, at most.
const INPUT_BYTES: u64 = automate_core::limits::BODY_BYTES as u64;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The workflow
    workflow: String,
    /// The input: JSON, @FILE, or @- for stdin
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<String>,
    /// A version other than the live one
    #[arg(long = "workflow-version", value_name = "N")]
    version: Option<i32>,
    #[command(flatten)]
    then: ThenArgs,
}

/// What to do after the start.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ThenArgs {
    /// Waits for the end; exit code 1 where it failed
    #[arg(long)]
    wait: bool,
    /// Prints what happens while it happens; exit code 1 where it failed
    #[arg(long)]
    follow: bool,
    /// Prints the execution as JSON: as accepted, with --wait as it ended
    #[arg(long, conflicts_with = "follow")]
    json: bool,
}

impl ThenArgs {
    /// Whether JSON is wanted.
    pub(crate) const fn json(self) -> bool {
        self.json
    }

    /// Whether this process stays, so that it can do the work itself.
    pub(crate) const fn here(self) -> bool {
        self.wait || self.follow
    }
}

/// Reads JSON from an argument: as it stands, from `@FILE`, or from `@-`.
pub(crate) fn input(argument: &str) -> Result<Value, CliError> {
    let (text, from) = match argument.strip_prefix('@') {
        None => (argument.to_owned(), "the argument".to_owned()),
        Some("-") => (read(std::io::stdin().lock(), "stdin")?, "stdin".to_owned()),
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|e| CliError::usage(format!("cannot read {path}: {e}")))?;
            (read(file, path)?, path.to_owned())
        }
    };
    serde_json::from_str(&text).map_err(|e| {
        CliError::usage(format!("{from} is not JSON: {e}"))
            .hint("give JSON such as '{\"order_id\": \"A-1\"}', or @FILE with a file of it")
    })
}

fn read(from: impl Read, name: &str) -> Result<String, CliError> {
    let mut text = String::new();
    from.take(INPUT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|e| CliError::usage(format!("cannot read {name}: {e}")))?;
    if text.len() as u64 > INPUT_BYTES {
        return Err(CliError::usage(format!("{name} has more than {}", output::bytes(INPUT_BYTES))));
    }
    Ok(text)
}

/// Starts a workflow.
pub(crate) async fn run(context: Context, args: RunArgs) -> Result<(), CliError> {
    let input = args.input.as_deref().map(input).transpose()?;
    let role = if args.then.here() { Role::Worker } else { Role::Tool };
    let parts = context.open(role).await?;
    let asked = entry("workflow.run").about("workflow", &args.workflow).with(json!({ "version": args.version }));
    let request = StartRequest {
        tenant_id: TENANT,
        workflow: args.workflow,
        version: args.version,
        input,
        source: "cli".to_owned(),
        correlation_id: automate_core::ids::new_v7().to_string(),
        run_here: args.then.here(),
    };
    // The worker begins before the start, so that nothing that it starts is left without one.
    let worker = Worker::begin(&parts, args.then.here());
    let result = match on_record(&parts, asked, parts.engine.start(request)).await {
        Ok(id) => after_start(&parts, id, args.then).await,
        Err(error) => Err(error.into()),
    };
    worker.end().await;
    parts.close().await;
    result
}

/// A worker in the background of a command that waits.
pub(crate) struct Worker {
    shutdown: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Worker {
    /// Begins to work, where asked to.
    pub(crate) fn begin(parts: &Parts, wanted: bool) -> Self {
        let shutdown = CancellationToken::new();
        let task = wanted.then(|| {
            let (engine, shutdown) = (parts.engine.clone(), shutdown.clone());
            tokio::spawn(async move { engine.run_worker(shutdown).await })
        });
        Self { shutdown, task }
    }

    /// Drains and ends.
    pub(crate) async fn end(self) {
        self.shutdown.cancel();
        if let Some(task) = self.task {
            // A worker that panicked has been reported; its leases expire.
            drop(task.await);
        }
    }
}

/// Prints what was started, waits for it or follows it.
pub(crate) async fn after_start(parts: &Parts, id: ExecutionId, then: ThenArgs) -> Result<(), CliError> {
    let store = parts.store.as_ref();
    if !then.here() {
        if then.json {
            let execution = store.execution(TENANT, id).await?;
            return output::json(&shape::execution(&execution, None));
        }
        output::line(format!("execution {id} accepted"));
        output::note(&format!("see it with `automate executions show {id}`, or start with --follow"));
        return Ok(());
    }
    if then.follow {
        follow(parts, id).await?;
    } else {
        wait(parts, id).await?;
    }
    let story = Story::load(store, TENANT, id).await?;
    if then.json {
        output::json(&shape::execution(&story.execution, Some(&story.steps)))?;
    } else if !then.follow {
        output::line(format!("execution {id}: {}", story.ending()));
    }
    match story.execution.status {
        ExecutionStatus::Completed => Ok(()),
        _ => Err(CliError::Reported),
    }
}

async fn wait(parts: &Parts, id: ExecutionId) -> Result<(), CliError> {
    let spinner = output::spinner(format!("waiting for execution {id}"));
    while parts.engine.wait_until_ended(TENANT, id, Duration::from_secs(5)).await?.is_none() {
        if stuck(parts, id).await? {
            break;
        }
    }
    spinner.finish_and_clear();
    Ok(())
}

/// Whether nothing goes on before somebody decides.
async fn stuck(parts: &Parts, id: ExecutionId) -> Result<bool, CliError> {
    if parts.store.execution(TENANT, id).await?.status != ExecutionStatus::Waiting {
        return Ok(false);
    }
    let steps = parts.store.steps(TENANT, id).await?;
    Ok(steps.iter().any(|s| s.status == automate_core::status::StepStatus::OutcomeUnknown))
}

/// Prints the entries of the timeline as they come.
pub(crate) async fn follow(parts: &Parts, id: ExecutionId) -> Result<(), CliError> {
    let mut told: HashSet<String> = HashSet::new();
    loop {
        let story = Story::load(parts.store.as_ref(), TENANT, id).await?;
        if told.is_empty() {
            output::line(story.heading());
            output::line("");
            told.insert(String::new());
        }
        for entry in story.entries() {
            if told.insert(entry.key) {
                output::line(entry.text);
            }
        }
        if story.execution.status.is_terminal() || stuck(parts, id).await? {
            output::line("");
            output::line(story.ending());
            return Ok(());
        }
        parts.engine.wait_until_ended(TENANT, id, LOOK).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_read_from_the_argument_or_a_file_and_says_where_it_is_wrong() {
        assert_eq!(input(r#"{"n":1}"#).unwrap()["n"], 1);
        let error = input("{n:1}").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("the argument is not JSON"), "{error}");
        let error = input("@/nowhere/at/all.json").unwrap_err();
        assert!(error.to_string().contains("cannot read /nowhere/at/all.json"), "{error}");
    }
}
