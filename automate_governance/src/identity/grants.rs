//! What somebody may do now: read from the database, and kept for [`limits::IDENTITY_AGE`].

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use automate_core::access::EVERYTHING;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::error::store_error;
use sea_orm::{ConnectionTrait, EntityTrait as _, Statement};
use tokio::time::Instant;
use uuid::Uuid;

use super::entity::{tenant, user};

/// The word for a tenant that works.
pub(crate) const ACTIVE: &str = "active";

/// A user who may come in, and what they may do.
#[derive(Debug, Clone)]
pub(crate) struct Grants {
    pub(crate) user: user::Model,
    pub(crate) permissions: BTreeSet<String>,
}

/// The user of an id, with what they may do; none where they are gone or not active.
pub(crate) async fn load<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<Option<Grants>, StoreError> {
    let Some(user) = user::Entity::find_by_id(id).one(db).await.map_err(store_error)? else { return Ok(None) };
    if !user.is_active {
        return Ok(None);
    }
    let permissions = permissions(db, &user).await?;
    Ok(Some(Grants { user, permissions }))
}

/// The permissions of a user, their own and those of their groups. A group of another tenant gives
/// nothing, and neither does one that is gone.
pub(crate) async fn permissions<C: ConnectionTrait>(
    db: &C,
    user: &user::Model,
) -> Result<BTreeSet<String>, StoreError> {
    let sql = "SELECT permission FROM user_permissions WHERE user_id = $1 \
               UNION SELECT gp.permission FROM group_permissions gp \
               JOIN groups g ON g.id = gp.group_id \
               JOIN user_groups ug ON ug.group_id = g.id \
               WHERE ug.user_id = $1 AND g.tenant_id = $2";
    let tenant = user.tenant_id.unwrap_or(Uuid::nil());
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.id.into(), tenant.into()]);
    let rows = db.query_all_raw(statement).await.map_err(store_error)?;
    let texts = rows.iter().map(|row| row.try_get::<String>("", "permission").map_err(store_error));
    let mut all: BTreeSet<String> = texts.collect::<Result<_, _>>()?;
    if user.tenant_id.is_none() && !user.is_superuser {
        // Whoever belongs nowhere is everything nowhere.
        all.remove(EVERYTHING);
    }
    Ok(all)
}

/// Whether a tenant exists and is not suspended.
pub(crate) async fn is_tenant_active<C: ConnectionTrait>(db: &C, id: Uuid) -> Result<bool, StoreError> {
    let row = tenant::Entity::find_by_id(id).one(db).await.map_err(store_error)?;
    Ok(row.is_some_and(|tenant| tenant.status == ACTIVE))
}

/// What was read lately, by what it was read for.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    entries: Mutex<HashMap<K, (Instant, u64, V)>>,
    generation: AtomicU64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { entries: Mutex::default(), generation: AtomicU64::new(0) }
    }
}

/// A read that has begun: what it finds is as old as its beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun {
    at: Instant,
    generation: u64,
}

impl<K: Eq + std::hash::Hash, V: Clone> Recent<K, V> {
    /// Before a read.
    pub(crate) fn begin(&self) -> Begun {
        Begun { at: Instant::now(), generation: self.generation.load(Ordering::Acquire) }
    }

    /// What was read less than [`limits::IDENTITY_AGE`] ago, and not changed by this process since.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, generation, value) = entries.get(key)?;
        let fresh = at.elapsed() < limits::IDENTITY_AGE && *generation == self.generation.load(Ordering::Acquire);
        fresh.then(|| value.clone())
    }

    /// Keeps what a read found.
    pub(crate) fn put(&self, begun: Begun, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= limits::IDENTITY_CACHE {
            entries.retain(|_, (at, _, _)| at.elapsed() < limits::IDENTITY_AGE);
            if entries.len() >= limits::IDENTITY_CACHE {
                entries.clear();
            }
        }
        entries.insert(key, (begun.at, begun.generation, value));
    }

    /// Forgets everything, reads that have begun included.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a17_what_was_read_is_kept_for_less_than_five_seconds() {
        let recent = Recent::<u8, u8>::default();
        recent.put(recent.begin(), 1, 7);
        assert_eq!(recent.get(&1), Some(7));
        tokio::time::advance(limits::IDENTITY_AGE).await;
        assert_eq!(recent.get(&1), None);
        assert!(limits::IDENTITY_AGE < std::time::Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_read_that_began_before_a_change_is_not_kept() {
        let recent = Recent::<u8, u8>::default();
        let begun = recent.begin();
        recent.forget();
        recent.put(begun, 1, 7);
        assert_eq!(recent.get(&1), None);
    }
}
