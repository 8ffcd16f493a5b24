//! Secrets under running executions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use automate_core::ids::TenantId;
use automate_core::runtime::{Engine, Settings};
use automate_core::secrets::{Purpose, SecretValue};
use automate_core::status::ExecutionStatus;
use automate_governance::secrets::{
    DatabaseBackend, MasterKey, MasterKeys, ReadOutcome, SecretChain, SecretRead, SecretReads,
};
use automate_tests::both_databases;
use serde_json::json;

use super::bed::{Bed, ended, publish, start};

const TENANT: TenantId = TenantId::DEFAULT;
/// Executions that are active while a secret is rotated.
const ACTIVE: usize = 1_000;

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.to_owned())
}

#[derive(Default)]
struct Book(Mutex<Vec<SecretRead>>);

impl SecretReads for Book {
    fn read(&self, read: SecretRead) {
        self.0.lock().unwrap().push(read);
    }
}

/// An engine over stored secrets, and the secrets.
async fn with_stored(bed: &Bed, settings: Settings, book: Arc<Book>) -> (Engine, DatabaseBackend) {
    let keys = MasterKeys::new(MasterKey::generate());
    let stored = DatabaseBackend::new(bed.db.db.orm().clone(), keys).with_reader(bed.db.db.orm_reader().clone());
    let chain = SecretChain::new(vec![Arc::new(stored.clone())], Duration::from_millis(50), stored.changes());
    let chain = Arc::new(chain.with_reads(book));
    (bed.engine_with(settings, |_, ports| ports.secrets = chain).await, stored)
}

both_databases! {
    async fn s1_a_secret_that_is_rotated_under_a_thousand_executions_fails_none_and_no_attempt_sees_two(db: TestDatabase) {
        let bed = Bed::new(db);
        let settings = Settings { concurrency: 256, ..Bed::settings() };
        let (engine, stored) = with_stored(&bed, settings, Arc::default()).await;
        stored.set(TENANT, "TOKEN", &value("token-of-version-1")).await.unwrap();
        publish(
            &engine,
            "workflow: rotated\non: [{ manual: true }]\nsteps:\n  - id: call\n    uses: idem.do\n    with: { sleep_ms: 5, header: \"Bearer $secret:TOKEN\", again: \"{{ secrets.TOKEN }}\", nested: [$secret:database/TOKEN] }\n",
        )
        .await;
        let mut version = 1;
        let rotation = tokio::spawn(async move {
            for _ in 0..40 {
                tokio::time::sleep(Duration::from_millis(25)).await;
                version = stored.rotate(TENANT, "TOKEN", &value(&format!("token-of-version-{}", version + 1))).await.unwrap();
            }
        });
        // They begin to run as they are started.
        let process = Bed::working(engine.clone());
        let mut ids = Vec::new();
        for _ in 0..ACTIVE {
            ids.push(start(&engine, "rotated", json!({})).await);
        }
        for id in ids {
            let record = ended(&engine, id).await;
            assert_eq!(record.status, ExecutionStatus::Completed, "{:?}", record.error);
        }
        rotation.await.unwrap();
        let calls = bed.world.calls_of("call");
        assert!(calls.len() >= ACTIVE);
        let mut seen = std::collections::BTreeSet::new();
        for call in calls {
            let token = call.input["again"].as_str().unwrap().to_owned();
            assert_eq!(call.input["header"], format!("Bearer {token}"));
            assert!(token.starts_with("token-of-version-"), "{token}");
            seen.insert(token);
        }
        assert!(seen.len() > 2, "nothing was rotated while they ran: {seen:?}");
        process.drain().await;
    }

    async fn a_pinned_version_stays_and_each_reading_names_its_step(db: TestDatabase) {
        let bed = Bed::new(db);
        let book = Arc::new(Book::default());
        let (engine, stored) = with_stored(&bed, Bed::settings(), book.clone()).await;
        stored.set(TENANT, "TOKEN", &value("token-of-version-1")).await.unwrap();
        stored.rotate(TENANT, "TOKEN", &value("token-of-version-2")).await.unwrap();
        publish(
            &engine,
            "workflow: pinned\non: [{ manual: true }]\nsteps:\n  - id: call\n    uses: idem.do\n    with: { old: $secret:TOKEN?version=1, new: \"{{ secrets.TOKEN }}\", fail: TRANSIENT_NETWORK, fail_times: 1 }\n    retry: { max_attempts: 2, initial: 10ms }\n  - id: lost\n    uses: idem.do\n    with: { it: $secret:TOKEN?version=9 }\n",
        )
        .await;
        let process = Bed::working(engine.clone());
        let id = start(&engine, "pinned", json!({})).await;
        let record = ended(&engine, id).await;
        let error = record.error.unwrap();
        assert_eq!(error.code.as_str(), "SECRET_UNAVAILABLE");
        assert!(error.message.contains("That version of `TOKEN` never was, or is kept no more"), "{}", error.message);
        let calls = bed.world.calls_of("call");
        assert_eq!(calls.len(), 2);
        for call in &calls {
            assert_eq!((&call.input["old"], &call.input["new"]), (&json!("token-of-version-1"), &json!("token-of-version-2")));
        }
        let told = book.0.lock().unwrap().clone();
        let by = |path: &str, attempt| Purpose::Step { execution: id, path: path.to_owned(), attempt };
        let of = |purpose: &Purpose| -> Vec<_> {
            let reads = told.iter().filter(|read| read.purpose == *purpose);
            reads.map(|read| (read.key.as_str(), read.version, read.outcome.has_value(), read.backend.as_deref())).collect()
        };
        let both = [("TOKEN", None, true, Some("database")), ("TOKEN", Some(1), true, Some("database"))];
        assert_eq!(of(&by("call", 1)), both);
        assert_eq!(of(&by("call", 2)), both);
        assert_eq!(of(&by("lost", 1)), [("TOKEN", Some(9), false, None)]);
        assert!(told.iter().any(|read| read.outcome == ReadOutcome::NotFound));
        assert!(!format!("{told:?}").contains("token-of"));
        drop(told);
        process.drain().await;
    }
}
