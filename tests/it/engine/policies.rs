//! What a tenant's policy says no to, in the path.

use std::sync::Arc;
use std::time::Duration;

use automate_connectors::provider::{Budget, BudgetError, Spend};
use automate_core::error::ErrorCode;
use automate_core::ids::TenantId;
use automate_core::policy::TenantPolicy;
use automate_core::runtime::{Engine, IntakeError, PublishError, Settings, StartRequest};
use automate_core::status::ExecutionStatus;
use automate_governance::policy::{self, Bucket, Governor, RateBuckets};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::db::Database;
use automate_tests::both_databases;
use chrono::TimeDelta;
use serde_json::json;
use zeroize::Zeroizing;

use super::bed::{Bed, ended, publish, start};

const TENANT: TenantId = TenantId::DEFAULT;
const PAIR: &str = "workflow: pair\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: pure.do, with: { value: 1 } }\n  - { id: b, uses: idem.do, with: { value: 2 } }\n";

fn audit(db: &Database) -> AuditLog {
    let key = AuditKey { id: "test".to_owned(), key: Zeroizing::new([7; 32]) };
    AuditLog::new(db.clone(), vec![key]).unwrap()
}

/// An engine under the stored policies, with its governor.
async fn governed(bed: &Bed, settings: Settings) -> (Engine, Governor) {
    let db = bed.db.open_again().await;
    let governor = Governor::new(db.clone(), audit(&db));
    let own = governor.clone();
    let engine = bed.engine_with(settings, |_, ports| ports.policies = Arc::new(own)).await;
    (engine, governor)
}

/// Without slots: what is started stays queued.
fn queued() -> Settings {
    Settings { concurrency: 0, ..Bed::settings() }
}

async fn set(bed: &Bed, governor: &Governor, policy: TenantPolicy) {
    let work = move |db: Database| async move {
        let txn = db.begin().await?;
        policy::save(&txn, TENANT, &policy, None).await?;
        txn.commit().await.map_err(automate_store::error::store_error)
    };
    bed.db.open_again().await.run(work).await.unwrap();
    governor.forget(TENANT);
}

async fn try_start(engine: &Engine) -> Result<(), IntakeError> {
    let request = StartRequest {
        tenant_id: TENANT,
        workflow: "pair".to_owned(),
        version: None,
        input: Some(json!({"text": "x".repeat(100)})),
        source: "test".to_owned(),
        correlation_id: "c".to_owned(),
        run_here: false,
    };
    engine.start(request).await.map(|_| ())
}

fn rule(result: Result<(), IntakeError>) -> &'static str {
    match result {
        Err(IntakeError::Refused(refusal)) => refusal.rule,
        other => panic!("not refused: {other:?}"),
    }
}

