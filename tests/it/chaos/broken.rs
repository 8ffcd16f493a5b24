//! Rows that cannot be read.

use std::time::Duration;

use automate_tests::binary::Project;
use automate_tests::postgres::TestDatabase;
use uuid::Uuid;

use super::audit::Audit;
use super::site::{Site, until};

/// Executions of the test.
const EXECUTIONS: u64 = 12;
/// How long each part may take.
const PART: Duration = Duration::from_secs(60);
/// What is done to the rows of an execution, and the column that its reason must name.
const DAMAGE: [(&str, &str); 6] = [
    ("UPDATE executions SET status = 'sleeping' WHERE id = $1", "status"),
    ("UPDATE steps SET attempts = '{\"half' WHERE path = 'charge' AND execution_id = $1", "attempts"),
    ("UPDATE steps SET status = '' WHERE path = 'charge' AND execution_id = $1", "status"),
    ("UPDATE executions SET error = '[1,' WHERE id = $1", "error"),
    ("UPDATE steps SET output = '{\"n\": ' WHERE path = 'start' AND execution_id = $1", "output"),
    ("UPDATE events SET payload = '{' WHERE id = (SELECT event_id FROM executions WHERE id = $1)", "payload"),
];

pub(super) async fn rows(test: &TestDatabase) {
    // They wait in the middle, so that there is something on record that can be broken.
    let site = Site::over(Project::new(&test.url), "charge", "  - { id: pause, wait: { for: 8s } }\n").await;
    let audit = Audit::of(&test.db);
    let mut server = site.server("serve");
    site.open(&mut server).await;
    deliver(&site, 0..EXECUTIONS).await;
    until("all wait", PART, async || audit.statuses().await.get("waiting") == Some(&EXECUTIONS)).await;
    server.kill();

    let ids: Vec<Uuid> = audit
        .rows("SELECT id FROM executions ORDER BY id")
        .await
        .iter()
        .map(|row| row.try_get("", "id").unwrap())
        .collect();
    for ((sql, _), id) in DAMAGE.iter().zip(&ids) {
        assert_eq!(audit.change(sql, *id).await, 1, "{sql}");
    }
    site.open(&mut server).await;
    let sound = EXECUTIONS - DAMAGE.len() as u64;
    until("the others complete", PART, async || audit.statuses().await.get("completed") == Some(&sound)).await;
    until("the broken ones are set aside", PART, async || {
        let queued = audit.number("SELECT count(*) FROM outbox WHERE status <> 'FAILED'").await;
        queued == 0
    })
    .await;

    for ((sql, column), id) in DAMAGE.iter().zip(&ids) {
        let reason = reason(&audit, &site, *id).await;
        assert!(reason.contains("CORRUPT_ROW") && reason.contains(&format!("`{column}`")), "{sql}: {reason}");
    }
    // The rest goes on, also with new work, and the process has not ended.
    deliver(&site, EXECUTIONS..EXECUTIONS + 3).await;
    until("new ones complete", PART, async || audit.statuses().await.get("completed") == Some(&(sound + 3))).await;
    assert!(server.ended().is_none());
    assert!(!server.log().contains("panicked"));
    let listed = site.project.run(&["executions", "list", "--json", "--limit", "50"]).exits(0).json();
    assert_eq!(listed["results"].as_array().map(Vec::len), Some(15), "{listed}");
}

/// Why an execution was set aside, as operators see it: its error, or that of its dead letter.
async fn reason(audit: &Audit, site: &Site, id: Uuid) -> String {
    let failed = audit
        .texts("SELECT CAST(status AS TEXT) || ' ' || coalesce(error, '') FROM executions WHERE status = 'failed'")
        .await;
    let listed = site.project.run(&["executions", "list", "--json", "--status", "failed"]).exits(0).json();
    let of_execution = listed["results"].as_array().into_iter().flatten().find(|record| record["id"] == id.to_string());
    if let Some(record) = of_execution {
        return record["error"].to_string();
    }
    let letters = site.project.run(&["outbox", "list", "--json", "--status", "FAILED"]).exits(0).out;
    assert!(
        letters.contains(&id.to_string()),
        "execution {id} is neither failed nor a dead letter: {failed:#?} {letters}"
    );
    letters
}

async fn deliver(site: &Site, numbers: std::ops::Range<u64>) {
    let mut tasks = site.sender.send(numbers);
    while let Some(sent) = tasks.join_next().await {
        sent.unwrap();
    }
}
