//! What a worker does with what it claimed.

use std::time::Duration;

use automate_core::outbox::{Claim, ClaimState, NewOutboxItem};
use automate_core::status::OutboxStatus;
use automate_store::outbox::{OutboxOptions, open};
use std::sync::Arc;

use super::{Subject, claims, from_now, new_item, reap_request};

pub async fn an_old_token_changes_nothing_and_says_lease_lost(subject: &Subject) {
    let id = subject.enqueue_one().await;
    let zombie = subject.claim_one().await.claim;
    // Once reaped and not claimed again, once claimed again: the zombie has lost in both states.
    subject.expire_leases().await;
    subject.store.reap_stale(&reap_request()).await.unwrap();
    for _ in 0..2 {
        let before = subject.item(id).await;
        let store = &subject.store;
        assert_eq!(store.mark_success(&[zombie]).await.unwrap(), [ClaimState::LeaseLost]);
        assert_eq!(store.mark_retry(zombie, from_now(0), "X", "x").await.unwrap(), ClaimState::LeaseLost);
        assert_eq!(store.mark_failed(zombie, "X", "x").await.unwrap(), ClaimState::LeaseLost);
        assert_eq!(store.extend_lease(&[zombie], super::LEASE).await.unwrap(), [ClaimState::LeaseLost]);
        assert_eq!(store.release(&[zombie]).await.unwrap(), [ClaimState::LeaseLost]);
        assert_eq!(subject.item(id).await, before);
        if before.status == OutboxStatus::Retry {
            assert!(subject.claim_one().await.claim.token > zombie.token);
        }
    }
    // Neither does a token from the future, nor one of an item that is gone.
    let claim = Claim { id, token: 99 };
    assert_eq!(subject.store.mark_success(&[claim]).await.unwrap(), [ClaimState::LeaseLost]);
    subject.store.mark_success(&[Claim { id, token: 3 }]).await.unwrap();
    assert_eq!(subject.find(id).await, None);
    assert_eq!(subject.store.mark_success(&[Claim { id, token: 3 }]).await.unwrap(), [ClaimState::LeaseLost]);
}

pub async fn a_batch_says_of_each_claim_whether_it_was_held(subject: &Subject) {
    subject.enqueue(&[new_item(), new_item(), new_item(), new_item()]).await;
    let claimed = claims(&subject.claim(4).await);
    let stale = Claim { token: claimed[1].token - 1, ..claimed[1] };
    let unknown = Claim { id: automate_core::ids::OutboxId::new(), token: 1 };
    let batch = [claimed[3], stale, claimed[0], unknown];
    let expected = [ClaimState::Held, ClaimState::LeaseLost, ClaimState::Held, ClaimState::LeaseLost];
    assert_eq!(subject.store.extend_lease(&batch, super::LEASE).await.unwrap(), expected);
    assert_eq!(subject.store.mark_success(&batch).await.unwrap(), expected);
    assert_eq!(subject.store.release(&batch[..2]).await.unwrap(), [ClaimState::LeaseLost; 2]);
    assert_eq!(subject.store.release(&claimed[1..3]).await.unwrap(), [ClaimState::Held; 2]);
    assert!(subject.store.mark_success(&[]).await.unwrap().is_empty());
    assert_eq!(subject.count().await, 2);
}

pub async fn a_retry_waits_and_is_charged_until_it_is_a_dead_letter(subject: &Subject) {
    let item = NewOutboxItem { max_attempts: 2, ..new_item() };
    subject.enqueue(std::slice::from_ref(&item)).await;
    let claim = subject.claim_one().await.claim;
    let later = from_now(3_600);
    assert_eq!(subject.store.mark_retry(claim, later, "UPSTREAM_5XX", "no luck").await.unwrap(), ClaimState::Held);
    let stored = subject.item(item.id).await;
    assert_eq!((stored.status, stored.attempt_count, stored.next_attempt_at), (OutboxStatus::Retry, 1, later));
    assert_eq!(
        (stored.last_error_code.as_deref(), stored.last_error.as_deref()),
        (Some("UPSTREAM_5XX"), Some("no luck"))
    );
    assert_eq!((stored.lease_owner, stored.lease_expires_at), (None, None));
    assert!(subject.claim(1).await.is_empty());

    subject.sql("UPDATE outbox SET next_attempt_at = '2020-01-01T00:00:00+00:00'").await;
    let again = subject.claim_one().await;
    assert_eq!((again.item.attempt_count, again.claim.token), (1, 2));
    assert_eq!(subject.store.mark_retry(again.claim, from_now(0), "TIMEOUT", "again").await.unwrap(), ClaimState::Held);
    let dead = subject.item(item.id).await;
    assert_eq!((dead.status, dead.attempt_count), (OutboxStatus::Failed, 2));
    assert_eq!(dead.last_error_code.as_deref(), Some("TIMEOUT"));
    assert!(subject.claim(1).await.is_empty());
}

