//! Scenarios (a), (b) and (e): workflows started over HTTP, at low load and at saturation.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::latency::Latency;
use super::limit::FlowRows;
use super::load::{self, LoadPlan};
use super::server::Server;
use super::{BenchError, Plan, gauge, limit, per_second, rows, verify};

/// How long executions may take to end after the load.
const DRAIN: Duration = Duration::from_secs(300);
/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(100);

const THREE_STEPS: &str = include_str!("documents/bench-three-steps.yaml");
const FIVE_CHECKPOINTS: &str = include_str!("documents/bench-five-checkpoints.yaml");

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Scenario (a).
    ThreeSteps,
    /// Scenario (b).
    FiveCheckpoints,
    /// Scenario (e).
    AfterGrowth,
}

impl Shape {
    /// The slug of the workflow, and the path of its webhook.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::ThreeSteps => "bench-a",
            Self::FiveCheckpoints => "bench-b",
            Self::AfterGrowth => "bench-e",
        }
    }

    /// What an execution leaves behind.
    pub(crate) const fn rows(self) -> FlowRows {
        match self {
            Self::ThreeSteps | Self::AfterGrowth => FlowRows { steps: 3, checkpoints: false },
            Self::FiveCheckpoints => FlowRows { steps: 5, checkpoints: true },
        }
    }

    fn document(self) -> String {
        let text = match self {
            Self::ThreeSteps | Self::AfterGrowth => THREE_STEPS,
            Self::FiveCheckpoints => FIVE_CHECKPOINTS,
        };
        text.replace("SLUG", self.slug())
    }
}

/// What a flow gave.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct FlowResult {
    /// From the request to the answer that comes after the end was recorded, at low load.
    pub(crate) completion: Latency,
    /// From the request to the 202 after the commit, at saturation.
    pub(crate) accept_at_saturation: Latency,
    /// Executions that were accepted at saturation.
    pub(crate) accepted: u64,
    /// Requests that were refused with 429 or 503.
    pub(crate) refused: u64,
    /// From the first request to the last recorded end, executions per second.
    pub(crate) executions_per_second: f64,
    /// By bare statements over the same rows.
    pub(crate) limit_per_second: f64,
    /// The part of the limit that was reached, from 0 to 1.
    pub(crate) ratio: f64,
    /// CPU time of the server per execution at saturation, the database's not included unless it
    /// is embedded.
    pub(crate) cpu_us_per_execution: Option<f64>,
    /// Resident memory of the server after the load.
    pub(crate) resident_bytes: Option<u64>,
}

/// Measures one shape and checks what it left behind.
pub(crate) async fn run(
    server: &Server,
    shape: Shape,
    plan: &Plan,
    problems: &mut Vec<String>,
) -> Result<FlowResult, BenchError> {
    server.publish(&shape.document()).await?;
    let path = format!("/hooks/default/{}", shape.slug());
    let request = |query: &str, connections, time: Duration, rate| LoadPlan {
        address: server.address(),
        path: format!("{path}{query}"),
        connections,
        seconds: time.as_secs_f64(),
        rate,
    };
    // Caches, connections and compiled templates are made once.
    let warm = load::generate(&request("", 4, Duration::from_secs(1), Some(200.0))).await?;
    let low = load::generate(&request("?wait=true", 1, plan.time, Some(plan.rate))).await?;
    let before = limit::flow(server.database(), shape.rows(), plan.time / 2).await?;

    let cpu_before = gauge::cpu_time();
    let begun = Instant::now();
    let full = load::generate(&request("", plan.connections, plan.time, None)).await?;
    drained(server, shape).await?;
    let took = begun.elapsed();
    let cpu = gauge::cpu_time().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
    let resident_bytes = gauge::resident_bytes();

    let after = limit::flow(server.database(), shape.rows(), plan.time / 2).await?;
    let limit_per_second = f64::midpoint(before, after);
    let executions_per_second = per_second(full.accepted, took);
    verify::flow(
        server.database(),
        shape,
        warm.accepted + low.accepted + full.accepted,
        warm.failed + low.failed + full.failed,
        problems,
    )
    .await?;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let cpu_us_per_execution = cpu.map(|c| c.as_secs_f64() * 1e6 / (full.accepted.max(1)) as f64);
    Ok(FlowResult {
        completion: low.latency,
        accept_at_saturation: full.latency,
        accepted: full.accepted,
        refused: full.refused,
        executions_per_second,
        limit_per_second,
        ratio: executions_per_second / limit_per_second,
        cpu_us_per_execution,
        resident_bytes,
    })
}

/// Waits until every execution of the shape has ended.
async fn drained(server: &Server, shape: Shape) -> Result<(), BenchError> {
    let begun = Instant::now();
    loop {
        // The queue holds live work only, so this look costs what is left of it.
        let live = rows::number(server.database(), "SELECT count(*) FROM outbox WHERE kind = 'execution'").await?;
        if live == 0 {
            return Ok(());
        }
        if begun.elapsed() > DRAIN {
            let left = rows::number_of(
                server.database(),
                "SELECT count(*) FROM executions WHERE workflow = $1 AND status <> 'completed'",
                shape.slug(),
            )
            .await?;
            return Err(BenchError::Stuck { left, seconds: DRAIN.as_secs() });
        }
        tokio::time::sleep(LOOK).await;
    }
}
