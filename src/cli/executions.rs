//! `automate executions`.

mod bulk;
mod explain;
mod replay;
mod signal;

use automate_core::ids::ExecutionId;
use automate_core::status::ExecutionStatus;
use automate_core::store::{CancelOutcome, ExecutionQuery, ExecutionRecord, Json, Resolution, version_name};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::record::{entry, on_record};
use super::timeline::Story;
use super::{CliError, Context, JsonFlag, TENANT, output, run as running, shape};
use crate::app::{Parts, Role};

/// Rows of a page, at most.
const PAGE: usize = 200;

/// Subcommands of `executions`.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionsCommand {
    /// Lists executions, newest first
    List(ListArgs),
    /// Shows one execution as a timeline
    Show(ShowArgs),
    /// Asks an execution to stop: no new step starts
    Cancel(OneArgs),
    /// Runs a failed execution on: failed steps run again, finished ones stay
    Retry(OneArgs),
    /// Runs an ended execution again as a new one: whole or from a step, with its input or another
    Replay(replay::ReplayArgs),
    /// Decides a step whose outcome is not known
    Resolve(ResolveArgs),
    /// Says why an execution stands where it does, and what one can do about it
    Explain(OneArgs),
    /// Sends a signal to an execution, for a step that waits for it or that will
    Signal(signal::SignalArgs),
    /// Cancels, retries, replays or requeues many executions at once
    #[command(subcommand)]
    Bulk(bulk::BulkCommand),
}

