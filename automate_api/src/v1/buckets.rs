//! Token buckets in this process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use automate_core::limits;
use tokio::time::Instant;

use super::base::{Decision, Limit, RateLimiter};

/// Token buckets in this process; each process has its own.
#[derive(Debug, Default)]
pub struct LocalBuckets {
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
    /// When it is full again, as far as is known: full buckets need not be kept.
    full: Instant,
}

impl LocalBuckets {
    fn take_at(&self, key: &str, limit: &Limit, now: Instant) -> Decision {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= limits::LOCAL_BUCKETS && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| bucket.full > now);
            if buckets.len() >= limits::LOCAL_BUCKETS {
                // Somebody has more addresses than there are buckets. Forgetting them is fairer than
                // refusing everybody.
                buckets.clear();
            }
        }
        let burst = f64::from(limit.burst.max(1));
        let per_second = f64::from(limit.per_minute.max(1)) / 60.0;
        let bucket = buckets.entry(key.to_owned()).or_insert(Bucket { tokens: burst, at: now, full: now });
        let elapsed = now.saturating_duration_since(bucket.at).as_secs_f64();
        let tokens = (bucket.tokens + elapsed * per_second).min(burst);
        let decision = decide(tokens, burst, per_second);
        bucket.tokens = if decision.allowed { tokens - 1.0 } else { tokens };
        bucket.at = now;
        bucket.full = now + std::time::Duration::from_secs_f64(decision.reset);
        decision
    }
}

/// What a bucket with so many tokens says to one more request.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the burst")]
fn decide(tokens: f64, burst: f64, per_second: f64) -> Decision {
    let allowed = tokens >= 1.0;
    let left = if allowed { tokens - 1.0 } else { tokens };
    Decision {
        allowed,
        remaining: left.floor() as u32,
        reset: (burst - left) / per_second,
        retry_after: if allowed { 0.0 } else { (1.0 - tokens) / per_second },
    }
}

#[async_trait]
impl RateLimiter for LocalBuckets {
    async fn take(&self, key: &str, limit: &Limit) -> Decision {
        self.take_at(key, limit, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let buckets = LocalBuckets::default();
        let limit = Limit { per_minute: 60, burst: 3 };
        let start = Instant::now();
        let remaining: Vec<u32> = (0..3).map(|_| buckets.take_at("a", &limit, start).remaining).collect();
        assert_eq!(remaining, [2, 1, 0]);
        let refused = buckets.take_at("a", &limit, start);
        assert!(!refused.allowed && (refused.retry_after - 1.0).abs() < 1e-6, "{refused:?}");
        assert!(buckets.take_at("b", &limit, start).allowed, "another key has a bucket of its own");
        assert!(buckets.take_at("a", &limit, start + Duration::from_secs(1)).allowed);
        assert!(!buckets.take_at("a", &limit, start + Duration::from_secs(1)).allowed);
        let rested = buckets.take_at("a", &limit, start + Duration::from_secs(3600));
        assert_eq!((rested.allowed, rested.remaining), (true, 2), "it never holds more than the burst");
    }

    #[tokio::test]
    async fn r13_buckets_do_not_grow_without_a_bound() {
        let buckets = LocalBuckets::default();
        let limit = Limit::per_minute(60);
        let now = Instant::now();
        for n in 0..limits::LOCAL_BUCKETS + 10 {
            buckets.take_at(&n.to_string(), &limit, now);
        }
        assert!(buckets.buckets.lock().unwrap().len() <= limits::LOCAL_BUCKETS);
    }
}
