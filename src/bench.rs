//! `automate bench`: what the engine does on a database, beside what the database itself can do,
//! measured in the same run, and a check afterwards that nothing was lost or doubled.
//!
//! The server and its workers run in this process; the load comes from another one
//! ([`load`]). Everything happens in a database of its own, which is removed at the end.

mod flow;
mod gauge;
mod growth;
mod latency;
mod limit;
mod listing;
pub(crate) mod load;
mod noop;
mod pages;
mod queue;
mod report;
mod rows;
mod scratch;
mod server;
mod verify;

use std::time::Duration;

use automate_core::config::Config;
use automate_core::store::StoreError;

pub(crate) use report::Report;

use crate::app::{App, AppError, Role};
use flow::Shape;
use scratch::Scratch;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A bare statement failed.
    #[error("the database refused a statement: {0}")]
    Sql(#[from] sqlx::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine could not be set up.
    #[error(transparent)]
    App(#[from] AppError),
    /// The load could not be made.
    #[error("the load could not be made: {0}")]
    Load(String),
    /// The database for the measurement could not be made.
    #[error("cannot make a database for the measurement: {0}")]
    Scratch(String),
    /// A database of another kind.
    #[error("only SQLite and PostgreSQL can be measured")]
    Unsupported,
    /// Executions did not end.
    #[error("{left} executions had not ended {seconds} s after the load")]
    Stuck {
        /// How many.
        left: i64,
        /// How long they were waited for.
        seconds: u64,
    },
}

/// The shortest and the longest look at an idle server.
const IDLE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The scenarios, in the order in which they run.
    pub(crate) scenarios: Vec<Scenario>,
    /// How long each load lasts.
    pub(crate) time: Duration,
    /// Requests per second at low load.
    pub(crate) rate: f64,
    /// Connections at saturation.
    pub(crate) connections: usize,
    /// Old executions of scenario (e).
    pub(crate) scale: u64,
    /// Items of scenario (c).
    pub(crate) items: usize,
    /// The scratch database is left behind.
    pub(crate) keep: bool,
}

/// A scenario of the benchmark, by its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Three pure steps, started by a webhook
    A,
    /// Five idempotent steps, each with a checkpoint of its own
    B,
    /// Enqueue, claim, complete
    C,
    /// (a) again over old executions
    E,
    /// The list of executions over REST, over old executions
    L,
    /// The pages of the admin, over old executions
    P,
}

/// A count over a time; 0 over none.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn per_second(count: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

/// Runs the plan on the configured database.
pub(crate) async fn run(config: &Config, plan: &Plan) -> Result<Report, BenchError> {
    let scratch = Scratch::make(config).await?;
    let result = measure(&scratch, plan).await;
    if plan.keep {
        crate::cli::output::note(&format!("the database of the measurement is kept: {}", scratch.shown()));
    } else {
        scratch.remove().await?;
    }
    result
}

async fn measure(scratch: &Scratch, plan: &Plan) -> Result<Report, BenchError> {
    let app = App::new().connector(noop::Bench);
    let mut report = Report::default();
    // The queue first, while no worker would take its items.
    let parts = app.build(scratch.config(), Role::Tool).await?;
    let health = parts.store.health().await?;
    report.database = format!("{} {}", health.backend, health.version);
    report.durability = rows::durability(&parts.database).await?;
    report.cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if plan.scenarios.contains(&Scenario::C) {
        crate::cli::output::note("(c) enqueue, claim, complete …");
        report.queue = Some(queue::run(&parts.database, &parts.store, plan.items, &mut report.problems).await?);
    }
    parts.close().await;
    if plan.scenarios.iter().all(|s| *s == Scenario::C) {
        return Ok(report);
    }

    let parts = app.build(scratch.config(), Role::Worker).await?;
    let server = server::Server::begin(parts, scratch.config()).await?;
    crate::cli::output::note("idle …");
    report.idle_resident_bytes = gauge::resident_bytes();
    report.idle_queries_per_second = gauge::idle_queries(server.database(), plan.time.clamp(IDLE.0, IDLE.1)).await?;
    for scenario in &plan.scenarios {
        match scenario {
            Scenario::A => {
                crate::cli::output::note("(a) three steps, started by a webhook …");
                report.three_steps = Some(flow::run(&server, Shape::ThreeSteps, plan, &mut report.problems).await?);
            }
            Scenario::B => {
                crate::cli::output::note("(b) five steps, a checkpoint each …");
                report.five_checkpoints =
                    Some(flow::run(&server, Shape::FiveCheckpoints, plan, &mut report.problems).await?);
            }
            Scenario::E => {
                crate::cli::output::note(&format!("(e) again over {} old executions …", plan.scale));
                report.old_executions = growth::fill(server.database(), plan.scale).await?;
                report.after_growth = Some(flow::run(&server, Shape::AfterGrowth, plan, &mut report.problems).await?);
            }
            Scenario::L => {
                let clients = listing::CLIENTS;
                crate::cli::output::note(&format!("(l) {clients} clients on the list of {} executions …", plan.scale));
                if report.old_executions == 0 {
                    report.old_executions = growth::fill(server.database(), plan.scale).await?;
                }
                report.listing = Some(listing::run(&server, plan.time).await?);
            }
            Scenario::P => {
                crate::cli::output::note(&format!("(p) pages of the admin over {} executions …", plan.scale));
                if report.old_executions == 0 {
                    report.old_executions = growth::fill(server.database(), plan.scale).await?;
                }
                report.pages = pages::run(&server, &mut report.problems).await?;
            }
            Scenario::C => {}
        }
    }
    report.resident_bytes = gauge::resident_bytes();
    server.end().await;
    Ok(report)
}