both_databases! {
    async fn an_action_that_is_not_allowed_is_neither_published_nor_called(db: TestDatabase) {
        let bed = Bed::new(db);
        let (engine, governor) = governed(&bed, Bed::settings()).await;
        publish(&engine, PAIR).await;
        let denied = TenantPolicy { denied_actions: vec!["idem.*".to_owned()], ..TenantPolicy::default() };
        set(&bed, &governor, denied).await;
        let refused = engine.publish(TENANT, &PAIR.replace("pair", "other"), "test", "").await;
        assert!(matches!(&refused, Err(PublishError::Refused(r)) if r.rule == "denied_actions"), "{refused:?}");
        let process = Bed::working(engine);
        let id = start(&process.engine, "pair", json!({})).await;
        let record = ended(&process.engine, id).await;
        assert_eq!(record.status, ExecutionStatus::Failed);
        assert_eq!(record.error.unwrap().code, ErrorCode::PolicyDenied.as_str());
        assert_eq!(bed.world.calls_of("b").len(), 0, "the action was not called");
        process.drain().await;
    }

    async fn a_budget_a_queue_and_a_size_are_refused_before_anything_is_stored(db: TestDatabase) {
        let bed = Bed::new(db);
        let (engine, governor) = governed(&bed, queued()).await;
        publish(&engine, PAIR).await;
        set(&bed, &governor, TenantPolicy { executions_per_day: Some(3), ..TenantPolicy::default() }).await;
        for _ in 0..3 {
            try_start(&engine).await.unwrap();
        }
        let Err(IntakeError::Refused(refusal)) = try_start(&engine).await else { panic!("refused") };
        assert_eq!(refusal.rule, "executions_per_day");
        assert!(refusal.retry_after.is_some_and(|after| after <= Duration::from_secs(24 * 3600)));
        // Another process knows what this one has started.
        let (other, _) = governed(&bed, queued()).await;
        assert_eq!(rule(try_start(&other).await), "executions_per_day");
        set(&bed, &governor, TenantPolicy { max_queued_executions: Some(4), ..TenantPolicy::default() }).await;
        tokio::time::sleep(Duration::from_millis(1100)).await;
        try_start(&engine).await.unwrap();
        assert_eq!(rule(try_start(&engine).await), "max_queued_executions");
        set(&bed, &governor, TenantPolicy { max_payload_bytes: Some(50), ..TenantPolicy::default() }).await;
        assert_eq!(rule(try_start(&engine).await), "max_payload_bytes");
        set(&bed, &governor, TenantPolicy { max_workflows: Some(1), ..TenantPolicy::default() }).await;
        publish(&engine, PAIR).await;
        let more = engine.publish(TENANT, &PAIR.replace("pair", "other"), "test", "").await;
        assert!(matches!(&more, Err(PublishError::Refused(r)) if r.rule == "max_workflows"), "{more:?}");
        let count = engine.ports().store.count_executions(TENANT, &Default::default()).await.unwrap();
        assert_eq!(count, 4, "nothing of what was refused is stored");
    }

    async fn refusals_are_in_the_audit_log_once_a_minute(db: TestDatabase) {
        let bed = Bed::new(db);
        let (engine, governor) = governed(&bed, Bed::settings()).await;
        publish(&engine, PAIR).await;
        set(&bed, &governor, TenantPolicy { max_payload_bytes: Some(1), ..TenantPolicy::default() }).await;
        for _ in 0..20 {
            assert_eq!(rule(try_start(&engine).await), "max_payload_bytes");
        }
        let log = audit(&bed.db.open_again().await);
        let mut report = log.verify(None).await.unwrap();
        for _ in 0..100 {
            if report.entries > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            report = log.verify(None).await.unwrap();
        }
        assert_eq!((report.entries, report.findings.len()), (1, 0));
    }

    async fn a_tenants_history_is_kept_as_long_as_its_policy_says(db: TestDatabase) {
        let bed = Bed::new(db);
        let (engine, governor) = governed(&bed, Bed::settings()).await;
        let process = Bed::working(engine);
        publish(&process.engine, PAIR).await;
        let id = start(&process.engine, "pair", json!({})).await;
        ended(&process.engine, id).await;
        set(&bed, &governor, TenantPolicy { retention_days: Some(2), ..TenantPolicy::default() }).await;
        let store = &process.engine.ports().store;
        let kept = process.engine.ports().policies.retentions().await.unwrap();
        assert_eq!(kept, [(TENANT, Duration::from_secs(2 * 24 * 3600))]);
        let now = automate_core::clock::now();
        store.forget_before(TENANT, now - TimeDelta::hours(1)).await.unwrap();
        assert!(store.execution(TENANT, id).await.is_ok(), "younger than that");
        let other = TenantId::from(automate_core::ids::new_v7());
        store.forget_before(other, now + TimeDelta::hours(1)).await.unwrap();
        assert!(store.execution(TENANT, id).await.is_ok(), "of another tenant");
        store.forget_before(TENANT, now + TimeDelta::hours(1)).await.unwrap();
        assert!(store.execution(TENANT, id).await.is_err());
        assert!(store.steps(TENANT, id).await.map_or(true, |steps| steps.is_empty()));
        process.drain().await;
    }

    async fn a_bucket_gives_no_more_than_it_holds_over_all_processes(db: TestDatabase) {
        let database = db.open_again().await;
        let shared = database.postgres().is_some();
        let processes: Vec<Arc<RateBuckets>> = match shared {
            true => vec![Arc::new(RateBuckets::new(database)), Arc::new(RateBuckets::new(db.open_again().await))],
            false => vec![Arc::new(RateBuckets::new(database))],
        };
        // One token in a hundred seconds: none comes in while the test runs.
        let bucket = Bucket { capacity: 60, per_second: 0.01 };
        let mut tasks = Vec::new();
        for n in 0..200 {
            let buckets = processes[n % processes.len()].clone();
            tasks.push(tokio::spawn(async move { buckets.take("k", bucket).await.unwrap().allowed }));
        }
        let mut allowed = 0;
        for task in tasks {
            allowed += u32::from(task.await.unwrap());
        }
        assert_eq!(allowed, 60);
        let taken = processes[0].take("k", bucket).await.unwrap();
        assert!(!taken.allowed && taken.retry_after > Duration::from_secs(50), "{taken:?}");
        assert!(processes[0].take("another", bucket).await.unwrap().allowed);
    }

    async fn a_budget_is_never_spent_twice(db: TestDatabase) {
        let bed = Bed::new(db);
        let (_, governor) = governed(&bed, queued()).await;
        set(&bed, &governor, TenantPolicy { llm_tokens_per_day: Some(1_000), ..TenantPolicy::default() }).await;
        let spend = |tokens| Spend { input_tokens: tokens, output_tokens: 0, cost_micros: None };
        let mut tasks = Vec::new();
        for _ in 0..40 {
            let budget = governor.budget();
            tasks.push(tokio::spawn(async move { budget.reserve(TENANT, spend(30)).await.ok() }));
        }
        let mut granted = Vec::new();
        for task in tasks {
            granted.extend(task.await.unwrap());
        }
        assert_eq!(granted.len(), 33, "33 times 30 is what fits into 1 000");
        let budget = governor.budget();
        budget.settle(granted.pop().unwrap(), spend(10)).await.unwrap();
        budget.reserve(TENANT, spend(30)).await.unwrap();
        let refused = budget.reserve(TENANT, spend(1)).await.unwrap_err();
        assert!(matches!(refused, BudgetError::Exceeded { used: 1_000, limit: 1_000, wanted: 1, .. }), "{refused:?}");
        // Another tenant has nothing to do with it; money without a price is refused.
        set(&bed, &governor, TenantPolicy { llm_cost_micros_per_day: Some(5), ..TenantPolicy::default() }).await;
        assert!(budget.reserve(TENANT, spend(1)).await.is_err());
        let priced = |cost| Spend { input_tokens: 1, output_tokens: 1, cost_micros: Some(cost) };
        budget.reserve(TENANT, priced(5)).await.unwrap();
        let refused = budget.reserve(TENANT, priced(1)).await.unwrap_err();
        assert!(matches!(&refused, BudgetError::Exceeded { metric, .. } if metric == policy::LLM_COST), "{refused:?}");
    }
}
