//! Workflows: list, page, editor, versions, tests.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use automate_tests::admin::{Browser, PASSWORD, Page, Site};
use automate_tests::both_databases;

const HELLO: &str = "\
workflow: hello
title: Says hello
on: [ { manual: true }, { webhook: hello, verify: { scheme: stripe, secret: $secret:SHOP_KEY } } ]
steps:
  - { id: greet, set: { text: \"hello\" } }
";

/// A server that counts what reaches it.
fn counting() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    // Ends with the process of the test.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0_u8; 4_096];
            let read = stream.read(&mut head).unwrap_or(0);
            if read > 0 {
                let body = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                drop(stream.write_all(body.as_bytes()));
            }
        }
    });
    (port, count)
}

fn calling(port: u16, method: &str) -> String {
    format!(
        "workflow: calls\non: [ {{ manual: true }} ]\nsteps:\n  - id: call\n    uses: http.request\n    \
         with: {{ method: {method}, url: \"http://127.0.0.1:{port}/\" }}\n"
    )
}

/// Saves a document as a new workflow's draft, and publishes it.
fn publish(browser: &mut Browser, slug: &str, source: &str) -> Page {
    let saved = browser.post("/admin/workflows/new/", &[("source", source), ("do", "save")]);
    assert_eq!(saved.location(), format!("/admin/workflows/{slug}/edit/"), "{}", saved.body);
    confirm(browser, slug, "the first")
}

fn confirm(browser: &mut Browser, slug: &str, note: &str) -> Page {
    let asked = browser.get(&format!("/admin/workflows/{slug}/publish/")).is(200);
    let version = asked.hidden("row_version").unwrap();
    browser.post(&format!("/admin/workflows/{slug}/publish/"), &[("row_version", &version), ("note", note)])
}

