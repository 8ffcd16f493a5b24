//! What wraps the operations of a view.

use std::borrow::Cow;
use std::sync::Arc;

use automate_core::limits;

use super::cors::CorsPolicy;
use super::operation::{Action, Operation};
use super::throttle::{Limit, Throttle, ThrottleBy};

/// Changes an operation before it is mounted.
pub trait Mixin: Send + Sync + 'static {
    /// The changed operation.
    fn wrap(&self, operation: Operation) -> Operation;
}

/// Mixins, one around the other. [`TenantFilterMixin`] is always among them unless it is taken off.
#[derive(Clone, Default)]
pub struct Mixins {
    all: Vec<Arc<dyn Mixin>>,
    without_tenant: bool,
}

impl Mixins {
    /// The same and one more.
    #[must_use]
    pub fn with(mut self, mixin: impl Mixin) -> Self {
        self.all.push(Arc::new(mixin));
        self
    }

    /// For views of the installation, whose callers need no tenant.
    #[must_use]
    pub fn without_tenant(mut self) -> Self {
        self.without_tenant = true;
        self
    }

    /// An operation with all of them around it.
    #[must_use]
    pub fn wrap(&self, operation: Operation) -> Operation {
        let operation = if self.without_tenant { operation.without_tenant() } else { operation };
        self.all.iter().fold(operation, |operation, mixin| mixin.wrap(operation))
    }
}

/// Lets other origins call from a browser. Without it none may.
#[derive(Debug, Clone)]
pub struct CorsMixin(CorsPolicy);

impl CorsMixin {
    /// For a policy.
    #[must_use]
    pub fn new(policy: CorsPolicy) -> Self {
        Self(policy)
    }

    /// For origins, without cookies.
    pub fn origins<O: Into<Cow<'static, str>>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self(CorsPolicy::origins(origins))
    }
}

impl Mixin for CorsMixin {
    fn wrap(&self, mut operation: Operation) -> Operation {
        operation.cors = Some(self.0.clone());
        operation
    }
}

/// Refuses whoever has no tenant. It is on by itself; this is for views that are put together from
/// operations that took it off.
#[derive(Debug, Clone, Copy, Default)]
pub struct TenantFilterMixin;

impl Mixin for TenantFilterMixin {
    fn wrap(&self, mut operation: Operation) -> Operation {
        operation.tenant_bound = !operation.access.public;
        operation
    }
}

/// Limits how often the operations of a view may be asked, besides what holds for the whole API.
#[derive(Debug, Clone, Default)]
pub struct RateLimitMixin(Vec<Throttle>);

impl RateLimitMixin {
    /// No limit yet. `name` tells the buckets of one view from those of another.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many requests a minute with one token or of one user.
    #[must_use]
    pub fn per_principal(self, name: impl Into<Cow<'static, str>>, limit: Limit) -> Self {
        self.by(name, ThrottleBy::Principal, limit)
    }

    /// So many requests a minute of one tenant.
    #[must_use]
    pub fn per_tenant(self, name: impl Into<Cow<'static, str>>, limit: Limit) -> Self {
        self.by(name, ThrottleBy::Tenant, limit)
    }

    /// So many requests a minute from one address.
    #[must_use]
    pub fn per_address(self, name: impl Into<Cow<'static, str>>, limit: Limit) -> Self {
        self.by(name, ThrottleBy::Address, limit)
    }

    fn by(mut self, name: impl Into<Cow<'static, str>>, by: ThrottleBy, limit: Limit) -> Self {
        self.0.push(Throttle::new(name, by, limit));
        self
    }
}

impl Mixin for RateLimitMixin {
    fn wrap(&self, mut operation: Operation) -> Operation {
        operation.throttles.extend(self.0.iter().cloned());
        operation
    }
}

/// How lists are cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaginationMixin {
    /// Rows of a page where `limit` is not given.
    pub limit: u64,
    /// Rows of a page at most.
    pub most: u64,
    /// Whether `offset` is taken too, and not only `cursor`.
    pub offsets: bool,
}

impl Default for PaginationMixin {
    fn default() -> Self {
        Self { limit: limits::LIST_LIMIT, most: limits::LIST_LIMIT_MAX, offsets: true }
    }
}

impl PaginationMixin {
    /// Pages by cursor only: every page costs the same, however far back it is.
    #[must_use]
    pub fn cursor() -> Self {
        Self { offsets: false, ..Self::default() }
    }

    /// Pages of so many rows, and at most so many; never more than the API's own bound.
    #[must_use]
    pub fn rows(mut self, limit: u64, most: u64) -> Self {
        self.most = most.clamp(1, limits::LIST_LIMIT_MAX);
        self.limit = limit.clamp(1, self.most);
        self
    }
}

impl Mixin for PaginationMixin {
    fn wrap(&self, mut operation: Operation) -> Operation {
        if operation.action == Action::List {
            if !self.offsets {
                operation.parameters.retain(|parameter| parameter.name != "offset");
            }
            operation.pagination = *self;
            for parameter in operation.parameters.iter_mut().filter(|parameter| parameter.name == "limit") {
                parameter.bound(1, i64::try_from(self.most).unwrap_or(i64::MAX));
            }
        }
        operation
    }
}
