//! The master key: changed while processes are killed, wrong, and missing.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use automate_governance::secrets::{DatabaseBackend, KeyCheck, MasterKey, MasterKeys};
use automate_tests::binary::Project;
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{TENANT, backend, read, value};

/// Stored secrets; each has one version.
const SECRETS: u64 = 1_200;
/// Kills in all.
const KILLS: u64 = 20;
/// How long one process may take for what it does between two kills.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key as an operator has it: 32 random bytes, as text and as a key.
fn key() -> (String, MasterKey) {
    let bytes: [u8; 32] = rand::random();
    (hex::encode(bytes), MasterKey::from_bytes(bytes))
}

async fn wrapped_by(test: &TestDatabase, key: &MasterKey) -> u64 {
    let backend = test.db.orm_reader().get_database_backend();
    let place = if backend == DbBackend::Postgres { "$1" } else { "?" };
    let sql = format!("SELECT COUNT(*) AS n FROM secret_versions WHERE key_id = {place}");
    let statement = Statement::from_sql_and_values(backend, sql, [key.id().into()]);
    let row = test.db.orm_reader().query_one_raw(statement).await.unwrap().unwrap();
    u64::try_from(row.try_get::<i64>("", "n").unwrap()).unwrap()
}

fn rotate(project: &Project, keys: &str) -> Command {
    let mut command = project.command(&["secrets", "rotate", "--master-key", "--json"]);
    command.env("AUTOMATE_MASTER_KEY", keys);
    command
}