/// Waits for the end of an execution, as the database has it.
fn ended(site: &Site, id: &str) -> serde_json::Value {
    for _ in 0..200 {
        let out = site.project.run(&["executions", "show", id, "--json"]);
        let record: serde_json::Value = serde_json::from_str(&out.out).unwrap_or_default();
        if matches!(record["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
            return record;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("execution {id} has not ended")
}

both_databases! {
    async fn a_workflow_is_written_checked_saved_and_published_without_scripts(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        assert!(ada.get("/admin/workflows/").is(200).has("No workflows yet"));
        assert!(ada.get("/admin/workflows/new/?from=fan-out").is(200).has("Two branches and a join"));
        let wrong = ada.post("/admin/workflows/new/", &[("source", "workflow: hello\nsteps: [ { id: a, usse: x.y } ]"), ("do", "check")]);
        assert!(wrong.status == 200 && wrong.has("href=\"#L2\"") && wrong.has("id=\"L2\" class=\"is-error\""), "{}", wrong.body);
        let refused = ada.post("/admin/workflows/new/", &[("source", "steps: ["), ("do", "save")]).is(422);
        assert!(refused.has("Nothing was saved") && refused.has("steps: ["));
        assert_eq!(publish(&mut ada, "hello", HELLO).location(), "/admin/workflows/hello/");
        let list = ada.get("/admin/workflows/?q=HEL").is(200);
        assert!(list.has("href=\"/admin/workflows/hello/\"") && list.has("state-active"));
        assert!(ada.get("/admin/workflows/?q=h%25o").is(200).has("No workflow matches"));
        assert_eq!(ada.get("/admin/workflows/?color=red").status, 400);
        let page = ada.get("/admin/workflows/hello/").is(200);
        assert!(page.has("id=\"node-greet\"") && page.has("id=\"step-greet\"") && !page.has("style="));
        assert!(page.has("/hooks/default/hello") && page.has("SHOP_KEY:?") && page.has("openssl dgst"));
        assert_eq!(ada.get("/admin/workflows/nobody/").status, 404);
    }

    async fn a_draft_that_somebody_else_saved_is_not_written_over(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        publish(&mut ada, "hello", HELLO);
        let mut other = ada.clone();
        let base = ada.get("/admin/workflows/hello/edit/").is(200).hidden("row_version").unwrap();
        let theirs = HELLO.replace("hello\" }", "theirs\" }");
        let saved = other.post("/admin/workflows/hello/edit/", &[("source", &theirs), ("row_version", &base), ("do", "save")]);
        assert_eq!(saved.status, 303);
        let mine = HELLO.replace("hello\" }", "mine\" }");
        let conflict = ada.post("/admin/workflows/hello/edit/", &[("source", &mine), ("row_version", &base), ("do", "save")]).is(409);
        assert!(conflict.has("theirs") && conflict.has("mine") && conflict.has("class=\"del\""));
        let now = conflict.hidden("row_version").unwrap();
        let kept = ada.post("/admin/workflows/hello/edit/", &[("source", &mine), ("row_version", &now), ("do", "save")]);
        assert_eq!(kept.location(), "/admin/workflows/hello/edit/");
        // A look at an older state publishes nothing.
        let stale = ada.post("/admin/workflows/hello/publish/", &[("row_version", &base), ("note", "")]).is(409);
        assert!(stale.has("Nothing was published"));
    }

    async fn versions_are_compared_and_brought_back(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        publish(&mut ada, "hello", HELLO);
        let second = HELLO.replace("steps:\n", "steps:\n  - { id: first, set: { n: 1 } }\n").replace("text: \"hello\"", "text: \"two\"");
        let base = ada.get("/admin/workflows/hello/edit/").hidden("row_version").unwrap();
        ada.post("/admin/workflows/hello/edit/", &[("source", &second), ("row_version", &base), ("do", "save")]);
        let diff = ada.get("/admin/workflows/hello/diff/").is(200);
        assert!(diff.has("first: added") && diff.has("greet: changed") && diff.has("class=\"add\""), "{}", diff.body);
        assert_eq!(confirm(&mut ada, "hello", "two").status, 303);
        let list = ada.get("/admin/workflows/hello/versions/").is(200);
        assert!(list.has("v2") && list.has("the first") && list.has("ada@example.com"));
        assert!(ada.get("/admin/workflows/hello/versions/1/").is(200).has("id=\"L1\""));
        assert_eq!(ada.get("/admin/workflows/hello/versions/9/").status, 404);
        let asked = ada.get("/admin/workflows/hello/rollback/?to=1").is(200);
        assert!(asked.has("Version 1 is published again"));
        let version = asked.hidden("row_version").unwrap();
        let done = ada.post("/admin/workflows/hello/rollback/", &[("to", "1"), ("row_version", &version), ("note", "")]);
        assert_eq!(done.location(), "/admin/workflows/hello/");
        assert!(ada.get("/admin/workflows/hello/versions/3/").is(200).has("version 1 again"));
    }

    async fn a_run_takes_the_input_that_the_workflow_asks_for(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let source = HELLO.replace("steps:", "inputs: { type: object, required: [name], properties: { name: { type: string } } }\nsteps:");
        publish(&mut ada, "hello", &source);
        let form = ada.get("/admin/workflows/hello/run/").is(200);
        assert!(form.has("name=\"input.name\""));
        let once = form.hidden("once").unwrap();
        let refused = ada.post("/admin/workflows/hello/run/", &[("input.name", ""), ("once", &once)]).is(422);
        assert!(refused.has("<title>Error: "));
        let fields = [("input.name", "Ada"), ("once", once.as_str())];
        let first = ada.post("/admin/workflows/hello/run/", &fields).location().to_owned();
        let second = ada.post("/admin/workflows/hello/run/", &fields).location().to_owned();
        assert_eq!(first, second, "pressed twice, it starts once");
    }

    async fn a_test_sends_no_request_and_a_read_only_where_that_is_asked_for(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let (port, count) = counting();
        publish(&mut ada, "calls", &calling(port, "POST"));
        let mut test = |fields: &[(&str, &str)]| -> String {
            let started = ada.post("/admin/workflows/calls/test/", fields);
            let url = started.location().to_owned();
            url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
        };
        let off = test(&[("version", "1"), ("input", "{}")]);
        assert_eq!(ended(&site, &off)["status"], "completed");
        let reading = test(&[("version", "1"), ("input", "{}"), ("reads", "true")]);
        assert_eq!(ended(&site, &reading)["status"], "completed");
        assert_eq!(count.load(Ordering::SeqCst), 0, "a POST is no read");
        let base = ada.get("/admin/workflows/calls/edit/").hidden("row_version").unwrap();
        let source = calling(port, "GET");
        ada.post("/admin/workflows/calls/edit/", &[("source", &source), ("row_version", &base), ("do", "save")]);
        assert_eq!(confirm(&mut ada, "calls", "reads").status, 303);
        let mut test = |fields: &[(&str, &str)]| -> String {
            let started = ada.post("/admin/workflows/calls/test/", fields);
            let url = started.location().to_owned();
            url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
        };
        let off = test(&[("version", "2"), ("input", "{}")]);
        ended(&site, &off);
        assert_eq!(count.load(Ordering::SeqCst), 0);
        let again = test(&[("version", "2"), ("execution", &off)]);
        ended(&site, &again);
        assert_eq!(count.load(Ordering::SeqCst), 0);
        assert!(ada.get("/admin/workflows/calls/").is(200).count(">test</span>") >= 4);
        assert_eq!(ada.post("/admin/workflows/calls/test/", &[("version", "2"), ("answers", "[]")]).status, 422);
        assert_eq!(ada.post("/admin/workflows/calls/test/", &[("version", "2"), ("event", "nonsense")]).status, 422);
    }

    async fn nobody_sees_or_changes_a_workflow_without_leave(db: TestDatabase) {
        let site = Site::start(db).await;
        publish(&mut site.log_in(), "hello", HELLO);
        // Somebody who sees workflows and does nothing else.
        let made = site.project.run(&["token", "create", "--name", "t", "--scopes", "admin", "--user", "ada@example.com", "--json"]);
        let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
        let body = serde_json::json!({
            "email": "eve@example.com", "password": PASSWORD, "is_staff": true, "permissions": ["workflows.view_workflow"],
        });
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let user = site.browser().send("POST", "/api/v1/users", &headers, Some(&body.to_string()));
        assert_eq!(user.status, 201, "{}", user.body);
        let mut eve = site.log_in_as("eve@example.com");
        let page = eve.get("/admin/workflows/hello/").is(200);
        assert!(!page.has("Run now") && !page.has("hello/edit/") && !page.has("Recent executions"));
        for path in ["hello/edit/", "hello/versions/", "hello/diff/", "hello/publish/", "hello/run/", "hello/test/", "new/"] {
            let status = eve.get(&format!("/admin/workflows/{path}")).status;
            assert_eq!(status, 403, "{path}");
        }
        for path in ["new/", "hello/edit/", "hello/publish/", "hello/rollback/", "hello/run/", "hello/test/", "new/check/"] {
            let status = eve.post(&format!("/admin/workflows/{path}"), &[("source", HELLO)]).status;
            assert_eq!(status, 403, "{path}");
        }
    }
}
