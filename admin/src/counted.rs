//! How many dead letters there are, for the navigation of every page: counted now and then, and not
//! with every page.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use automate_core::ids::TenantId;
use automate_core::limits;
use automate_store::db::Database;
use automate_store::outbox::shown;

/// Counts by tenant, each with when it was made.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    known: Mutex<HashMap<TenantId, (Instant, u64)>>,
}

impl DeadLetters {
    /// What is known; nothing where nobody has counted yet.
    pub(crate) fn known(&self, tenant: TenantId) -> Option<u64> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).map(|(_, count)| *count)
    }

    /// Counts, where what is known is older than `limits::NAV_COUNTS_AGE`.
    pub(crate) async fn refresh(&self, db: &Database, tenant: TenantId) {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            match known.get_mut(&tenant) {
                Some((at, _)) if now.duration_since(*at) < limits::NAV_COUNTS_AGE => return,
                // One page counts; those that come meanwhile show what was known.
                Some((at, _)) => *at = now,
                None => {
                    if known.len() >= limits::POLICIES_KEPT {
                        known.clear();
                    }
                    known.insert(tenant, (now, 0));
                }
            }
        }
        match shown::count_dead(db, tenant, limits::ADMIN_COUNTED).await {
            Ok(count) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.insert(tenant, (Instant::now(), count));
            }
            // A page is shown without the number.
            Err(error) => tracing::debug!(%error, "dead letters cannot be counted"),
        }
    }
}
