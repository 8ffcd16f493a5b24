//! Stored secrets, on both databases.

mod commands;
mod rotation;
mod vault;

use automate_core::ids::TenantId;
use automate_core::secrets::SecretValue;
use automate_governance::secrets::{DatabaseBackend, KeyCheck, MasterKey, MasterKeys};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;

const TENANT: TenantId = TenantId::DEFAULT;

fn backend(test: &TestDatabase, keys: MasterKeys) -> DatabaseBackend {
    DatabaseBackend::new(test.db.orm().clone(), keys).with_reader(test.db.orm_reader().clone())
}

fn value(text: &str) -> SecretValue {
    SecretValue::new(text.to_owned())
}

async fn read(backend: &DatabaseBackend, key: &str) -> Option<String> {
    backend.get(TENANT, key).await.unwrap().map(|value| value.expose_secret().to_owned())
}

both_databases! {
    async fn a_secret_is_set_rotated_listed_and_deleted(test: TestDatabase) {
        let backend = backend(&test, MasterKeys::new(MasterKey::generate()));
        assert_eq!(read(&backend, "SLACK").await, None);
        assert_eq!(backend.set(TENANT, "SLACK", &value("value-one")).await, Ok(1));
        assert_eq!(backend.rotate(TENANT, "SLACK", &value("value-two")).await, Ok(2));
        assert_eq!(read(&backend, "SLACK").await.as_deref(), Some("value-two"));
        assert_eq!(backend.get(TenantId::new(), "SLACK").await.unwrap().map(|_| ()), None);
        let list = backend.list(TENANT).await.unwrap();
        assert_eq!(list.iter().map(|info| (info.key.as_str(), info.version)).collect::<Vec<_>>(), [("SLACK", 2)]);
        assert_eq!(backend.delete(TENANT, "SLACK").await, Ok(true));
        assert_eq!(read(&backend, "SLACK").await, None);
    }

    async fn writers_of_one_secret_at_once_get_a_version_each(test: TestDatabase) {
        let backend = backend(&test, MasterKeys::new(MasterKey::generate()));
        let mut writers = tokio::task::JoinSet::new();
        for n in 0..12 {
            let backend = backend.clone();
            writers.spawn(async move { backend.set(TENANT, "K", &value(&format!("value-{n}"))).await.unwrap() });
        }
        let mut versions = writers.join_all().await;
        versions.sort_unstable();
        assert_eq!(versions, (1..=12).collect::<Vec<_>>());
    }

    async fn s2_a_new_master_key_takes_over_what_the_old_one_wrapped(test: TestDatabase) {
        let (old, new) = (MasterKey::generate(), MasterKey::generate());
        let before = backend(&test, MasterKeys::new(old.clone()));
        for n in 0..3 {
            before.set(TENANT, &format!("K{n}"), &value(&format!("value-{n}"))).await.unwrap();
        }
        let during = backend(&test, MasterKeys::new(new.clone()).with_earlier(old));
        assert_eq!(during.rotate_master_key().await.unwrap().rewrapped, 3);
        let after = backend(&test, MasterKeys::new(new));
        assert_eq!(after.check().await.unwrap(), KeyCheck { readable: 3, ..KeyCheck::default() });
        assert_eq!(read(&after, "K2").await.as_deref(), Some("value-2"));
        let error = before.get(TENANT, "K0").await.unwrap_err();
        assert_eq!(error.code(), "WRONG_MASTER_KEY");
    }
}
