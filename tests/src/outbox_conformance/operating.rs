//! What operators see and do.

use std::time::Duration;

use automate_core::outbox::{NewOutboxItem, OutboxFilter, OutboxStats};
use automate_core::status::OutboxStatus;
use serde_json::json;

use super::{KIND, Subject, claims, from_now, new_item};

pub async fn dead_letters_are_requeued_with_fresh_attempts(subject: &Subject) {
    let items: Vec<NewOutboxItem> = (0..3).map(|_| NewOutboxItem { max_attempts: 1, ..new_item() }).collect();
    subject.enqueue(&items).await;
    for claimed in subject.claim(2).await {
        subject.store.mark_retry(claimed.claim, from_now(0), "X", "x").await.unwrap();
    }
    let all = OutboxFilter::default();
    assert_eq!(subject.store.requeue(&all, true).await.unwrap(), 2);
    assert_eq!(subject.store.stats().await.unwrap().failed, 2);
    let one = OutboxFilter { limit: 1, ..all.clone() };
    assert_eq!(subject.store.requeue(&one, false).await.unwrap(), 1);
    assert_eq!(subject.store.requeue(&all, false).await.unwrap(), 1);
    assert_eq!(subject.store.requeue(&all, false).await.unwrap(), 0);
    let claimed = subject.claim(10).await;
    assert_eq!(claimed.len(), 3);
    assert!(claimed.iter().all(|claimed| (claimed.item.attempt_count, claimed.item.lost_leases) == (0, 0)));
}

pub async fn a_purge_removes_dead_letters_and_nothing_else(subject: &Subject) {
    subject
        .enqueue(&[new_item(), new_item(), new_item(), NewOutboxItem { not_before: Some(from_now(600)), ..new_item() }])
        .await;
    let claimed = claims(&subject.claim(2).await);
    subject.store.mark_failed(claimed[0], "X", "x").await.unwrap();
    let all = OutboxFilter::default();
    assert_eq!(subject.store.purge(&all, true).await.unwrap(), 1);
    assert_eq!(subject.count().await, 4);
    assert_eq!(
        subject.store.purge(&OutboxFilter { status: Some(OutboxStatus::Pending), ..all.clone() }, false).await.unwrap(),
        0
    );
    assert_eq!(
        subject.store.purge(&OutboxFilter { before: Some(from_now(-3_600)), ..all.clone() }, false).await.unwrap(),
        0
    );
    assert_eq!(subject.store.purge(&all, false).await.unwrap(), 1);
    assert_eq!(subject.find(claimed[0].id).await, None);
    assert_eq!(subject.count().await, 3);
}

pub async fn a_filter_means_what_it_says(subject: &Subject) {
    let items = [new_item(), new_item(), NewOutboxItem::new("other", "k", json!({}))];
    subject.enqueue(&items).await;
    let list = async |filter: OutboxFilter| {
        subject.store.list(&filter).await.unwrap().into_iter().map(|item| item.id).collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = items.iter().rev().map(|item| item.id).collect();
    assert_eq!(list(OutboxFilter::default()).await, newest_first);
    assert_eq!(list(OutboxFilter { limit: 1, ..OutboxFilter::default() }).await, newest_first[..1]);
    assert_eq!(list(OutboxFilter { kind: Some(KIND.to_owned()), ..OutboxFilter::default() }).await, newest_first[1..]);
    assert_eq!(list(OutboxFilter { ids: vec![items[0].id], ..OutboxFilter::default() }).await, [items[0].id]);
    assert!(list(OutboxFilter { status: Some(OutboxStatus::Failed), ..OutboxFilter::default() }).await.is_empty());
    assert!(list(OutboxFilter { before: Some(from_now(-60)), ..OutboxFilter::default() }).await.is_empty());
    assert_eq!(list(OutboxFilter { before: Some(from_now(60)), ..OutboxFilter::default() }).await.len(), 3);
    let too_many = OutboxFilter { ids: vec![items[0].id; 1_001], ..OutboxFilter::default() };
    assert_eq!(subject.store.requeue(&too_many, false).await.unwrap_err().code(), "INTERNAL");
}

pub async fn the_queue_is_counted(subject: &Subject) {
    assert_eq!(subject.store.stats().await.unwrap(), OutboxStats::default());
    let due = from_now(600);
    let items = [
        new_item(),
        NewOutboxItem { not_before: Some(from_now(-100)), priority: 200, ..new_item() },
        NewOutboxItem { not_before: Some(due), ..new_item() },
        new_item(),
        new_item(),
        new_item(),
    ];
    subject.enqueue(&items).await;
    let claimed = claims(&subject.claim(4).await);
    subject.store.mark_failed(claimed[0], "X", "x").await.unwrap();
    subject.store.mark_retry(claimed[1], from_now(1_200), "X", "x").await.unwrap();
    subject.store.extend_lease(&claimed[2..3], Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let stats = subject.store.stats().await.unwrap();
    let oldest = stats.oldest_ready_seconds;
    assert_eq!(
        stats,
        OutboxStats {
            ready: 1,
            scheduled: 2,
            running: 2,
            stale: 1,
            failed: 1,
            completed: 0,
            oldest_ready_seconds: oldest,
            next_due_at: Some(due),
        }
    );
    assert!((99.0..160.0).contains(&oldest), "{oldest}");
}

pub async fn the_next_due_item_is_told_as_a_delay(subject: &Subject) {
    assert_eq!(subject.store.next_due_in().await.unwrap(), None);
    subject.enqueue(&[new_item()]).await;
    assert_eq!(subject.store.next_due_in().await.unwrap(), None, "what is ready is not due later");
    subject.enqueue(&[NewOutboxItem { not_before: Some(from_now(600)), ..new_item() }]).await;
    subject.enqueue(&[NewOutboxItem { not_before: Some(from_now(60)), ..new_item() }]).await;
    let delay = subject.store.next_due_in().await.unwrap().unwrap();
    assert!(delay <= Duration::from_secs(60) && delay > Duration::from_secs(40), "{delay:?}");
}
