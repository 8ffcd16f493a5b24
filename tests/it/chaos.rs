//! The built program under blows: killed, stopped, drained, without its database, with a broken
//! row, on a full disk. Each test runs real processes and checks afterwards what is promised.
//!
//! `AUTOMATE_CHAOS_SCALE` (1 where absent) multiplies deliveries and kills; `AUTOMATE_CHAOS_SEED`
//! repeats the plan of a run, as far as real processes repeat anything.

mod audit;
mod broken;
mod disk;
mod draining;
mod kills;
mod outage;
mod site;
mod stalled;

use automate_tests::both_databases;
use automate_tests::postgres::{PgServer, TestDatabase};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_survives_twenty_kills() {
    kills::of_one_process().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_three_workers_killed_in_turn() {
    if let Some(test) = TestDatabase::postgres().await {
        kills::of_five_processes(&test).await;
    }
}

both_databases! {
    async fn a_stopped_worker_that_continues_overwrites_nothing(test: TestDatabase) {
        stalled::continues(&test).await;
    }

    async fn sigterm_under_load_loses_no_step_and_charges_no_attempt(test: TestDatabase) {
        draining::under_load(&test).await;
    }

    async fn sigterm_gives_back_what_outlasts_the_grace_period_and_charges_no_attempt(test: TestDatabase) {
        draining::past_the_grace_period(&test).await;
    }

    async fn a_corrupt_row_is_set_aside_and_the_rest_goes_on(test: TestDatabase) {
        broken::rows(&test).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_and_comes_back() {
    if TestDatabase::postgres().await.is_none() {
        return;
    }
    let server = tokio::task::spawn_blocking(|| PgServer::private(true)).await.unwrap().unwrap();
    outage::of(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_says_so() {
    disk::fills().await;
}
