//! A process that stands still for longer than its lease and then goes on.

use std::time::Duration;

use automate_store::db::Database;
use automate_tests::binary::Project;
use automate_tests::deliveries::get;
use automate_tests::postgres::TestDatabase;
use automate_tests::processes::Process;

use super::audit::Audit;
use super::site::{Site, until};

/// How long each part may take.
const PART: Duration = Duration::from_secs(60);
/// How often a process is stopped anew because it stood still inside a transaction.
const TRIES: usize = 40;

pub(super) async fn continues(test: &TestDatabase) {
    let site = Site::over(Project::new(&test.url), "hold", "").await;
    let audit = Audit::of(&test.db);
    let mut stalled = site.server("stalled");
    site.open(&mut stalled).await;
    let mut tasks = site.sender.send(0..1);
    until("the effect is under way", PART, async || site.effects.count() == 1).await;
    while let Some(sent) = tasks.join_next().await {
        sent.unwrap();
    }
    stop_outside_of_transactions(&stalled, &test.db).await;

    let mut other =
        if test.db.postgres().is_some() { site.process("other", &["worker"]) } else { site.server("other") };
    other.start().await;
    audit.at_rest(1, PART).await;
    audit.everything_once(&site, 1, &[]).await;
    let before = audit.picture().await;

    // The answer is there before the process goes on: the first thing that it could do is record it.
    site.effects.release();
    tokio::time::sleep(Duration::from_millis(200)).await;
    stalled.signal("CONT");
    stalled.says("lease lost", PART).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(audit.picture().await, before);
    assert!(audit.texts("SELECT output FROM executions").await.iter().all(|output| !output.contains("late")));
    assert_eq!(site.effects.count(), 2);
    audit.everything_once(&site, 1, &[]).await;

    // It is none the worse for it.
    let ready = get(&stalled.address(), "/readyz").await.unwrap();
    assert_eq!(ready.status, 200, "{ready:?}");
    other.kill();
    let mut tasks = site.sender.send(1..3);
    while let Some(sent) = tasks.join_next().await {
        sent.unwrap();
    }
    audit.at_rest(3, PART).await;
    assert_eq!(audit.statuses().await.get("completed"), Some(&3));
}

/// Stops a process where it holds no lock. On an embedded database one that is stopped inside of a
/// transaction keeps everybody from writing, as any two processes on one file; that is not what is
/// looked at here.
async fn stop_outside_of_transactions(process: &Process, db: &Database) {
    process.signal("STOP");
    let Some(pool) = db.sqlite_writer() else { return };
    for _ in 0..TRIES {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::raw_sql("PRAGMA busy_timeout = 200").execute(&mut *connection).await.unwrap();
        if sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut *connection).await.is_ok() {
            return;
        }
        process.signal("CONT");
        tokio::time::sleep(Duration::from_millis(37)).await;
        process.signal("STOP");
    }
    panic!("{} is always inside of a transaction", process.name());
}
