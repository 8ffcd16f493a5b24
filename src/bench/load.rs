//! The load: HTTP requests over kept-alive connections, made by a process of its own so that it
//! shares neither runtime nor memory with what is measured.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::BenchError;
use super::latency::Latency;
use crate::wire::Connection;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoadPlan {
    /// Where to.
    pub(crate) address: SocketAddr,
    /// The path with its query.
    pub(crate) path: String,
    /// Connections, each with one request at a time.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) seconds: f64,
    /// Requests per second over all connections; as fast as answers come where absent.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct LoadReport {
    /// Answered with 2xx.
    pub(crate) accepted: u64,
    /// Refused with 429 or 503: nothing was accepted.
    pub(crate) refused: u64,
    /// Answered otherwise, or not at all: whether something was accepted is not known.
    pub(crate) failed: u64,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// Of the accepted requests.
    pub(crate) latency: Latency,
}

/// Runs a plan in a process of its own.
pub(crate) async fn generate(plan: &LoadPlan) -> Result<LoadReport, BenchError> {
    let program = std::env::current_exe().map_err(|e| BenchError::Load(e.to_string()))?;
    let text = serde_json::to_string(plan).map_err(|e| BenchError::Load(e.to_string()))?;
    let output = tokio::process::Command::new(program)
        .args(["bench", "--load-generator", &text])
        // Nothing of ours: the master key may be there (S8).
        .env_clear()
        .env("AUTOMATE_SERVER__WORKERS", "1")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| BenchError::Load(format!("cannot start the load generator: {e}")))?;
    if !output.status.success() {
        return Err(BenchError::Load(format!("the load generator ended with {}", output.status)));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| BenchError::Load(e.to_string()))
}

/// Runs a plan in this process.
pub(crate) async fn run(plan: LoadPlan) -> Result<LoadReport, BenchError> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs_f64(plan.seconds);
    #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
    let pause = plan.rate.map(|rate| Duration::from_secs_f64(plan.connections as f64 / rate.max(0.001)));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..plan.connections {
        let plan = plan.clone();
        tasks.spawn(async move { one(&plan, n, end, pause).await });
    }
    let mut report = LoadReport::default();
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (part, part_times) = done.map_err(|e| BenchError::Load(e.to_string()))??;
        report.accepted += part.accepted;
        report.refused += part.refused;
        report.failed += part.failed;
        times.extend(part_times);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    report.latency = Latency::of(times);
    Ok(report)
}

async fn one(
    plan: &LoadPlan,
    n: usize,
    end: Instant,
    pause: Option<Duration>,
) -> Result<(LoadReport, Vec<u32>), BenchError> {
    let open =
        || async { Connection::open(plan.address).await.map_err(|e| BenchError::Load(format!("cannot connect: {e}"))) };
    let mut connection = open().await?;
    let mut report = LoadReport::default();
    let mut times = Vec::new();
    // Connections of a paced load take turns.
    #[expect(clippy::cast_precision_loss, reason = "a handful of connections")]
    let offset = pause.map_or(Duration::ZERO, |p| p.mul_f64(n as f64 / plan.connections as f64));
    let mut next = tokio::time::Instant::now() + offset;
    let mut number = 0_u64;
    while Instant::now() < end {
        if let Some(pause) = pause {
            tokio::time::sleep_until(next).await;
            next += pause;
        }
        number += 1;
        let body = format!(r#"{{"n":{number},"connection":{n}}}"#);
        let begun = Instant::now();
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, connection.post(&plan.path, &[], body.as_bytes())).await;
        match answer {
            Ok(Ok(answer)) if (200..300).contains(&answer.status) => {
                report.accepted += 1;
                times.push(u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok(Ok(answer)) if matches!(answer.status, 429 | 503) => {
                report.refused += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(Ok(answer)) => {
                report.failed += 1;
                if report.failed == 1 {
                    let body = String::from_utf8_lossy(&answer.body).into_owned();
                    crate::cli::output::note(&format!("an unexpected answer: {} {body}", answer.status));
                }
            }
            Ok(Err(_)) | Err(_) => {
                report.failed += 1;
                connection = open().await?;
            }
        }
    }
    Ok((report, times))
}
