//! Everything that a search finds: what was looked at is what it is done to, and nothing that came
//! later; and who does it may still do it.

use automate_core::ids::TenantId;
use automate_tests::admin::{Browser, Page, Site, tables};
use automate_tests::both_databases;
use serde_json::json;

const GROUPS: &str = "/admin/people/group/";
const WAITS: &str = "workflow: waits\non: [{ manual: true }]\nsteps:\n  - { id: hold, wait: { signal: go } }\n  - { id: charge, fail: declined }\n";
const BREAKS: &str = "workflow: breaks\non: [{ manual: true }]\nsteps:\n  - { id: charge, fail: declined }\n";

fn make(browser: &mut Browser, name: &str) {
    let fields = [("name", name), ("description", "of the picked"), ("_save", "1")];
    assert_eq!(browser.post(&format!("{GROUPS}add/"), &fields).status, 303, "{name}");
}

/// The groups whose names begin so.
async fn left(site: &Site, begins: &str) -> Vec<String> {
    let sql = format!("SELECT name FROM groups WHERE name LIKE '{begins}%' ORDER BY name");
    tables::texts(&site.database.db, &sql).await
}

/// Selects everything that a search finds, to be deleted; answers the page that asks.
fn across(browser: &mut Browser, search: &str) -> (String, Page) {
    let list = browser.get(&format!("{GROUPS}?q={search}")).is(200);
    of_list(browser, &list, search)
}

/// The same from a list that was drawn before.
fn of_list(browser: &mut Browser, list: &Page, search: &str) -> (String, Page) {
    let (query, drawn) = (format!("?q={search}"), list.hidden("drawn").unwrap());
    let chosen = [("action", "delete"), ("across", "1"), ("query", query.as_str()), ("drawn", drawn.as_str())];
    let place = browser.post(&format!("{GROUPS}actions/"), &chosen).location().to_owned();
    let page = browser.get(&place).is(200);
    (place.split('?').next().unwrap().to_owned(), page)
}

