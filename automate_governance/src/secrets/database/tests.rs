use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use automate_core::secrets::SecretResolver as _;
use sea_orm::{ConnectOptions, Database};

use super::super::master_key::MasterKey;
use super::super::{SecretChain, SecretChanges};
use super::*;

/// A migrated SQLite file that lives as long as the test.
struct Db {
    connection: DatabaseConnection,
    _dir: tempfile::TempDir,
}

async fn database() -> Db {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db?mode=rwc", dir.path().display());
    let mut options = ConnectOptions::new(url);
    options.max_connections(4).sqlx_logging(false);
    let connection = Database::connect(options).await.unwrap();
    connection.execute_unprepared("PRAGMA journal_mode = WAL").await.unwrap();
    automate_migrations::up(&connection, None).await.unwrap();
    Db { connection, _dir: dir }
}

fn backend(db: &Db, keys: MasterKeys) -> DatabaseBackend {
    DatabaseBackend::new(db.connection.clone(), keys)
}

fn secret_of(text: &str) -> SecretValue {
    SecretValue::new(text.to_owned())
}

async fn read(backend: &DatabaseBackend, tenant: TenantId, key: &str) -> Result<Option<String>, SecretStoreError> {
    backend.get(tenant, key).await.map(|v| v.map(|v| v.expose_secret().to_owned()))
}

const T: TenantId = TenantId::DEFAULT;

#[tokio::test]
async fn a_secret_is_set_read_rotated_listed_and_deleted() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    assert_eq!(read(&backend, T, "SLACK").await, Ok(None));
    assert_eq!(backend.rotate(T, "SLACK", &secret_of("x")).await, Err(SecretStoreError::NotFound("SLACK".into())));
    assert_eq!(backend.set(T, "SLACK", &secret_of("value-one")).await, Ok(1));
    assert_eq!(backend.rotate(T, "SLACK", &secret_of("value-two")).await, Ok(2));
    assert_eq!(backend.set(T, "ALPHA", &secret_of("value-a")).await, Ok(1));
    assert_eq!(read(&backend, T, "SLACK").await, Ok(Some("value-two".into())));
    let list = backend.list(T).await.unwrap();
    assert_eq!(list.iter().map(|s| (s.key.as_str(), s.version)).collect::<Vec<_>>(), [("ALPHA", 1), ("SLACK", 2)]);
    assert!(list[0].key_id.starts_with("mk_") && list[1].updated_at >= list[1].created_at);

    let other = TenantId::new();
    assert_eq!(read(&backend, other, "SLACK").await, Ok(None));
    assert_eq!(backend.delete(other, "SLACK").await, Ok(false));
    assert_eq!(backend.delete(T, "SLACK").await, Ok(true));
    assert_eq!(backend.delete(T, "SLACK").await, Ok(false));
    assert_eq!(read(&backend, T, "SLACK").await, Ok(None));
    assert_eq!(backend.set(T, "SLACK", &secret_of("again")).await, Ok(1));
}

#[tokio::test]
async fn values_and_keys_that_cannot_be_are_refused() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    for key in ["", "a b", "x/y", "é", &"k".repeat(129)] {
        assert!(matches!(backend.set(T, key, &secret_of("v")).await, Err(SecretStoreError::Key(_))), "{key}");
    }
    assert_eq!(backend.set(T, "K", &secret_of("")).await, Err(SecretStoreError::Empty("K".into())));
    let large = secret_of(&"x".repeat(limits::SECRET_BYTES + 1));
    assert_eq!(backend.set(T, "K", &large).await, Err(SecretStoreError::TooLarge("K".into())));
    assert_eq!(backend.set(T, "K", &secret_of(&"x".repeat(limits::SECRET_BYTES))).await, Ok(1));
}

#[tokio::test]
async fn s7_the_database_file_holds_no_plaintext() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    backend.set(T, "CANARY_KEY", &secret_of("canary-b5d1-plaintext")).await.unwrap();
    db.connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    let bytes = std::fs::read(db._dir.path().join("test.db")).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(holds("CANARY_KEY") && !holds("canary-b5d1"));
}

#[tokio::test]
async fn s6_a_ciphertext_in_another_row_does_not_open() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    let other = TenantId::new();
    backend.set(T, "K", &secret_of("old-value-of-a")).await.unwrap();
    backend.set(T, "K", &secret_of("new-value-of-a")).await.unwrap();
    backend.set(other, "K", &secret_of("value-of-b")).await.unwrap();
    let copy = |from: String, to: String| {
        format!(
            "UPDATE secret_versions SET (wrapped_key, nonce, ciphertext) =
             (SELECT wrapped_key, nonce, ciphertext FROM secret_versions v WHERE {from}) WHERE {to}"
        )
    };
    let of = |tenant: TenantId, version: i32| format!("tenant_id = x'{}' AND version = {version}", tenant.0.simple());
    // A's ciphertext pasted into B's row.
    db.connection.execute_unprepared(&copy(of(T, 1), of(other, 1))).await.unwrap();
    assert_eq!(read(&backend, other, "K").await, Err(SecretStoreError::Corrupt("K".into())));
    // A's old version pasted over the new one.
    db.connection.execute_unprepared(&copy(of(T, 1), of(T, 2))).await.unwrap();
    assert_eq!(read(&backend, T, "K").await, Err(SecretStoreError::Corrupt("K".into())));
    let check = backend.check().await.unwrap();
    assert_eq!((check.readable, check.corrupt.len(), check.is_ok()), (1, 2, false));
}

