//! Prometheus metrics: what was counted, and what is sampled when somebody looks.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use subtle::ConstantTimeEq;

use crate::problem::Problem;
use crate::state::{ApiState, MetricsAccess};

/// Upper bounds of the latency histograms, in seconds.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds of the histogram of operations in one group commit.
const BATCHES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// How often recorded values are gathered into their buckets. Without it they pile up until
/// somebody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up: {0}")]
pub struct MetricsError(String);

/// A recorder of its own, not installed; for tests and embedders with their own recorder.
#[must_use]
pub fn detached() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

/// Installs the recorder of this process and keeps it tidy. Must be called once, inside a tokio
/// runtime.
///
/// # Errors
/// [`MetricsError`] where another recorder was installed before.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets(BUCKETS)
        .and_then(|builder| {
            let batches = Matcher::Full("automate_commit_batch_size".to_owned());
            builder.set_buckets_for_metric(batches, BATCHES)
        })
        .map_err(|error| MetricsError(error.to_string()))?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| MetricsError(error.to_string()))?;
    describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

fn describe() {
    for (name, meaning) in [
        ("automate_http_requests_total", "Requests by route, method and status."),
        ("automate_http_requests_shed_total", "Requests refused because too many were under way."),
        ("automate_http_connections_total", "Connections that were accepted."),
        ("automate_http_connections_refused_total", "Connections over a bound, by reason."),
        ("automate_rate_limited_total", "Requests to the REST API beyond a limit."),
        ("automate_webhooks_total", "Webhook deliveries by outcome."),
        ("automate_webhook_conflicts_total", "Deliveries with the id of an earlier one and another body."),
        ("automate_webhook_refusals_unrecorded_total", "Refused deliveries over the inbox's rate."),
        ("automate_trigger_filter_errors_total", "Filters of triggers that failed on an event."),
        ("automate_executions_ended_total", "Executions that ended here, by status."),
        ("automate_leases_lost_total", "Leases that were lost while work was under way."),
        ("automate_outbox_reaped_total", "Items that the reaper gave back to the queue."),
        ("automate_outbox_quarantined_total", "Items that were set aside as poison."),
        ("automate_step_log_lines_dropped_total", "Log lines of steps over their bound."),
        ("automate_secret_reads_lost_total", "Readings of secrets that are missing from the audit log."),
        ("automate_signal_receiver_panics_total", "Panics of receivers of signals, by receiver."),
    ] {
        metrics::describe_counter!(name, meaning);
    }
    metrics::describe_histogram!("automate_http_request_duration_seconds", "Time to the answer, by route.");
    metrics::describe_histogram!("automate_commit_batch_size", "Operations in one group commit.");
    metrics::describe_gauge!("automate_http_connections", "Open connections.");
}

/// `GET /metrics`.
pub(crate) async fn show(State(state): State<ApiState>, request: Request) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    if !may_read(&state.inner.settings.metrics, request.headers(), peer) {
        return Problem::not_found().into_response();
    }
    let mut text = state.inner.metrics.render();
    sampled(&state, &mut text).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn may_read(access: &MetricsAccess, headers: &HeaderMap, peer: Option<SocketAddr>) -> bool {
    match access {
        MetricsAccess::Everybody => true,
        MetricsAccess::Token(token) => headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .is_some_and(|given| bool::from(given.ct_eq(token.expose_secret().as_bytes()))),
        // A proxy on the same machine connects from it too, on behalf of strangers; it says so.
        MetricsAccess::Local => {
            let proxied = headers.contains_key(header::FORWARDED)
                || headers.contains_key(header::VIA)
                || headers.keys().any(|name| name.as_str().starts_with("x-forwarded-") || name == "x-real-ip");
            !proxied && peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        }
    }
}

/// Gauges that are worth a look only when somebody looks.
async fn sampled(state: &ApiState, text: &mut String) {
    let store = Arc::clone(&state.inner.engine.ports().store);
    let stats = state.inner.outbox.get(|| async move { store.stats().await }).await;
    let up = matches!(stats.as_deref(), Some(Ok(_)));
    gauge(text, "automate_database_up", "Whether the database answered.", f64::from(u8::from(up)));
    if let Some(Ok(stats)) = stats.as_deref() {
        let items = [
            ("ready", stats.ready),
            ("scheduled", stats.scheduled),
            ("running", stats.running),
            ("stale", stats.stale),
            ("failed", stats.failed),
            ("completed", stats.completed),
        ];
        let _ = writeln!(text, "# HELP automate_outbox_items Items of the outbox by state.");
        let _ = writeln!(text, "# TYPE automate_outbox_items gauge");
        for (name, count) in items {
            let _ = writeln!(text, "automate_outbox_items{{state=\"{name}\"}} {count}");
        }
        let _ = writeln!(text);
        let oldest = "automate_outbox_oldest_ready_seconds";
        gauge(text, oldest, "How long the oldest ready item has been ready.", stats.oldest_ready_seconds);
    }
    let worker = state.inner.engine.worker_status();
    gauge(text, "automate_worker_running", "Executions that run in this process now.", count(worker.running));
    gauge(text, "automate_worker_concurrency", "The most that may.", count(worker.concurrency));
    gauge(text, "automate_worker_draining", "Whether it takes no new work.", f64::from(u8::from(worker.draining)));
    let _ = writeln!(text, "# HELP automate_worker_ended_total Executions that ended in this process.");
    let _ = writeln!(text, "# TYPE automate_worker_ended_total counter");
    let _ = writeln!(text, "automate_worker_ended_total {}\n", worker.ended);
    if let Some(bytes) = resident_bytes() {
        let name = "process_resident_memory_bytes";
        let _ = writeln!(text, "# HELP {name} Resident memory.\n# TYPE {name} gauge\n{name} {bytes}\n");
    }
}

fn gauge(text: &mut String, name: &str, help: &str, value: f64) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

/// The resident set, from `/proc` (proc_pid_status(5)); `None` elsewhere than on Linux.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use automate_core::secrets::SecretValue;
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a22_strangers_do_not_read_metrics() {
        let none = HeaderMap::new();
        let local = Some(SocketAddr::from(([127, 0, 0, 1], 1)));
        let mapped: Option<SocketAddr> = "[::ffff:127.0.0.1]:1".parse().ok();
        let stranger = Some(SocketAddr::from(([203, 0, 113, 1], 1)));
        assert!(may_read(&MetricsAccess::Local, &none, local));
        assert!(may_read(&MetricsAccess::Local, &none, mapped));
        assert!(!may_read(&MetricsAccess::Local, &none, stranger));
        assert!(!may_read(&MetricsAccess::Local, &none, None));
        for header in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
            let mut proxied = HeaderMap::new();
            proxied.insert(header, HeaderValue::from_static("127.0.0.1"));
            assert!(!may_read(&MetricsAccess::Local, &proxied, local), "{header}");
        }
        let access = MetricsAccess::Token(SecretValue::new("abc".to_owned()));
        let mut given = HeaderMap::new();
        assert!(!may_read(&access, &given, local));
        given.insert("authorization", HeaderValue::from_static("Bearer abd"));
        assert!(!may_read(&access, &given, local));
        given.insert("authorization", HeaderValue::from_static("Bearer abc"));
        assert!(may_read(&access, &given, stranger));
    }

    #[test]
    fn the_resident_set_is_plausible() {
        if cfg!(target_os = "linux") {
            let bytes = resident_bytes().unwrap();
            assert!((1 << 20..1 << 34).contains(&bytes), "{bytes}");
        }
    }
}
