//! `automate bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{CliError, Context, output};
use crate::bench::load::LoadPlan;
use crate::bench::{self, BenchError, Plan, Scenario};

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The scenarios, separated by commas: a (3 steps by webhook), b (5 steps with a checkpoint each),
    /// c (the queue), e (a again over old executions), l (50 clients on the list of executions), p (pages
    /// of the admin over old executions)
    #[arg(long, value_delimiter = ',', default_value = "a,b,c", value_name = "LIST")]
    scenario: Vec<Scenario>,
    /// How many seconds each load lasts
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Requests per second at low load
    #[arg(long, default_value_t = 50.0, value_name = "N")]
    rate: f64,
    /// Connections at saturation
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    connections: u16,
    /// The database server to measure; the benchmark makes a database of its own there [default:
    /// database.url]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Old executions of scenarios e, l and p
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    scale: u64,
    /// Items of scenario c
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    items: usize,
    /// Leaves the database of the measurement behind
    #[arg(long)]
    keep: bool,
    /// Writes the results to a file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Makes the load; the benchmark starts itself with it
    #[arg(long, hide = true)]
    load_generator: Option<String>,
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        Self::failed(error.to_string())
    }
}

/// Measures, prints a table, and fails where something was lost or doubled.
pub(crate) async fn run(context: Context, args: BenchArgs) -> Result<(), CliError> {
    if let Some(text) = &args.load_generator {
        let plan: LoadPlan =
            serde_json::from_str(text).map_err(|e| CliError::usage(format!("not a plan of a load: {e}")))?;
        let report = bench::load::run(plan).await?;
        return output::json(&report);
    }
    let mut config = context.loaded.config;
    if let Some(url) = args.database {
        config.database.url = url;
    }
    let mut scenarios = args.scenario;
    scenarios.sort_unstable();
    scenarios.dedup();
    let plan = Plan {
        scenarios,
        time: Duration::from_secs(args.seconds),
        rate: args.rate,
        connections: usize::from(args.connections),
        scale: args.scale,
        items: args.items.max(bench_minimum()),
        keep: args.keep,
    };
    if cfg!(debug_assertions) {
        output::note("warning: this is a debug build; measure with `cargo run --release -- bench`");
    }
    let report = bench::run(&config, &plan).await?;
    output::line(report.tell());
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| CliError::failed(e.to_string()))?;
        std::fs::write(path, text + "\n")
            .map_err(|e| CliError::failed(format!("cannot write {}: {e}", path.display())))?;
        output::note(&format!("written to {}", path.display()));
    }
    if report.problems.is_empty() { Ok(()) } else { Err(CliError::Reported) }
}

/// Fewer items than this measure nothing.
const fn bench_minimum() -> usize {
    1_000
}