#[tokio::test]
async fn s6_a_version_row_handed_to_another_tenant_does_not_open() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    let other = TenantId::new();
    backend.set(T, "K", &secret_of("value-of-a")).await.unwrap();
    for table in ["secrets", "secret_versions"] {
        let sql = format!("UPDATE {table} SET tenant_id = x'{}'", other.0.simple());
        db.connection.execute_unprepared(&sql).await.unwrap();
    }
    assert_eq!(read(&backend, other, "K").await, Err(SecretStoreError::Corrupt("K".into())));
}

#[tokio::test]
async fn s2_the_wrong_master_key_is_named_by_id() {
    let db = database().await;
    let (right, wrong) = (MasterKey::generate(), MasterKey::generate());
    backend(&db, MasterKeys::new(right.clone())).set(T, "K", &secret_of("v-1234567")).await.unwrap();
    let blind = backend(&db, MasterKeys::new(wrong.clone()));
    let error = read(&blind, T, "K").await.unwrap_err();
    assert!(error.to_string().contains(right.id()) && error.to_string().contains(wrong.id()), "{error}");
    assert_eq!(blind.check().await.unwrap().missing_keys, BTreeSet::from([right.id().to_owned()]));
    let report = blind.rotate_master_key().await.unwrap();
    assert_eq!(
        report,
        Rewrapped { missing_keys: BTreeMap::from([(right.id().to_owned(), 1)]), ..Rewrapped::default() }
    );
    assert!(read(&backend(&db, MasterKeys::new(right)), T, "K").await.is_ok());
}

#[tokio::test]
async fn s2_a_rotation_of_the_master_key_that_is_killed_anywhere_is_finished_by_the_next() {
    let db = database().await;
    let (old, new) = (MasterKey::generate(), MasterKey::generate());
    let before = backend(&db, MasterKeys::new(old.clone()));
    for n in 0..130 {
        before.set(T, &format!("K{n}"), &secret_of(&format!("value-{n}"))).await.unwrap();
    }
    let during = backend(&db, MasterKeys::new(new.clone()).with_earlier(old.clone()));
    for pause in 0..20u64 {
        // Dropped wherever it happens to be.
        drop(tokio::time::timeout(Duration::from_millis(pause), during.rotate_master_key()).await);
        for n in [0, 64, 129] {
            assert_eq!(read(&during, T, &format!("K{n}")).await, Ok(Some(format!("value-{n}"))));
        }
    }
    let last = during.rotate_master_key().await.unwrap();
    assert!(last.rewrapped <= 130 && last.corrupt.is_empty() && last.missing_keys.is_empty(), "{last:?}");
    let after = backend(&db, MasterKeys::new(new));
    assert_eq!(after.check().await.unwrap(), KeyCheck { readable: 130, ..KeyCheck::default() });
    assert_eq!(after.rotate_master_key().await.unwrap(), Rewrapped::default());
    assert!(matches!(read(&before, T, "K0").await, Err(SecretStoreError::WrongMasterKey { .. })));
}

#[tokio::test]
async fn writers_at_once_get_a_version_each() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..10 {
        let backend = backend.clone();
        writers.spawn(async move { backend.set(T, "K", &secret_of(&format!("value-{n}"))).await.unwrap() });
    }
    let mut versions = writers.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=10).collect::<Vec<_>>());
    assert!(read(&backend, T, "K").await.unwrap().unwrap().starts_with("value-"));
}

#[tokio::test]
async fn old_versions_are_deleted_past_the_bound() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    for n in 1..=limits::SECRET_VERSIONS + 2 {
        assert_eq!(backend.set(T, "K", &secret_of(&format!("value-{n}"))).await, Ok(n));
    }
    assert_eq!(backend.check().await.unwrap().readable, limits::SECRET_VERSIONS as u64);
}

#[tokio::test]
async fn s1_a_chain_forgets_what_this_process_changes() {
    let db = database().await;
    let backend = backend(&db, MasterKeys::new(MasterKey::generate()));
    let changes: SecretChanges = backend.changes();
    let chain = SecretChain::new(vec![Arc::new(backend.clone())], Duration::from_secs(3600), changes);
    backend.set(T, "K", &secret_of("value-one")).await.unwrap();
    assert_eq!(chain.resolve(T, "K").await.unwrap().expose_secret(), "value-one");
    backend.set(T, "K", &secret_of("value-two")).await.unwrap();
    assert_eq!(chain.resolve(T, "database/K").await.unwrap().expose_secret(), "value-two");
    assert_eq!(chain.resolve(T, "K").await.unwrap().expose_secret(), "value-two");
    backend.delete(T, "K").await.unwrap();
    assert!(matches!(chain.resolve(T, "K").await, Err(SecretError::NotFound { .. })));
}
