//! What happens to the work of dead workers.

use std::collections::HashSet;
use std::time::Duration;

use automate_core::clock;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::outbox::{EXECUTION_KIND, NewOutboxItem, OutboxFilter, OutboxReaper, ReapReport, ReapRequest};
use automate_core::status::OutboxStatus;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;
use uuid::Uuid;

use super::{Subject, claims, new_item, reap_request};

pub async fn the_reaper_gives_back_what_a_dead_worker_held(subject: &Subject) {
    let id = subject.enqueue_one().await;
    let dead = subject.claim_one().await.claim;
    subject.expire_leases().await;
    let reaper = OutboxReaper::new(subject.store.clone());
    assert_eq!(reaper.stale_count().await.unwrap(), 1);
    let report = reaper.reap_stale_items().await.unwrap();
    assert_eq!(report, ReapReport { requeued: vec![id], ..ReapReport::default() });
    let item = subject.item(id).await;
    assert_eq!((item.status, item.attempt_count, item.lost_leases), (OutboxStatus::Retry, 0, 1));
    assert!(item.lease_token > dead.token, "the token must be bumped: {} {}", item.lease_token, dead.token);
    assert_eq!((item.lease_owner, item.lease_expires_at), (None, None));
    assert_eq!(item.last_error_code.as_deref(), Some("LEASE_EXPIRED"));
    assert_eq!(reaper.stale_count().await.unwrap(), 0);
    assert_eq!(subject.claim_one().await.item.id, id);

    // With a delay it is not ready at once.
    subject.expire_leases().await;
    let delayed = OutboxReaper { retry_delay: Duration::from_secs(600), ..reaper };
    assert_eq!(delayed.reap_stale_items().await.unwrap().requeued, [id]);
    assert!(subject.claim(1).await.is_empty());
}

pub async fn a_dry_run_changes_nothing(subject: &Subject) {
    subject.enqueue(&[new_item(), new_item()]).await;
    let held = claims(&subject.claim(2).await);
    subject.sql("UPDATE outbox SET lost_leases = 5").await;
    subject.expire_leases().await;
    let before = subject.store.list(&OutboxFilter::default()).await.unwrap();
    let reaper = OutboxReaper { dry_run: true, ..OutboxReaper::new(subject.store.clone()) };
    let report = reaper.reap_stale_items().await.unwrap();
    assert!(report.dry_run && report.requeued.is_empty());
    assert_eq!(report.quarantined.iter().collect::<HashSet<_>>(), held.iter().map(|claim| &claim.id).collect());
    assert_eq!(subject.store.list(&OutboxFilter::default()).await.unwrap(), before);
}

pub async fn the_third_lost_lease_quarantines(subject: &Subject) {
    let id = subject.enqueue_one().await;
    for loss in 1..=3 {
        subject.claim_one().await;
        subject.expire_leases().await;
        let report = subject.store.reap_stale(&reap_request()).await.unwrap();
        assert_eq!(report.quarantined.len(), usize::from(loss == 3), "loss {loss}");
        assert_eq!(report.requeued.len(), usize::from(loss < 3), "loss {loss}");
    }
    let item = subject.item(id).await;
    assert_eq!((item.status, item.lost_leases), (OutboxStatus::Failed, 3));
    assert_eq!(item.last_error_code.as_deref(), Some("QUARANTINED"));
    assert!(subject.claim(1).await.is_empty());
}

pub async fn what_was_lost_in_company_is_given_back_apart_before_it_is_quarantined(subject: &Subject) {
    subject.enqueue(&[new_item(), new_item(), new_item()]).await;
    for loss in 1..=6 {
        subject.sql("UPDATE outbox SET next_attempt_at = created_at").await;
        assert_eq!(subject.claim(3).await.len(), 3, "loss {loss}");
        subject.expire_leases().await;
        let report = subject.store.reap_stale(&reap_request()).await.unwrap();
        assert_eq!(
            (report.requeued.len(), report.quarantined.len()),
            if loss < 6 { (3, 0) } else { (0, 3) },
            "loss {loss}"
        );
        if (3..6).contains(&loss) {
            let items = subject.store.list(&OutboxFilter::default()).await.unwrap();
            let due: HashSet<_> = items.iter().map(|item| item.next_attempt_at).collect();
            assert_eq!(due.len(), 3, "each has a time of its own: {due:?}");
            assert!(subject.claim(3).await.is_empty(), "and not at once");
        }
    }
}

