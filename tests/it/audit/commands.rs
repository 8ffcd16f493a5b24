//! What is done at the command line stands in the log, which is whole afterwards.

use std::collections::BTreeMap;

use automate_tests::binary::{Answer, Project};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;
use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;

const ASKS: &str =
    "workflow: asks\non: [{ manual: true }]\nsteps:\n  - { id: ok, wait: { signal: approved, timeout: 1h } }\n";
const BREAKS: &str = "workflow: breaks\non: [{ manual: true }]\nsteps:\n  - { id: no, fail: \"no\" }\n";

/// An entry, as far as it is of interest here.
#[derive(Debug)]
struct Entry {
    action: String,
    object: String,
    outcome: String,
    changes: Value,
}

/// What came into the log since the last look.
async fn new(test: &TestDatabase, seen: &mut i64) -> Vec<Entry> {
    let orm = test.db.orm_reader();
    let sql = format!("SELECT * FROM audit_log WHERE seq > {seen} ORDER BY seq");
    let rows = orm.query_all_raw(Statement::from_string(orm.get_database_backend(), sql)).await.unwrap();
    let mut entries = Vec::new();
    for row in rows {
        let text = |name: &str| row.try_get::<String>("", name).unwrap();
        *seen = row.try_get("", "seq").unwrap();
        assert_eq!(text("actor_kind"), "cli");
        entries.push(Entry {
            action: text("action"),
            object: text("object_id"),
            outcome: text("outcome"),
            changes: serde_json::from_str(&text("changes")).unwrap(),
        });
    }
    entries
}

fn whole(project: &Project) {
    let report = project.run(&["audit", "verify", "--json"]).exits(0).json();
    assert_eq!(report["report"]["findings"], serde_json::json!([]), "{report:#}");
}

