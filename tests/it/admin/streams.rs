//! Pages that are kept fresh: nothing is lost where the server dies, and nobody sees what they may not.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use automate_core::ids::TenantId;
use automate_governance::identity::UserChange;
use automate_tests::admin::{Browser, Site, Stream, operator};
use automate_tests::both_databases;
use serde_json::{Value, json};

const THREE: &str = "workflow: three\non: [{ manual: true }]\nsteps:\n  - { id: one, wait: { signal: first, timeout: 1h } }\n  \
                     - { id: two, needs: [one], wait: { signal: second, timeout: 1h } }\n  - { id: end, needs: [two], set: { a: 1 } }\n";
/// A look a second, and a server that may be busy.
const SOON: Duration = Duration::from_secs(15);
/// A heartbeat, and the time for which a session is known by heart.
const BOUND: Duration = Duration::from_secs(30);

/// What a browser has of a page that is kept fresh.
struct Client {
    url: String,
    stream: Stream,
    last: Option<String>,
    regions: BTreeMap<String, String>,
    notices: Vec<String>,
    done: bool,
}

impl Client {
    /// Opens a page, and its stream.
    fn open(browser: &mut Browser, page: &str) -> Self {
        let body = browser.get(page).is(200).body;
        let url = body.split("data-live=\"").nth(1).and_then(|rest| rest.split('"').next());
        let url = url
            .unwrap_or_else(|| panic!("{page} is not kept fresh: {body}"))
            .replace("&#38;", "&")
            .replace("&amp;", "&");
        let stream = browser.stream(&url, None);
        assert_eq!(stream.status, 200);
        Self { url, stream, last: None, regions: BTreeMap::new(), notices: Vec::new(), done: false }
    }

    /// Comes again, as browsers do by themselves.
    fn come_again(&mut self, browser: &Browser) {
        self.stream = browser.stream(&self.url, self.last.as_deref());
        assert_eq!(self.stream.status, 200);
    }

    /// Takes one event; `false` where none comes.
    fn take(&mut self, within: Duration) -> bool {
        let Some(event) = self.stream.next(within) else { return false };
        if !event.id.is_empty() {
            self.last = Some(event.id);
        }
        let data: Value = serde_json::from_str(&event.data).unwrap();
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        match event.kind.as_str() {
            "fragment" => {
                self.regions.insert(text("id"), text("html"));
            }
            "notice" => self.notices.push(text("text")),
            "done" => self.done = true,
            other => panic!("an event of the kind {other}"),
        }
        true
    }

    /// Takes events until a region says something.
    #[track_caller]
    fn until(&mut self, region: &str, says: &str) {
        let begun = Instant::now();
        while !self.regions.get(region).is_some_and(|html| html.contains(says)) {
            assert!(begun.elapsed() < SOON && self.take(SOON), "{region} never says {says}: {:?}", self.regions);
        }
    }
}

async fn started(site: &Site) -> (String, automate_tests::admin::Tenant) {
    let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
    site.publish("three", THREE);
    let id = site.run(&ours, "three", "waiting").await;
    (id, ours)
}