pub async fn a_third_loss_alone_quarantines_what_was_lost_in_company_before(subject: &Subject) {
    subject.enqueue(&[new_item(), new_item()]).await;
    for _ in 0..2 {
        assert_eq!(subject.claim(2).await.len(), 2);
        subject.expire_leases().await;
        subject.store.reap_stale(&reap_request()).await.unwrap();
    }
    let poison = subject.claim_one().await.item.id;
    subject.expire_leases().await;
    assert_eq!(subject.store.reap_stale(&reap_request()).await.unwrap().quarantined, [poison]);
}

pub async fn a_reported_failure_forgives_lost_leases(subject: &Subject) {
    let id = subject.enqueue_one().await;
    subject.claim_one().await;
    subject.expire_leases().await;
    subject.store.reap_stale(&reap_request()).await.unwrap();
    let claim = subject.claim_one().await.claim;
    subject.store.mark_retry(claim, clock::now(), "TIMEOUT", "slow").await.unwrap();
    assert_eq!(subject.item(id).await.lost_leases, 0);
}

pub async fn a_quarantined_execution_fails_and_comes_back_with_its_item(subject: &Subject) {
    let execution = insert_execution(subject, "running").await;
    let bystander = insert_execution(subject, "running").await;
    let item = NewOutboxItem::new(EXECUTION_KIND, execution.to_string(), json!({}));
    // Another kind whose key is not an id, and one whose key happens to be an execution's.
    let other = NewOutboxItem::new("mail", "not an id", json!({}));
    let namesake = NewOutboxItem::new("mail", bystander.to_string(), json!({}));
    let ids = [item.id, other.id, namesake.id];
    subject.enqueue(&[item, other, namesake]).await;
    subject.sql("UPDATE outbox SET lost_leases = 5").await;
    subject.claim(3).await;
    subject.expire_leases().await;
    let report = subject.store.reap_stale(&reap_request()).await.unwrap();
    assert_eq!(report.quarantined.len(), 3);

    let (status, error, finished) = read_execution(subject, execution).await;
    assert_eq!((&*status, finished), ("failed", true));
    let error: serde_json::Value = serde_json::from_str(&error.unwrap()).unwrap();
    assert_eq!((&error["code"], &error["step"]), (&json!("QUARANTINED"), &json!(null)));
    assert!(error["message"].as_str().is_some_and(|message| message.contains("3 times")), "{error}");
    assert_eq!(read_execution(subject, bystander).await.0, "running");

    let filter = OutboxFilter { ids: ids.to_vec(), ..OutboxFilter::default() };
    assert_eq!(subject.store.requeue(&filter, true).await.unwrap(), 3);
    assert_eq!(read_execution(subject, execution).await.0, "failed");
    assert_eq!(subject.store.requeue(&filter, false).await.unwrap(), 3);
    assert_eq!(read_execution(subject, execution).await, ("running".to_owned(), None, false));
    assert_eq!(subject.claim(10).await.len(), 3);
}