pub async fn a_failed_item_is_kept_as_a_dead_letter(subject: &Subject) {
    let id = subject.enqueue_one().await;
    let claim = subject.claim_one().await.claim;
    assert_eq!(subject.store.mark_failed(claim, "INVALID_INPUT", "never").await.unwrap(), ClaimState::Held);
    let item = subject.item(id).await;
    assert_eq!((item.status, item.attempt_count), (OutboxStatus::Failed, 1));
    assert_eq!(item.last_error_code.as_deref(), Some("INVALID_INPUT"));
    assert!(subject.claim(1).await.is_empty());
    assert!(subject.store.reap_stale(&reap_request()).await.unwrap().requeued.is_empty());
}

pub async fn an_extended_lease_outlives_its_first_end(subject: &Subject) {
    subject.enqueue(&[new_item(), new_item()]).await;
    let claimed = claims(&subject.claim(2).await);
    subject.expire_leases().await;
    assert_eq!(subject.store.stale_count(Duration::ZERO).await.unwrap(), 2);
    // A lease that has run out and that nobody has taken yet is still the worker's.
    assert_eq!(subject.store.extend_lease(&claimed[..1], super::LEASE).await.unwrap(), [ClaimState::Held]);
    let report = subject.store.reap_stale(&reap_request()).await.unwrap();
    assert_eq!(report.requeued, [claimed[1].id]);
    let extended = subject.item(claimed[0].id).await;
    assert_eq!((extended.status, extended.lease_token), (OutboxStatus::Running, claimed[0].token));
}

pub async fn a_release_charges_nothing(subject: &Subject) {
    let fresh = subject.enqueue_one().await;
    let claim = subject.claim_one().await.claim;
    assert_eq!(subject.store.release(&[claim]).await.unwrap(), [ClaimState::Held]);
    let item = subject.item(fresh).await;
    assert_eq!((item.status, item.attempt_count, item.lost_leases), (OutboxStatus::Pending, 0, 0));
    assert_eq!((item.lease_owner, item.lease_expires_at), (None, None));

    let claim = subject.claim_one().await.claim;
    subject.store.mark_retry(claim, from_now(-1), "X", "x").await.unwrap();
    let claim = subject.claim_one().await.claim;
    subject.store.release(&[claim]).await.unwrap();
    let item = subject.item(fresh).await;
    assert_eq!((item.status, item.attempt_count), (OutboxStatus::Retry, 1));
    assert_eq!(subject.claim_one().await.item.id, fresh);
}

pub async fn done_work_is_deleted_or_kept_as_told(subject: &Subject) {
    let id = subject.enqueue_one().await;
    let claim = subject.claim_one().await.claim;
    assert_eq!(subject.store.mark_success(&[claim]).await.unwrap(), [ClaimState::Held]);
    assert_eq!(subject.find(id).await, None);

    let keeping =
        open(&subject.test.db, Arc::new(automate_core::clock::SystemClock), OutboxOptions { keep_completed: true })
            .unwrap();
    let id = subject.enqueue_one().await;
    let claim = subject.claim_one().await.claim;
    assert_eq!(keeping.mark_success(&[claim]).await.unwrap(), [ClaimState::Held]);
    let kept = subject.item(id).await;
    assert_eq!((kept.status, kept.lease_owner), (OutboxStatus::Completed, None));
    assert!(subject.claim(1).await.is_empty());
    assert_eq!(keeping.mark_success(&[claim]).await.unwrap(), [ClaimState::LeaseLost]);
}

pub async fn an_error_text_of_any_kind_can_be_kept(subject: &Subject) {
    let id = subject.enqueue_one().await;
    let claim = subject.claim_one().await.claim;
    let text = format!("nul \0, quote ', {}", "ü".repeat(100_000));
    assert_eq!(subject.store.mark_failed(claim, "X\0", &text).await.unwrap(), ClaimState::Held);
    let kept = subject.item(id).await.last_error.unwrap();
    assert!(kept.starts_with("nul \u{fffd}, quote ', üü"), "{}", &kept[..40]);
    assert!(kept.len() <= automate_core::limits::OUTBOX_ERROR_BYTES + 3);
}
