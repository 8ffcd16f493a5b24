//! The live triggers, kept in memory. A publication in this process refreshes them at once, one
//! elsewhere within [`MAX_AGE`]; the accepting transaction checks that a trigger is still there, so
//! a stale entry starts nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::Engine;
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
    pub(super) fn events<'a>(&'a self, tenant: TenantId, event_type: &'a str) -> impl Iterator<Item = &'a TriggerRecord> {
        let all = self.events.get(&tenant).map_or(&[][..], Vec::as_slice);
        all.iter().filter(move |trigger| pattern_matches(&trigger.key, event_type))
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

/// Whether an event's type fits a pattern: `*` stands for any characters but a dot, `**` for any.
#[must_use]
pub(super) fn pattern_matches(pattern: &str, event_type: &str) -> bool {
    // A set of positions instead of backtracking: the time is bounded by the product of the lengths.
    let text = event_type.as_bytes();
    let mut at = vec![false; text.len() + 1];
    at[0] = true;
    let mut rest = pattern.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let mut next = vec![false; text.len() + 1];
        if first == b'*' {
            let any = tail.first() == Some(&b'*');
            rest = if any { &tail[1..] } else { tail };
            let mut open = false;
            for position in 0..=text.len() {
                open |= at[position];
                next[position] = open;
                if !any && text.get(position) == Some(&b'.') {
                    open = false;
                }
            }
        } else {
            rest = tail;
            for position in 0..text.len() {
                next[position + 1] = at[position] && text[position] == first;
            }
        }
        at = next;
    }
    at[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_part_and_two_cross_dots() {
        assert!(pattern_matches("order.*", "order.paid"));
        assert!(!pattern_matches("order.*", "order.paid.late"));
        assert!(pattern_matches("order.**", "order.paid.late"));
        assert!(pattern_matches("*.paid", "order.paid"));
        assert!(!pattern_matches("*.paid", "a.order.paid"));
        assert!(pattern_matches("**", "anything.at.all"));
        assert!(pattern_matches("order.paid", "order.paid"));
        assert!(!pattern_matches("order.paid", "order.paidx"));
        assert!(pattern_matches("o*r.*", "order.x"));
        assert!(!pattern_matches("", "x"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(100);
        assert!(!pattern_matches(&pattern, &"a".repeat(90)));
    }
}
