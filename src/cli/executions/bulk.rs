//! `automate executions bulk`.

use std::time::Duration;

use automate_core::document::duration;
use automate_core::ids::{BulkId, ExecutionId};
use automate_core::runtime::{BulkPreview, BulkRequest, RerunVersion};
use automate_core::status::{BulkItemStatus, BulkOperation, BulkStatus, Effect, ExecutionStatus};
use automate_core::store::{BulkItemQuery, BulkPage, BulkRecord, Selection, version_name};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Args, Subcommand};
use serde_json::json;

use super::replay::version;
use crate::app::Parts;
use crate::cli::record::{entry, on_record};
use crate::cli::{CliError, JsonFlag, TENANT, output};

/// How often an operation that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Executions that a report names of each kind that did not work.
const NAMED: usize = 20;

/// Subcommands of `executions bulk`.
#[derive(Debug, Subcommand)]
pub(crate) enum BulkCommand {
    /// Asks executions that have not ended to stop
    Cancel(StartArgs),
    /// Has failed executions go on in place
    Retry(StartArgs),
    /// Runs ended executions again as new ones
    Replay(ReplayArgs),
    /// Puts executions that are dead letters back into the queue
    Requeue(StartArgs),
    /// Shows how far an operation is, and what did not work
    Show(OneArgs),
    /// Lists operations, newest first
    List(ListArgs),
    /// Ends an operation; what it did stays done
    Stop(OneArgs),
}

/// Which executions, how fast, and what then.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// Only this workflow
    #[arg(long, value_name = "WORKFLOW")]
    workflow: Option<String>,
    /// Only this status; may be given more than once [default: those that the operation is for]
    #[arg(long, value_name = "STATUS")]
    status: Vec<ExecutionStatus>,
    /// Only those that ended with this error code
    #[arg(long, value_name = "CODE")]
    error: Option<String>,
    /// Only those accepted at this time or later: RFC 3339, or how long ago, such as `2h`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    since: Option<DateTime<Utc>>,
    /// Only those accepted before this: RFC 3339, or how long ago
    #[arg(long, value_name = "TIME", value_parser = instant)]
    until: Option<DateTime<Utc>>,
    /// Only this execution; may be given more than once
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<ExecutionId>,
    /// Executions a second, at most [default: 20]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Only shows how many are selected, some of them, and which effects are repeated
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    /// Does not ask
    #[arg(long)]
    yes: bool,
    /// Does the work here and waits for its end; exit code 1 where some of it failed
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `executions bulk replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    start: StartArgs,
    /// Begins at this step: those before it keep their outputs
    #[arg(long, value_name = "STEP")]
    from: Option<String>,
    /// The version: `live`, or its number [default: the one that each execution ran]
    #[arg(long, value_name = "N|live", value_parser = version)]
    version: Option<RerunVersion>,
}

/// An operation.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// The operation
    id: BulkId,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `executions bulk list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Rows of the page, 200 at most
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Where to go on: `next` of the page before
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<BulkId>,
    #[command(flatten)]
    json: JsonFlag,
}

