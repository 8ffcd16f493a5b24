//! SIGTERM.

use std::time::{Duration, Instant};

use automate_tests::binary::Project;
use automate_tests::postgres::TestDatabase;
use tokio::task::JoinSet;

use super::audit::Audit;
use super::site::{Site, scaled, until};

/// Seconds of grace in the configuration of the tests.
const DRAIN: &str = "4";
/// How long a process may take to end: the grace period, and as much again as the promise allows.
const END: Duration = Duration::from_secs(4 + 5);
/// How long each other part may take.
const PART: Duration = Duration::from_secs(120);
/// Long enough that nothing is ever taken back from a process in these tests: what comes back was
/// given back.
const LEASE: &str = "600";

/// A process is asked to stop three times while it works on executions of 200 ms.
pub(super) async fn under_load(test: &TestDatabase) {
    let mut site = Site::over(Project::new(&test.url), "slow", "").await;
    site.set("AUTOMATE_WORKER__DRAIN_SECONDS", DRAIN);
    site.set("AUTOMATE_OUTBOX__LEASE_SECONDS", LEASE);
    let deliveries = scaled(300, 60);
    let mut server = site.server("serve");
    let mut sending = JoinSet::new();
    let rounds = 3;
    for round in 0..rounds {
        site.open(&mut server).await;
        let mut tasks = site.sender.send(deliveries * round / rounds..deliveries * (round + 1) / rounds);
        sending.spawn(async move { while tasks.join_next().await.transpose().unwrap().is_some() {} });
        let called = site.effects.count();
        until("there is load", PART, async || site.effects.count() > called + 10).await;
        server.signal("TERM");
        let begun = Instant::now();
        site.addresses.remove(server.name());
        let status = server.ended_within(END).await;
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{:?} after SIGTERM", begun.elapsed());
        println!("ended {:.1} s after SIGTERM", begun.elapsed().as_secs_f64());
    }
    site.open(&mut server).await;
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
    let audit = Audit::of(&test.db);
    audit.at_rest(deliveries, PART).await;
    audit.everything_once(&site, deliveries, &[]).await;
    nothing_was_charged(&audit).await;
    assert!(!server.log().contains("took back"), "a lease ran out that should have been given back");
    // Each effect was let end, so none was repeated.
    assert_eq!(site.effects.count() as u64, deliveries);
}

/// An action that takes longer than the grace period: it is given back at once, not when its lease
/// runs out, and its next run is the same attempt.
pub(super) async fn past_the_grace_period(test: &TestDatabase) {
    let mut site = Site::over(Project::new(&test.url), "hold", "").await;
    site.set("AUTOMATE_WORKER__DRAIN_SECONDS", "2");
    site.set("AUTOMATE_OUTBOX__LEASE_SECONDS", LEASE);
    let mut server = site.server("serve");
    site.open(&mut server).await;
    let mut tasks = site.sender.send(0..4);
    until("the actions are under way", PART, async || site.effects.count() == 4).await;
    while let Some(sent) = tasks.join_next().await {
        sent.unwrap();
    }
    server.signal("TERM");
    let status = server.ended_within(Duration::from_secs(2 + 5)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    site.open(&mut server).await;
    let audit = Audit::of(&test.db);
    audit.at_rest(4, PART).await;
    audit.everything_once(&site, 4, &[]).await;
    nothing_was_charged(&audit).await;
    assert!(!server.log().contains("took back"), "a lease ran out that should have been given back");
    assert_eq!(site.effects.count(), 8);
}

async fn nothing_was_charged(audit: &Audit) {
    let charged = audit
        .texts(
            "SELECT path || ' ' || CAST(attempt AS TEXT) || ' ' || coalesce(attempts, '') FROM steps
            WHERE attempt > 1 OR (attempts IS NOT NULL AND attempts <> '[]')",
        )
        .await;
    assert!(charged.is_empty(), "attempts were charged: {charged:?}");
}