async fn finished(browser: &mut Browser, run: &str, says: &str) -> Page {
    for _ in 0..200 {
        let page = browser.get(run).is(200);
        if page.has(says) {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{run} never says {says}: {}", browser.get(run).body)
}

both_databases! {
    async fn rows_that_came_after_the_page_that_asks_are_not_touched(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        for n in 0..3 {
            make(&mut ada, &format!("picked {n}"));
        }
        make(&mut ada, "kept");
        let (run, page) = across(&mut ada, "picked");
        // “of the picked” is found by its description, too: the search is what was asked for.
        assert!(page.has("Delete 4 groups") && page.has("picked 2"), "{}", page.body);
        make(&mut ada, "picked later");
        let mut also = ada.clone();
        assert_eq!(ada.post(&run, &[]).status, 303);
        // Whoever sends it twice does it once.
        assert_eq!(also.post(&run, &[]).status, 303);
        assert_eq!(left(&site, "picked").await, ["picked later"]);
        assert!(left(&site, "kept").await.is_empty());
        let log = tables::texts(&site.database.db, "SELECT action AS name FROM audit_log WHERE action = 'group.bulk_delete' AND outcome = 'asked'").await;
        assert_eq!(log.len(), 1);
    }

    async fn rows_that_came_after_the_list_was_drawn_are_not_selected_with_all_that_it_finds(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        make(&mut ada, "picked 1");
        make(&mut ada, "picked 2");
        let list = ada.get(&format!("{GROUPS}?q=picked")).is(200);
        make(&mut ada, "picked later");
        let (run, page) = of_list(&mut ada, &list, "picked");
        assert!(page.has("Delete 2 groups") && !page.has(">picked later<"), "{}", page.body);
        assert_eq!(ada.post(&run, &[]).status, 303);
        assert_eq!(left(&site, "picked").await, ["picked later"]);
        // A form that does not say what it was drawn from is no selection.
        let chosen = [("action", "delete"), ("across", "1"), ("query", "?q=picked")];
        assert_eq!(ada.post(&format!("{GROUPS}actions/"), &chosen).status, 400);
    }

    async fn a_run_of_many_rows_goes_on_after_the_server_was_killed_and_touches_no_other(db: TestDatabase) {
        let mut site = Site::start(db).await;
        let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
        for n in 0..230 {
            site.make(&ours, "/groups", &json!({ "name": format!("many {n:03}"), "description": "", "permissions": [] }));
        }
        let mut ada = site.log_in();
        let (run, page) = across(&mut ada, "many");
        assert!(page.has("230 groups"), "{}", page.body);
        make(&mut ada, "many later");
        assert_eq!(ada.post(&run, &[]).status, 303);
        site.start_again(&[]).await;
        ada.follow(&site);
        // Whoever takes it over waits until the one that died has had its time.
        let mut gone = false;
        for _ in 0..600 {
            gone = left(&site, "many").await == ["many later"];
            if gone {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        assert!(gone, "{:?}", left(&site, "many").await.len());
        drop(finished(&mut ada, &run, "230").await);
    }

    async fn a_run_is_its_makers_and_asks_again_what_they_may(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        make(&mut ada, "picked 1");
        let views = ["people.view_group", "people.delete_group"];
        let eve = site.make_person("eve@example.org", TenantId::DEFAULT, &views).await;
        let mut eves = site.log_in_as("eve@example.org");
        let (run, page) = across(&mut eves, "picked");
        assert!(page.has("picked 1"));
        for address in [run.clone(), format!("{run}cancel/")] {
            assert_eq!(ada.post(&address, &[]).status, 404, "a draft is nobody else's: {address}");
        }
        assert_eq!(ada.get(&run).status, 404);
        // Before it is confirmed, the permission goes.
        let user = format!("/admin/people/user/{eve}/change/");
        let version = ada.get(&user).is(200).hidden("row_version").unwrap();
        let fields = [
            ("row_version", version.as_str()), ("email", "eve@example.org"), ("name", ""), ("is_active", "true"), ("is_staff", "true"),
            ("permissions", "people.view_group"), ("_save", "1"),
        ];
        assert_eq!(ada.post(&user, &fields).status, 303);
        let refused = eves.post(&run, &[]);
        assert_eq!(refused.status, 403, "{}", refused.body);
        assert_eq!(left(&site, "picked").await, ["picked 1"]);
        let page = eves.get(GROUPS).is(200);
        assert!(!page.has("value=\"delete\"") && !page.has("/add/"), "{}", page.body);
    }

    async fn executions_that_were_not_on_the_list_are_not_selected_with_all_that_it_finds(db: TestDatabase) {
        let site = Site::start(db).await;
        let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
        site.publish("breaks", BREAKS);
        site.publish("waits", WAITS);
        let old = site.run(&ours, "breaks", "failed").await;
        let slow = site.run(&ours, "waits", "waiting").await;
        let mut ada = site.log_in();
        let until = ada.get("/admin/executions/?q=state%3Afailed").is(200).hidden("until").unwrap();
        let new = site.run(&ours, "breaks", "failed").await;
        // It was there, but had not failed.
        site.make(&ours, &format!("/executions/{slow}/signal"), &json!({ "name": "go" }));
        site.becomes(&ours, &slow, "failed").await;
        let until: String = url::form_urlencoded::byte_serialize(until.as_bytes()).collect();
        for (search, which) in [("state%3Afailed", "by conditions"), ("state%3Afailed+declined", "one by one")] {
            let ask = format!("/admin/executions/bulk/?op=replay&across=1&q={search}&until={until}");
            let ask = ada.get(&ask).is(200);
            assert!(ask.has("1 execution") && ask.has(&old) && !ask.has(&new) && !ask.has(&slow), "{which}: {}", ask.body);
        }
    }

    async fn executions_that_failed_after_the_page_that_asks_are_not_touched(db: TestDatabase) {
        let site = Site::start(db).await;
        let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
        site.publish("breaks", BREAKS);
        let old = site.run(&ours, "breaks", "failed").await;
        let mut ada = site.log_in();
        let ask = ada.get("/admin/executions/bulk/?op=replay&across=1&q=state%3Afailed").is(200);
        assert!(ask.has("1 execution"), "{}", ask.body);
        let (token, until) = (ask.hidden("token").unwrap(), ask.hidden("until").unwrap());
        let new = site.run(&ours, "breaks", "failed").await;
        let fields = [("token", token.as_str()), ("op", "replay"), ("across", "1"), ("q", "state:failed"), ("until", until.as_str()), ("rate", "100")];
        let report = ada.post("/admin/executions/bulk/", &fields).location().to_owned();
        drop(finished(&mut ada, &report, "1 done").await);
        let replays = |browser: &mut Browser, id: &str| {
            browser.get(&format!("/admin/executions/?q=replay%3A{id}")).is(200).count("aria-label=\"Select breaks")
        };
        assert_eq!((replays(&mut ada, &old), replays(&mut ada, &new)), (1, 0));
    }
}
