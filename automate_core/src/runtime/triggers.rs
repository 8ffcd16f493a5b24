//! The live triggers, kept in memory. A publication in this process refreshes them at once, one
//! elsewhere within [`MAX_AGE`]; the accepting transaction checks that a trigger is still there, so
//! a stale entry starts nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::Engine;
use crate::document::pattern;
use crate::ids::TenantId;
use crate::store::{StoreError, TriggerRecord};

/// How old the picture may be.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Tenants whose slugs are remembered.
const TENANTS_KEPT: usize = 10_000;

/// The live triggers at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    taken: Instant,
    webhooks: HashMap<TenantId, HashMap<String, Vec<TriggerRecord>>>,
    events: HashMap<TenantId, Vec<TriggerRecord>>,
}

impl Snapshot {
    pub(super) fn webhooks(&self, tenant: TenantId, path: &str) -> &[TriggerRecord] {
        self.webhooks.get(&tenant).and_then(|paths| paths.get(path)).map_or(&[], Vec::as_slice)
    }

    /// The event triggers of a tenant whose pattern matches a type.
    pub(super) fn events<'a>(
        &'a self,
        tenant: TenantId,
        event_type: &'a str,
    ) -> impl Iterator<Item = &'a TriggerRecord> {
        let all = self.events.get(&tenant).map_or(&[][..], Vec::as_slice);
        all.iter().filter(move |trigger| pattern::matches(&trigger.key, event_type))
    }
}

#[derive(Default)]
pub(super) struct Triggers {
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    refreshing: tokio::sync::Mutex<()>,
    tenants: RwLock<HashMap<String, TenantId>>,
}

impl Triggers {
    fn current(&self) -> Option<Arc<Snapshot>> {
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone();
        snapshot.filter(|s| s.taken.elapsed() < MAX_AGE)
    }

    /// The next look goes to the store.
    pub(super) fn forget(&self) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Engine {
    pub(super) async fn triggers(&self) -> Result<Arc<Snapshot>, StoreError> {
        let triggers = &self.inner.triggers;
        if let Some(snapshot) = triggers.current() {
            return Ok(snapshot);
        }
        // One refresh for all who wait.
        let _refreshing = triggers.refreshing.lock().await;
        if let Some(snapshot) = triggers.current() {
            return Ok(snapshot);
        }
        let taken = Instant::now();
        let mut snapshot = Snapshot { taken, webhooks: HashMap::new(), events: HashMap::new() };
        for record in self.ports().store.triggers().await? {
            match record.kind.as_str() {
                "webhook" => {
                    let paths = snapshot.webhooks.entry(record.tenant_id).or_default();
                    paths.entry(record.key.clone()).or_default().push(record);
                }
                "event" => snapshot.events.entry(record.tenant_id).or_default().push(record),
                _ => {}
            }
        }
        let snapshot = Arc::new(snapshot);
        *triggers.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// The tenant of a slug; `None` where there is none.
    pub(super) async fn tenant_id(&self, slug: &str) -> Result<Option<TenantId>, StoreError> {
        let tenants = &self.inner.triggers.tenants;
        if let Some(id) = tenants.read().unwrap_or_else(PoisonError::into_inner).get(slug) {
            return Ok(Some(*id));
        }
        match self.ports().store.tenant(slug).await {
            Ok(id) => {
                let mut tenants = tenants.write().unwrap_or_else(PoisonError::into_inner);
                if tenants.len() >= TENANTS_KEPT {
                    tenants.clear();
                }
                tenants.insert(slug.to_owned(), id);
                Ok(Some(id))
            }
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
