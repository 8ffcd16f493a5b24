//! A row of everything in a tenant, made as people make them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use automate_core::clock::SystemClock;
use automate_core::outbox::{ClaimRequest, NewOutboxItem};
use automate_store::outbox::{OutboxOptions, open};
use serde_json::{Value, json};

use super::{Browser, Page, Site, Tenant};

/// How long something may take that workers do.
const WORK: Duration = Duration::from_secs(30);

/// The value of the secrets of all tenants.
pub const SECRET: &str = "not-to-be-seen";

/// What stands in every payload, input and output of a tenant, and nowhere else.
#[must_use]
pub fn payload_of(slug: &str) -> String {
    format!("payload-of-{slug}")
}

/// The rows of a tenant: of each kind one, by what addresses name it with.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    named: BTreeMap<String, String>,
    /// The addresses of the lists of models: `/admin/people/group/`.
    pub models: Vec<String>,
}

impl Rows {
    /// What names the row of a kind: `execution`, or a model's list `/admin/people/group/`.
    #[must_use]
    pub fn get(&self, kind: &str) -> Option<&str> {
        self.named.get(kind).map(String::as_str)
    }

    /// All that are ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.named.values().map(String::as_str).filter(|id| id.len() == 36)
    }

    fn put(&mut self, kind: &str, name: impl Into<String>) {
        self.named.insert(kind.to_owned(), name.into());
    }
}

/// Documents of a tenant: one that waits, one that fails.
fn documents(slug: &str) -> [(String, String); 2] {
    let waits = format!(
        "workflow: {slug}-flow\ntitle: Flow of {slug}\non: [{{ manual: true }}, {{ webhook: {slug}, verify: none }}]\n\
         steps:\n  - {{ id: note, uses: log.write, with: {{ message: \"{slug} was here\" }} }}\n  - {{ id: w, wait: {{ for: 1h }} }}\n"
    );
    let breaks = format!(
        "workflow: {slug}-breaks\non: [{{ manual: true }}]\nsteps:\n  - {{ id: a, set: {{ who: \"{{{{ inputs.text }}}}\" }} }}\n  \
         - {{ id: charge, fail: \"{slug} was declined\" }}\n"
    );
    [(format!("{slug}-flow"), waits), (format!("{slug}-breaks"), breaks)]
}

impl Site {
    /// Fills a tenant with a row of everything. Every name and text has the tenant's slug in it.
    ///
    /// # Panics
    /// Where something is refused.
    pub async fn fill(&self, tenant: &Tenant) -> Rows {
        let slug = tenant.slug.as_str();
        let mut rows = Rows::default();
        for (name, source) in documents(slug) {
            self.make(tenant, "/workflows", &json!({ "source": source }));
            self.make(tenant, &format!("/workflows/{name}/publish"), &json!({}));
        }
        rows.put("workflow", format!("{slug}-flow"));
        let waiting = self.run(tenant, &format!("{slug}-flow"), "waiting").await;
        rows.put("execution", waiting);
        let failed = self.run(tenant, &format!("{slug}-breaks"), "failed").await;
        rows.put("failed", failed);
        self.make(
            tenant,
            "/events",
            &json!({ "type": format!("{slug}.event"), "payload": { "who": payload_of(slug) } }),
        );
        let secret = format!("{}_KEY", slug.to_uppercase());
        self.make(tenant, "/secrets", &json!({ "key": secret, "value": SECRET }));
        rows.put("secret", &secret);
        let fields = json!({ "token": format!("$secret:{secret}") });
        self.make(tenant, "/connections", &json!({ "connector": "slack", "name": slug, "fields": fields }));
        let group = json!({ "name": format!("{slug} on call"), "description": slug, "permissions": [] });
        let group = self.make(tenant, "/groups", &group);
        self.make(tenant, "/tokens", &json!({ "name": format!("{slug}-deploy"), "scopes": ["workflows:read"] }));
        let selection = json!({ "workflow": format!("{slug}-breaks"), "statuses": ["failed"] });
        let bulk = self.make(tenant, "/bulk-operations", &json!({ "operation": "retry", "selection": selection }));
        rows.put("bulk", text(&bulk, "id"));
        self.deliver(slug, slug, &format!("{{\"who\":\"{}\"}}", payload_of(slug))).await;
        for list in ["webhooks", "connections", "audit"] {
            let answer = self.api(tenant, "GET", &format!("/{list}"), None);
            let found: Value = serde_json::from_str(&answer.body).unwrap();
            rows.put(list, text(&found["results"][0], "id"));
        }
        rows.put("outbox", self.bury(tenant).await);
        rows.put("tenant", tenant.id.to_string());
        self.look(tenant, &text(&group, "id"), &mut rows);
        rows
    }

