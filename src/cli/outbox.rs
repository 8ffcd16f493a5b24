//! `automate outbox`.

use std::future::Future;

use automate_core::ids::OutboxId;
use automate_core::outbox::{OutboxFilter, OutboxStats, ReapRequest};
use automate_core::status::OutboxStatus;
use automate_core::store::StoreError;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::record::{entry, on_record};
use super::{CliError, Context, JsonFlag, output};
use crate::app::{Parts, Role};

/// Subcommands of `outbox`.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// Counts the queue
    Stats(JsonFlag),
    /// Gives back to the queue what dead workers held; every worker does so by itself
    Reap(ReapArgs),
    /// Puts dead letters back into the queue with fresh attempts
    Requeue(RequeueArgs),
    /// Deletes dead letters and kept done work
    Purge(PurgeArgs),
    /// Lists items, newest first
    List(ListArgs),
}

/// Arguments of `outbox reap`.
#[derive(Debug, Args)]
pub(crate) struct ReapArgs {
    /// Only reports
    #[arg(long)]
    dry_run: bool,
    /// How many seconds past its end a lease must be
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    stale_threshold: u64,
    /// The most items
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    max_batch: usize,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `outbox requeue`.
#[derive(Debug, Args)]
pub(crate) struct RequeueArgs {
    /// The items
    #[arg(value_name = "ID", required_unless_present = "failed")]
    ids: Vec<OutboxId>,
    /// All dead letters
    #[arg(long, conflicts_with = "ids")]
    failed: bool,
    /// Only those of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only reports
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `outbox purge`.
#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Only these items
    #[arg(value_name = "ID")]
    ids: Vec<OutboxId>,
    /// Only those of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only those last changed longer ago than this many hours
    #[arg(long, value_name = "HOURS")]
    older_than: Option<u32>,
    /// Only reports
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonFlag,
}

/// Arguments of `outbox list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only this status
    #[arg(long, value_name = "STATUS")]
    status: Option<OutboxStatus>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The most items
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    #[command(flatten)]
    json: JsonFlag,
}

/// Does what was asked of the queue.
pub(crate) async fn run(context: Context, command: OutboxCommand) -> Result<(), CliError> {
    let parts = context.open(Role::Tool).await?;
    let store = parts.store.as_ref();
    match command {
        OutboxCommand::Stats(flag) => {
            let stats = store.stats().await?;
            if flag.json { output::json(&stats)? } else { output::line(told(&stats)) }
        }
        OutboxCommand::Reap(args) => {
            let request = ReapRequest {
                stale_threshold: std::time::Duration::from_secs(args.stale_threshold),
                max_batch: args.max_batch,
                retry_delay: std::time::Duration::ZERO,
                max_lost_leases: automate_core::limits::LOST_LEASES,
                max_lost_in_company: automate_core::limits::LOST_LEASES_IN_COMPANY,
                dry_run: args.dry_run,
            };
            let facts = json!({ "stale_threshold": args.stale_threshold, "max_batch": args.max_batch });
            let report = changing(&parts, "outbox.reap", facts, args.dry_run, store.reap_stale(&request)).await?;
            if args.json.json {
                output::json(&report)?;
            } else {
                output::line(format!(
                    "{}{} given back to the queue, {} set aside as poison",
                    would(args.dry_run),
                    report.requeued.len(),
                    report.quarantined.len()
                ));
            }
        }
        OutboxCommand::Requeue(args) => {
            let filter = OutboxFilter {
                ids: args.ids,
                status: Some(OutboxStatus::Failed),
                kind: args.kind,
                before: None,
                limit: 0,
            };
            let asked = facts(&filter);
            let deed = store.requeue(&filter, args.dry_run);
            let count = changing(&parts, "outbox.requeue", asked, args.dry_run, deed).await?;
            counted("requeued", count, args.dry_run, args.json)?;
        }
        OutboxCommand::Purge(args) => {
            let before =
                args.older_than.map(|hours| automate_core::clock::now() - chrono::TimeDelta::hours(i64::from(hours)));
            let filter = OutboxFilter { ids: args.ids, status: None, kind: args.kind, before, limit: 0 };
            let asked = facts(&filter);
            let deed = store.purge(&filter, args.dry_run);
            let count = changing(&parts, "outbox.purge", asked, args.dry_run, deed).await?;
            counted("purged", count, args.dry_run, args.json)?;
        }
        OutboxCommand::List(args) => {
            let filter = OutboxFilter {
                ids: Vec::new(),
                status: args.status,
                kind: args.kind,
                before: None,
                limit: args.limit.clamp(1, 1_000),
            };
            let items = store.list(&filter).await?;
            if args.json.json {
                output::json(&items)?;
            } else {
                let rows: Vec<Vec<String>> = items
                    .iter()
                    .map(|i| {
                        vec![
                            i.id.to_string(),
                            i.kind.clone(),
                            i.key.clone(),
                            i.status.to_string(),
                            format!("{}/{}", i.attempt_count, i.max_attempts),
                            output::time(i.next_attempt_at),
                            output::cut(i.last_error.as_deref().unwrap_or_default(), 60),
                        ]
                    })
                    .collect();
                output::line(output::table(
                    &["ID", "KIND", "KEY", "STATUS", "ATTEMPTS", "NEXT (UTC)", "LAST ERROR"],
                    &rows,
                ));
            }
        }
    }
    store.close().await;
    Ok(())
}

/// Does something to the queue, on record; what only reports is no change.
async fn changing<T>(
    parts: &Parts,
    action: &str,
    facts: Value,
    dry_run: bool,
    deed: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    if dry_run {
        return deed.await;
    }
    on_record(parts, entry(action).about("outbox_item", "").with(facts), deed).await
}

/// Which items are meant, as the log has it.
fn facts(filter: &OutboxFilter) -> Value {
    json!({ "ids": filter.ids, "status": filter.status, "kind": filter.kind, "before": filter.before })
}

fn would(dry_run: bool) -> &'static str {
    if dry_run { "dry run, nothing was changed: " } else { "" }
}

fn counted(done: &str, count: u64, dry_run: bool, flag: JsonFlag) -> Result<(), CliError> {
    if flag.json {
        let mut shape = json!({ "dry_run": dry_run });
        shape[done] = count.into();
        return output::json(&shape);
    }
    output::line(format!("{}{count} {done}", would(dry_run)));
    Ok(())
}

fn told(stats: &OutboxStats) -> String {
    let row = |name: &str, count: i64, meaning: String| vec![name.to_owned(), count.to_string(), meaning];
    let oldest = if stats.ready > 0 {
        format!("the oldest for {:.1} s", stats.oldest_ready_seconds)
    } else {
        "nothing is due".to_owned()
    };
    let due = stats.next_due_at.map(|at| format!("the next at {} UTC", output::time(at))).unwrap_or_default();
    output::table(
        &["STATE", "ITEMS", ""],
        &[
            row("ready", stats.ready, oldest),
            row("scheduled", stats.scheduled, due),
            row("running", stats.running, "leased by a worker".into()),
            row("stale", stats.stale, "leased, and the lease has run out".into()),
            row("failed", stats.failed, "dead letters; see `automate outbox list --status FAILED`".into()),
            row("completed", stats.completed, "done and kept".into()),
        ],
    )
}
