//! Policies of tenants in the path: what is allowed, what was used, and who was refused.
//!
//! [`Governor`] answers the engine from memory. Policies are at most
//! [`POLICY_AGE`](automate_core::limits::POLICY_AGE) old and counts at most
//! [`USAGE_AGE`](automate_core::limits::USAGE_AGE); in between a process counts what it accepts
//! itself. Tenants without limits cost one look into a map.

mod buckets;
mod budget;
mod document;
pub mod entity;
mod refusals;
mod report;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::policy::{AdmitError, Policies, PolicyRefusal, TenantPolicy};
use automate_core::store::StoreError;
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use tokio::time::Instant;

pub use buckets::{Bucket, RateBuckets, Taken};
pub use budget::{LLM_COST, LLM_TOKENS, UsageBudget};
pub use document::{StoredPolicy, TenantWithPolicy, list, load, save};
pub use report::{DayOfUsage, UsageReport, usage};

/// The policies of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Governor {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    known: RwLock<HashMap<TenantId, Known>>,
    usage: usage::Usage,
    refusals: refusals::Refusals,
}

struct Known {
    policy: Arc<TenantPolicy>,
    suspended: bool,
    read_at: Instant,
}

impl Governor {
    /// The policies in a database; refusals go to the audit log.
    #[must_use]
    pub fn new(db: Database, audit: AuditLog) -> Self {
        let usage = usage::Usage::new(db.clone());
        let refusals = refusals::Refusals::new(audit);
        Self { inner: Arc::new(Inner { db, known: RwLock::default(), usage, refusals }) }
    }

    /// Forgets what is in memory of a tenant: after its policy was changed in this process.
    pub fn forget(&self, tenant: TenantId) {
        self.inner.known.write().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
    }

    /// What tenants may spend under their policies.
    #[must_use]
    pub fn budget(&self) -> UsageBudget {
        UsageBudget::new(self.inner.db.clone(), self.clone())
    }

    async fn known(&self, tenant: TenantId) -> Result<(Arc<TenantPolicy>, bool), StoreError> {
        {
            let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(&tenant).filter(|known| known.read_at.elapsed() < limits::POLICY_AGE) {
                return Ok((known.policy.clone(), known.suspended));
            }
        }
        let read_at = Instant::now();
        let stored = document::load(&self.inner.db, tenant).await?;
        let policy = Arc::new(stored.policy);
        let mut known = self.inner.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::POLICIES_KEPT {
            known.clear();
        }
        known.insert(tenant, Known { policy: policy.clone(), suspended: stored.suspended, read_at });
        Ok((policy, stored.suspended))
    }
}

#[async_trait]
impl Policies for Governor {
    async fn policy(&self, tenant: TenantId) -> Result<Arc<TenantPolicy>, StoreError> {
        Ok(self.known(tenant).await?.0)
    }

    async fn admit(&self, tenant: TenantId, starts: u64, bytes: usize) -> Result<(), AdmitError> {
        let (policy, suspended) = self.known(tenant).await?;
        if suspended {
            return Err(PolicyRefusal::new("status", "the tenant is suspended").into());
        }
        policy.check_payload(bytes)?;
        if starts > 0 && (policy.executions_per_day.is_some() || policy.max_queued_executions.is_some()) {
            self.inner.usage.admit(tenant, &policy, starts).await?;
        }
        Ok(())
    }

    async fn admit_workflow(&self, tenant: TenantId, existing: u64) -> Result<(), AdmitError> {
        let (policy, _) = self.known(tenant).await?;
        match policy.max_workflows {
            Some(most) if existing >= most => Err(PolicyRefusal::new(
                "max_workflows",
                format!("there are {existing} workflows, at most {most} are allowed"),
            )
            .into()),
            _ => Ok(()),
        }
    }

    async fn retentions(&self) -> Result<Vec<(TenantId, Duration)>, StoreError> {
        document::retentions(&self.inner.db).await
    }

    fn refused(&self, tenant: TenantId, what: &str, refusal: &PolicyRefusal) {
        self.inner.refusals.tell(tenant, what, refusal);
    }
}
