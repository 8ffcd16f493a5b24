//! Dead letters, the outbox, the inbox, connections, secrets, the audit log.

use std::sync::Arc;
use std::time::Duration;

use automate_core::clock::SystemClock;
use automate_core::outbox::{ClaimRequest, NewOutboxItem, OutboxStore};
use automate_store::db::Database;
use automate_store::outbox::{OutboxOptions, open};
use automate_tests::admin::Site;
use automate_tests::both_databases;
use serde_json::{Value, json};

const HOOKED: &str = "workflow: hooked\non: [{ webhook: orders, verify: none }]\nsteps: [{ id: a, set: { x: 1 } }]";

/// A kind of work that no worker of a server takes.
const KIND: &str = "tests.work";

fn queue(db: &Database) -> Arc<dyn OutboxStore> {
    open(db, Arc::new(SystemClock), OutboxOptions::default()).unwrap()
}

/// Dead letters with these errors.
async fn bury(db: &Database, errors: &[&str]) {
    let queue = queue(db);
    let items: Vec<NewOutboxItem> = errors.iter().map(|error| NewOutboxItem::new(KIND, *error, json!({}))).collect();
    queue.enqueue_all(&items).await.unwrap();
    let request = ClaimRequest {
        owner: "tests-1-0190a5b27c3d7e4f8a9b0c1d2e3f4a5b".to_owned(),
        limit: errors.len(),
        lease: Duration::from_secs(60),
        kinds: vec![KIND.to_owned()],
    };
    for claimed in queue.claim_batch(&request).await.unwrap() {
        queue.mark_failed(claimed.claim, "REFUSED", &claimed.item.key).await.unwrap();
    }
}

