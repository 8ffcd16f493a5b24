//! What every [`OutboxStore`] does, whichever database it is on. `outbox_conformance!` makes a test
//! of each function here for SQLite and for PostgreSQL.
#![expect(missing_docs, reason = "the name of each function is the sentence that it tests")]

mod claiming;
mod marking;
mod operating;
mod reaping;
mod safety;

pub use claiming::*;
pub use marking::*;
pub use operating::*;
pub use reaping::*;
pub use safety::*;

use std::sync::Arc;
use std::time::Duration;

use automate_core::clock;
use automate_core::ids::OutboxId;
use automate_core::outbox::{
    Claim, ClaimRequest, ClaimedItem, NewOutboxItem, OutboxFilter, OutboxItem, OutboxStore, ReapRequest,
};
use automate_store::db::Database;
use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::postgres::TestDatabase;

/// How a store under test is opened.
pub type Open = fn(&Database) -> Arc<dyn OutboxStore>;

/// A store under test on a database of its own.
#[derive(Clone)]
pub struct Subject {
    /// The store.
    pub store: Arc<dyn OutboxStore>,
    /// Its database.
    pub test: Arc<TestDatabase>,
    open: Open,
}

/// The lease of claims that are not meant to run out.
const LEASE: Duration = Duration::from_secs(60);
/// The kind of the items here.
const KIND: &str = "mail";

impl Subject {
    /// A store on a database.
    #[must_use]
    pub fn new(test: TestDatabase, open: Open) -> Self {
        Self { store: open(&test.db), test: Arc::new(test), open }
    }

    /// The same queue as another process sees it.
    async fn another_process(&self) -> Arc<dyn OutboxStore> {
        (self.open)(&self.test.open_again().await)
    }

    async fn enqueue(&self, items: &[NewOutboxItem]) {
        self.store.enqueue_all(items).await.unwrap();
    }

    async fn enqueue_one(&self) -> OutboxId {
        let item = new_item();
        self.enqueue(std::slice::from_ref(&item)).await;
        item.id
    }

    async fn claim(&self, limit: usize) -> Vec<ClaimedItem> {
        self.store.claim_batch(&request(limit)).await.unwrap()
    }

    async fn claim_one(&self) -> ClaimedItem {
        let mut claimed = self.claim(1).await;
        assert_eq!(claimed.len(), 1, "nothing was ready");
        claimed.remove(0)
    }

    /// The item as stored; `None` where it is gone.
    async fn find(&self, id: OutboxId) -> Option<OutboxItem> {
        let filter = OutboxFilter { ids: vec![id], ..OutboxFilter::default() };
        self.store.list(&filter).await.unwrap().pop()
    }

    async fn item(&self, id: OutboxId) -> OutboxItem {
        self.find(id).await.unwrap()
    }

    async fn sql(&self, statement: &str) {
        self.test.db.orm().execute_unprepared(statement).await.unwrap();
    }

    /// Lets all leases run out.
    async fn expire_leases(&self) {
        self.sql("UPDATE outbox SET lease_expires_at = '2020-01-01T00:00:00+00:00' WHERE status = 'RUNNING'").await;
    }

    async fn count(&self) -> usize {
        let stats = self.store.stats().await.unwrap();
        let all = stats.ready + stats.scheduled + stats.running + stats.failed + stats.completed;
        usize::try_from(all).unwrap()
    }
}

fn new_item() -> NewOutboxItem {
    NewOutboxItem::new(KIND, "order-1", json!({"to": "a@example.com", "n": 1}))
}

fn request(limit: usize) -> ClaimRequest {
    ClaimRequest { owner: "worker-1".to_owned(), limit, lease: LEASE, kinds: Vec::new() }
}

fn reap_request() -> ReapRequest {
    ReapRequest {
        stale_threshold: Duration::ZERO,
        max_batch: 100,
        retry_delay: Duration::ZERO,
        max_lost_leases: 3,
        max_lost_in_company: 6,
        dry_run: false,
    }
}

fn from_now(seconds: i64) -> DateTime<Utc> {
    clock::now() + chrono::Duration::seconds(seconds)
}

fn claims(items: &[ClaimedItem]) -> Vec<Claim> {
    items.iter().map(|item| item.claim).collect()
}

/// Makes the tests of a store: `outbox_conformance!(open)` with an [`Open`].
#[macro_export]
macro_rules! outbox_conformance {
    ($open:ident) => {
        $crate::outbox_conformance! { $open =>
            items_come_by_priority_then_time_then_id
            an_item_carries_everything_it_was_queued_with
            nothing_is_claimed_before_its_time
            a_claim_takes_only_the_kinds_it_asks_for
            no_item_is_claimed_twice_by_eight_workers_at_once
            ten_thousand_future_timers_do_not_slow_a_claim
            a_row_that_cannot_be_read_does_not_keep_others_from_their_work
            an_old_token_changes_nothing_and_says_lease_lost
            a_batch_says_of_each_claim_whether_it_was_held
            a_retry_waits_and_is_charged_until_it_is_a_dead_letter
            a_failed_item_is_kept_as_a_dead_letter
            an_extended_lease_outlives_its_first_end
            a_release_charges_nothing
            done_work_is_deleted_or_kept_as_told
            an_error_text_of_any_kind_can_be_kept
            the_reaper_gives_back_what_a_dead_worker_held
            a_dry_run_changes_nothing
            the_third_lost_lease_quarantines
            what_was_lost_in_company_is_given_back_apart_before_it_is_quarantined
            a_third_loss_alone_quarantines_what_was_lost_in_company_before
            a_reported_failure_forgives_lost_leases
            a_quarantined_execution_fails_and_comes_back_with_its_item
            a_quarantined_execution_that_had_ended_is_left_alone
            two_reapers_at_once_reap_each_item_once
            a_reaper_leaves_leases_alone_that_have_not_run_out
            dead_letters_are_requeued_with_fresh_attempts
            a_purge_removes_dead_letters_and_nothing_else
            a_filter_means_what_it_says
            the_queue_is_counted
            the_next_due_item_is_told_as_a_delay
            work_queued_in_a_transaction_that_is_rolled_back_is_not_there
            work_queued_in_a_transaction_appears_with_its_commit
            what_passes_its_bounds_is_refused
            an_id_that_is_taken_is_a_conflict
            dropped_calls_harm_no_connection
        }
    };
    ($open:ident => $($name:ident)*) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let test = $crate::postgres::TestDatabase::sqlite().await;
                let subject = $crate::outbox_conformance::Subject::new(test, super::$open);
                $crate::outbox_conformance::$name(&subject).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if let Some(test) = $crate::postgres::TestDatabase::postgres().await {
                    let subject = $crate::outbox_conformance::Subject::new(test, super::$open);
                    $crate::outbox_conformance::$name(&subject).await;
                }
            }
        }
    )*};
}
