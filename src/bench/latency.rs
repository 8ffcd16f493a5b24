//! Percentiles.

use serde::{Deserialize, Serialize};

/// How long requests took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// How many were measured.
    pub(crate) count: u64,
    /// Half took no longer.
    pub(crate) p50_ms: f64,
    /// 95 of 100 took no longer.
    pub(crate) p95_ms: f64,
    /// 99 of 100 took no longer.
    pub(crate) p99_ms: f64,
    /// The longest.
    pub(crate) max_ms: f64,
}

impl Latency {
    /// Of measurements in microseconds, by the nearest-rank method.
    pub(crate) fn of(mut times: Vec<u32>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map_or(0.0, |us| f64::from(*us) / 1_000.0)
        };
        Self { count: times.len() as u64, p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), max_ms: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let latency = Latency::of((1..=100).rev().map(|n| n * 1_000).collect());
        assert_eq!(latency, Latency { count: 100, p50_ms: 50.0, p95_ms: 95.0, p99_ms: 99.0, max_ms: 100.0 });
        assert_eq!(Latency::of(vec![7_000]).p99_ms, 7.0);
        assert_eq!(Latency::of(Vec::new()), Latency::default());
    }
}
