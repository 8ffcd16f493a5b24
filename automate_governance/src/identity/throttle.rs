//! The delay after failed log-ins, per account and per address, shared by all processes.
//!
//! An attempt counts as failed before the password is looked at, and is taken back when it was
//! right: so a hundred attempts at once are counted as a hundred, and a process that dies in
//! between has counted too many rather than too few.

use std::net::IpAddr;
use std::time::Duration;

use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, ConnectionTrait, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QuerySelect as _, Set, sea_query::OnConflict,
};

use super::entity::login_attempt::{ActiveModel, Column, Entity};
use super::random::digest;

/// What an attempt is counted under.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    /// Locked in this order by everybody.
    keys: [(String, i32); 2],
}

impl Attempt {
    /// An attempt on an account, known or not, from an address. The name is hashed: it is what
    /// somebody typed, and may be a password in the wrong field.
    pub(crate) fn new(account: &str, address: IpAddr) -> Self {
        let account = hex::encode(&digest(account)[..16]);
        Self {
            keys: [
                (format!("account:{account}"), limits::LOGIN_FAILURES_PER_ACCOUNT),
                (format!("address:{}", network(address)), limits::LOGIN_FAILURES_PER_ADDRESS),
            ],
        }
    }

    /// How the audit log names the account without telling what was typed.
    pub(crate) fn account(&self) -> &str {
        &self.keys[0].0
    }

    /// Counts the attempt as failed. `Err` with how long to wait where it is not to be looked at.
    pub(crate) async fn begin(&self, db: &Database, now: DateTime<Utc>) -> Result<Result<(), Duration>, StoreError> {
        let this = self.clone();
        db.run(move |db| async move {
            let txn = db.begin().await?;
            let mut wait = Duration::ZERO;
            let mut rows = Vec::new();
            for (key, free) in &this.keys {
                let fresh = ActiveModel {
                    key: Set(key.clone()),
                    failures: Set(0),
                    last_failure_at: Set(now),
                    blocked_until: Set(None),
                };
                let ignore = OnConflict::column(Column::Key).do_nothing().to_owned();
                Entity::insert(fresh).on_conflict(ignore).exec_without_returning(&txn).await.map_err(store_error)?;
                let row = Entity::find_by_id(key.clone()).lock_exclusive().one(&txn).await.map_err(store_error)?;
                let row = row.ok_or_else(|| StoreError::Busy("the count of attempts vanished".to_owned()))?;
                let left = row.blocked_until.and_then(|until| (until - now).to_std().ok()).unwrap_or_default();
                // A clock that was set back must not lock anybody out for long.
                wait = wait.max(left.min(limits::LOGIN_DELAY));
                rows.push((row, *free));
            }
            if wait > Duration::ZERO {
                return Ok(Err(wait));
            }
            for (row, free) in rows {
                let failures = if now - row.last_failure_at > delta(limits::LOGIN_MEMORY) { 0 } else { row.failures };
                let failures = failures.saturating_add(1);
                let mut row = row.into_active_model();
                row.failures = Set(failures);
                row.last_failure_at = Set(now);
                row.blocked_until = Set(delay(failures - free).map(|d| now + delta(d)));
                row.update(&txn).await.map_err(store_error)?;
            }
            txn.commit().await.map_err(store_error)?;
            Ok(Ok(()))
        })
        .await
    }

    /// Takes the attempt back, because it was right: within the transaction that logs in. The
    /// account starts afresh where `whole`; the address does not, or one account of an attacker's
    /// own would buy free attempts on all others.
    pub(crate) async fn succeed<C: ConnectionTrait>(&self, txn: &C, whole: bool) -> Result<(), StoreError> {
        for (index, (key, _)) in self.keys.iter().enumerate() {
            if index == 0 && whole {
                Entity::delete_by_id(key.clone()).exec(txn).await.map_err(store_error)?;
                continue;
            }
            let Some(row) = Entity::find_by_id(key.clone()).lock_exclusive().one(txn).await.map_err(store_error)?
            else {
                continue;
            };
            let failures = (row.failures - 1).max(0);
            let mut row = row.into_active_model();
            row.failures = Set(failures);
            row.blocked_until = Set(None);
            row.update(txn).await.map_err(store_error)?;
        }
        Ok(())
    }
}

/// Forgets what is too old to count.
pub(crate) async fn tidy<C: ConnectionTrait>(db: &C, now: DateTime<Utc>) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::LastFailureAt.lt(now - delta(limits::LOGIN_MEMORY)))
        .exec(db)
        .await
        .map_err(store_error)?;
    Ok(())
}

/// The delay after that many failures more than are free: a second, doubled each time.
fn delay(over: i32) -> Option<Duration> {
    let doublings = u32::try_from(over).ok()?.checked_sub(1)?;
    let seconds = 1_u64.checked_shl(doublings.min(32)).unwrap_or(u64::MAX);
    Some(Duration::from_secs(seconds).min(limits::LOGIN_DELAY))
}

/// Who may be taken for one: an address, or with IPv6 the /64 that one subscriber has.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// A bound as a difference of times.
pub(crate) fn delta(length: Duration) -> TimeDelta {
    TimeDelta::from_std(length).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_from_a_second_to_a_quarter_of_an_hour() {
        let seconds: Vec<Option<u64>> =
            [-5, 0, 1, 2, 5, 10, 11, 40, i32::MAX].into_iter().map(|n| delay(n).map(|d| d.as_secs())).collect();
        assert_eq!(seconds, [None, None, Some(1), Some(2), Some(16), Some(512), Some(900), Some(900), Some(900)]);
    }

    #[test]
    fn addresses_of_one_subscriber_are_one() {
        assert_eq!(network("2001:db8:1:2:3::4".parse().unwrap()), network("2001:db8:1:2:ffff::1".parse().unwrap()));
        assert_ne!(network("2001:db8:1:2::1".parse().unwrap()), network("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
    }
}