pub async fn a_quarantined_execution_that_had_ended_is_left_alone(subject: &Subject) {
    let execution = insert_execution(subject, "completed").await;
    subject.enqueue(&[NewOutboxItem::new(EXECUTION_KIND, execution.to_string(), json!({}))]).await;
    subject.sql("UPDATE outbox SET lost_leases = 2").await;
    subject.claim_one().await;
    subject.expire_leases().await;
    assert_eq!(subject.store.reap_stale(&reap_request()).await.unwrap().quarantined.len(), 1);
    assert_eq!(read_execution(subject, execution).await.0, "completed");

    // One that failed for a reason of its own is not set running by a requeue.
    subject.sql(r#"UPDATE executions SET status = 'failed', error = '{"code":"TIMEOUT","message":"QUARANTINED","step":null}'"#).await;
    assert_eq!(subject.store.requeue(&OutboxFilter::default(), false).await.unwrap(), 1);
    assert_eq!(read_execution(subject, execution).await.0, "failed");
}

pub async fn two_reapers_at_once_reap_each_item_once(subject: &Subject) {
    let items: Vec<NewOutboxItem> = (0..200).map(|_| new_item()).collect();
    subject.enqueue(&items).await;
    assert_eq!(subject.claim(200).await.len(), 200);
    subject.expire_leases().await;
    let reap = |store: std::sync::Arc<dyn automate_core::outbox::OutboxStore>| async move {
        let mut reaped = Vec::new();
        let request = ReapRequest { max_batch: 9, ..reap_request() };
        for _ in 0..60 {
            reaped.extend(store.reap_stale(&request).await.unwrap().requeued);
        }
        reaped
    };
    let other = subject.another_process().await;
    let (one, two) = tokio::join!(tokio::spawn(reap(subject.store.clone())), tokio::spawn(reap(other)));
    let mut all = one.unwrap();
    all.extend(two.unwrap());
    assert_eq!(all.len(), 200, "an item was reaped twice or not at all");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 200);
    assert!(subject.claim(200).await.iter().all(|claimed| claimed.item.lost_leases == 1));
}

pub async fn a_reaper_leaves_leases_alone_that_have_not_run_out(subject: &Subject) {
    subject.enqueue_one().await;
    let claim = subject.claim_one().await.claim;
    assert_eq!(subject.store.reap_stale(&reap_request()).await.unwrap(), ReapReport::default());
    subject.store.extend_lease(&[claim], Duration::ZERO).await.unwrap();
    let patient = ReapRequest { stale_threshold: Duration::from_secs(600), ..reap_request() };
    assert_eq!(subject.store.reap_stale(&patient).await.unwrap(), ReapReport::default());
    assert_eq!(subject.store.stale_count(Duration::from_secs(600)).await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(subject.store.stale_count(Duration::ZERO).await.unwrap(), 1);
}

async fn insert_execution(subject: &Subject, status: &str) -> ExecutionId {
    let id = ExecutionId::new();
    let values: Vec<sea_orm::Value> = vec![
        id.0.into(),
        TenantId::DEFAULT.0.into(),
        Uuid::from_u128(1).into(),
        "w".into(),
        Uuid::from_u128(2).into(),
        status.into(),
        r#"{"kind":"manual"}"#.into(),
        clock::now().into(),
    ];
    let sql = "INSERT INTO executions (id, tenant_id, workflow_id, workflow, version_id, version, status, trigger,
        attempt, created_at, correlation_id) VALUES ($1, $2, $3, $4, $5, 1, $6, $7, 1, $8, 'c')";
    let statement = Statement::from_sql_and_values(backend(subject), sql, values);
    subject.test.db.orm().execute_raw(statement).await.unwrap();
    id
}

async fn read_execution(subject: &Subject, id: ExecutionId) -> (String, Option<String>, bool) {
    let sql = "SELECT status, error, finished_at IS NOT NULL AS finished FROM executions WHERE id = $1";
    let statement = Statement::from_sql_and_values(backend(subject), sql, [id.0.into()]);
    let row = subject.test.db.orm().query_one_raw(statement).await.unwrap().unwrap();
    (row.try_get("", "status").unwrap(), row.try_get("", "error").unwrap(), row.try_get("", "finished").unwrap())
}

fn backend(subject: &Subject) -> DbBackend {
    subject.test.db.orm().get_database_backend()
}