/// Arguments of `executions list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this workflow
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// Only this status: pending, running, waiting, completed, failed or cancelled
    #[arg(long, value_name = "STATUS")]
    status: Option<ExecutionStatus>,
    /// Rows of the page, 200 at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// Where to go on: `next` of the page before
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<ExecutionId>,
    /// Counts all that match
    #[arg(long)]
    count: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `executions show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The execution
    id: ExecutionId,
    #[command(flatten)]
    json: JsonFlag,
}

/// An execution.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The execution
    id: ExecutionId,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `executions resolve`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("decision").required(true))]
pub(crate) struct ResolveArgs {
    /// The execution
    id: ExecutionId,
    /// The path of the step
    step: String,
    /// It happened: go on, with this output where one is given
    #[arg(long, group = "decision", num_args = 0..=1, default_missing_value = "null", value_name = "JSON|@FILE")]
    completed: Option<String>,
    /// It did not happen: call it again with the same idempotency key
    #[arg(long, group = "decision")]
    repeat: bool,
    /// Take it as failed
    #[arg(long, group = "decision")]
    failed: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Does what was asked of executions.
pub(crate) async fn run(context: Context, command: ExecutionsCommand) -> Result<(), CliError> {
    // What is waited for is done here, with all that it starts and waits for.
    let works = match &command {
        ExecutionsCommand::Replay(args) => args.works(),
        ExecutionsCommand::Bulk(command) => command.works(),
        _ => false,
    };
    let parts = context.open(if works { Role::Worker } else { Role::Tool }).await?;
    let worker = running::Worker::begin(&parts, works);
    let result = perform(&parts, command).await;
    worker.end().await;
    parts.close().await;
    result
}

async fn perform(parts: &Parts, command: ExecutionsCommand) -> Result<(), CliError> {
    match command {
        ExecutionsCommand::List(args) => list(parts, args).await,
        ExecutionsCommand::Show(args) => show(parts, &args).await,
        ExecutionsCommand::Cancel(args) => cancel(parts, &args).await,
        ExecutionsCommand::Retry(args) => {
            let asked = entry("execution.retry").about("execution", args.id);
            on_record(parts, asked, parts.engine.retry(TENANT, args.id)).await?;
            told(parts, args.id, args.json, "back in the queue; a worker goes on with its failed steps").await
        }
        ExecutionsCommand::Replay(args) => replay::run(parts, args).await,
        ExecutionsCommand::Resolve(args) => resolve(parts, args).await,
        ExecutionsCommand::Explain(args) => explain::run(parts, &args).await,
        ExecutionsCommand::Signal(args) => signal::run(parts, args).await,
        ExecutionsCommand::Bulk(command) => bulk::run(parts, command).await,
    }
}

async fn list(parts: &Parts, args: ListArgs) -> Result<(), CliError> {
    let limit = args.limit.clamp(1, PAGE);
    let mut query = ExecutionQuery {
        workflow: args.workflow,
        status: args.status,
        before: args.cursor,
        // One more than asked for tells whether there is another page.
        limit: (limit + 1).min(PAGE),
    };
    let mut rows = parts.store.executions(TENANT, &query).await?;
    let more = rows.len() > limit || rows.len() == PAGE;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|r| r.id);
    query.before = None;
    let count = match args.count {
        true => Some(parts.store.count_executions(TENANT, &query).await?),
        false => None,
    };
    if args.json.json {
        let results: Vec<Value> = rows.iter().map(|r| shape::execution(r, None)).collect();
        let mut page = json!({ "results": results, "next": next });
        if let Some(count) = count {
            page["count"] = count.into();
        }
        return output::json(&page);
    }
    output::line(listing(&rows));
    if let Some(next) = next {
        output::note(&format!("more with --cursor {next}"));
    }
    if let Some(count) = count {
        output::line(format!("{count} in all"));
    }
    Ok(())
}

fn listing(rows: &[ExecutionRecord]) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|e| {
            let took = match (e.started_at, e.finished_at) {
                (Some(from), Some(to)) => output::length(output::between(from, to)),
                _ => String::new(),
            };
            let error = e.error.as_ref().map(|e| format!("{}: {}", e.code, e.message)).unwrap_or_default();
            vec![
                e.id.to_string(),
                e.workflow.clone(),
                version_name(e.version),
                e.status.to_string(),
                output::time(e.created_at),
                took,
                output::cut(&error, 60),
            ]
        })
        .collect();
    output::table(&["ID", "WORKFLOW", "VERSION", "STATUS", "CREATED (UTC)", "TOOK", "ERROR"], &rows)
}

async fn show(parts: &Parts, args: &ShowArgs) -> Result<(), CliError> {
    let story = Story::load(parts.store.as_ref(), TENANT, args.id).await?;
    if args.json.json {
        return output::json(&shape::execution(&story.execution, Some(&story.steps)));
    }
    output::line(story.tell());
    Ok(())
}

async fn cancel(parts: &Parts, args: &OneArgs) -> Result<(), CliError> {
    let asked = entry("execution.cancel").about("execution", args.id);
    let text = match on_record(parts, asked, parts.engine.cancel(TENANT, args.id)).await? {
        CancelOutcome::Cancelled => "cancelled",
        CancelOutcome::Requested => "asked to stop: no new step starts, running actions are told",
        CancelOutcome::AlreadyEnded(status) => {
            return Err(CliError::failed(format!("execution {} had ended before: {status}", args.id)));
        }
    };
    told(parts, args.id, args.json, text).await
}

async fn resolve(parts: &Parts, args: ResolveArgs) -> Result<(), CliError> {
    let (outcome, resolution) = match args.completed.as_deref() {
        Some(text) => match running::input(text)? {
            Value::Null => ("completed", Resolution::Completed(None)),
            output => ("completed", Resolution::Completed(Some(Json::from(output.to_string())))),
        },
        None if args.repeat => ("repeat", Resolution::Repeat),
        None => ("failed", Resolution::Failed),
    };
    let asked = entry("execution.resolve").about("execution", args.id);
    let asked = asked.with(json!({ "step": args.step, "outcome": outcome }));
    on_record(parts, asked, parts.engine.resolve(TENANT, args.id, &args.step, resolution)).await?;
    told(parts, args.id, args.json, "decided; the execution is back in the queue").await
}

/// Says what was done, or gives the execution as it is now.
async fn told(parts: &Parts, id: ExecutionId, flag: JsonFlag, text: &str) -> Result<(), CliError> {
    if flag.json {
        let execution = parts.store.execution(TENANT, id).await?;
        return output::json(&shape::execution(&execution, None));
    }
    output::line(format!("execution {id}: {text}"));
    Ok(())
}
