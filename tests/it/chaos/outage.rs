//! A database that is away, at the start and in the middle.

use std::time::{Duration, Instant};

use automate_tests::binary::Project;
use automate_tests::deliveries::{Answer, attempt, get};
use automate_tests::postgres::PgServer;
use automate_tests::processes::Process;
use sqlx::{Connection, PgConnection};

use super::audit::Audit;
use super::site::{Site, scaled, until};

/// How long each part may take.
const PART: Duration = Duration::from_secs(90);
/// How long a probe may take to notice, and to notice the return.
const NOTICE: Duration = Duration::from_secs(20);

pub(super) async fn of(server: PgServer) {
    // Not of the names that the start of a server for tests cleans away.
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    sqlx::raw_sql("CREATE DATABASE away").execute(&mut admin).await.unwrap();
    drop(admin);
    let site = Site::unpublished(Project::new(&server.url("away"))).await;
    let _ = site.project.run(&["migrate", "up"]).exits(0);
    site.publish("charge", "");
    stop(&server);
    at_the_start(&site, &server).await;
    let deliveries = in_the_middle(&site, &server).await;

    let audit = Audit::open(&server.url("away")).await;
    audit.at_rest(deliveries, PART).await;
    audit.everything_once(&site, deliveries, &[]).await;
}

/// The database is away when a process starts: it says so, waits, and can be told to stop.
async fn at_the_start(site: &Site, server: &PgServer) {
    let mut gives_up = site.server("gives-up");
    gives_up.spawn();
    gives_up.says("the database is not available yet", PART).await;
    gives_up.signal("TERM");
    let status = gives_up.ended_within(NOTICE).await;
    assert_eq!(status.and_then(|status| status.code()), Some(1), "it ends with an error when it is told to");
    let log = gives_up.log();
    assert!(log.contains("hint:") && !log.contains("panicked"), "{log}");

    let mut waits = site.server("waits");
    waits.spawn();
    waits.says("the database is not available yet", PART).await;
    assert_eq!((waits.line(), waits.ended().is_none()), (None, true));
    server.start().unwrap();
    waits.ready().await;
    assert_eq!(get(&waits.address(), "/readyz").await.map(|answer| answer.status), Some(200));
    waits.kill();
}

/// It goes away twice under load, once in order and once as in a crash.
async fn in_the_middle(site: &Site, server: &PgServer) -> u64 {
    let mut serve = site.server("serve");
    let mut worker = site.process("worker", &["worker"]);
    site.open(&mut serve).await;
    worker.start().await;
    let pids = (serve.pid(), worker.pid());
    let share = scaled(200, 40);
    for (round, crash) in [false, true].into_iter().enumerate() {
        let round = round as u64;
        let mut tasks = site.sender.send(share * round..share * (round + 1));
        let enough = usize::try_from(share * round + share / 4).unwrap();
        until("there is load", PART, async || site.sender.accepted() > enough).await;
        if crash {
            server.crash().unwrap()
        } else {
            stop(server)
        }
        says_so(&mut serve, &mut worker).await;

        server.start().unwrap();
        let back = Instant::now();
        let address = serve.address();
        until("ready again", NOTICE, async || get(&address, "/readyz").await.is_some_and(|a| a.status == 200)).await;
        println!("ready {:.1} s after the database was back", back.elapsed().as_secs_f64());
        let all = async { while tasks.join_next().await.transpose().unwrap().is_some() {} };
        assert!(tokio::time::timeout(PART, all).await.is_ok(), "{} were accepted", site.sender.accepted());
        assert_eq!((serve.pid(), worker.pid()), pids);
        assert!(serve.ended().is_none() && worker.ended().is_none(), "a process has ended");
    }
    Audit::open(&server.url("away")).await.at_rest(2 * share, PART).await;
    for process in [&mut serve, &mut worker] {
        assert!(!process.log().contains("panicked"), "{} panicked", process.name());
        process.kill();
    }
    2 * share
}

/// What is told while the database is away.
async fn says_so(serve: &mut Process, worker: &mut Process) {
    let address = serve.address();
    until("not ready", NOTICE, async || get(&address, "/readyz").await.is_some_and(|a| a.status == 503)).await;
    assert_eq!(get(&address, "/healthz").await.map(|answer| answer.status), Some(200), "the process lives");
    let asked = Instant::now();
    // The number of one that is sent later on, so that nothing is accepted that is not expected.
    let refused = attempt(&address, "orders", 0).await;
    assert!(asked.elapsed() < Duration::from_secs(12), "the answer took {:?}", asked.elapsed());
    match &refused {
        Some(Answer { status: 503, headers, .. }) => assert!(headers.contains_key("retry-after"), "{refused:?}"),
        other => panic!("{other:?}"),
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(serve.ended().is_none() && worker.ended().is_none(), "a process has ended");
    assert_eq!(get(&address, "/readyz").await.map(|answer| answer.status), Some(503));
}

fn stop(server: &PgServer) {
    server.stop().unwrap();
}