both_databases! {
    async fn a_page_goes_on_where_it_was_after_the_server_was_killed(db: TestDatabase) {
        let mut site = Site::start(db).await;
        let (id, ours) = started(&site).await;
        let mut ada = site.log_in();
        let mut client = Client::open(&mut ada, &format!("/admin/executions/{id}/"));
        let signal = |site: &Site, name: &str| {
            drop(site.make(&ours, &format!("/executions/{id}/signal"), &json!({ "name": name })));
        };
        signal(&site, "first");
        client.until("x-waiting", "second");
        client.until("x-steps", "two");
        let known = client.regions.clone();
        // It dies, and what happens next nobody tells the browser.
        site.start_again(&[]).await;
        ada.follow(&site);
        signal(&site, "second");
        client.come_again(&ada);
        let begun = Instant::now();
        while !client.done {
            assert!(begun.elapsed() < SOON && client.take(SOON), "it never ends: {:?}", client.regions);
        }
        assert!(client.stream.ends(SOON), "nothing more will come");
        let page = ada.get(&format!("/admin/executions/{id}/")).is(200);
        for (region, html) in &client.regions {
            assert!(page.has(html), "{region} is not as the page has it: {html}\n{}", page.body);
        }
        assert_ne!(known.get("x-steps"), client.regions.get("x-steps"));
    }

    async fn what_a_broken_stream_did_not_bring_comes_with_the_next(db: TestDatabase) {
        let site = Site::start(db).await;
        let (id, ours) = started(&site).await;
        let mut ada = site.log_in();
        let mut client = Client::open(&mut ada, &format!("/admin/executions/{id}/"));
        drop(site.make(&ours, &format!("/executions/{id}/signal"), &json!({ "name": "first" })));
        // The connection breaks after each single event.
        let begun = Instant::now();
        let has = |client: &Client, region: &str| client.regions.get(region).is_some_and(|html| html.contains("two") || html.contains("second"));
        while !has(&client, "x-steps") || !has(&client, "x-waiting") || !has(&client, "x-timeline") {
            assert!(begun.elapsed() < 2 * SOON, "something is lost: {:?} {:?}", client.last, client.regions.keys());
            let before = client.regions.clone();
            if client.take(SOON) {
                assert!(before != client.regions || !client.notices.is_empty(), "told twice: {:?}", client.last);
            }
            client.come_again(&ada);
        }
    }

    async fn a_list_counts_what_came_while_the_server_was_away(db: TestDatabase) {
        let mut site = Site::start(db).await;
        let (_, ours) = started(&site).await;
        let theirs = site.tenant("zebra", None).await;
        drop(site.fill(&theirs).await);
        let mut ada = site.log_in();
        let mut client = Client::open(&mut ada, "/admin/executions/");
        assert!(!client.take(Duration::from_millis(2500)), "nothing of another tenant is new: {:?}", client.regions);
        site.run(&theirs, "zebra-flow", "waiting").await;
        site.run(&ours, "three", "waiting").await;
        client.until("newer", "1 ");
        site.start_again(&[]).await;
        ada.follow(&site);
        site.run(&ours, "three", "waiting").await;
        site.run(&theirs, "zebra-flow", "waiting").await;
        client.come_again(&ada);
        client.until("newer", "2 ");
        assert!(client.regions["newer"].contains("href=\"/admin/executions/"));
        assert!(!format!("{:?}{:?}", client.regions, client.notices).contains("zebra"));
        while client.take(Duration::from_millis(2500)) {}
        assert!(client.notices.iter().filter(|text| text.starts_with("2 ")).count() == 1, "{:?}", client.notices);
    }

    async fn a_stream_ends_soon_after_the_right_to_see_it(db: TestDatabase) {
        let site = Site::start(db).await;
        let (id, _) = started(&site).await;
        let views = ["executions.view_execution", "executions.view_step"];
        let mut streams = Vec::new();
        let mut leaver = site.person("leaver@example.org", TenantId::DEFAULT, &views).await;
        let (demoted, blocked, stays) = ("demoted@example.org", "blocked@example.org", "stays@example.org");
        let one = site.make_person(demoted, TenantId::DEFAULT, &views).await;
        let two = site.make_person(blocked, TenantId::DEFAULT, &views).await;
        site.make_person(stays, TenantId::DEFAULT, &views).await;
        let url = format!("/admin/executions/{id}/live?tab=steps");
        for mut browser in [leaver.clone(), site.log_in_as(demoted), site.log_in_as(blocked), site.log_in_as(stays)] {
            drop(browser.get("/admin/me/"));
            let stream = browser.stream(&url, None);
            assert_eq!(stream.status, 200);
            streams.push(stream);
        }
        assert_eq!(leaver.post("/admin/logout/", &[]).status, 303);
        let identity = site.identity();
        let less = UserChange { permissions: Some(vec![views[0].to_owned()]), ..UserChange::default() };
        identity.change_user(operator(), one, less, None).await.unwrap();
        let out = UserChange { is_active: Some(false), ..UserChange::default() };
        identity.change_user(operator(), two, out, None).await.unwrap();
        let mut stays = streams.pop().unwrap();
        let until = Instant::now() + BOUND;
        for (mut stream, who) in streams.into_iter().zip(["logged out", "may see less", "may not log in"]) {
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
            assert!(stream.ends(left), "the stream of whoever {who} goes on after {BOUND:?}");
        }
        assert!(!stays.ends(Duration::from_millis(100)), "that of others goes on");
    }
}
