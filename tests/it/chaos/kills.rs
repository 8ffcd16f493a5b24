//! Processes killed with SIGKILL while webhooks come in.

use std::time::{Duration, Instant};

use automate_tests::binary::Project;
use automate_tests::postgres::TestDatabase;
use automate_tests::processes::Process;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use super::audit::Audit;
use super::site::{Site, scaled};

/// Webhooks in all.
const DELIVERIES: u64 = 2_000;
/// Kills in all.
const KILLS: u64 = 20;
/// A kill comes at most so long after its share of the webhooks was let go.
const KILL_WITHIN: Duration = Duration::from_millis(700);
/// How long everything may take to be accepted, and to complete, after the last kill.
const REST: Duration = Duration::from_secs(180);

/// One process on an embedded database that nobody else has open.
pub(super) async fn of_one_process() {
    let site = Site::over(Project::embedded(), "charge", "").await;
    let mut processes = vec![site.server("serve")];
    let begun = Instant::now();
    let deliveries = blows(&site, &mut processes).await;

    let url = format!("sqlite://{}/data/automate.db", site.project.path().display());
    Audit::open(&url).await.at_rest(deliveries, REST).await;
    // Once more as after the last of all blows: what is in the file is all there is.
    processes[0].kill();
    Audit::open(&url).await.everything_once(&site, deliveries, &[]).await;
    report(&site, &processes, begun);
}

/// Two servers, of which one only accepts, and three workers, on PostgreSQL.
pub(super) async fn of_five_processes(test: &TestDatabase) {
    let site = Site::over(Project::new(&test.url), "charge", "").await;
    let mut processes = vec![
        site.process("worker-1", &["worker"]),
        site.process("worker-2", &["worker"]),
        site.process("accepts", &["serve", "--bind", "127.0.0.1:0", "--no-worker"]),
        site.process("worker-3", &["worker"]),
        site.process("serve", &["serve", "--bind", "127.0.0.1:0", "--workers", "4"]),
    ];
    let begun = Instant::now();
    let deliveries = blows(&site, &mut processes).await;
    let audit = Audit::of(&test.db);
    audit.at_rest(deliveries, REST).await;
    processes.iter_mut().for_each(Process::kill);
    audit.everything_once(&site, deliveries, &[]).await;
    report(&site, &processes, begun);
}

/// Lets webhooks go and kills a process after the other, each at a moment of its own; answers with
/// the number of deliveries once all of them are accepted.
async fn blows(site: &Site, processes: &mut [Process]) -> u64 {
    let seed =
        std::env::var("AUTOMATE_CHAOS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
    println!("AUTOMATE_CHAOS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (deliveries, kills) = (scaled(DELIVERIES, 60), scaled(KILLS, 3));
    for process in processes.iter_mut() {
        start(site, process).await;
    }
    let mut sending = JoinSet::new();
    for round in 0..kills {
        let share = (deliveries * round / kills)..(deliveries * (round + 1) / kills);
        let mut tasks = site.sender.send(share);
        sending.spawn(async move { while tasks.join_next().await.transpose().unwrap().is_some() {} });
        tokio::time::sleep(KILL_WITHIN.mul_f64(random.random())).await;
        let turn = usize::try_from(round).unwrap() % processes.len();
        let process = &mut processes[turn];
        site.addresses.remove(process.name());
        process.kill();
        start(site, process).await;
    }
    let all = async { while sending.join_next().await.transpose().unwrap().is_some() {} };
    assert!(tokio::time::timeout(REST, all).await.is_ok(), "{} of {deliveries} were accepted", site.sender.accepted());
    deliveries
}

async fn start(site: &Site, process: &mut Process) {
    let line = process.start().await;
    if line.contains("http://") {
        site.addresses.set(process.name(), &process.address());
    }
}

fn report(site: &Site, processes: &[Process], begun: Instant) {
    let starts: u32 = processes.iter().map(Process::starts).sum();
    let taken_back: usize =
        processes.iter().map(|process| process.log().matches("took back what dead workers").count()).sum();
    let calls = site.effects.count();
    site.sender.told(|told| {
        println!(
            "{} deliveries in {} attempts ({:?}), {calls} calls, {starts} starts, leases taken back {taken_back} times, {:.1} s",
            told.accepted.len(),
            told.attempts,
            told.statuses,
            begun.elapsed().as_secs_f64()
        );
    });
}
