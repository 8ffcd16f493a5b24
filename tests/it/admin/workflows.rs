//! Workflows: list, page, editor, versions, tests.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use automate_core::ids::TenantId;
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

/// Somebody who may do this and nothing else.
fn eve(site: &Site, permissions: &[&str]) -> Browser {
    let made = site.project.run(&[
        "token",
        "create",
        "--name",
        "t",
        "--scopes",
        "admin",
        "--user",
        "ada@example.com",
        "--json",
    ]);
    let bearer = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let body = serde_json::json!({
        "email": "eve@example.com", "password": PASSWORD, "is_staff": true, "permissions": permissions,
    });
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let user = site.browser().send("POST", "/api/v1/users", &headers, Some(&body.to_string()));
    assert_eq!(user.status, 201, "{}", user.body);
    site.log_in_as("eve@example.com")
}

/// The execution whose page an answer leads to.
fn execution_of(started: &Page) -> String {
    let id = started.location().strip_prefix("/admin/executions/").unwrap_or_default();
    assert!(!id.is_empty(), "{} {}", started.status, started.body);
    id.trim_end_matches('/').to_owned()
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
        for marked in ["/admin/workflows/calls/", "/admin/executions/", "/admin/executions/?q=trigger%3Atest"] {
            assert_eq!(ada.get(marked).is(200).count("<span class=\"badge\">test</span>"), 4, "{marked}");
        }
        assert!(ada.get(&format!("/admin/executions/{again}/")).is(200).has("<span class=\"badge\">test</span>"));
        assert_eq!(ada.post("/admin/workflows/calls/test/", &[("version", "2"), ("answers", "[]")]).status, 422);
        assert_eq!(ada.post("/admin/workflows/calls/test/", &[("version", "2"), ("event", "nonsense")]).status, 422);
    }

    async fn a_draft_is_tested_with_a_payload_and_then_published_as_version_1(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let (port, count) = counting();
        let source = format!(
            "workflow: orders\non: [ {{ webhook: orders, verify: none }} ]\nsteps:\n  - id: call\n    uses: http.request\n    \
             with: {{ method: POST, url: \"http://127.0.0.1:{port}/{{{{ event.payload.order.id }}}}\" }}\n"
        );
        let saved = ada.post("/admin/workflows/new/", &[("source", source.as_str()), ("do", "test")]);
        assert_eq!(saved.location(), "/admin/workflows/orders/test/?version=draft", "{}", saved.body);
        // It begins with what the document reads of a payload.
        let form = ada.get("/admin/workflows/orders/test/").is(200);
        assert!(form.has("<option value=\"draft\" selected>") && form.has("Event payload, as JSON"), "{}", form.body);
        assert!(form.has("&#34;id&#34;: &#34;sample&#34;") && !form.has("id=\"id_input\""), "{}", form.body);
        assert!(ada.get("/admin/workflows/orders/").is(200).has(">Test the draft</a>"));
        let payload = r#"{"order": {"id": 17}}"#;
        let started = ada.post("/admin/workflows/orders/test/", &[("version", "draft"), ("payload", payload)]);
        let id = execution_of(&started);
        let record = ended(&site, &id);
        assert_eq!((&record["status"], &record["version"]), (&"completed".into(), &0.into()));
        let called = &record["steps"][0]["output"]["would_have_called"]["input"];
        assert_eq!(called["url"], format!("http://127.0.0.1:{port}/17"), "{record}");
        let page = ada.get(&format!("/admin/executions/{id}/")).is(200);
        assert!(page.has("<a href=\"/admin/workflows/orders/edit/\">draft</a>") && !page.has("version 0"), "{}", page.body);
        assert!(ada.get(&format!("/admin/executions/{id}/?tab=graph")).is(200).has("id=\"node-call\""));
        assert!(ada.get("/admin/executions/").is(200).has("· draft"));
        assert!(site.project.run(&["executions", "show", &id]).out.contains("orders (draft)"));
        // It is no version, and cannot be started as one.
        assert!(ada.get("/admin/workflows/orders/versions/").is(200).has("No version yet"));
        assert_eq!(ada.get("/admin/workflows/orders/versions/0/").status, 404);
        for path in ["rollback/?to=0", "diff/?from=0&to=draft"] {
            assert!(ada.get(&format!("/admin/workflows/orders/{path}")).status >= 400, "{path}");
        }
        let run = site.project.run(&["run", "orders", "--workflow-version", "0"]);
        assert!(run.code != 0 && run.err.contains("no version 0"), "{}", run.err);
        confirm(&mut ada, "orders", "the first");
        let versions = ada.get("/admin/workflows/orders/versions/").is(200);
        assert!(versions.has("/versions/1/") && !versions.has("/versions/0/"));
        assert_eq!(count.load(Ordering::SeqCst), 0, "nothing was sent");
        // What a step reads of another, the test begins with.
        let reading = format!("{source}  - {{ id: told, set: {{ name: \"{{{{ steps.call.output.body.name }}}}\" }} }}\n");
        let base = ada.get("/admin/workflows/orders/edit/").hidden("row_version").unwrap();
        ada.post("/admin/workflows/orders/edit/", &[("source", &reading), ("row_version", &base), ("do", "save")]);
        let form = ada.get("/admin/workflows/orders/test/?version=draft").is(200);
        assert!(form.has("&#34;name&#34;: &#34;sample&#34;"), "{}", form.body);
        let answers = r#"{"call": {"body": {"name": "sample"}}}"#;
        let fields = [("version", "draft"), ("payload", payload), ("answers", answers)];
        let id = execution_of(&ada.post("/admin/workflows/orders/test/", &fields));
        assert_eq!(ended(&site, &id)["status"], "completed");
        confirm(&mut ada, "orders", "the second");
        assert!(ada.get("/admin/workflows/orders/versions/2/").is(200).has("name"));
        // Without a draft there is none to be tested.
        assert_eq!(ada.get("/admin/workflows/orders/test/?version=draft").status, 404);
        assert!(!ada.get("/admin/workflows/orders/test/").is(200).has("value=\"draft\""));
    }

    async fn a_draft_with_errors_says_them_in_the_place_of_its_test(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let wrong = HELLO.replace("set: { text: \"hello\" }", "uses: log.wirte, with: { message: hello }");
        ada.post("/admin/workflows/new/", &[("source", wrong.as_str()), ("do", "save")]);
        let form = ada.get("/admin/workflows/hello/test/").is(200);
        assert!(form.has("The draft cannot be tested yet") && form.has("no action `wirte`"), "{}", form.body);
        let refused = ada.post("/admin/workflows/hello/test/", &[("version", "draft"), ("payload", "{}")]).is(422);
        assert!(refused.has("The draft cannot be tested yet") && refused.has("no action `wirte`"));
        for version in ["0", "", "-1", "live"] {
            assert_eq!(ada.post("/admin/workflows/hello/test/", &[("version", version)]).status, 400, "{version}");
        }
        assert!(ada.get("/admin/workflows/hello/").is(200).has("It never ran."));
    }

    async fn whoever_may_not_publish_tests_a_draft_without_reading_outside(db: TestDatabase) {
        let site = Site::start(db).await;
        let (port, count) = counting();
        let mut ada = site.log_in();
        ada.post("/admin/workflows/new/", &[("source", &calling(port, "GET")), ("do", "save")]);
        let mut eve = eve(&site, &["workflows.view_workflow", "workflows.change_workflow", "workflow.run"]);
        assert!(eve.get("/admin/workflows/calls/test/").is(200).has("disabled"));
        let reading = eve.post("/admin/workflows/calls/test/", &[("version", "draft"), ("input", "{}"), ("reads", "true")]);
        assert_eq!(reading.status, 403);
        let off = eve.post("/admin/workflows/calls/test/", &[("version", "draft"), ("input", "{}")]);
        assert_eq!(ended(&site, &execution_of(&off))["status"], "completed");
        assert_eq!(count.load(Ordering::SeqCst), 0);
        let seen = ada.get("/admin/workflows/calls/test/").is(200).hidden("row_version").unwrap();
        let fields = [("version", "draft"), ("input", "{}"), ("reads", "true"), ("row_version", seen.as_str())];
        let base = eve.get("/admin/workflows/calls/edit/").hidden("row_version").unwrap();
        let other = calling(port, "HEAD");
        eve.post("/admin/workflows/calls/edit/", &[("source", &other), ("row_version", &base), ("do", "save")]);
        let changed = ada.post("/admin/workflows/calls/test/", &fields).is(409);
        let now = changed.hidden("row_version").unwrap();
        assert_ne!(now, seen);
        let fields = [("version", "draft"), ("input", "{}"), ("reads", "true"), ("row_version", now.as_str())];
        let reading = ada.post("/admin/workflows/calls/test/", &fields);
        assert_eq!(ended(&site, &execution_of(&reading))["trigger"]["effects"], "reads");
    }

    async fn nobody_sees_or_changes_a_workflow_without_leave(db: TestDatabase) {
        let site = Site::start(db).await;
        publish(&mut site.log_in(), "hello", HELLO);
        // A draft is tested by those who see it.
        let mut bob = site.person("bob@example.com", TenantId::DEFAULT, &["workflows.view_version", "workflow.run"]).await;
        let mut ada = site.log_in();
        let base = ada.get("/admin/workflows/hello/edit/").hidden("row_version").unwrap();
        ada.post("/admin/workflows/hello/edit/", &[("source", HELLO), ("row_version", &base), ("do", "save")]);
        assert!(ada.get("/admin/workflows/hello/versions/").is(200).has("test/?version=draft"));
        assert!(!bob.get("/admin/workflows/hello/versions/").is(200).has("test/?version=draft"));
        assert_eq!(bob.get("/admin/workflows/hello/test/?version=draft").status, 403);
        assert_eq!(bob.post("/admin/workflows/hello/test/", &[("version", "draft"), ("payload", "{}")]).status, 403);
        // Somebody who sees workflows and does nothing else.
        let mut eve = eve(&site, &["workflows.view_workflow"]);
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
