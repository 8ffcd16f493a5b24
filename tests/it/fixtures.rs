//! `dumpdata` and `loaddata`: from one installation to another, whatever its database.

use automate_tests::binary::Project;
use automate_tests::both_databases;
use serde_json::Value;

const HELLO: &str =
    "workflow: hello\non: [{ manual: true }]\nsteps:\n  - { id: a, set: { x: 1 } }\noutput: { x: \"{{ vars.x }}\" }\n";
const PASSWORD: &str = "correct horse battery";

/// An installation with a person and a workflow of two versions.
fn origin() -> Project {
    let project = Project::embedded();
    let _ = project
        .run_with_stdin(&["createsuperuser", "--email", "ada@example.org", "--password-stdin"], PASSWORD)
        .exits(0);
    project.write("hello.yaml", HELLO);
    let _ = project.run(&["workflow", "import", "hello.yaml", "--publish"]).exits(0);
    project.write("hello.yaml", &HELLO.replace("x: 1", "x: 2"));
    let _ = project.run(&["workflow", "import", "hello.yaml", "--publish"]).exits(0);
    project
}

fn dump(project: &Project, more: &[&str]) -> String {
    let args: Vec<&str> = ["dumpdata"].iter().chain(more).copied().collect();
    project.run(&args).exits(0).out
}

fn fields<'d>(dump: &'d Value, model: &str) -> Vec<&'d Value> {
    dump.as_array().unwrap().iter().filter(|row| row["model"] == model).map(|row| &row["fields"]).collect()
}

both_databases! {
    async fn a_fixture_goes_from_one_installation_to_another_and_in_again(db: TestDatabase) {
        let url = db.url.clone();
        tokio::task::spawn_blocking(move || {
            let (from, to) = (origin(), Project::new(&url));
            let text = dump(&from, &["--with-credentials"]);
            let rows: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(fields(&rows, "workflows.version").len(), 2);
            to.write("fixture.json", &text);
            // The other installation has its own default groups, and a workflow of the same name.
            to.write("hello.yaml", &HELLO.replace("x: 1", "x: 7"));
            let _ = to.run(&["workflow", "import", "hello.yaml", "--publish"]).exits(0);
            for _ in 0..2 {
                let loaded = to.run(&["loaddata", "fixture.json", "--json"]).exits(0).json();
                assert_eq!(loaded["people.user"], 1);
            }
            let run = to.run(&["run", "hello", "--wait", "--json"]).exits(0).json();
            assert_eq!((&run["version"], &run["output"]["x"]), (&Value::from(2), &Value::from(2)));
            let there: Value = serde_json::from_str(&dump(&to, &[])).unwrap();
            assert_eq!(fields(&there, "people.user")[0]["email"], "ada@example.org");
            assert_eq!(fields(&there, "people.group").len(), fields(&rows, "people.group").len());
            let _ = to.run(&["audit", "verify"]).exits(0);
        }).await.unwrap();
    }

    async fn a_row_that_cannot_be_taken_takes_the_whole_file_with_it(db: TestDatabase) {
        let url = db.url.clone();
        tokio::task::spawn_blocking(move || {
            let (from, to) = (origin(), Project::new(&url));
            let before = dump(&to, &[]);
            let good: Value = serde_json::from_str(&dump(&from, &[])).unwrap();
            assert!(!good.to_string().contains("argon2"), "no hash unless it is asked for");
            let bad = [
                ("{\"model\": \"x.y\", \"fields\": {}}", "there is no such model"),
                ("{\"model\": \"people.user\"}", "`fields` is missing"),
                ("{\"model\": \"workflows.trigger\", \"fields\": {\"id\": 7}}", "does not fit"),
                ("{\"model\": \"workflows.trigger\", \"fields\": {\"rank\": 7}}", "there is no field"),
                ("{\"model\": \"workflows.trigger\", \"fields\": {\"id\": null}}", "cannot be null"),
            ];
            for (row, told) in bad {
                let mut rows = good.clone();
                rows.as_array_mut().unwrap().push(serde_json::from_str(row).unwrap());
                to.write("bad.json", &rows.to_string());
                let answer = to.run(&["loaddata", "bad.json"]).exits(1);
                assert!(answer.err.contains(told), "{row}: {}", answer.err);
            }
            to.write("bad.json", "{");
            let _ = to.run(&["loaddata", "bad.json"]).exits(1);
            let _ = to.run(&["dumpdata", "--models", "x.y"]).exits(2);
            assert_eq!(dump(&to, &[]), before, "nothing was loaded");
        }).await.unwrap();
    }
}
