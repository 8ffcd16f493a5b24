//! When things go wrong: bad rows among good ones, databases that go away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use automate_core::status::{ExecutionStatus, StepStatus};
use automate_core::store::{Checkpoint, Store, StoreError, Then};
use automate_store::db::{ConnectOptions, Database};
use automate_store::open;
use automate_tests::both_databases;
use automate_tests::postgres::{PgServer, TestDatabase};
use automate_tests::store_conformance::*;

both_databases! {
    async fn a_poisoned_accept_does_not_fail_its_neighbours(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let taken = pending(&*store).await;
        let calls: Vec<_> = (0..60)
            .map(|n| {
                let mut accept = delivery(&format!("d-{n}"), vec![leased_start()]);
                if n == 31 {
                    accept.starts[0].id = taken;
                }
                move |store: Arc<dyn Store>| async move { store.accept(accept).await }
            })
            .collect();
        for (n, answer) in together(&store, calls).await.into_iter().enumerate() {
            match answer {
                Ok(_) => assert_ne!(n, 31),
                Err(error) => assert!(n == 31 && matches!(error, StoreError::Conflict(_)), "{n}: {error}"),
            }
        }
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 60);
        assert_eq!(count(&t.db, "SELECT count(*) FROM events").await, 59);
        assert_eq!(count(&t.db, "SELECT count(*) FROM dedupe_keys").await, 59);
        store.close().await;
    }

    async fn a_poisoned_checkpoint_does_not_fail_its_neighbours(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let mut claims = Vec::new();
        for _ in 0..40 {
            claims.push(running(&*store).await);
        }
        let taken = pending(&*store).await;
        let calls: Vec<_> = claims
            .iter()
            .enumerate()
            .map(|(n, &(id, claim))| {
                let mut ending = end(id, claim);
                if n == 13 {
                    let mut poison = start();
                    poison.id = taken;
                    ending.publish = vec![manual(vec![poison])];
                } else if n % 2 == 0 {
                    ending.publish = vec![manual(vec![start()])];
                }
                move |store: Arc<dyn Store>| async move { store.checkpoint(ending).await }
            })
            .collect();
        for (n, answer) in together(&store, calls).await.into_iter().enumerate() {
            assert_eq!(answer.is_err(), n == 13, "{n}: {answer:?}");
        }
        assert_eq!(store.execution(TENANT, claims[13].0).await.unwrap().status, ExecutionStatus::Pending);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions WHERE status = 'completed'").await, 39);
        store.close().await;
    }

    async fn a_nul_character_in_a_text_is_the_problem_of_its_own_operation(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let (id, claim) = running(&*store).await;
        let (other, other_claim) = running(&*store).await;
        let mut odd = step("fetch", 1, StepStatus::Completed);
        odd.output = Some("\"a\\u0000b\"".into());
        let progress = Checkpoint { steps: vec![odd.clone()], ..checkpoint(id, claim, Then::Hold) };
        let mut log = progress.clone();
        log.logs = vec![automate_core::store::StepLog {
            path: "fetch".to_owned(),
            attempt: 1,
            at: automate_core::clock::now(),
            level: automate_core::actions::LogLevel::Info,
            message: "a\0b".to_owned(),
            fields: None,
        }];
        let (one, two) = tokio::join!(store.checkpoint(log), store.checkpoint(end(other, other_claim)));
        one.unwrap();
        two.unwrap();
        assert_eq!(store.steps(TENANT, id).await.unwrap(), [odd]);
        assert_eq!(store.logs(TENANT, id).await.unwrap()[0].message, "a\u{fffd}b");
        store.close().await;
    }

    async fn calls_that_are_dropped_go_on_and_harm_no_connection(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        for n in 0..50u64 {
            let accept = delivery(&format!("d-{n}"), vec![leased_start()]);
            let _ = tokio::time::timeout(Duration::from_micros(n * 20), store.accept(accept)).await;
            let _ = tokio::time::timeout(
                Duration::from_micros(n * 20),
                store.publish(TENANT, document("orders", &format!("sha-{n}"))),
            )
            .await;
        }
        stored(store.accept(delivery("last", vec![start()])).await.unwrap());
        let last = store.publish(TENANT, document("orders", "last")).await.unwrap();
        let begun = Instant::now();
        while store.versions(TENANT, "orders").await.unwrap().len() < 51 && begun.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(store.versions(TENANT, "orders").await.unwrap().iter().any(|version| version.id == last.id));
        assert_eq!(count(&t.db, "SELECT count(*) FROM workflow_versions").await, 51);
        assert_eq!(count(&t.db, "SELECT count(*) FROM executions").await, 51);
        store.close().await;
    }

    async fn closing_commits_what_waits(t: TestDatabase) {
        let store = open(&t.db).unwrap();
        let again = t.open_again().await;
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.accept(delivery(&format!("d-{n}"), vec![start()])).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(5)).await;
        store.close().await;
        let mut acknowledged = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => acknowledged += 1,
                Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
            }
        }
        assert_eq!(count(&again, "SELECT count(*) FROM executions").await, acknowledged);
        again.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_opened_again_and_nothing_is_doubled() {
    let Some(t) = TestDatabase::postgres().await else { return };
    let store = open(&t.db).unwrap();
    let again = t.open_again().await;
    let cutting = tokio::spawn(async move {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            change(
                &again,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                Vec::new(),
            )
            .await;
        }
        again
    });
    let calls: Vec<_> = (0..600)
        .map(|n: u64| {
            move |store: Arc<dyn Store>| async move {
                tokio::time::sleep(Duration::from_millis(n * 3)).await;
                let Ok(accepted) = store.accept(delivery(&format!("d-{n}"), vec![leased_start()])).await else {
                    return (false, false);
                };
                let execution = stored(accepted).remove(0);
                let ended = store.checkpoint(end(execution.id, execution.claim.unwrap())).await;
                assert!(!matches!(ended, Err(StoreError::LeaseLost)), "the claim was ours all the time");
                (true, ended.is_ok())
            }
        })
        .collect();
    let answers = together(&store, calls).await;
    let again = cutting.await.unwrap();
    let accepted = answers.iter().filter(|(accepted, _)| *accepted).count() as i64;
    let ended = answers.iter().filter(|(_, ended)| *ended).count() as i64;
    // A slow machine may be cut off more often than a batch is tried; most go through all the same.
    assert!(accepted > 300, "{accepted} of 600 were accepted");
    let completed = count(&again, "SELECT count(*) FROM executions WHERE status = 'completed'").await;
    let all = count(&again, "SELECT count(*) FROM executions").await;
    assert!(completed >= ended && all >= accepted, "{completed} {ended} {all} {accepted}");
    assert_eq!(count(&again, "SELECT count(*) FROM steps").await, completed * 3);
    store.close().await;
    again.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_says_so_in_time_and_work_resumes() {
    let server = match tokio::task::spawn_blocking(|| PgServer::private(false)).await.unwrap() {
        Ok(server) => Arc::new(server),
        Err(reason) if std::env::var(automate_tests::postgres::SKIP_VARIABLE).is_ok() => {
            println!("SKIPPED: {reason}");
            return;
        }
        Err(reason) => panic!("{reason}"),
    };
    // Not a database of a name that the cluster's next start would sweep away.
    let db = Database::connect(&server.url("postgres"), &ConnectOptions::default()).await.unwrap();
    db.migrate_up(None).await.unwrap();
    let store = open(&db).unwrap();
    let (id, claim) = running(&*store).await;
    let stopping = Arc::clone(&server);
    tokio::task::spawn_blocking(move || stopping.crash()).await.unwrap().unwrap();
    let begun = Instant::now();
    let (accepted, ended, read) = tokio::join!(
        store.accept(delivery("d-1", vec![start()])),
        store.checkpoint(end(id, claim)),
        store.execution(TENANT, id)
    );
    for error in [accepted.map(|_| ()).unwrap_err(), ended.map(|_| ()).unwrap_err(), read.map(|_| ()).unwrap_err()] {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    let starting = Arc::clone(&server);
    tokio::task::spawn_blocking(move || starting.start()).await.unwrap().unwrap();
    let begun = Instant::now();
    loop {
        match store.checkpoint(end(id, claim)).await {
            Ok(_) => break,
            Err(StoreError::Unavailable(_)) if begun.elapsed() < Duration::from_secs(30) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    stored(store.accept(delivery("d-1", vec![start()])).await.unwrap());
    store.close().await;
}
