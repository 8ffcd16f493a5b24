//! What a page may cost.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use automate_core::ids::TenantId;
use automate_tests::admin::Site;
use automate_tests::postgres::TestDatabase;

/// Statements with which a page is made, at most.
const STATEMENTS: usize = 12;
/// Bytes of a page, at most.
const BYTES: usize = 250_000;
/// What the pool and transactions say besides, and what is noted in the background.
const BESIDE: &[&str] = &[
    "SELECT now() = statement_timestamp()",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET ",
    "INSERT INTO processes",
    "DELETE FROM processes",
];

/// What was asked of the database since a place in its log.
fn asked(log: &Path, since: u64) -> (Vec<String>, u64) {
    let mut file = File::open(log).expect("the log is there");
    file.seek(SeekFrom::Start(since)).expect("the log has a place");
    let mut bytes = Vec::new();
    let read = file.read_to_end(&mut bytes).expect("the log can be read");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let statements = text.lines().filter_map(|line| {
        let (_, said) = line.split_once("LOG:  ")?;
        let (how, statement) = said.split_once(": ")?;
        let counts = (how == "statement" || how.starts_with("execute "))
            && !BESIDE.iter().any(|beside| statement.trim_start().starts_with(beside))
            && !(statement.starts_with("UPDATE \"sessions\"") && statement.contains("last_seen_at"));
        counts.then(|| statement.chars().take(160).collect())
    });
    (statements.collect(), since + read as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_asks_the_database_more_than_it_may() {
    let Some(db) = TestDatabase::postgres().await else { return };
    let mut site = Site::start(db).await;
    let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
    site.fill(&ours).await;
    let Some(log) = site.database.log_statements().await else { return };
    // Without workers, so that what is asked is asked for the page.
    site.start_again(&["--no-worker"]).await;
    let mut ada = site.log_in();
    // What is looked up once for many pages, is not a page's.
    let _ = ada.get("/admin/").is(200);
    let (_, mut place) = asked(&log, 0);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut counted = 0;
    ada.crawl(2, |at, page| {
        let (statements, end) = asked(&log, place);
        place = end;
        counted += statements.len();
        if statements.len() > STATEMENTS {
            found.insert(at.to_owned(), format!("{} statements:\n  {}", statements.len(), statements.join("\n  ")));
        }
        let is_page = page.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        if is_page && page.body.len() > BYTES {
            found.insert(at.to_owned(), format!("{} bytes", page.body.len()));
        }
    });
    assert!(counted > 300, "only {counted} statements: the log is not read");
    let found: Vec<String> = found.into_iter().map(|(at, what)| format!("{at}: {what}")).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