    /// What only pages make or name.
    fn look(&self, tenant: &Tenant, group: &str, rows: &mut Rows) {
        let mut browser = self.log_in_as(&tenant.email);
        let dead = browser.get("/admin/dead/").is(200);
        rows.put("dead", below(&dead, "/admin/dead/").unwrap());
        let name = format!("View of {}", tenant.slug);
        let view = [("page", "people.group"), ("name", name.as_str()), ("query", "o=name"), ("shared", "1")];
        assert_eq!(browser.post("/admin/views/", &view).status, 303);
        let views = browser.get("/admin/views/?page=people.group").is(200);
        rows.put("view", below(&views, "/admin/views/").unwrap());
        let draft = [("action", "delete"), ("pk", group)];
        let draft = browser.post("/admin/people/group/actions/", &draft).location().to_owned();
        rows.put("run", draft.split('/').nth(5).unwrap());
        let home = browser.get("/admin/").is(200);
        for model in models(&home) {
            let list = browser.get(&model).is(200);
            if let Some(id) = below(&list, &model) {
                rows.put(&model, id);
            }
            rows.models.push(model);
        }
    }

    /// Starts a workflow, and waits until its execution stands so.
    ///
    /// # Panics
    /// Where it does not in time.
    pub async fn run(&self, tenant: &Tenant, workflow: &str, status: &str) -> String {
        let input = json!({ "input": { "text": payload_of(&tenant.slug) } });
        let started = self.make(tenant, &format!("/workflows/{workflow}/run"), &input);
        let id = text(&started, "id");
        self.becomes(tenant, &id, status).await;
        id
    }

    /// Waits until an execution stands so.
    ///
    /// # Panics
    /// Where it does not in time.
    pub async fn becomes(&self, tenant: &Tenant, id: &str, status: &str) {
        for _ in 0..WORK.as_millis() / 50 {
            let now = self.api(tenant, "GET", &format!("/executions/{id}"), None);
            let now: Value = serde_json::from_str(&now.body).unwrap();
            if now["status"] == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} is not {status}")
    }

    /// Delivers a webhook, as soon as somebody listens to its path.
    ///
    /// # Panics
    /// Where nobody does.
    pub async fn deliver(&self, slug: &str, path: &str, body: &str) {
        let json = [("content-type", "application/json"), ("x-sender", slug)];
        for _ in 0..WORK.as_millis() / 50 {
            if self.browser().send("POST", &format!("/hooks/{slug}/{path}"), &json, Some(body)).status == 202 {
                return;
            }
            // Triggers are looked up anew within a second.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody takes /hooks/{slug}/{path}")
    }

    /// Makes a dead letter of a tenant.
    ///
    /// # Panics
    /// Where the queue refuses it.
    pub async fn bury(&self, tenant: &Tenant) -> String {
        self.bury_with(tenant, &format!("order of {}", tenant.slug), &format!("{} was refused", tenant.slug)).await
    }

    /// Makes a dead letter with a key and an error.
    ///
    /// # Panics
    /// Where the queue refuses it.
    pub async fn bury_with(&self, tenant: &Tenant, key: &str, why: &str) -> String {
        let queue = open(&self.database.db, Arc::new(SystemClock), OutboxOptions::default()).unwrap();
        let kind = format!("tests.{}", tenant.slug);
        let item = NewOutboxItem {
            tenant_id: tenant.id,
            ..NewOutboxItem::new(&kind, key, json!({ "who": payload_of(&tenant.slug) }))
        };
        let id = item.id.to_string();
        queue.enqueue_all(&[item]).await.unwrap();
        let request = ClaimRequest {
            owner: "tests-1-0190a5b27c3d7e4f8a9b0c1d2e3f4a5b".to_owned(),
            limit: 1,
            lease: Duration::from_secs(60),
            kinds: vec![kind],
        };
        for claimed in queue.claim_batch(&request).await.unwrap() {
            queue.mark_failed(claimed.claim, "REFUSED", why).await.unwrap();
        }
        id
    }
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {row}")).to_owned()
}

/// The first address part below a place that names a row: an id, or a fingerprint.
fn below(page: &Page, place: &str) -> Option<String> {
    let links = page.links();
    let parts = links.iter().filter_map(|link| link.strip_prefix(place)?.split('/').next());
    parts
        .filter(|part| part.len() >= 16 && part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'))
        .map(str::to_owned)
        .next()
}

/// The lists of models that a page's navigation leads to.
fn models(page: &Page) -> Vec<String> {
    let is_model = |link: &String| {
        let parts: Vec<&str> = link.trim_matches('/').split('/').collect();
        let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let page = ["new", "test", "bulk", "reap", "export", "requeue", "discard", "static"];
        let model = parts.len() == 3 && parts[0] == "admin" && !page.contains(&parts[2]);
        model && parts.iter().all(word) && link.ends_with('/')
    };
    let mut models: Vec<String> = page.links().into_iter().filter(is_model).collect();
    models.sort();
    models.dedup();
    models
}

impl Browser {
    /// The lists of models that the navigation leads to.
    pub fn models(&mut self) -> Vec<String> {
        models(&self.get("/admin/").is(200))
    }
}
