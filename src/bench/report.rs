//! The outcome as a table and as JSON.

use serde::Serialize;

use super::flow::FlowResult;
use super::listing::ListingResult;
use super::pages::PageResult;
use super::queue::QueueResult;
use crate::cli::output::{bytes, table};

/// Everything that was measured.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    /// Which database, with its version.
    pub(crate) database: String,
    /// Whether its commits survive a power failure, in its own words.
    pub(crate) durability: String,
    /// The cores that server, load and database share.
    pub(crate) cores: usize,
    /// Scenario (a).
    pub(crate) three_steps: Option<FlowResult>,
    /// Scenario (b).
    pub(crate) five_checkpoints: Option<FlowResult>,
    /// Scenario (c).
    pub(crate) queue: Option<QueueResult>,
    /// Scenario (e).
    pub(crate) after_growth: Option<FlowResult>,
    /// Scenario (l).
    pub(crate) listing: Option<ListingResult>,
    /// Scenario (p).
    pub(crate) pages: Vec<PageResult>,
    /// The old executions of scenarios (e), (l) and (p).
    pub(crate) old_executions: u64,
    /// Transactions per second on the database while nothing is to do; PostgreSQL only.
    pub(crate) idle_queries_per_second: Option<f64>,
    /// Resident memory of the server before the load.
    pub(crate) idle_resident_bytes: Option<u64>,
    /// Resident memory of the server after all loads.
    pub(crate) resident_bytes: Option<u64>,
    /// What was lost, doubled or left behind; empty when all is well.
    pub(crate) problems: Vec<String>,
}

impl Report {
    /// For people.
    pub(crate) fn tell(&self) -> String {
        let mut parts = vec![format!("database: {} ({}), {} cores", self.database, self.durability, self.cores)];
        let flows = [
            ("(a) 3 steps by webhook".to_owned(), &self.three_steps),
            ("(b) 5 steps, a checkpoint each".to_owned(), &self.five_checkpoints),
            (format!("(e) as (a), {} old executions", self.old_executions), &self.after_growth),
        ];
        let rows: Vec<Vec<String>> =
            flows.iter().filter_map(|(name, flow)| flow.as_ref().map(|f| flow_row(name, f))).collect();
        if !rows.is_empty() {
            parts.push(table(
                &["WORKFLOWS", "P50 MS", "P95 MS", "P99 MS", "EXEC/S", "LIMIT/S", "RATIO", "CPU US", "RSS"],
                &rows,
            ));
        }
        if let Some(queue) = &self.queue {
            let row = |name: &str, r: &super::queue::QueueRates| {
                vec![name.to_owned(), rate(r.enqueued_per_second), rate(r.drained_per_second), rate(r.items_per_second)]
            };
            let rows = [row("(c) outbox", &queue.outbox), row("    limit", &queue.limit)];
            parts.push(format!(
                "{}\nratio {:.2}",
                table(&["QUEUE", "ENQUEUED/S", "CLAIMED AND DONE/S", "ALL THREE/S"], &rows),
                queue.ratio
            ));
        }
        if let Some(listing) = &self.listing {
            let rows: Vec<Vec<String>> = listing
                .queries
                .iter()
                .map(|query| {
                    let l = query.latency;
                    let ms = |value: f64| format!("{value:.2}");
                    vec![query.name.clone(), ms(l.p50_ms), ms(l.p95_ms), ms(l.p99_ms), rate(query.per_second)]
                })
                .collect();
            parts.push(format!(
                "(l) the list of {} executions, {} clients at once; resident {} before and {} after\n{}",
                self.old_executions,
                listing.clients,
                listing.resident_before.map_or_else(|| "?".into(), bytes),
                listing.resident_after.map_or_else(|| "?".into(), bytes),
                table(&["LIST", "P50 MS", "P95 MS", "P99 MS", "REQUESTS/S"], &rows)
            ));
        }
        if !self.pages.is_empty() {
            let ms = |value: f64| format!("{value:.1}");
            let row = |page: &PageResult| {
                let l = page.latency;
                vec![page.name.clone(), ms(l.p50_ms), ms(l.p95_ms), ms(l.max_ms), bytes(page.bytes as u64)]
            };
            let rows: Vec<Vec<String>> = self.pages.iter().map(row).collect();
            let table = table(&["PAGE", "P50 MS", "P95 MS", "MAX MS", "HTML"], &rows);
            parts.push(format!("(p) pages of the admin over {} executions\n{table}", self.old_executions));
        }
        let shown = |count: Option<u64>| count.map_or_else(|| "not known".to_owned(), bytes);
        parts.push(format!(
            "idle: {}, {} resident; after the loads {}",
            self.idle_queries_per_second
                .map_or_else(|| "queries not counted on SQLite".to_owned(), |q| format!("{q:.2} transactions/s")),
            shown(self.idle_resident_bytes),
            shown(self.resident_bytes)
        ));
        parts.push(if self.problems.is_empty() {
            "checked: nothing was lost, doubled or left behind".to_owned()
        } else {
            format!("PROBLEMS:\n  {}", self.problems.join("\n  "))
        });
        parts.join("\n\n")
    }
}

fn rate(value: f64) -> String {
    format!("{value:.0}")
}

fn flow_row(name: &str, flow: &FlowResult) -> Vec<String> {
    vec![
        name.to_owned(),
        format!("{:.2}", flow.completion.p50_ms),
        format!("{:.2}", flow.completion.p95_ms),
        format!("{:.2}", flow.completion.p99_ms),
        rate(flow.executions_per_second),
        rate(flow.limit_per_second),
        format!("{:.2}", flow.ratio),
        flow.cpu_us_per_execution.map_or_else(|| "?".into(), rate),
        flow.resident_bytes.map_or_else(|| "?".into(), bytes),
    ]
}