both_databases! {
    async fn s2_a_rotation_that_is_killed_twenty_times_resumes_and_everything_is_readable_throughout(test: TestDatabase) {
        let ((old_text, old), (new_text, new)) = (key(), key());
        let before = backend(&test, MasterKeys::new(old.clone()));
        for n in 0..SECRETS {
            before.set(TENANT, &format!("K{n:04}"), &value(&format!("value-of-{n}"))).await.unwrap();
        }
        let project = Project::new(&test.url);
        let both = backend(&test, MasterKeys::new(new.clone()).with_earlier(old.clone()));
        // Somebody reads all the time.
        let reader = tokio::spawn({
            let both = both.clone();
            async move {
                let mut rounds = 0_u64;
                loop {
                    let check = both.check().await.unwrap();
                    assert_eq!(check, KeyCheck { readable: SECRETS, ..KeyCheck::default() });
                    assert_eq!(read(&both, "K0007").await.as_deref(), Some("value-of-7"));
                    rounds += 1;
                    if rounds > 1_000_000 {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
        for kill in 1..=KILLS {
            let begun = wrapped_by(&test, &new).await;
            let mut process = rotate(&project, &format!("{new_text},{old_text}")).spawn().unwrap();
            let from = Instant::now();
            // In the middle of it, each time further on; what is left for the end is left for the end.
            let enough = (SECRETS * kill / (KILLS + 4)).max(begun + 1);
            while wrapped_by(&test, &new).await < enough {
                assert!(from.elapsed() < PATIENCE, "kill {kill}: nothing goes on");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            process.kill().unwrap();
            process.wait().unwrap();
            let reached = wrapped_by(&test, &new).await;
            assert!(reached < SECRETS, "kill {kill} came too late: there was nothing left to interrupt");
        }
        let left = SECRETS - wrapped_by(&test, &new).await;
        let output = rotate(&project, &format!("{new_text},{old_text}")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["rewrapped"], &report["corrupt"]), (&left.into(), &serde_json::json!([])), "{report}");
        assert!(!reader.is_finished(), "every reading succeeded");
        reader.abort();
        // The old key has nothing left to do.
        let after = backend(&test, MasterKeys::new(new));
        assert_eq!(after.check().await.unwrap(), KeyCheck { readable: SECRETS, ..KeyCheck::default() });
        for n in 0..SECRETS {
            assert_eq!(read(&after, &format!("K{n:04}")).await, Some(format!("value-of-{n}")));
        }
    }

    async fn s2_a_process_without_the_master_key_of_what_is_stored_does_not_start(test: TestDatabase) {
        let ((right, of_right), (wrong, of_wrong)) = (key(), key());
        let project = Project::new(&test.url);
        let data_dir = project.path().join("data");
        let run = |key: &str, args: &[&str]| {
            let mut command = project.command(args);
            if !key.is_empty() {
                command.env("AUTOMATE_MASTER_KEY", key);
            }
            automate_tests::binary::Answer::of(command.output().unwrap())
        };
        backend(&test, MasterKeys::new(of_right.clone())).set(TENANT, "K", &value("value-of-k")).await.unwrap();
        for (key, at_hand) in [("", "there is none"), (wrong.as_str(), of_wrong.id())] {
            for args in [&["serve", "--bind", "127.0.0.1:0"][..], &["worker"]] {
                let answer = run(key, args).exits(1);
                assert!(answer.err.contains(of_right.id()) && answer.err.contains(at_hand), "{}", answer.err);
                assert!(answer.err.contains("AUTOMATE_MASTER_KEY_FILE"), "{}", answer.err);
            }
        }
        // No key is made beside what it could not open.
        assert!(!data_dir.join("master.key").exists());
        let none = run("", &["secrets", "set", "OTHER"]);
        assert_ne!(none.code, 0);
        // Tools start with the wrong one, to see and to mend.
        let doctor = run(&wrong, &["doctor", "--json"]).exits(1);
        let checks = doctor.json();
        let found = checks.as_array().unwrap().iter().find(|c| c["name"] == "secrets" && c["verdict"] == "fail");
        assert!(found.is_some_and(|c| c["found"].as_str().unwrap().contains(of_right.id())), "{checks:#}");
        let both = format!("{wrong},{right}");
        let _ = run(&both, &["secrets", "rotate", "--master-key"]).exits(0);
        let checks = run(&wrong, &["doctor", "--json"]).json();
        assert!(checks.as_array().unwrap().iter().all(|c| c["name"] != "secrets" || c["verdict"] == "ok"), "{checks:#}");
        assert_eq!(read(&backend(&test, MasterKeys::new(of_wrong)), "K").await.as_deref(), Some("value-of-k"));
    }

    async fn s6_a_ciphertext_of_another_tenant_or_version_does_not_open(test: TestDatabase) {
        let backend: DatabaseBackend = backend(&test, MasterKeys::new(MasterKey::generate()));
        let other = automate_core::ids::TenantId::new();
        for (tenant, text) in [(TENANT, "old-value-of-a"), (TENANT, "new-value-of-a"), (other, "the-value-of-b")] {
            backend.set(tenant, "K", &value(text)).await.unwrap();
        }
        let orm = test.db.orm();
        let kind = orm.get_database_backend();
        let rows = |sql: &str| Statement::from_string(kind, sql.to_owned());
        let mut ids = BTreeMap::new();
        for row in orm.query_all_raw(rows("SELECT id, tenant_id, version FROM secret_versions")).await.unwrap() {
            let key: (uuid::Uuid, i32) = (row.try_get("", "tenant_id").unwrap(), row.try_get("", "version").unwrap());
            ids.insert(key, row.try_get::<uuid::Uuid>("", "id").unwrap());
        }
        let copy = |from: uuid::Uuid, to: uuid::Uuid| {
            let marks = if kind == DbBackend::Postgres { ["$1", "$2"] } else { ["?", "?"] };
            let sql = format!(
                "UPDATE secret_versions SET (wrapped_key, nonce, ciphertext) = (SELECT wrapped_key, nonce, ciphertext \
                 FROM secret_versions v WHERE v.id = {}) WHERE id = {}",
                marks[0], marks[1]
            );
            Statement::from_sql_and_values(kind, sql, [from.into(), to.into()])
        };
        // A's ciphertext in B's row.
        orm.execute_raw(copy(ids[&(TENANT.0, 1)], ids[&(other.0, 1)])).await.unwrap();
        assert_eq!(backend.get(other, "K").await.unwrap_err().code(), "CORRUPT_ROW");
        // A's older ciphertext in place of the newer one: the older value does not come back.
        orm.execute_raw(copy(ids[&(TENANT.0, 1)], ids[&(TENANT.0, 2)])).await.unwrap();
        assert_eq!(backend.get(TENANT, "K").await.unwrap_err().code(), "CORRUPT_ROW");
        assert_eq!(backend.get_version(TENANT, "K", 2).await.unwrap_err().code(), "CORRUPT_ROW");
        let first = backend.get_version(TENANT, "K", 1).await.unwrap().unwrap();
        assert_eq!(first.expose_secret(), "old-value-of-a");
        let check = backend.check().await.unwrap();
        assert_eq!((check.readable, check.corrupt.len()), (1, 2));
    }
}
