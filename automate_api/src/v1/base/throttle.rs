//! How often something may be asked.

use std::borrow::Cow;

use async_trait::async_trait;

/// A token bucket's measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Requests a minute, over time.
    pub per_minute: u32,
    /// Requests at once after a pause.
    pub burst: u32,
}

impl Limit {
    /// So many a minute, as many of them at once as in 10 seconds, 1 at least.
    #[must_use]
    pub const fn per_minute(requests: u32) -> Self {
        let burst = requests.div_ceil(6);
        Self { per_minute: requests, burst: if burst == 0 { 1 } else { burst } }
    }

    /// The same with another burst.
    #[must_use]
    pub const fn burst(mut self, burst: u32) -> Self {
        self.burst = burst;
        self
    }
}

/// Who shares a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleBy {
    /// Requests with one token, or of one user.
    Principal,
    /// Requests of one tenant.
    Tenant,
    /// Requests from one address (one /64 with IPv6).
    Address,
}

impl ThrottleBy {
    /// The word in keys.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Address => "address",
        }
    }
}

/// A limit on operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// Operations whose throttles have the same name share their buckets.
    pub name: Cow<'static, str>,
    /// Who shares a bucket.
    pub by: ThrottleBy,
    /// Its measures.
    pub limit: Limit,
}

impl Throttle {
    /// A limit.
    pub fn new(name: impl Into<Cow<'static, str>>, by: ThrottleBy, limit: Limit) -> Self {
        Self { name: name.into(), by, limit }
    }
}

/// What a bucket says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// Whether the request may be worked on.
    pub allowed: bool,
    /// Requests left now.
    pub remaining: u32,
    /// Seconds until the bucket is full again.
    pub reset: f64,
    /// Seconds until the next request is taken; 0 where this one was.
    pub retry_after: f64,
}

/// Where the buckets are: in this process, or shared by all of them.
#[async_trait]
pub trait RateLimiter: Send + Sync + 'static {
    /// Takes one request from a bucket, which is made full where it is not there.
    async fn take(&self, key: &str, limit: &Limit) -> Decision;
}