both_databases! {
    async fn dead_letters_that_failed_alike_are_requeued_as_one_group(db: TestDatabase) {
        let store = db.db.clone();
        let site = Site::start(db).await;
        bury(&store, &["order 1 is gone", "order 22 is gone", "no route"]).await;
        let mut browser = site.log_in();
        let page = browser.get("/admin/dead/").is(200);
        assert!(page.has("3 dead letters in 2 groups") && page.has("order &#60;n&#62; is gone"), "{}", page.body);
        let group = page.links().into_iter().find(|link| link.starts_with("/admin/dead/") && link.ends_with("requeue/") && link.len() > 30);
        let group = group.unwrap();
        let asked = browser.get(&group).is(200);
        assert!(asked.has("2 dead letters go back"), "{}", asked.body);
        assert_eq!(browser.get("/admin/dead/").count("<td class=\"num\" data-label=\"Count\">2</td>"), 1, "a look changes nothing");
        let wrong = browser.post(&group, &[("rate", "many")]).is(422);
        assert!(wrong.has("<title>Error: "));
        let done = browser.submit(&group, &[]).is(200);
        assert!(done.has("2 dead letters are back in the queue."), "{}", done.body);
        assert!(browser.get("/admin/dead/").has("1 dead letter in 1 group"));
        assert!(browser.get("/admin/outbox/?state=waiting").has(KIND));
        assert_eq!(browser.post(&group, &[]).status, 404, "the group is gone");
    }

    async fn a_dead_letter_is_discarded_with_a_reason_only(db: TestDatabase) {
        let store = db.db.clone();
        let site = Site::start(db).await;
        bury(&store, &["one", "two"]).await;
        let mut browser = site.log_in();
        let page = browser.get("/admin/outbox/?state=dead").is(200);
        let item = page.links().into_iter().find(|link| link.starts_with("/admin/outbox/0")).unwrap();
        let item = format!("{item}discard/");
        assert!(browser.get(&item).is(200).has("1 item of the kind tests.work is deleted"));
        assert!(browser.post(&item, &[]).is(422).has("is needed"));
        assert_eq!(browser.post(&item, &[("reason", "a test")]).location(), "/admin/outbox/?state=dead");
        assert_eq!(browser.get(&item).status, 404);
        assert_eq!(browser.post("/admin/dead/discard/", &[("reason", "all of them")]).location(), "/admin/dead/");
        assert!(browser.get("/admin/dead/").has("No dead letters"));
        let log = browser.get("/admin/audit/?action=outbox.purge").is(200);
        assert_eq!(log.count("outbox.purge</a>"), 2, "{}", log.body);
    }

    async fn the_value_of_a_secret_goes_in_and_comes_out_nowhere(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let value = "hunter2-hunter2";
        let fields = [("key", "CRM"), ("value", value)];
        assert_eq!(browser.post("/admin/secrets/new/", &fields).location(), "/admin/secrets/key/CRM/");
        let twice = browser.post("/admin/secrets/new/", &fields).is(422);
        let bad = browser.post("/admin/secrets/new/", &[("key", "a b"), ("value", value)]).is(422);
        assert_eq!(browser.post("/admin/secrets/key/CRM/set/", &[("value", value)]).location(), "/admin/secrets/key/CRM/");
        let pages = [
            twice,
            bad,
            browser.get("/admin/secrets/").is(200),
            browser.get("/admin/secrets/key/CRM/").is(200),
            browser.get("/admin/secrets/key/CRM/set/").is(200),
            browser.get("/admin/audit/").is(200),
            browser.get("/admin/audit/export/").is(200),
        ];
        for page in &pages {
            assert!(!page.has(value), "{}", page.body);
        }
        assert!(pages[3].has("resolves: yes") && pages[3].has("<code>database</code>"), "{}", pages[3].body);
        assert!(browser.get("/admin/secrets/key/CRM/delete/").has("with its 2 versions"));
        assert_eq!(browser.post("/admin/secrets/key/CRM/delete/", &[]).location(), "/admin/secrets/");
        assert_eq!(browser.post("/admin/secrets/key/CRM/delete/", &[]).status, 404);
    }

    async fn a_connection_is_added_changed_and_deleted_with_its_secret(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let choose = browser.get("/admin/connections/new/").is(200);
        let connector = choose.body.split("<option value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
        let form = browser.get(&format!("/admin/connections/new/?connector={connector}")).is(200);
        let names: Vec<String> = form.body.split("name=\"field-").skip(1).filter_map(|rest| rest.split('"').next()).map(|name| format!("field-{name}")).collect();
        let mut fields = vec![("connector", connector.as_str()), ("name", "team")];
        fields.extend(names.iter().map(|name| (name.as_str(), if name.ends_with("-value") { "typed-in-secret" } else { "" })));
        let plain: Vec<&String> = names.iter().filter(|name| !names.contains(&format!("{name}-value")) && !name.ends_with("-value")).collect();
        fields.retain(|(name, _)| !plain.iter().any(|plain| plain.as_str() == *name));
        fields.extend(plain.iter().map(|name| (name.as_str(), "text")));
        let added = browser.post("/admin/connections/new/", &fields);
        let url = added.location().to_owned();
        let page = browser.get(&url).is(200);
        assert!(page.has("$secret:connection.team.") && !page.has("typed-in-secret"), "{}", page.body);
        assert!(browser.post("/admin/connections/new/", &fields).is(422).has("is taken"));
        let change = browser.get(&format!("{url}change/")).is(200);
        assert!(!change.has("typed-in-secret"));
        let version = change.hidden("version").unwrap();
        let mut kept = vec![("version", version.as_str())];
        kept.extend(plain.iter().map(|name| (name.as_str(), "other")));
        assert_eq!(browser.post(&format!("{url}change/"), &kept).location(), url);
        assert_eq!(browser.post(&format!("{url}change/"), &kept).status, 422, "the version is an old one");
        assert!(browser.get(&url).has("$secret:connection.team."), "what was not typed is kept");
        assert!(browser.get(&format!("{url}delete/")).is(200).has("No live workflow names it."));
        assert_eq!(browser.post(&format!("{url}delete/"), &[]).location(), "/admin/connections/");
        assert_eq!(browser.get(&url).status, 404);
        assert!(!browser.get("/admin/secrets/").has("connection.team."));
    }

    async fn a_received_request_is_looked_at_and_delivered_again(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("hooked", HOOKED);
        let mut browser = site.log_in();
        let command = browser.get("/admin/webhooks/test/?path=orders").is(200);
        assert!(command.has("/hooks/default/orders") && command.has("unsigned"), "{}", command.body);
        let json = [("content-type", "application/json")];
        let mut sender = site.browser();
        assert_eq!(sender.send("POST", "/hooks/default/orders", &json, Some("{\"n\": 1}")).status, 202);
        let page = browser.get("/admin/webhooks/?path=orders").is(200);
        let request = page.links().into_iter().find(|link| link.starts_with("/admin/webhooks/0")).unwrap();
        let shown = browser.get(&request).is(200);
        assert!(shown.has("hooked") && shown.has("{&#34;n&#34;: 1}") && shown.has("the first of its id"), "{}", shown.body);
        let again = format!("{request}redeliver/");
        let asked = browser.get(&again).is(200);
        let nonce = asked.hidden("nonce").unwrap();
        let first = browser.post(&again, &[("nonce", nonce.as_str())]).location().to_owned();
        assert_ne!(first, request);
        let second = browser.post(&again, &[("nonce", nonce.as_str())]).location().to_owned();
        assert_eq!(first, second, "a form that is sent twice is one redelivery");
        assert!(browser.get(&first).is(200).has("Delivers again"));
    }

    async fn the_audit_log_is_verified_and_exported_from_its_page(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let verified = browser.submit("/admin/audit/verify/", &[]).is(200);
        assert!(verified.has("The log is whole") && verified.has("Last verified"), "{}", verified.body);
        let lines = browser.get("/admin/audit/export/").is(200);
        let rows: Vec<Value> = lines.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rows.iter().any(|row| row["action"] == "audit.verify"), "{}", lines.body);
        let seqs: Vec<i64> = rows.iter().filter_map(|row| row["seq"].as_i64()).collect();
        assert!(seqs.windows(2).all(|two| two[0] == two[1] + 1), "each once, without gaps: {seqs:?}");
        let entry = browser.get("/admin/audit/?action=audit.verify").links();
        let entry = entry.into_iter().find(|link| link.starts_with("/admin/audit/0")).unwrap();
        assert!(browser.get(&entry).is(200).has("Whole"));
        assert!(browser.get("/admin/audit/?actor=nobody").is(200).has("No entry fits"));
    }

    async fn every_page_opens_and_takes_no_parameter_that_it_does_not_know(db: TestDatabase) {
        let site = Site::start(db).await;
        site.publish("hooked", HOOKED);
        let mut browser = site.log_in();
        for page in ["dead", "outbox", "queues", "workers", "webhooks", "webhooks/test", "connectors", "connections", "secrets", "audit", "palette", "help"] {
            assert_eq!(browser.get(&format!("/admin/{page}/")).status, 200, "{page}");
            assert_eq!(browser.get(&format!("/admin/{page}/?surely_unknown=1")).status, 400, "{page}");
        }
        let connectors = browser.get("/admin/connectors/").links();
        for link in connectors.iter().filter(|link| link.starts_with("/admin/connectors/") && link.len() > 18) {
            assert_eq!(browser.get(link).status, 200, "{link}");
        }
        let found = browser.send("GET", "/admin/palette/?q=hook", &[("accept", "application/json")], None).is(200);
        let found: Value = serde_json::from_str(&found.body).unwrap();
        let urls: Vec<&str> = found["results"].as_array().unwrap().iter().filter_map(|one| one["url"].as_str()).collect();
        assert!(urls.contains(&"/admin/webhooks/") && urls.contains(&"/admin/workflows/=hooked/"), "{found}");
        for bad in ["/admin/dead/0123456789abcdef/", "/admin/dead/x/", "/admin/outbox/x/", "/admin/webhooks/x/", "/admin/connections/x/", "/admin/audit/x/", "/admin/connectors/none/"] {
            assert_eq!(browser.get(bad).status, 404, "{bad}");
        }
    }
}
