//! Executions: found, understood, acted on.

use automate_tests::admin::{Browser, Site};
use automate_tests::both_databases;

const BREAKS: &str = r#"workflow: order-breaks
on: [ { manual: true } ]
steps:
  - { id: first, set: { n: "{{ inputs.n }}" } }
  - { id: say, uses: log.write, with: { message: "number {{ vars.n }}" } }
  - { id: charge, fail: "the card <b>was</b> declined" }
"#;

const WAITS: &str = r#"workflow: order-waits
on: [ { manual: true } ]
steps:
  - { id: ok, wait: { signal: approved, timeout: 1h } }
output: { by: "{{ steps.ok.output.by }}" }
"#;

const FINE: &str = r#"workflow: fine
on: [ { manual: true } ]
steps:
  - { id: start, set: { n: "{{ inputs.n }}" } }
  - { id: double, uses: data.transform, with: { value: "{{ vars.n * 2 }}" } }
output: { n: "{{ steps.double.output }}" }
"#;

/// Runs a workflow by hand and answers the execution's id once it stands as it should.
fn run(site: &Site, workflow: &str, status: &str) -> String {
    let answer = site.project.run(&["run", workflow, "--input", r#"{"n":4}"#, "--json"]);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    until(site, &id, status);
    id
}

fn until(site: &Site, id: &str, status: &str) {
    for _ in 0..200 {
        if site.project.run(&["executions", "show", id, "--json"]).exits(0).json()["status"] == status {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{id} is not {status}");
}

fn page(browser: &mut Browser, id: &str) -> String {
    browser.get(&format!("/admin/executions/{id}/")).is(200).body
}

both_databases! {
    async fn what_failed_is_found_from_the_overview_and_says_why(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("breaks", BREAKS);
        let id = run(&site, "order-breaks", "failed");
        let mut ada = site.log_in();
        let overview = ada.get("/admin/").is(200);
        assert!(overview.has("FAILED") && overview.has("state%3Afailed+created%3A%3C24h"), "{}", overview.body);
        let list = ada.get("/admin/executions/?q=state%3Afailed+workflow%3Aorder-*+error%3A%22was%22").is(200);
        assert!(list.has(&id) && list.has("state:failed"), "{}", list.body);
        let none = ada.get("/admin/executions/?q=error%3Anothing-like-it").is(200);
        assert!(none.has("No execution matches") && !none.has(&id));
        let shown = page(&mut ada, &id);
        assert!(shown.contains("charge failed") && shown.contains("FAILED"), "{shown}");
        assert!(!shown.contains("<b>was</b>"), "an error is text");
        assert!(shown.contains("bar-failed") && shown.contains("charge: failed"));
        let tabs = ["steps", "graph", "io", "logs", "events", "audit"];
        for tab in tabs {
            let tab = ada.get(&format!("/admin/executions/{id}/?tab={tab}")).is(200);
            assert!(tab.body.len() < 250_000);
        }
        assert!(ada.get(&format!("/admin/executions/{id}/?tab=logs")).has("number 4"));
        assert!(ada.get(&format!("/admin/executions/{id}/?tab=audit")).has("execution.view"), "a look is on record");
    }

    async fn a_search_that_is_not_understood_says_what_was_meant(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let page = ada.get("/admin/executions/?q=stat%3Afailed").is(422);
        assert!(page.has("At character 1") && page.has("state:failed") && page.has("`workflow:`"), "{}", page.body);
        assert!(page.has("<title>Error: "));
        assert_eq!(ada.get("/admin/executions/?nonsense=1").status, 400);
        assert!(ada.get("/admin/executions/").is(200).has("Nothing has run yet"));
    }

    async fn two_clicks_on_one_button_do_it_once(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("breaks", BREAKS);
        let id = run(&site, "order-breaks", "failed");
        let mut ada = site.log_in();
        let here = format!("/admin/executions/{id}/");
        let plan = ada.get(&format!("{here}replay/?from=charge")).is(200);
        assert!(plan.has("2 steps are kept as they ended, 1 runs"), "{}", plan.body);
        let token = plan.hidden("token").unwrap();
        let fields = [("token", token.as_str()), ("from", "charge"), ("version", "pinned")];
        let first = ada.post(&format!("{here}replay/"), &fields);
        let second = ada.post(&format!("{here}replay/"), &fields);
        assert_eq!(first.location(), second.location());
        assert_ne!(first.location(), here);
        let list = ada.get(&format!("/admin/executions/?q=replay%3A{id}")).is(200);
        assert_eq!(list.count("aria-label=\"Select order-breaks"), 1, "{}", list.body);
        let retry = ada.get(&here).is(200).hidden("token").unwrap();
        let both = [ada.post(&format!("{here}retry/"), &[("token", &retry)]), ada.post(&format!("{here}retry/"), &[("token", &retry)])];
        assert!(both.iter().all(|page| page.status == 303));
        until(&site, &id, "failed");
        assert!(page(&mut ada, &id).contains("<dt>Attempt</dt><dd class=\"num\">2</dd>"), "one retry");
    }

    async fn a_waiting_execution_says_why_and_goes_on_by_a_signal(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("waits", WAITS);
        let id = run(&site, "order-waits", "waiting");
        let mut ada = site.log_in();
        let shown = page(&mut ada, &id);
        assert!(shown.contains("Why is it waiting?") && shown.contains("approved"), "{shown}");
        assert!(shown.contains(&format!("data-live=\"/admin/executions/{id}/live?")));
        let form = ada.get(&format!("/admin/executions/{id}/signal/")).is(200);
        let token = form.hidden("token").unwrap();
        let bad = ada.post(&format!("/admin/executions/{id}/signal/"), &[("token", &token), ("name", "approved"), ("payload", "{")]);
        assert!(bad.status == 422 && bad.has("The payload is not JSON"));
        let sent = ada.post(&format!("/admin/executions/{id}/signal/"), &[("token", &token), ("name", "approved"), ("payload", r#"{"by":"Ada"}"#)]);
        assert_eq!(sent.location(), format!("/admin/executions/{id}/"));
        until(&site, &id, "completed");
        assert!(!page(&mut ada, &id).contains("data-live="), "nothing more will come");
    }

    async fn many_are_done_to_after_a_look_at_which(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("breaks", BREAKS);
        let ids: Vec<String> = (0..3).map(|_| run(&site, "order-breaks", "failed")).collect();
        let mut ada = site.log_in();
        let ask = ada.get("/admin/executions/bulk/?op=retry&across=1&q=state%3Afailed").is(200);
        assert!(ask.has("Retry: 3 executions"), "{}", ask.body);
        let chosen = ada.get(&format!("/admin/executions/bulk/?op=cancel&id={}&id={}", ids[0], ids[1])).is(200);
        assert!(chosen.has("None of what is selected"), "what has ended cannot be cancelled: {}", chosen.body);
        let again = ada.get(&format!("/admin/executions/bulk/?op=replay&id={}&id={}", ids[0], ids[1])).is(200);
        let token = again.hidden("token").unwrap();
        let fields = [("token", token.as_str()), ("op", "replay"), ("id", &ids[0]), ("id", &ids[1]), ("rate", "100")];
        let started = ada.post("/admin/executions/bulk/", &fields);
        let report = started.location().to_owned();
        assert_eq!(ada.post("/admin/executions/bulk/", &fields).location(), report);
        for _ in 0..100 {
            if ada.get(&report).is(200).has("2 done") {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let report = ada.get(&report);
        assert!(report.has("2 done") && report.has("REPLAYED"), "{}", report.body);
    }

    async fn an_execution_of_nobody_is_not_found(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        for id in ["01936f6e-0000-7000-8000-000000000001", "nonsense", "..%2f"] {
            for page in ["", "cancel/", "retry/", "signal/", "resolve/", "replay/", "payload/?what=input"] {
                assert_eq!(ada.get(&format!("/admin/executions/{id}/{page}")).status, 404, "{id} {page}");
            }
            for page in ["cancel/", "retry/", "replay/", "signal/"] {
                assert_eq!(ada.post(&format!("/admin/executions/{id}/{page}"), &[("token", "t")]).status, 404);
            }
        }
    }

    async fn what_ended_well_can_be_run_again_with_another_input(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("fine", FINE);
        let id = run(&site, "fine", "completed");
        let mut ada = site.log_in();
        let edit = ada.get(&format!("/admin/executions/{id}/replay/?edit=1")).is(200);
        assert!(edit.has("&quot;n&quot;: 4") || edit.has("&#34;n&#34;: 4"), "{}", edit.body);
        let token = edit.hidden("token").unwrap();
        let place = format!("/admin/executions/{id}/replay/");
        let bad = ada.post(&place, &[("token", &token), ("edit", "1"), ("input", "{n}")]);
        assert!(bad.status == 422 && bad.has("The input is not JSON"));
        let new = ada.post(&place, &[("token", &token), ("edit", "1"), ("input", r#"{"n":21}"#)]);
        let new = new.location().to_owned();
        let new_id = new.trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        until(&site, &new_id, "completed");
        assert!(ada.get(&format!("{new}?tab=io")).is(200).has("42"));
    }
}
