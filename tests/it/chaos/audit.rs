//! Afterwards: was anything lost, doubled, overwritten or left behind?

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use automate_store::db::{ConnectOptions, Database};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use serde_json::Value;
use uuid::Uuid;

use super::site::Site;

/// The steps of the workflow, and those that a test adds.
const STEPS: [&str; 4] = ["start", "charge", "double", "tell"];
/// Problems that are listed.
const LISTED: usize = 20;

/// Looks at a database from outside of the processes.
pub(super) struct Audit {
    db: Database,
}

impl Audit {
    /// Opens a database that processes use or have used.
    pub(super) async fn open(url: &str) -> Self {
        Self { db: Database::connect(url, &ConnectOptions::default()).await.unwrap() }
    }

    /// Over an open database.
    pub(super) fn of(db: &Database) -> Self {
        Self { db: db.clone() }
    }

    pub(super) async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let connection = self.db.orm_reader();
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        connection.query_all_raw(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Changes rows behind the program's back.
    pub(super) async fn change(&self, sql: &str, id: Uuid) -> u64 {
        let connection = self.db.orm();
        let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, [id.into()]);
        connection.execute_raw(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// The one number that a query answers with.
    pub(super) async fn number(&self, sql: &str) -> u64 {
        let row = self.rows(sql).await;
        u64::try_from(row[0].try_get_by_index::<i64>(0).unwrap()).unwrap()
    }

    /// The first column of a query, as text.
    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        self.rows(sql).await.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Executions by their status.
    pub(super) async fn statuses(&self) -> BTreeMap<String, u64> {
        let rows = self.rows("SELECT status, count(*) AS n FROM executions GROUP BY status").await;
        rows.iter().map(|row| (row.try_get("", "status").unwrap(), number_of(row, "n"))).collect()
    }

    /// Everything that one execution consists of, for telling whether anything of it has changed.
    pub(super) async fn picture(&self) -> Vec<String> {
        let mut picture = Vec::new();
        for sql in [
            "SELECT status || ' ' || coalesce(output, '') || ' ' || coalesce(error, '') || ' ' || CAST(finished_at AS TEXT)
                FROM executions ORDER BY id",
            "SELECT path || ' ' || status || ' ' || CAST(attempt AS TEXT) || ' ' || coalesce(output, '') || ' '
                || coalesce(error, '') || ' ' || coalesce(attempts, '') || ' ' || coalesce(CAST(finished_at AS TEXT), '')
                FROM steps ORDER BY execution_id, path",
            "SELECT path || ' ' || message FROM step_logs ORDER BY id",
            "SELECT status || ' ' || CAST(lease_token AS TEXT) FROM outbox ORDER BY id",
        ] {
            picture.extend(self.texts(sql).await);
        }
        picture
    }

    /// Waits until nothing is left to do.
    pub(super) async fn at_rest(&self, executions: u64, within: Duration) {
        let begun = Instant::now();
        loop {
            let there = self.number("SELECT count(*) FROM executions").await;
            let open = self
                .number("SELECT count(*) FROM executions WHERE status NOT IN ('completed', 'failed', 'cancelled')")
                .await;
            let queued = self.number("SELECT count(*) FROM outbox").await;
            if there >= executions && open == 0 && queued == 0 {
                return;
            }
            let dead = self.number("SELECT count(*) FROM outbox WHERE status = 'FAILED'").await;
            // Dead letters do not go away by themselves.
            if begun.elapsed() > within || (open == 0 && dead > 0 && dead == queued) {
                let items = self
                    .texts(
                        "SELECT status || ' lost ' || CAST(lost_leases AS TEXT) || ' attempts ' || CAST(attempt_count AS TEXT)
                            || ' due ' || CAST(next_attempt_at AS TEXT) || ' ' || coalesce(last_error, '')
                            FROM outbox ORDER BY id LIMIT 10",
                    )
                    .await;
                panic!(
                    "not at rest after {:?}: {there} executions of {executions}, {:?}, {queued} items in the outbox: {items:#?}",
                    begun.elapsed(),
                    self.statuses().await
                );
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Checks everything that is promised of deliveries `0..executions` of the workflow of [`Site`].
    /// `more` are the steps that the test has added to it.
    pub(super) async fn everything_once(&self, site: &Site, executions: u64, more: &[&str]) {
        let mut problems = Vec::new();
        self.of_executions(site, executions, &mut problems).await;
        self.of_steps(site, executions, more, &mut problems).await;
        for (table, expected) in [("outbox", 0), ("events", executions), ("dedupe_keys", executions)] {
            let rows = self.number(&format!("SELECT count(*) FROM {table}")).await;
            if rows != expected {
                problems.push(format!("{rows} rows in {table}, not {expected}"));
            }
        }
        self.of_the_file(&mut problems).await;
        let shown = &problems[..problems.len().min(LISTED)];
        assert!(problems.is_empty(), "{} problems, the first of them: {shown:#?}", problems.len());
    }

    async fn of_executions(&self, site: &Site, executions: u64, problems: &mut Vec<String>) {
        let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
        site.sender.told(|told| {
            for number in 0..executions {
                match told.accepted.get(&number) {
                    Some(ids) if ids.len() == 1 => numbers.extend(ids.iter().map(|id| (id.clone(), number))),
                    other => problems.push(format!("delivery {number} was told the executions {other:?}")),
                }
            }
        });
        let mut there = BTreeSet::new();
        for row in self.rows("SELECT id, event_id, status, output, error FROM executions").await {
            let id = row.try_get::<Uuid>("", "id").unwrap().to_string();
            let (status, output, error): (String, Option<String>, Option<String>) = (
                row.try_get("", "status").unwrap(),
                row.try_get("", "output").unwrap(),
                row.try_get("", "error").unwrap(),
            );
            match numbers.get(&id) {
                None => problems.push(format!("execution {id} ({status}) belongs to no delivery")),
                Some(number) => {
                    let output: Value = serde_json::from_str(output.as_deref().unwrap_or("null")).unwrap_or_default();
                    if status != "completed" || output["n"] != number * 2 {
                        problems.push(format!("delivery {number}, execution {id}: {status} with {output}, {error:?}"));
                    }
                }
            }
            there.insert(id);
        }
        problems.extend(numbers.keys().filter(|id| !there.contains(*id)).map(|id| format!("execution {id} was lost")));
    }

    async fn of_steps(&self, site: &Site, executions: u64, more: &[&str], problems: &mut Vec<String>) {
        let sql = "SELECT path, status, CAST(attempt AS BIGINT) AS attempt, count(*) AS n FROM steps GROUP BY 1, 2, 3";
        let mut expected: BTreeSet<&str> = STEPS.into_iter().chain(more.iter().copied()).collect();
        for row in self.rows(sql).await {
            let (path, status): (String, String) =
                (row.try_get("", "path").unwrap(), row.try_get("", "status").unwrap());
            let (attempt, n) = (number_of(&row, "attempt"), number_of(&row, "n"));
            if !expected.remove(path.as_str()) || status != "completed" || n != executions {
                problems
                    .push(format!("step {path}: {n} rows with status {status} at attempt {attempt}, not {executions}"));
            }
        }
        problems.extend(expected.into_iter().map(|path| format!("step {path} was never recorded")));
        let logs = self.number("SELECT count(*) FROM step_logs WHERE path = 'tell'").await;
        if logs != executions {
            problems.push(format!("{logs} lines were logged by the last step, not {executions}"));
        }

        let calls = site.effects.calls();
        let keys: BTreeSet<String> =
            self.texts("SELECT idempotency_key FROM steps WHERE path = 'charge'").await.into_iter().collect();
        for (key, bodies) in &calls {
            let different: BTreeSet<&String> = bodies.iter().collect();
            if different.len() != 1 {
                problems.push(format!("the key {key} came with different bodies: {different:?}"));
            }
            if !keys.contains(key) {
                problems.push(format!("the key {key} belongs to no recorded step"));
            }
        }
        problems
            .extend(keys.iter().filter(|key| !calls.contains_key(*key)).map(|key| format!("no call came with {key}")));
        let bodies: BTreeSet<&String> = calls.values().flatten().collect();
        if bodies.len() as u64 != executions {
            problems.push(format!("{} different bodies came for {executions} executions", bodies.len()));
        }
    }

    /// Whether the file of an embedded database is sound.
    async fn of_the_file(&self, problems: &mut Vec<String>) {
        if self.db.sqlite_reader().is_some() {
            let found = self.texts("PRAGMA integrity_check").await;
            if found != ["ok"] {
                problems.push(format!("the file is damaged: {found:?}"));
            }
        }
    }
}

fn number_of(row: &QueryResult, column: &str) -> u64 {
    u64::try_from(row.try_get::<i64>("", column).unwrap()).unwrap()
}