impl BulkCommand {
    /// Whether this process stays and does the work.
    pub(super) const fn works(&self) -> bool {
        match self {
            Self::Cancel(args) | Self::Retry(args) | Self::Requeue(args) => args.wait,
            Self::Replay(args) => args.start.wait,
            Self::Show(_) | Self::List(_) | Self::Stop(_) => false,
        }
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    let ago = duration::parse(text).ok().and_then(|length| TimeDelta::from_std(length).ok());
    ago.and_then(|ago| automate_core::clock::now().checked_sub_signed(ago))
        .ok_or_else(|| "give a time such as `2026-05-01T08:00:00Z`, or how long ago, such as `2h`".to_owned())
}

/// Does what was asked of many executions.
pub(super) async fn run(parts: &Parts, command: BulkCommand) -> Result<(), CliError> {
    match command {
        BulkCommand::Cancel(args) => start(parts, BulkOperation::Cancel, args, None, None).await,
        BulkCommand::Retry(args) => start(parts, BulkOperation::Retry, args, None, None).await,
        BulkCommand::Requeue(args) => start(parts, BulkOperation::Requeue, args, None, None).await,
        BulkCommand::Replay(args) => start(parts, BulkOperation::Replay, args.start, args.from, args.version).await,
        BulkCommand::Show(args) => {
            let bulk = parts.engine.bulk_status(TENANT, args.id).await?;
            report(parts, &bulk, args.json).await
        }
        BulkCommand::List(args) => list(parts, &args).await,
        BulkCommand::Stop(args) => {
            let asked = entry("bulk_operation.cancel").about("bulk_operation", args.id);
            let bulk = on_record(parts, asked, parts.engine.bulk_cancel(TENANT, args.id)).await?;
            report(parts, &bulk, args.json).await
        }
    }
}

async fn start(
    parts: &Parts,
    operation: BulkOperation,
    args: StartArgs,
    from: Option<String>,
    version: Option<RerunVersion>,
) -> Result<(), CliError> {
    let request = BulkRequest {
        operation,
        selection: Selection {
            ids: args.ids,
            workflow: args.workflow,
            statuses: args.status,
            created_from: args.since,
            created_before: args.until,
            as_of: None,
            error_code: args.error,
            dead_letters: false,
        },
        rate: args.rate,
        from,
        version: version.unwrap_or_default(),
        created_by: "cli".to_owned(),
    };
    let preview = parts.engine.bulk_preview(TENANT, &request).await?;
    if args.dry_run {
        if args.json.json {
            return output::json(&preview);
        }
        output::line(foretold(&preview));
        return Ok(());
    }
    if !args.yes {
        agreed(&preview)?;
    }
    let asked = entry("bulk_operation.start").about("bulk_operation", operation);
    let asked = asked.with(json!({ "selection": request.selection, "executions": preview.count }));
    let mut bulk = on_record(parts, asked, parts.engine.bulk_start(TENANT, &request)).await?;
    if !args.wait {
        if args.json.json {
            return output::json(&bulk);
        }
        output::line(format!("bulk operation {} accepted: {operation} of {} executions", bulk.id, bulk.total));
        output::note(&format!("a worker does it; see it with `automate executions bulk show {}`", bulk.id));
        return Ok(());
    }
    let bar = output::progress(bulk.total, operation.as_str());
    while matches!(bulk.status, BulkStatus::Pending | BulkStatus::Running) {
        tokio::time::sleep(LOOK).await;
        bulk = parts.engine.bulk_status(TENANT, bulk.id).await?;
        bar.set_position(bulk.total - bulk.pending);
    }
    bar.finish_and_clear();
    report(parts, &bulk, args.json).await?;
    if bulk.failed > 0 { Err(CliError::Reported) } else { Ok(()) }
}

/// Repeating what must not happen twice needs somebody's word; somebody who is there is asked anyway.
fn agreed(preview: &BulkPreview) -> Result<(), CliError> {
    let once: Vec<String> = preview
        .effects
        .iter()
        .filter(|effect| effect.effect == Effect::Once)
        .map(|effect| format!("{} of {} ({})", effect.path, effect.workflow, effect.executions))
        .collect();
    if !output::can_ask() {
        if once.is_empty() {
            return Ok(());
        }
        return Err(CliError::failed(format!("this repeats what should happen once: {}", once.join(", ")))
            .hint("`--dry-run` shows all of it; `--yes` repeats it"));
    }
    output::note(&foretold(preview));
    if output::confirmed("Go on?") { Ok(()) } else { Err(CliError::failed("nothing was started")) }
}

fn foretold(preview: &BulkPreview) -> String {
    let count = if preview.too_many { "too many".to_owned() } else { preview.count.to_string() };
    let mut text = format!(
        "{} of {count} executions, at most {} a second: at least {}",
        preview.operation,
        preview.rate,
        output::length(Duration::from_secs(preview.seconds))
    );
    if !preview.sample.is_empty() {
        let rows: Vec<Vec<String>> = preview
            .sample
            .iter()
            .map(|e| {
                let error = e.error_code.clone().unwrap_or_default();
                let version = version_name(e.version);
                vec![
                    e.id.to_string(),
                    e.workflow.clone(),
                    version,
                    e.status.to_string(),
                    output::time(e.created_at),
                    error,
                ]
            })
            .collect();
        text.push_str("\nthe newest of them:\n");
        text.push_str(&output::table(&["ID", "WORKFLOW", "VERSION", "STATUS", "CREATED (UTC)", "ERROR"], &rows));
    }
    if !preview.effects.is_empty() {
        let rows: Vec<Vec<String>> = preview
            .effects
            .iter()
            .map(|e| {
                vec![e.workflow.clone(), e.path.clone(), e.uses.clone(), e.effect.to_string(), e.executions.to_string()]
            })
            .collect();
        text.push_str(&format!("\neffects that are repeated, in the newest {}:\n", preview.looked_at));
        text.push_str(&output::table(&["WORKFLOW", "STEP", "USES", "EFFECT", "EXECUTIONS"], &rows));
    }
    text
}

async fn report(parts: &Parts, bulk: &BulkRecord, flag: JsonFlag) -> Result<(), CliError> {
    let mut troubles = Vec::new();
    for status in [BulkItemStatus::Failed, BulkItemStatus::Skipped] {
        let query = BulkItemQuery { status: Some(status), after: 0, limit: NAMED };
        troubles.extend(parts.engine.bulk_items(TENANT, bulk.id, &query).await?);
    }
    if flag.json {
        let mut shape = json!(bulk);
        shape["troubles"] = json!(troubles);
        return output::json(&shape);
    }
    let mut text = format!(
        "bulk operation {}: {} of {} executions is {}\n{} done, {} failed, {} skipped, {} not gone through",
        bulk.id, bulk.operation, bulk.total, bulk.status, bulk.done, bulk.failed, bulk.skipped, bulk.pending
    );
    if !troubles.is_empty() {
        let rows: Vec<Vec<String>> = troubles
            .iter()
            .map(|item| {
                let message = output::cut(item.message.as_deref().unwrap_or_default(), 80);
                vec![
                    item.execution_id.to_string(),
                    item.status.to_string(),
                    item.code.clone().unwrap_or_default(),
                    message,
                ]
            })
            .collect();
        text.push('\n');
        text.push_str(&output::table(&["EXECUTION", "RESULT", "CODE", "WHY"], &rows));
    }
    output::line(text);
    Ok(())
}

async fn list(parts: &Parts, args: &ListArgs) -> Result<(), CliError> {
    let page = BulkPage { before: args.cursor, limit: args.limit };
    let bulks = parts.engine.bulk_list(TENANT, &page).await?;
    let next = bulks.last().filter(|_| bulks.len() >= args.limit.clamp(1, 200)).map(|bulk| bulk.id);
    if args.json.json {
        return output::json(&json!({ "results": bulks, "next": next }));
    }
    let rows: Vec<Vec<String>> = bulks
        .iter()
        .map(|b| {
            let gone = format!("{}/{}", b.total - b.pending, b.total);
            vec![
                b.id.to_string(),
                b.operation.to_string(),
                b.status.to_string(),
                gone,
                b.failed.to_string(),
                output::time(b.created_at),
                b.created_by.clone(),
            ]
        })
        .collect();
    output::line(output::table(&["ID", "OPERATION", "STATUS", "DONE", "FAILED", "CREATED (UTC)", "BY"], &rows));
    if let Some(next) = next {
        output::note(&format!("more with --cursor {next}"));
    }
    Ok(())
}
