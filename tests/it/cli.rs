//! The command line, as a user runs it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use automate_tests::binary::Project;
use automate_tests::both_databases;
use serde_json::Value;

const SUMS: &str = r#"workflow: sums
title: Adds up
on: [ { manual: true } ]
steps:
  - { id: start, set: { n: "{{ inputs.n }}" } }
  - { id: double, uses: data.transform, with: { value: "{{ steps.start.output.n * 2 }}" } }
  - { id: small, if: "steps.double.output < 10", uses: log.write, with: { message: "small" } }
output: { n: "{{ steps.double.output }}" }
"#;

const FAILS: &str = r#"workflow: fails
title: Fails
on: [ { manual: true } ]
steps:
  - { id: why, fail: "no tea for {{ inputs.name }}" }
"#;

/// Ends a server that a test leaves behind.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Server {
    /// Starts `automate serve` on a free port and answers with the address that it prints.
    fn start(project: &Project) -> (Self, String) {
        let mut child = project.command(&["serve", "--bind", "127.0.0.1:0"]).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.split_whitespace().find_map(|w| w.strip_prefix("http://")).unwrap_or_else(|| panic!("{line}"));
        let address = address.to_owned();
        (Self(child), address)
    }

    fn signal(&self, signal: &str) {
        let done = std::process::Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    fn ended_within(&mut self, time: Duration) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

/// The status and body of a request on a connection of its own.
fn http(address: &str, request: &str) -> (u16, String) {
    use std::io::Write;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    (status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

both_databases! {
    async fn a_first_import_is_live_later_ones_are_drafts_until_they_are_published(test: TestDatabase) {
        let project = Project::new(&test.url);
        let file = project.write("sums.yaml", SUMS);
        let first = project.run(&["workflow", "import", &file, "--json"]).exits(0).json();
        assert_eq!((&first["results"][0]["state"], &first["results"][0]["version"]), (&"published".into(), &1.into()));
        let again = project.run(&["workflow", "import", &file]).exits(0);
        assert!(again.out.contains("draft"), "{}", again.out);
        project.write("sums.yaml", &SUMS.replace("* 2", "* 3"));
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let diff = project.run(&["workflow", "diff", "sums"]).exits(0);
        assert!(diff.out.contains("* 2") && diff.out.contains("* 3"), "{}", diff.out);
        assert_eq!(project.run(&["run", "sums", "--input", r#"{"n":4}"#, "--wait", "--json"]).exits(0).json()["output"]["n"], 8);
        let _ = project.run(&["workflow", "publish", "sums", "--note", "triple"]).exits(0);
        assert_eq!(project.run(&["run", "sums", "--input", r#"{"n":4}"#, "--wait", "--json"]).exits(0).json()["output"]["n"], 12);
        let _ = project.run(&["workflow", "rollback", "sums"]).exits(0);
        assert_eq!(project.run(&["run", "sums", "--input", r#"{"n":4}"#, "--wait", "--json"]).exits(0).json()["output"]["n"], 8);
        let versions = project.run(&["workflow", "list", "sums", "--json"]).exits(0).json();
        let numbers: Vec<i64> = versions["results"].as_array().unwrap().iter().filter_map(|v| v["number"].as_i64()).collect();
        assert_eq!(numbers, [3, 2, 1]);
        assert_eq!(versions["results"][1]["note"], "triple");
        let exported = project.run(&["workflow", "export", "sums"]).exits(0);
        assert_eq!(exported.out.trim(), SUMS.trim());
        assert!(project.run(&["workflow", "list"]).exits(0).out.contains("Adds up"));
    }

    async fn an_execution_is_shown_in_the_published_shape_and_as_a_timeline(test: TestDatabase) {
        let project = Project::new(&test.url);
        let file = project.write("sums.yaml", SUMS);
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let input = project.write("input.json", r#"{"n":7}"#);
        let ended = project.run(&["run", "sums", "--input", &format!("@{input}"), "--wait", "--json"]).exits(0).json();
        assert_eq!((&ended["status"], &ended["output"]["n"], &ended["trigger"]["kind"]), (&"completed".into(), &14.into(), &"manual".into()));
        let id = ended["id"].as_str().unwrap();
        let shown = project.run(&["executions", "show", id, "--json"]).exits(0).json();
        assert_eq!(shown, ended);
        let keys: Vec<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, [
            "id", "workflow", "version", "status", "trigger", "event_id", "input", "output", "error", "attempt", "created_at",
            "started_at", "finished_at", "parent_id", "replay_of", "correlation_id", "steps",
        ]);
        let statuses: Vec<&str> = shown["steps"].as_array().unwrap().iter().filter_map(|s| s["status"].as_str()).collect();
        assert_eq!(statuses, ["completed", "completed", "skipped"]);
        let told = project.run(&["executions", "show", id]).exits(0).out;
        assert!(told.contains("started by hand") && told.contains("skipped: its condition was false") && told.contains("Completed in"), "{told}");
        let followed = project.run(&["run", "sums", "--input", r#"{"n":1}"#, "--follow"]).exits(0).out;
        assert!(followed.contains("“small”") && followed.contains(r#"Output: {"n":2}"#), "{followed}");
    }

    async fn a_failed_run_exits_with_1_and_a_replay_takes_another_input(test: TestDatabase) {
        let project = Project::new(&test.url);
        let file = project.write("fails.yaml", FAILS);
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let failed = project.run(&["run", "fails", "--input", r#"{"name":"Ada"}"#, "--wait", "--json"]).exits(1).json();
        assert_eq!((&failed["status"], &failed["error"]["code"], &failed["error"]["step"]), (&"failed".into(), &"FAILED".into(), &"why".into()));
        assert!(failed["error"]["message"].as_str().unwrap().contains("no tea for Ada"));
        let id = failed["id"].as_str().unwrap();
        let again = project.run(&["executions", "replay", id, "--input", r#"{"name":"Bo"}"#, "--wait", "--json"]).exits(1).json();
        assert_eq!(again["replay_of"], *id);
        assert!(again["error"]["message"].as_str().unwrap().contains("no tea for Bo"));
        let _ = project.run(&["executions", "cancel", id]).exits(1);
        let _ = project.run(&["run", "nothing"]).exits(1);
        let _ = project.run(&["executions", "show", "0197aaaa-0000-7000-8000-000000000000"]).exits(1);
        let _ = project.run(&["executions", "show", "no-id"]).exits(2);
    }

    async fn executions_are_listed_in_pages_and_counted_when_asked(test: TestDatabase) {
        let project = Project::new(&test.url);
        let file = project.write("sums.yaml", SUMS);
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        for n in 0..3 {
            let accepted = project.run(&["run", "sums", "--input", &format!(r#"{{"n":{n}}}"#), "--json"]).exits(0).json();
            assert_eq!(accepted["status"], "pending");
        }
        let page = project.run(&["executions", "list", "--json", "--limit", "2", "--count"]).exits(0).json();
        assert_eq!((page["results"].as_array().unwrap().len(), &page["count"]), (2, &3.into()));
        let rest = project.run(&["executions", "list", "--json", "--limit", "2", "--cursor", page["next"].as_str().unwrap()]).exits(0).json();
        assert_eq!((rest["results"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
        assert!(rest.get("count").is_none());
        let none = project.run(&["executions", "list", "--json", "--status", "failed"]).exits(0).json();
        assert_eq!(none["results"], Value::Array(Vec::new()));
        let id = rest["results"][0]["id"].as_str().unwrap();
        assert!(project.run(&["executions", "cancel", id]).exits(0).out.contains("cancelled"));
        assert_eq!(project.run(&["executions", "show", id, "--json"]).exits(0).json()["status"], "cancelled");
        let stats = project.run(&["outbox", "stats", "--json"]).exits(0).json();
        assert_eq!(stats["ready"], 2);
    }

    async fn a_secret_is_set_from_stdin_and_never_printed(test: TestDatabase) {
        let project = Project::new(&test.url);
        let value = "hush-canary-5512";
        let set = project.run_with_stdin(&["secrets", "set", "TOKEN"], &format!("{value}\n")).exits(0);
        let listed = project.run(&["secrets", "list", "--json"]).exits(0);
        assert_eq!((&listed.json()[0]["key"], &listed.json()[0]["version"]), (&"TOKEN".into(), &1.into()));
        let rotated = project.run_with_stdin(&["secrets", "rotate", "TOKEN", "--json"], "hush-canary-6613").exits(0);
        assert_eq!(rotated.json()["version"], 2);
        let _ = project.run_with_stdin(&["secrets", "rotate", "OTHER"], "hush-canary-7714").exits(1);
        let _ = project.run_with_stdin(&["secrets", "set", "EMPTY"], "\n").exits(2);
        for answer in [&set, &listed, &rotated] {
            assert!(!format!("{}{}", answer.out, answer.err).contains("hush-canary"));
        }
        let doctor = project.run(&["doctor"]).exits(0);
        assert!(doctor.out.contains("2 stored versions, all can be decrypted"), "{}", doctor.out);
        let _ = project.run(&["secrets", "delete", "TOKEN"]).exits(0);
        let _ = project.run(&["secrets", "delete", "TOKEN"]).exits(1);
    }

    async fn a_server_runs_what_it_is_sent_and_drains_on_sigterm(test: TestDatabase) {
        let project = Project::new(&test.url);
        let text = SUMS.replace("manual: true", "webhook: sums, verify: none").replace("inputs.n", "event.payload.n");
        let file = project.write("sums.yaml", &text);
        let _ = project.run(&["workflow", "import", &file]).exits(0);
        let (mut server, address) = Server::start(&project);
        assert_eq!(http(&address, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").0, 200);
        assert_eq!(http(&address, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").0, 200);
        let (status, body) = http(&address, "POST /hooks/default/sums HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
            content-type: application/json\r\ncontent-length: 8\r\n\r\n{\"n\": 3}");
        assert_eq!(status, 202, "{body}");
        let accepted: Value = serde_json::from_str(&body).unwrap();
        let id = accepted["execution_ids"][0].as_str().unwrap();
        let begun = Instant::now();
        loop {
            let shown = project.run(&["executions", "show", id, "--json"]).exits(0).json();
            if shown["status"] == "completed" {
                assert_eq!(shown["output"]["n"], 6);
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{shown}");
        }
        server.signal("-TERM");
        assert_eq!(server.ended_within(Duration::from_secs(20)), Some(0));
    }
}

#[test]
fn findings_name_file_line_column_code_and_path_and_exit_with_1() {
    let project = Project::embedded();
    let file = project.write("bad.yaml", "workflow: bad\non: [ { manual: true } ]\nsteps:\n  - { id: a, uses: http.reqest, with: {} }\n  - { id: a, uses: log.write, with: { message: \"{{ oops\" } }\n");
    let answer = project.run(&["workflow", "validate", &file]).exits(1);
    let line = answer.out.lines().find(|l| l.contains("/steps/0/uses")).unwrap_or_else(|| panic!("{}", answer.out));
    assert!(
        line.starts_with("bad.yaml:4:")
            && line.contains(": error UNKNOWN_ACTION ")
            && line.contains("did you mean `request`?"),
        "{line}"
    );
    assert!(answer.out.lines().filter(|l| l.contains(": error ")).count() >= 3, "{}", answer.out);
    let _ = project.run(&["workflow", "import", &file]).exits(1);
    assert_eq!(project.run(&["workflow", "list", "--json"]).exits(0).json()["results"], Value::Array(Vec::new()));
    let good = project.write("good/sums.yaml", SUMS);
    assert!(project.run(&["workflow", "validate", "good"]).exits(0).out.contains("good/sums.yaml: ok"));
    assert!(project.run(&["workflow", "graph", &good]).exits(0).out.contains("double"));
    assert!(project.run(&["workflow", "graph", &good, "--format", "svg"]).exits(0).out.starts_with("<svg"));
    assert_eq!(project.run(&["workflow", "schema"]).exits(0).json()["type"], "object");
}

#[test]
fn the_catalogue_and_the_configuration_need_no_database() {
    let project = Project::new("postgres://user:hush-canary-1@127.0.0.1:1/none");
    let list = project.run(&["connectors", "list", "--json"]).exits(0).json();
    let keys: Vec<&str> = list["entries"].as_array().unwrap().iter().filter_map(|e| e["key"].as_str()).collect();
    for key in ["data", "http", "llm", "log", "slack", "webhook"] {
        assert!(keys.contains(&key), "{keys:?}");
    }
    assert!(project.run(&["connectors", "show", "http.request"]).exits(0).out.contains("url"));
    assert!(project.run(&["connectors", "show", "nothing"]).exits(1).err.contains("hint:"));
    let shown = project.run(&["config", "show", "--json"]).exits(0);
    assert!(shown.out.contains("postgres://user:***@127.0.0.1:1/none") && !shown.out.contains("hush-canary"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.run(&["completions", shell]).exits(0).out.contains("automate"));
    }
    let doctor = project.run(&["doctor"]).exits(1);
    assert!(doctor.out.contains("FAIL  database") && doctor.out.contains("do: "), "{}", doctor.out);
    assert!(!doctor.out.contains("hush-canary"));
    let _ = project.run(&["connectors"]).exits(2);
    let typo = project.command(&["config", "show"]).env("AUTOMATE_SERVER__BNID", "x").output().unwrap();
    assert_eq!(typo.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&typo.stderr).contains("AUTOMATE_SERVER__BIND"));
}

#[test]
fn the_demo_ends_its_first_execution_and_tells_it() {
    let project = Project::embedded();
    let told = project.run(&["demo", "--once"]).exits(0).out;
    for part in [
        "202 after",
        "started by a webhook",
        "attempt 1 failed",
        "UPSTREAM_5XX",
        "done on attempt 2",
        "skipped: its condition was false",
        "$secret:DEMO_CRM_TOKEN",
        "Ada Lovelace paid",
        "Completed in",
    ] {
        assert!(told.contains(part), "`{part}` is missing in\n{told}");
    }
    assert!(!told.contains("whsec_"), "{told}");
    assert!(!project.path().join("data").exists(), "a demo that is not kept leaves nothing behind");
}

#[tokio::test]
async fn postgres_with_pending_migrations_says_what_to_run() {
    let Some(test) = automate_tests::postgres::TestDatabase::postgres().await else { return };
    let project = Project::new(&test.url);
    assert!(project.run(&["migrate", "up"]).exits(0).out.contains("nothing to do"));
    let _ = project.run(&["migrate", "down"]).exits(2);
    let _ = project.run(&["migrate", "down", "--yes"]).exits(0);
    let _ = project.run(&["migrate", "status"]).exits(1);
    let refused = project.run(&["executions", "list"]).exits(1);
    assert!(refused.err.contains("pending") && refused.err.contains("automate migrate up"), "{}", refused.err);
    assert!(project.run(&["doctor"]).exits(1).out.contains("automate migrate up"));
    let _ = project.run(&["migrate"]).exits(0);
    let states = project.run(&["migrate", "status", "--json"]).exits(0).json();
    assert!(states.as_array().unwrap().iter().all(|s| s["applied"] == true));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let project = Project::embedded();
    let mut child = project.command(&["completions", "bash"]).spawn().unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
