//! The commands, as a user runs them.

use automate_tests::binary::Project;
use automate_tests::both_databases;

const SUMS: &str = r#"workflow: sums
on: [ { manual: true } ]
steps:
  - { id: start, set: { n: "{{ inputs.n }}" } }
  - { id: double, uses: data.transform, with: { value: "{{ vars.n * 2 }}" } }
  - { id: say, uses: log.write, with: { message: "{{ steps.double.output }}" } }
output: { n: "{{ steps.double.output }}" }
"#;

const ASKS: &str = r#"workflow: asks
on: [ { manual: true } ]
steps:
  - { id: ok, wait: { signal: approved, timeout: 1h } }
output: { by: "{{ steps.ok.output.by }}" }
"#;

const TELLS: &str = r##"workflow: tells
on: [ { manual: true } ]
steps:
  - { id: post, uses: slack.post_message, with: { channel: "#a", text: hi, token: x, base_url: "http://127.0.0.1:9" }, retry: { max_attempts: 1 } }
"##;

fn import(project: &Project, name: &str, text: &str) {
    let file = project.write(&format!("{name}.yaml"), text);
    let _ = project.run(&["workflow", "import", &file]).exits(0);
}

both_databases! {
    async fn a_replay_shows_what_it_will_do_and_begins_at_a_step(test: TestDatabase) {
        let project = Project::new(&test.url);
        import(&project, "sums", SUMS);
        let run = project.run(&["run", "sums", "--input", r#"{"n":4}"#, "--wait", "--json"]).exits(0).json();
        let id = run["id"].as_str().unwrap();
        let plan = project.run(&["executions", "replay", id, "--from", "double", "--dry-run", "--json"]).exits(0).json();
        assert_eq!((&plan["steps"][0]["will"], &plan["steps"][1]["will"]), (&"keep".into(), &"run".into()));
        let told = project.run(&["executions", "replay", id, "--from", "double", "--dry-run"]).exits(0).out;
        assert!(told.contains("from step `double`") && told.contains("keep"), "{told}");
        let again = project.run(&["executions", "replay", id, "--from", "double", "--wait", "--json"]).exits(0).json();
        assert_eq!((&again["replay_of"], &again["trigger"]["from"], &again["output"]["n"]), (&run["id"], &"double".into(), &8.into()));
        import(&project, "sums", &SUMS.replace("* 2", "* 3"));
        let _ = project.run(&["workflow", "publish", "sums"]).exits(0);
        let live = project.run(&["executions", "replay", id, "--from", "double", "--version", "live", "--wait", "--json"]).exits(0).json();
        assert_eq!((&live["version"], &live["output"]["n"]), (&2.into(), &12.into()));
        let refused = project.run(&["executions", "replay", id, "--from", "nowhere"]).exits(1);
        assert!(refused.err.contains("has no step `nowhere`") && refused.err.contains("double"), "{}", refused.err);
        let _ = project.run(&["executions", "replay", id, "--version", "first"]).exits(2);
    }

    async fn a_replay_that_repeats_a_once_effect_needs_a_yes_where_nobody_can_be_asked(test: TestDatabase) {
        let project = Project::new(&test.url);
        import(&project, "tells", TELLS);
        let run = project.run(&["run", "tells", "--wait", "--json"]).exits(1).json();
        let id = run["id"].as_str().unwrap();
        assert_eq!(run["steps"][0]["status"], "failed", "{run}");
        let refused = project.run(&["executions", "replay", id]).exits(1);
        assert!(refused.err.contains("should happen once: post") && refused.err.contains("--yes"), "{}", refused.err);
        let refused = project.run(&["executions", "bulk", "replay", "--workflow", "tells"]).exits(1);
        assert!(refused.err.contains("post of tells"), "{}", refused.err);
        let all = project.run(&["executions", "list", "--json", "--count"]).exits(0).json();
        assert_eq!(all["count"], 1, "nothing was started");
        let _ = project.run(&["executions", "replay", id, "--yes"]).exits(0);
    }

    async fn a_waiting_execution_is_explained_and_goes_on_by_a_signal(test: TestDatabase) {
        let project = Project::new(&test.url);
        import(&project, "asks", ASKS);
        let id = project.run(&["run", "asks", "--json"]).exits(0).json()["id"].as_str().unwrap().to_owned();
        let queued = project.run(&["executions", "explain", &id, "--json"]).exits(0).json();
        assert_eq!(queued["code"], "QUEUED", "{queued}");
        let told = project.run(&["executions", "explain", &id]).exits(0).out;
        assert!(told.contains("QUEUED") && told.contains(&format!("automate executions cancel {id}")), "{told}");
        let data = project.write("data.json", r#"{"by":"Ada"}"#);
        let send = ["executions", "signal", &id, "approved", "--data", &format!("@{data}"), "--dedupe-key", "k", "--json"];
        let first = project.run(&send).exits(0).json();
        let second = project.run(&send).exits(0).json();
        assert_eq!((&first["duplicate"], &second["duplicate"], &first["id"]), (&false.into(), &true.into(), &second["id"]));
        // The replay's worker works on what waits in the queue too.
        import(&project, "sums", SUMS);
        let _ = project.run(&["run", "sums", "--input", r#"{"n":1}"#, "--wait"]).exits(0);
        let mut shown = project.run(&["executions", "show", &id, "--json"]).exits(0).json();
        for _ in 0..20 {
            if shown["status"] == "completed" {
                break;
            }
            let _ = project.run(&["run", "sums", "--input", r#"{"n":1}"#, "--wait"]).exits(0);
            shown = project.run(&["executions", "show", &id, "--json"]).exits(0).json();
        }
        assert_eq!((&shown["status"], &shown["output"]["by"]), (&"completed".into(), &"Ada".into()));
        assert_eq!(project.run(&["executions", "explain", &id, "--json"]).exits(0).json()["code"], "COMPLETED");
        let ended = project.run(&["executions", "signal", &id, "approved"]).exits(1);
        assert!(ended.err.contains("has ended as completed"), "{}", ended.err);
    }

    async fn many_executions_are_previewed_done_and_reported(test: TestDatabase) {
        let project = Project::new(&test.url);
        import(&project, "sums", SUMS);
        for n in 0..3 {
            let _ = project.run(&["run", "sums", "--input", &format!(r#"{{"n":{n}}}"#)]).exits(0);
        }
        let select = ["executions", "bulk", "cancel", "--workflow", "sums", "--since", "1h"];
        let preview = project.run(&[&select[..], &["--dry-run", "--json"]].concat()).exits(0).json();
        assert_eq!((&preview["count"], &preview["effects"]), (&3.into(), &serde_json::json!([])));
        let told = project.run(&[&select[..], &["--dry-run"]].concat()).exits(0).out;
        assert!(told.contains("cancel of 3 executions"), "{told}");
        let bulk = project.run(&[&select[..], &["--json"]].concat()).exits(0).json();
        let id = bulk["id"].as_str().unwrap();
        let stopped = project.run(&["executions", "bulk", "stop", id, "--json"]).exits(0).json();
        assert_eq!((&stopped["status"], &stopped["pending"]), (&"cancelled".into(), &3.into()));
        let done = project.run(&["executions", "bulk", "replay", "--workflow", "sums", "--wait", "--json"]).exits(0).json();
        assert_eq!(done["status"], "completed");
        let shown = project.run(&["executions", "bulk", "show", id]).exits(0).out;
        assert!(shown.contains("3 not gone through"), "{shown}");
        let listed = project.run(&["executions", "bulk", "list", "--json"]).exits(0).json();
        assert_eq!(listed["results"].as_array().unwrap().len(), 2);
        let wrong = project.run(&["executions", "bulk", "retry", "--status", "completed"]).exits(1);
        assert!(wrong.err.contains("`retry` is for executions that are failed"), "{}", wrong.err);
        let _ = project.run(&["executions", "bulk", "retry", "--since", "yesterday"]).exits(2);
    }
}
