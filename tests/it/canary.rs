//! The canary: secrets with random values go through a whole installation, logging at `trace`, whose
//! calls are answered by a service that repeats everything it is told. Afterwards the values are
//! looked for in everything that was stored, logged and answered.

mod forms;
mod memory;
mod upstream;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use automate_tests::binary::{Answer, Project};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::serving::Serving;
use forms::{Canary, Search};
use upstream::Upstream;

/// How long an execution may take; everything is logged, and machines are busy.
const PATIENCE: Duration = Duration::from_secs(120);

const SCHEMES: [&str; 4] = ["stripe", "github", "slack", "standard"];

/// Five steps and a branch; UPSTREAM stands for the address.
const GUARDED: &str = r#"workflow: guarded
on:
  - { webhook: in/stripe, verify: { scheme: stripe, secret: $secret:STRIPE_SIGNING } }
  - { webhook: in/github, verify: { scheme: github, secret: $secret:GITHUB_SIGNING } }
  - { webhook: in/slack, verify: { scheme: slack, secret: $secret:SLACK_SIGNING } }
  - { webhook: in/standard, verify: { scheme: standard, secret: $secret:STANDARD_SIGNING } }
steps:
  - id: header
    uses: http.request
    with:
      method: GET
      url: "UPSTREAM/echo"
      headers: { authorization: "Bearer {{ secrets.HEADER_TOKEN }}", x-key: $secret:HEADER_TOKEN }
  - id: query
    if: "event.payload.amount > 100"
    uses: http.request
    with: { method: GET, url: "UPSTREAM/echo?token={{ secrets.QUERY_TOKEN | urlencode }}&raw={{ secrets.QUERY_TOKEN }}", query: { again: $secret:QUERY_TOKEN } }
  - id: small
    if: "event.payload.amount <= 100"
    uses: log.write
    with: { message: "small" }
  - id: body
    uses: http.request
    with:
      method: POST
      url: "UPSTREAM/echo"
      headers: { authorization: "{{ 'shop' | basic_auth(secrets.BODY_TOKEN) }}" }
      json: { token: "{{ secrets.BODY_TOKEN }}", list: ["a {{ secrets.BODY_TOKEN }} b"] }
  - id: flaky
    uses: http.request
    with:
      method: POST
      url: "UPSTREAM/flaky"
      headers: { authorization: "Bearer {{ secrets.FLAKY_TOKEN }}", x-run: "{{ event.payload.id }}" }
      json: { token: $secret:FLAKY_TOKEN }
    retry: { max_attempts: 4, initial: 100ms, max: 200ms }
  - id: tell
    uses: log.write
    with:
      message: "{{ steps.header.output }} {{ steps.query.output }}"
      fields: { body: "{{ steps.body.output }}", flaky: "{{ steps.flaky.output }}" }
output: { header: "{{ steps.header.output }}", query: "{{ steps.query.output }}", flaky: "{{ steps.flaky.output }}" }
"#;

/// A call that fails for good, so that its error is an execution's and an event's too.
const REFUSED: &str = r#"workflow: refused
on: [{ manual: true }]
steps:
  - id: call
    uses: http.request
    with:
      method: POST
      url: "UPSTREAM/refuse?token={{ secrets.QUERY_TOKEN }}"
      headers: { authorization: "Bearer {{ secrets.HEADER_TOKEN }}" }
      json: { token: "{{ secrets.BODY_TOKEN }}" }
on_failure:
  - { id: tell, uses: log.write, with: { level: error, message: "{{ error }}" } }
"#;

/// An installation with its secrets.
struct Site {
    project: Project,
    upstream: Upstream,
    tokens: Vec<Canary>,
    signing: Vec<Canary>,
    json_logs: bool,
    /// Files with secrets, which are not the installation's.
    mounted: tempfile::TempDir,
}

/// The one that comes from the environment: it stays in the block that the process was started with.
const FROM_ENVIRONMENT: &str = "SLACK_SIGNING";
/// The one that comes from a mounted file.
const FROM_FILE: &str = "BODY_TOKEN";
/// Seconds for which a process keeps a value that it has read.
const KEPT_SECONDS: u64 = 2;

impl Site {
    fn new(database_url: &str) -> Self {
        Self {
            project: Project::new(database_url),
            upstream: Upstream::start(),
            tokens: ["HEADER_TOKEN", "QUERY_TOKEN", "BODY_TOKEN", "FLAKY_TOKEN"].map(Canary::token).into(),
            signing: ["STRIPE_SIGNING", "GITHUB_SIGNING", "SLACK_SIGNING", "STANDARD_SIGNING"]
                .map(Canary::signing)
                .into(),
            json_logs: database_url.starts_with("postgres"),
            mounted: tempfile::tempdir().unwrap(),
        }
    }

    fn canaries(&self) -> impl Iterator<Item = &Canary> {
        self.tokens.iter().chain(&self.signing)
    }

    fn canary(&self, key: &str) -> &Canary {
        self.canaries().find(|canary| canary.key == key).unwrap()
    }