both_databases! {
    async fn every_command_that_changes_something_leaves_its_entry_and_the_log_is_whole(test: TestDatabase) {
        let project = Project::new(&test.url);
        let mut seen = 0;
        let asks = project.write("asks.yaml", ASKS);
        let breaks = project.write("breaks.yaml", BREAKS);
        let mut ids = BTreeMap::new();
        let again = project.write("again.yaml", &ASKS.replace("1h", "2h"));
        for file in [&asks, &breaks] {
            let _ = project.run(&["workflow", "import", file]).exits(0);
        }
        for name in ["cancelled", "signalled", "bulk"] {
            let run = project.run(&["run", "asks", "--json"]).exits(0).json();
            ids.insert(name, run["id"].as_str().unwrap().to_owned());
        }
        let failed = project.run(&["run", "breaks", "--wait", "--json"]).exits(1).json();
        let failed = failed["id"].as_str().unwrap().to_owned();
        let begun = new(&test, &mut seen).await;
        let actions: Vec<&str> = begun.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["workflow.publish", "workflow.publish", "workflow.run", "workflow.run", "workflow.run", "workflow.run"]);

        // What is asked for, on stdin what it takes, and what the log says of it.
        let bulk = ["executions", "bulk", "cancel", "--id", &ids["bulk"], "--json"];
        for (args, stdin, action, object, outcomes) in [
            (&["workflow", "import", &again][..], "", "workflow.update", "asks", &["asked"][..]),
            (&["workflow", "publish", "asks", "--note", "why"], "", "workflow.publish", "asks", &["asked"]),
            (&["workflow", "rollback", "asks"], "", "workflow.rollback", "asks", &["asked"]),
            (&["executions", "cancel", &ids["cancelled"]], "", "execution.cancel", &ids["cancelled"], &["asked"]),
            (&["executions", "signal", &ids["signalled"], "approved"], "", "execution.signal", &ids["signalled"], &["asked"]),
            (&["executions", "retry", &failed], "", "execution.retry", &failed, &["asked"]),
            (&["executions", "replay", &ids["cancelled"]], "", "execution.replay", &ids["cancelled"], &["asked"]),
            (&bulk, "", "bulk_operation.start", "cancel", &["asked"]),
            (&["outbox", "requeue", "--failed"], "", "outbox.requeue", "", &["asked"]),
            (&["outbox", "purge"], "", "outbox.purge", "", &["asked"]),
            (&["outbox", "reap"], "", "outbox.reap", "", &["asked"]),
            (&["secrets", "set", "CRM"], "first-value-31", "secret.create", "CRM", &["done"]),
            (&["secrets", "set", "CRM"], "second-value-31", "secret.rotate", "CRM", &["done"]),
            (&["secrets", "rotate", "CRM"], "third-value-31", "secret.rotate", "CRM", &["done"]),
            (&["secrets", "rotate", "--master-key"], "", "secret.rotate_master_key", "", &["asked", "done"]),
            (&["secrets", "delete", "CRM"], "", "secret.delete", "CRM", &["done"]),
        ] {
            let _ = project.run_with_stdin(args, stdin).exits(0);
            let entries = new(&test, &mut seen).await;
            let told: Vec<&str> = entries.iter().map(|entry| entry.outcome.as_str()).collect();
            assert_eq!(told, outcomes, "{args:?}: {entries:?}");
            for entry in &entries {
                assert_eq!((entry.action.as_str(), entry.object.as_str()), (action, object), "{args:?}");
                assert!(!entry.changes.to_string().contains("-value-31"), "{entry:?}");
            }
        }

        // A failure is told of, what only looks is not, and neither is what was refused before it began.
        let _ = project.run(&["executions", "cancel", &automate_core::ids::ExecutionId::new().to_string()]).exits(1);
        let entries = new(&test, &mut seen).await;
        assert_eq!(entries.iter().map(|entry| entry.outcome.as_str()).collect::<Vec<_>>(), ["asked", "failed"]);
        for args in [
            &["outbox", "requeue", "--failed", "--dry-run"][..],
            &["outbox", "purge", "--dry-run"],
            &["outbox", "reap", "--dry-run"],
            &["executions", "bulk", "cancel", "--workflow", "asks", "--dry-run"],
            &["executions", "list"],
            &["secrets", "list"],
        ] {
            let _ = project.run(args).exits(0);
        }
        let _ = project.run_with_stdin(&["secrets", "rotate", "NEVER"], "value-of-never").exits(1);
        let _ = project.run(&["secrets", "delete", "NEVER"]).exits(1);
        assert!(new(&test, &mut seen).await.is_empty());
        whole(&project);
    }

    async fn the_log_stays_whole_when_the_master_key_is_changed_and_the_old_one_goes(test: TestDatabase) {
        let project = Project::new(&test.url);
        let (old, new) = (hex::encode(rand::random::<[u8; 32]>()), hex::encode(rand::random::<[u8; 32]>()));
        let run = |keys: &str, args: &[&str]| {
            let mut command = project.command(args);
            command.env("AUTOMATE_MASTER_KEY", keys);
            Answer::of(command.output().unwrap())
        };
        let file = project.write("asks.yaml", ASKS);
        let _ = run(&old, &["workflow", "import", &file]).exits(0);
        let _ = run(&old, &["audit", "verify"]).exits(0);
        // With the new key alone nobody can tell who signed.
        let _ = run(&new, &["audit", "verify"]).exits(1);
        let both = format!("{new},{old}");
        let _ = run(&both, &["audit", "verify"]).exits(0);
        let report = run(&both, &["secrets", "rotate", "--master-key", "--json"]).exits(0).json();
        assert!(report["audit_logs"].is_u64(), "{report}");
        let _ = run(&new, &["audit", "verify"]).exits(0);
        let _ = run(&new, &["outbox", "purge"]).exits(0);
        let _ = run(&new, &["audit", "verify"]).exits(0);
        let _ = run(&old, &["audit", "verify"]).exits(1);
    }
}
