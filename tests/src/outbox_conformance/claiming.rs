//! Which items a claim gets.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use automate_core::ids::TenantId;
use automate_core::outbox::{ClaimRequest, NewOutboxItem};
use automate_core::status::OutboxStatus;
use serde_json::json;
use uuid::Uuid;

use super::{KIND, LEASE, Subject, from_now, new_item, request};

pub async fn items_come_by_priority_then_time_then_id(subject: &Subject) {
    let item = |name: &str, priority: i16, seconds: i64| NewOutboxItem {
        priority,
        not_before: Some(from_now(seconds)),
        ..NewOutboxItem::new(KIND, name, json!(null))
    };
    let first = item("low, early", 100, -50);
    // Two of the same time: the earlier id goes first.
    let twin = NewOutboxItem { not_before: first.not_before, ..item("low, early, younger", 100, 0) };
    let items = [item("low, late", 100, -1), twin, item("high, late", -5, -1), first, item("high, early", -5, -100)];
    subject.enqueue(&items).await;
    let mut ids = [items[3].id, items[1].id];
    ids.sort();
    let by_id = if ids[0] == items[3].id {
        ["low, early", "low, early, younger"]
    } else {
        ["low, early, younger", "low, early"]
    };

    let names: Vec<String> = subject.claim(10).await.into_iter().map(|claimed| claimed.item.key).collect();
    assert_eq!(names, ["high, early", "high, late", by_id[0], by_id[1], "low, late"]);
}

pub async fn an_item_carries_everything_it_was_queued_with(subject: &Subject) {
    let tenant = TenantId(Uuid::from_u128(7));
    let payload = json!({"text": "ä\u{1f600}\u{0}\"'\\", "big": 9_007_199_254_740_993_i64, "z": 1, "a": [null, 1.5]});
    let queued = NewOutboxItem {
        tenant_id: tenant,
        priority: -32768,
        max_attempts: 4,
        ..NewOutboxItem::new("kind ü'\"", "key \\ %", payload.clone())
    };
    subject.enqueue(std::slice::from_ref(&queued)).await;
    let claimed = subject.claim_one().await;
    let item = claimed.item;
    assert_eq!((item.id, item.tenant_id, &*item.kind, &*item.key), (queued.id, tenant, "kind ü'\"", "key \\ %"));
    assert_eq!(item.payload, payload);
    assert_eq!((item.priority, item.max_attempts, item.attempt_count, item.lost_leases), (-32768, 4, 0, 0));
    assert_eq!((item.status, item.lease_token), (OutboxStatus::Running, 1));
    assert_eq!(item.lease_owner.as_deref(), Some("worker-1"));
    let lasts = (item.lease_expires_at.unwrap() - automate_core::clock::now()).to_std().unwrap();
    assert!(lasts <= LEASE && lasts > LEASE - Duration::from_secs(20), "{lasts:?}");
    assert_eq!((item.last_error_code, item.last_error), (None, None));
    assert_eq!((claimed.claim.id, claimed.claim.token), (queued.id, 1));
}

pub async fn nothing_is_claimed_before_its_time(subject: &Subject) {
    let soon = NewOutboxItem { not_before: Some(from_now(1)), ..new_item() };
    let never = NewOutboxItem { not_before: Some(chrono::DateTime::<chrono::Utc>::MAX_UTC), ..new_item() };
    subject.enqueue(&[soon.clone(), never]).await;
    assert!(subject.claim(10).await.is_empty());
    let deadline = Instant::now() + Duration::from_secs(5);
    let claimed = loop {
        let claimed = subject.claim(10).await;
        if !claimed.is_empty() || Instant::now() > deadline {
            break claimed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(claimed.iter().map(|claimed| claimed.item.id).collect::<Vec<_>>(), [soon.id]);
    assert!(automate_core::clock::now() >= soon.not_before.unwrap());
}

pub async fn a_claim_takes_only_the_kinds_it_asks_for(subject: &Subject) {
    for kind in ["a", "b", "c"] {
        subject.enqueue(&[NewOutboxItem::new(kind, "", json!({}))]).await;
    }
    let of =
        |kinds: &[&str]| ClaimRequest { kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(), ..request(10) };
    let claimed = subject.store.claim_batch(&of(&["c", "a"])).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| &*claimed.item.kind).collect::<Vec<_>>(), ["a", "c"]);
    assert!(subject.store.claim_batch(&of(&["x"])).await.unwrap().is_empty());
    assert_eq!(subject.claim_one().await.item.kind, "b");
    assert!(subject.store.claim_batch(&ClaimRequest { limit: 0, ..of(&[]) }).await.unwrap().is_empty());
}