    /// Puts the secrets where they come from.
    fn store(&self, search: &mut Search) {
        for canary in self.canaries().filter(|canary| canary.key != FROM_ENVIRONMENT) {
            if canary.key == FROM_FILE {
                std::fs::write(self.mounted.path().join(canary.key), &canary.value).unwrap();
            } else {
                let _ = self.run(search, &["secrets", "set", canary.key], &canary.value).exits(0);
            }
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command
            .env("RUST_LOG", "trace")
            .env("AUTOMATE_LOG__FORMAT", if self.json_logs { "json" } else { "text" })
            .env("AUTOMATE_EGRESS__ALLOW", self.upstream.address.to_string())
            .env("AUTOMATE_SECRETS__BACKENDS", "env,file,database")
            .env("AUTOMATE_SECRETS__FILE_DIR", self.mounted.path())
            .env("AUTOMATE_SECRETS__CACHE_SECONDS", KEPT_SECONDS.to_string())
            .env(format!("AUTOMATE_SECRET_{FROM_ENVIRONMENT}"), &self.canary(FROM_ENVIRONMENT).value);
        command
    }

    /// Runs a command with a text on its stdin; all that it writes is looked through.
    fn run(&self, search: &mut Search, args: &[&str], stdin: &str) -> Answer {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read its stdin is no fault of the test.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        let answer = Answer::of(child.wait_with_output().unwrap());
        search.look(&format!("stdout of {args:?}"), &answer.out);
        search.look(&format!("stderr of {args:?}"), &answer.err);
        answer
    }

    fn publish(&self, search: &mut Search, name: &str, document: &str) {
        let document = document.replace("UPSTREAM", &format!("http://{}", self.upstream.address));
        let file = self.project.write(name, &document);
        let _ = self.run(search, &["workflow", "import", &file], "").exits(0);
    }

    /// Delivers a webhook as the sender does, by a script that has nothing of ours.
    fn deliver(
        &self,
        search: &mut Search,
        server: &Serving,
        scheme: &str,
        secret: &str,
        query: &str,
        id: &str,
    ) -> Value {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sign_webhooks.py");
        let url = format!("http://{}/hooks/default/in/{scheme}{query}", server.address);
        let mut child = Command::new("python3")
            .args([script, scheme, &url, "-", "--id", id])
            .env("WEBHOOK_SECRET", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let body = json!({ "id": id, "event_id": id, "amount": 249 });
        child.stdin.take().unwrap().write_all(body.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        search.look(&format!("the answer to {scheme}{query}"), &output.stdout);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// The execution, once it has ended.
    fn ended(&self, search: &mut Search, id: &str) -> Value {
        let begun = Instant::now();
        loop {
            let shown = self.run(search, &["executions", "show", id, "--json"], "").exits(0).json();
            if ["completed", "failed", "cancelled"].contains(&shown["status"].as_str().unwrap_or_default()) {
                return shown;
            }
            assert!(begun.elapsed() < PATIENCE, "{shown:#}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// Looks through everything that is stored: the files of SQLite as they are, or each row of each
/// table of PostgreSQL.
async fn look_through_database(search: &mut Search, test: &TestDatabase, known: &str) {
    let Some(pool) = test.db.postgres() else {
        let path = test.url.trim_start_matches("sqlite://");
        let mut all = Vec::new();
        for file in [path.to_owned(), format!("{path}-wal"), format!("{path}-shm")] {
            let bytes = std::fs::read(&file).unwrap_or_default();
            search.look(&file, &bytes);
            all.extend(bytes);
        }
        let there = all.windows(known.len()).any(|window| window == known.as_bytes());
        assert!(there, "what was looked through is not the database");
        return;
    };
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables \
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let mut there = false;
    for table in tables {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} AS t")))
            .fetch_all(pool)
            .await
            .unwrap();
        let rows = rows.join("\n");
        there |= rows.contains(known);
        search.look(&table, &rows);
    }
    assert!(there, "what was looked through is not the database");
}

/// Looks through the memory of the server, once it has had the time to forget.
fn look_through_memory(search: &mut Search, site: &Site, server: &Serving) {
    std::thread::sleep(Duration::from_secs(2 * KEPT_SECONDS + 1));
    let forgotten = site.canaries().filter(|canary| canary.key != FROM_ENVIRONMENT);
    let mut memory = Search::new(forgotten);
    let Some(looked) = memory::look_through(&mut memory, server.pid(), "guarded") else {
        println!("SKIPPED: the memory of the server can be read by root alone");
        return;
    };
    assert!(looked.bytes > 1_000_000 && looked.known > 0, "what was looked through is not the memory: {looked:?}");
    search.found.append(&mut memory.found);
}

/// All files of a folder but the ones that a test put there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

both_databases! {
    async fn t9_a_secret_is_in_no_row_log_answer_or_metric(test: TestDatabase) {
        let site = Site::new(&test.url);
        let mut search = Search::new(site.canaries());
        site.store(&mut search);
        site.publish(&mut search, "guarded.yaml", GUARDED);
        site.publish(&mut search, "refused.yaml", REFUSED);
        let server = Serving::start(site.command(&["serve", "--bind", "127.0.0.1:0"]), site.project.path());
        server.ready();

        let mut executions = Vec::new();
        for (index, (scheme, secret)) in SCHEMES.into_iter().zip(&site.signing).enumerate() {
            let forged = site.deliver(&mut search, &server, scheme, &Canary::signing("").value, "", "forged");
            assert_eq!(forged["status"], 401, "{forged}");
            // Every other sender waits for the outcome, which has what the upstream answered.
            let query = if index % 2 == 0 { "?wait=true&timeout=60" } else { "" };
            let answer = site.deliver(&mut search, &server, scheme, &secret.value, query, &format!("evt-{scheme}"));
            assert!(answer["status"] == 202 || answer["status"] == 200, "{answer}");
            if answer["status"] == 200 {
                assert_eq!(answer["body"]["status"], "completed", "{answer:#}");
                assert!(answer["body"]["output"]["header"]["body"]["headers"].is_object(), "{answer:#}");
            }
            executions.push(answer["body"]["execution_ids"][0].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned());
        }
        for id in &executions {
            let shown = site.ended(&mut search, id);
            assert_eq!(shown["status"], "completed", "{shown:#}");
            let step = |id: &str| {
                let steps = shown["steps"].as_array().unwrap();
                steps.iter().find(|step| step["path"] == id || step["id"] == id).unwrap_or_else(|| panic!("{id}: {shown:#}"))
            };
            for (id, key) in
                [("header", "HEADER_TOKEN"), ("query", "QUERY_TOKEN"), ("body", "BODY_TOKEN"), ("flaky", "FLAKY_TOKEN")]
            {
                assert_eq!(step(id)["status"], "completed");
                assert!(step(id)["input"].to_string().contains(&format!("$secret:{key}")), "{:#}", step(id));
                assert!(step(id)["output"].to_string().contains("***"), "what came back was scrubbed: {:#}", step(id));
            }
            assert_eq!((&step("small")["status"], &step("flaky")["attempt"]), (&"skipped".into(), &2.into()), "{shown:#}");
            let _ = site.run(&mut search, &["executions", "show", id], "").exits(0);
        }
        let failed = site.run(&mut search, &["run", "refused", "--wait", "--json"], "").exits(1).json();
        assert_eq!(failed["status"], "failed", "{failed:#}");
        for args in [&["secrets", "list"][..], &["config", "show"], &["doctor"], &["outbox", "list", "--json"]] {
            let _ = site.run(&mut search, args, "");
        }

        // The values were really sent; otherwise there was nothing to find.
        let seen = site.upstream.seen();
        for canary in site.tokens.iter().filter(|canary| canary.key != "QUERY_TOKEN") {
            assert!(canary.is_in(&seen) || canary.is_in(&seen.replace("\\\"", "\"")), "{} was not sent", canary.key);
        }
        let mut received = Search::new(&site.tokens);
        received.look("upstream", &seen);
        assert!(received.found.iter().any(|hit| hit.contains("QUERY_TOKEN")), "QUERY_TOKEN was not sent");

        // What happened, as it is streamed to somebody who may see everything.
        let password = "a long walk by the sea";
        let _ = site.run(&mut search, &["createsuperuser", "--email", "ada@example.org", "--password-stdin"], password).exits(0);
        let token = site.run(&mut search, &["token", "create", "--name", "look", "--scopes", "admin"], "").exits(0);
        for id in executions.iter().map(String::as_str).chain(failed["id"].as_str()) {
            let target = format!("/api/v1/executions/{id}/events");
            let (status, events) = server.get_as(&target, token.out.trim());
            assert_eq!(status, 200, "{events}");
            assert!(events.contains("event: execution."), "{events}");
            search.look(&target, &events);
            let target = format!("/api/v1/executions/{id}?expand=steps");
            let (status, shown) = server.get_as(&target, token.out.trim());
            assert_eq!(status, 200, "{shown}");
            search.look(&target, &shown);
        }

        let (status, metrics) = server.get("/metrics");
        assert_eq!(status, 200);
        assert!(metrics.contains("automate_"), "{metrics}");
        search.look("/metrics", &metrics);
        look_through_database(&mut search, &test, "guarded").await;
        look_through_memory(&mut search, &site, &server);
        server.stop();
        look_through_database(&mut search, &test, "guarded").await;
        for file in files(site.project.path()) {
            search.look(&file.display().to_string(), std::fs::read(&file).unwrap());
        }
        let log = std::fs::read_to_string(site.project.path().join("serve.log")).unwrap();
        let called = log.lines().any(|line| line.contains("TRACE") && line.contains(&site.upstream.address.port().to_string()));
        assert!(called, "the calls were not logged at `trace`");
        assert!(search.bytes > 200_000, "only {} bytes were looked through", search.bytes);
        assert!(search.found.is_empty(), "{} finds:\n{}", search.found.len(), search.found.join("\n"));
    }
}
