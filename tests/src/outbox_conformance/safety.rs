//! Transactions, bounds, and callers that go away.

use std::time::Duration;

use automate_core::limits;
use automate_core::outbox::NewOutboxItem;
use automate_store::outbox::TransactionalOutbox;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;

use super::{KIND, Subject, new_item, request};

pub async fn work_queued_in_a_transaction_that_is_rolled_back_is_not_there(subject: &Subject) {
    subject.sql("CREATE TABLE orders (id integer)").await;
    let transaction = subject.test.db.orm().begin().await.unwrap();
    transaction.execute_unprepared("INSERT INTO orders VALUES (1)").await.unwrap();
    transaction.enqueue(&[new_item(), new_item()]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(subject.count().await, 0);
    assert!(subject.claim(10).await.is_empty());
}

pub async fn work_queued_in_a_transaction_appears_with_its_commit(subject: &Subject) {
    subject.sql("CREATE TABLE orders (id integer)").await;
    let transaction = subject.test.db.begin().await.unwrap();
    transaction.execute_unprepared("INSERT INTO orders VALUES (1)").await.unwrap();
    let items = [new_item(), new_item()];
    transaction.enqueue(&items).await.unwrap();
    let other = subject.another_process().await;
    assert_eq!(other.stats().await.unwrap().ready, 0, "it must not be seen before the commit");
    transaction.commit().await.unwrap();
    assert_eq!(other.claim_batch(&request(10)).await.unwrap().len(), 2);
}

pub async fn what_passes_its_bounds_is_refused(subject: &Subject) {
    let sound = new_item();
    for broken in [
        NewOutboxItem { kind: String::new(), ..new_item() },
        NewOutboxItem { kind: "k".repeat(limits::OUTBOX_KIND_BYTES + 1), ..new_item() },
        NewOutboxItem { key: "k".repeat(limits::OUTBOX_KEY_BYTES + 1), ..new_item() },
        NewOutboxItem { key: "nul\0".to_owned(), ..new_item() },
        NewOutboxItem { payload: json!("p".repeat(limits::OUTBOX_PAYLOAD_BYTES)), ..new_item() },
    ] {
        let error = subject.store.enqueue_all(&[sound.clone(), broken]).await.unwrap_err();
        assert_eq!(error.code(), "INTERNAL", "{error}");
    }
    assert_eq!(subject.count().await, 0, "all or nothing");
    let widest = NewOutboxItem {
        kind: "k".repeat(limits::OUTBOX_KIND_BYTES),
        key: "k".repeat(limits::OUTBOX_KEY_BYTES),
        payload: json!("p".repeat(limits::OUTBOX_PAYLOAD_BYTES - 2)),
        ..new_item()
    };
    subject.enqueue(&[widest]).await;
    subject.enqueue(&[]).await;
    let more_than_a_batch: Vec<_> = (0..limits::OUTBOX_BATCH + 1).map(|_| new_item()).collect();
    subject.enqueue(&more_than_a_batch).await;
    assert_eq!(subject.count().await, limits::OUTBOX_BATCH + 2);
    assert_eq!(subject.claim(usize::MAX).await.len(), limits::OUTBOX_BATCH);
}

pub async fn an_id_that_is_taken_is_a_conflict(subject: &Subject) {
    let item = new_item();
    subject.enqueue(std::slice::from_ref(&item)).await;
    let error = subject.store.enqueue_all(&[new_item(), item]).await.unwrap_err();
    assert_eq!(error.code(), "CONFLICT", "{error}");
    assert_eq!(subject.count().await, 1, "all or nothing");
}

/// G24: whenever a caller goes away in the middle of a call, what is acknowledged afterwards is
/// really there, and no connection is left inside a transaction.
pub async fn dropped_calls_harm_no_connection(subject: &Subject) {
    let other = subject.another_process().await;
    let mut acknowledged = 0;
    for round in 0..200_u64 {
        // Dropped at another point of the call each time: in a verb, and in a bare transaction of an
        // embedder, which no task of ours protects.
        let _ = tokio::time::timeout(Duration::from_micros(40 * (round % 50)), subject.claim(1)).await;
        let db = subject.test.db.clone();
        let bare = async move {
            let transaction = db.begin().await.unwrap();
            transaction.enqueue(&[NewOutboxItem::new("never", "", json!({}))]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        };
        let _ = tokio::time::timeout(Duration::from_micros(30 * (round % 60)), bare).await;
        subject.enqueue(&[NewOutboxItem::new(KIND, round.to_string(), json!({}))]).await;
        acknowledged += 1;
        if round % 20 == 19 {
            let stats = other.stats().await.unwrap();
            assert_eq!(stats.ready + stats.running, acknowledged, "an acknowledged item is not there");
        }
    }
    let stats = other.stats().await.unwrap();
    assert_eq!(stats.ready + stats.running, 200);
    if let Some(pool) = subject.test.db.postgres() {
        // What an embedder's dropped transaction left behind is closed instead of handed out: after
        // every connection has been asked for once, none is inside a transaction.
        let mut all = Vec::new();
        for _ in 0..pool.options().get_max_connections() {
            all.push(pool.acquire().await.unwrap());
        }
        let idle: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .fetch_one(subject.test.open_again().await.postgres().unwrap())
        .await
        .unwrap();
        assert_eq!(idle, 0, "a connection was left inside a transaction");
    }
}