pub async fn no_item_is_claimed_twice_by_eight_workers_at_once(subject: &Subject) {
    let items: Vec<NewOutboxItem> = (0..1_000).map(|n| NewOutboxItem { priority: n % 3, ..new_item() }).collect();
    subject.enqueue(&items).await;
    let mut workers = Vec::new();
    for worker in 0..8 {
        // Half of them are other processes.
        let store = if worker % 2 == 0 { subject.store.clone() } else { subject.another_process().await };
        workers.push(tokio::spawn(async move {
            let request = ClaimRequest { owner: format!("worker-{worker}"), ..request(7) };
            let mut ids = Vec::new();
            let mut idle = 0;
            // Another claim may hold the last rows for a moment, so one empty answer is not the end.
            while idle < 3 {
                let claimed = store.claim_batch(&request).await.unwrap();
                idle = if claimed.is_empty() { idle + 1 } else { 0 };
                ids.extend(claimed.into_iter().map(|claimed| claimed.item.id));
            }
            ids
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    assert_eq!(all.len(), 1_000, "an item was claimed twice or not at all");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 1_000);
}

pub async fn ten_thousand_future_timers_do_not_slow_a_claim(subject: &Subject) {
    let before = claim_time(subject).await;
    let timers: Vec<NewOutboxItem> = (0..10_000)
        .map(|n| NewOutboxItem { not_before: Some(from_now(3_600 + n)), priority: 100 + (n % 3) as i16, ..new_item() })
        .collect();
    subject.enqueue(&timers).await;
    let after = claim_time(subject).await;
    // A scan over the timers takes some 50 times as long; the bound leaves room for a busy machine.
    assert!(after < before * 8 + Duration::from_millis(2), "{before:?} without timers, {after:?} with them");
}

/// The best of many claims of one ready item that stands behind the timers' first priority.
async fn claim_time(subject: &Subject) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..60 {
        subject.enqueue(&[NewOutboxItem { priority: 102, ..new_item() }]).await;
        let begin = Instant::now();
        let claimed = subject.claim(10).await;
        best = best.min(begin.elapsed());
        assert_eq!(claimed.len(), 1);
        subject.store.mark_success(&super::claims(&claimed)).await.unwrap();
    }
    best
}

pub async fn a_row_that_cannot_be_read_does_not_keep_others_from_their_work(subject: &Subject) {
    let poison = subject.enqueue_one().await;
    subject.sql("UPDATE outbox SET payload = '{torn'").await;
    let sound = subject.enqueue_one().await;
    for _ in 0..3 {
        let claimed = subject.claim(10).await;
        assert!(claimed.iter().all(|claimed| claimed.item.id == sound));
        subject.store.release(&super::claims(&claimed)).await.unwrap();
        subject.expire_leases().await;
        subject.store.reap_stale(&super::reap_request()).await.unwrap();
    }
    let item = subject.item(poison).await;
    assert_eq!((item.status, item.last_error_code.as_deref()), (OutboxStatus::Failed, Some("QUARANTINED")));
    assert_eq!(item.payload, json!("{torn"));
    assert_eq!(subject.claim_one().await.item.id, sound);
}
