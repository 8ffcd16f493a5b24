//! What the measured process costs: memory, CPU, and queries while nothing is to do.

use std::time::{Duration, Instant};

use automate_store::db::Database;

use super::{BenchError, per_second};

/// Resident memory of this process in bytes; `None` where the system does not say.
#[must_use]
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// CPU time of this process so far (proc(5): utime and stime, in ticks of 10 ms); `None` where the
/// system does not say.
#[must_use]
pub(crate) fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces; fields are counted after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Transactions per second on the database while nothing is to do; every query outside a
/// transaction counts as one. `None` on SQLite, which keeps no such count.
pub(crate) async fn idle_queries(database: &Database, time: Duration) -> Result<Option<f64>, BenchError> {
    let Some(pool) = database.postgres() else { return Ok(None) };
    let count = || async {
        sqlx::query_scalar::<_, i64>(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
        )
        .fetch_one(pool)
        .await
    };
    // The chores of a start are not idleness, and backends report their counts up to a second late
    // (`PGSTAT_MIN_INTERVAL`).
    tokio::time::sleep(Duration::from_secs(4)).await;
    let before = count().await?;
    let begun = Instant::now();
    tokio::time::sleep(time).await;
    let after = count().await?;
    // The first reading is counted too, with the check of its connection.
    let counted = u64::try_from(after - before).unwrap_or_default().saturating_sub(2);
    Ok(Some(per_second(counted, begun.elapsed())))
}
