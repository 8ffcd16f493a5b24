//! Streams of what happens to an execution.

use std::time::Duration;

use automate_core::runtime::Settings;
use automate_core::status::ExecutionStatus;
use automate_tests::binary::Project;
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;
use automate_tests::processes::Process;
use serde_json::json;

use super::site::{Event, Site};
use crate::engine::bed::Bed;

const WORK: &str = "workflow: work\non: [{ manual: true }]\nsteps:\n  - { id: a, uses: idem.do, with: { value: 1 } }\n  - { id: ok, wait: { signal: go, timeout: 1h } }\n  - { id: b, uses: idem.do, with: { fail: TRANSIENT_NETWORK, fail_times: 1 }, retry: { max_attempts: 3, initial: 50ms } }\n";

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::line).collect()
}

const ALL: [&str; 11] = [
    "execution.pending",
    "execution.running",
    "step.started a",
    "step.completed a",
    "step.started ok",
    "step.waiting ok",
    "step.completed ok",
    "step.started b",
    "step.retrying b",
    "step.started b",
    "step.completed b",
];

fn without_pauses(events: &[Event]) -> Vec<String> {
    // Whether it is seen to wait depends on when it is looked at.
    let passing = ["execution.waiting", "execution.running"];
    let mut lines = lines(events);
    let first = lines.iter().position(|line| line == "execution.running");
    let mut n = 0;
    lines.retain(|line| {
        n += 1;
        Some(n - 1) == first || !passing.contains(&line.as_str())
    });
    lines
}

both_databases! {
    async fn what_happened_is_told_and_then_what_happens_and_then_it_ends(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        let id = site.run_to("work", &json!({}), ExecutionStatus::Waiting).await;
        let target = format!("/executions/{id}/events");
        let mut stream = site.ask("admin", "GET", &target).stream().await;
        let so_far = stream.read(7).await;
        assert_eq!(lines(&so_far)[..6], ALL[..6]);
        assert_eq!(so_far[6].line(), "execution.waiting");
        // Silence is broken.
        tokio::time::sleep(Duration::from_millis(700)).await;
        let begun = std::time::Instant::now();
        site.post(&format!("/executions/{id}/signal"), &json!({ "name": "go" })).await;
        let all = stream.until_its_end().await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let told = without_pauses(&all);
        assert_eq!(told[..11], ALL, "{told:?}");
        assert_eq!(told[11..], ["execution.completed"]);
        assert!(all.iter().all(|event| event.data["execution_id"] == json!(id) && !event.id.is_empty()));
        let retrying = all.iter().find(|event| event.line() == "step.retrying b").unwrap();
        assert_eq!((&retrying.data["error"]["code"], &retrying.data["attempt"]), (&json!("TRANSIENT_NETWORK"), &json!(1)));

        // Whoever comes late is told all of it, and whoever comes again the rest: nothing twice, nothing lost.
        let late = site.ask("viewer", "GET", &target).stream().await.until_its_end().await;
        assert_eq!(without_pauses(&late), told);
        for (n, seen) in late.iter().enumerate().take(late.len() - 1) {
            let rest = site.ask("admin", "GET", &target).header("last-event-id", &seen.id).stream().await.until_its_end().await;
            assert_eq!(rest, late[n + 1..], "after {seen:?}");
        }
        let long = "1".repeat(automate_core::limits::STREAM_ID_BYTES + 1);
        assert_eq!(site.ask("admin", "GET", &target).header("last-event-id", &long).send().await.status, 400);
        let end = site.ask("admin", "GET", &target).header("last-event-id", &late.last().unwrap().id).send().await;
        assert_eq!(end.status, 204, "a client need not come again");
        for nonsense in ["0", "1.c.zzz", "-1", "99.c."] {
            let again = site.ask("admin", "GET", &target).header("last-event-id", nonsense).stream().await.until_its_end().await;
            assert!(!again.is_empty(), "{nonsense}");
        }
    }

    async fn silence_is_broken_by_comments(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(WORK).await;
        let id = site.run("work", &json!({})).await;
        let mut stream = site.ask("admin", "GET", &format!("/executions/{id}/events")).stream().await;
        assert_eq!(lines(&stream.read(1).await), ["execution.pending"]);
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read(2)).await;
        assert!(stream.text().contains("\n: "), "{}", stream.text());
    }

    async fn a_stream_that_is_left_and_taken_up_again_has_no_gap(db: TestDatabase) {
        let site = Site::over(db).await;
        site.publish(WORK).await;
        let id = site.run_to("work", &json!({}), ExecutionStatus::Waiting).await;
        let target = format!("/executions/{id}/events");
        let first = site.ask("admin", "GET", &target).stream().await.read(4).await;
        site.post(&format!("/executions/{id}/signal"), &json!({ "name": "go" })).await;
        let rest = site.ask("admin", "GET", &target).header("last-event-id", &first[3].id).stream().await.until_its_end().await;
        let both = [&first[..4], &rest[..]].concat();
        let told = without_pauses(&both);
        assert_eq!((&told[..11], told[11..].join(" ")), (&ALL.map(str::to_owned)[..], "execution.completed".to_owned()));
    }

    async fn an_execution_that_is_not_there_has_no_stream(db: TestDatabase) {
        let site = Site::idle(db).await;
        site.publish(WORK).await;
        let id = site.run("work", &json!({})).await;
        let target = format!("/executions/{id}/events");
        assert_eq!(site.ask("other", "GET", &target).send().await.status, 404);
        assert_eq!(site.ask("", "GET", &target).send().await.status, 401);
        assert_eq!(site.ask("scope:events:read", "GET", &target).send().await.status, 403);
        assert_eq!(site.get(&format!("/executions/{}/events", uuid::Uuid::nil())).await.status, 404);
    }
}

/// What every program has.
const PLAIN: &str = "workflow: plain\non: [{ manual: true }]\nsteps:\n  - { id: a, set: { x: 1 } }\n  - { id: ok, wait: { signal: go, timeout: 1h } }\n  - { id: b, set: { x: 2 } }\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_that_runs_in_another_process_is_followed_as_well() {
    let Some(db) = TestDatabase::postgres().await else { return };
    let project = std::sync::Arc::new(Project::new(&db.url));
    let site = Site::with(Bed::new(db), Settings { concurrency: 0, ..Bed::settings() }).await;
    site.publish(PLAIN).await;
    let id = site.run("plain", &json!({})).await;
    let mut stream = site.ask("admin", "GET", &format!("/executions/{id}/events")).stream().await;
    assert_eq!(lines(&stream.read(1).await), ["execution.pending"]);
    let mut worker = Process::new(&project, "worker", &["worker"], &[]);
    worker.start().await;
    let waiting = stream.read(6).await;
    assert!(lines(&waiting).contains(&"step.waiting ok".to_owned()), "{:?}", lines(&waiting));
    site.post(&format!("/executions/{id}/signal"), &json!({ "name": "go" })).await;
    let told = without_pauses(&stream.until_its_end().await);
    assert_eq!(told.last().map(String::as_str), Some("execution.completed"), "{told:?}");
    assert_eq!(told.iter().filter(|line| line.starts_with("step.")).count(), 7, "{told:?}");
}
