//! Texts that browsers have taken for markup, scripts or addresses, in every field that keeps text:
//! each page that shows them shows text.

use std::collections::BTreeSet;
use std::time::Duration;

use automate_core::ids::TenantId;
use automate_tests::admin::markup::Markup;
use automate_tests::admin::{Browser, Page, Site, Tenant};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;
use serde_json::{Value, json};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "'><details open ontoggle=alert(1)>",
    "\" onfocus=alert(1) autofocus x=\"",
    "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}} ${7*7} <%= 7*7 %> {% raw %}",
    "<a href=\"javascript:alert(1)\">x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<!--<img src=\"--><img src=x onerror=alert(1)//\">",
    "<style>*{display:none}</style>",
    "<base href=//evil.example>",
    "<form action=//evil.example><button>x",
    "]]><svg/onload=alert(1)>",
    "data:text/html,<script>alert(1)</script>",
    "<\u{ff1c}b\u{ff1e} \u{3008}i\u{3009} caf\u{e9} \u{1f600}",
];

/// All of them.
fn all() -> String {
    HOSTILE.join(" | ")
}

/// A person who may do everything, and the tenant's tokens.
async fn seeded(db: TestDatabase) -> (Site, Tenant) {
    let site = Site::start(db).await;
    let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
    (site, ours)
}

/// Workflows whose texts they are, published with notes, run to a good, a bad and no end.
async fn workflows(site: &Site, ours: &Tenant) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    let text = json!("{{ inputs.text }}");
    for (n, hostile) in HOSTILE.iter().enumerate() {
        let slug = format!("odd-{n}");
        let inputs = json!({
            "type": "object", "title": hostile, "description": hostile,
            "properties": {
                "text": { "type": "string", "title": hostile, "description": hostile, "default": hostile },
                "kind": { "type": "string", "enum": [hostile, "x"] },
            },
        });
        let source = json!({
            "workflow": slug, "title": hostile, "description": all(), "labels": { "team": hostile }, "inputs": inputs,
            "on": [{ "manual": true }, { "webhook": slug, "verify": { "scheme": "none" } }],
            "steps": [
                { "id": "keep", "set": { "text": text } },
                { "id": "say", "uses": "log.write", "with": { "message": text } },
                { "id": "shape", "uses": "data.transform", "with": { "value": { "a": [text] } } },
            ],
            "output": { "text": text },
        });
        let source = source.to_string();
        site.make(ours, "/workflows", &json!({ "source": source }));
        site.make(ours, &format!("/workflows/{slug}/publish"), &json!({ "note": hostile }));
        shown.push((format!("/admin/workflows/{slug}/"), (*hostile).to_owned()));
        shown.push((format!("/admin/workflows/{slug}/versions/"), (*hostile).to_owned()));
        shown.push((format!("/admin/workflows/{slug}/edit/"), source));
    }
    let fails = json!({
        "workflow": "fails", "on": [{ "manual": true }],
        "steps": [{ "id": "charge", "fail": text }],
    });
    let waits = json!({
        "workflow": "waits", "on": [{ "manual": true }],
        "steps": [{ "id": "ok", "wait": { "signal": "go", "timeout": "1h" } }, { "id": "more", "needs": ["ok"], "wait": { "signal": "never", "timeout": "1h" } }],
    });
    for (slug, source) in [("fails", fails), ("waits", waits)] {
        site.make(ours, "/workflows", &json!({ "source": source.to_string() }));
        site.make(ours, &format!("/workflows/{slug}/publish"), &json!({}));
    }
    for (slug, status, tabs) in [
        ("odd-0", "completed", &["io", "logs"][..]),
        ("fails", "failed", &["", "io", "events"]),
        ("waits", "waiting", &[]),
    ] {
        let started = site.make(ours, &format!("/workflows/{slug}/run"), &json!({ "input": { "text": all() } }));
        let id = started["id"].as_str().unwrap().to_owned();
        if slug == "waits" {
            site.make(ours, &format!("/executions/{id}/signal"), &json!({ "name": "go", "payload": { all(): all() } }));
        }
        until(site, ours, &id, status).await;
        shown.extend(tabs.iter().map(|tab| {
            let query = if tab.is_empty() { String::new() } else { format!("?tab={tab}") };
            (format!("/admin/executions/{id}/{query}"), HOSTILE[1].to_owned())
        }));
    }
    shown
}

async fn until(site: &Site, ours: &Tenant, id: &str, status: &str) {
    for _ in 0..400 {
        let now: Value = serde_json::from_str(&site.api(ours, "GET", &format!("/executions/{id}"), None).body).unwrap();
        if now["status"] == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} is not {status}");
}

/// What comes from outside: events, requests, and who sends them.
async fn arrivals(site: &Site, ours: &Tenant) {
    site.make(ours, "/events", &json!({ "type": "odd.event", "payload": { all(): all() }, "source": "api" }));
    site.deliver("default", "odd-0", &json!({ "text": all() }).to_string()).await;
    let printable: String = all().chars().filter(|c| (' '..='~').contains(c)).collect();
    let headers = [
        ("content-type", "application/json"),
        ("x-odd", printable.as_str()),
        ("user-agent", printable.as_str()),
        ("x-correlation-id", "<b>odd</b>"),
        ("referer", "javascript:alert(1)"),
        ("x-forwarded-for", "<i>1</i>"),
    ];
    for (path, body) in [
        ("odd-0".to_owned(), json!({ all(): all() }).to_string()),
        ("odd-0?a=%3Cscript%3E".to_owned(), all()),
        ("%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned(), "{}".to_owned()),
    ] {
        drop(site.browser().send("POST", &format!("/hooks/default/{path}"), &headers, Some(&body)));
    }
    for hostile in HOSTILE {
        site.bury_with(ours, hostile, &all()).await;
    }
    // Who fails to log in, and with what, is on record.
    for hostile in HOSTILE {
        drop(site.browser().post("/admin/login/", &[("email", hostile), ("password", hostile)]));
        drop(site.api(ours, "POST", "/workflows", Some(&json!({ "source": hostile }))));
    }
}

/// People, groups, tokens, tenants, views, connections: what forms take.
fn names(site: &Site, ours: &Tenant, ada: &mut Browser) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for (n, hostile) in HOSTILE.iter().enumerate() {
        let email = format!("odd{n}@example.org");
        let user = json!({ "email": email, "name": hostile });
        site.make(ours, "/users", &user);
        shown.push((format!("/admin/people/user/?q=odd{n}%40"), (*hostile).to_owned()));
        let plain: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
        site.make(ours, "/groups", &json!({ "name": hostile, "description": hostile, "permissions": [] }));
        shown.push(("/admin/people/group/?view=all".to_owned(), (*hostile).to_owned()));
        site.make(ours, "/tokens", &json!({ "name": hostile, "scopes": ["workflows:read"] }));
        let tenant = [("slug", format!("odd-{n}")), ("name", (*hostile).to_owned()), ("_save", "1".to_owned())];
        let tenant: Vec<(&str, &str)> = tenant.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(ada.post("/admin/tenants/tenant/add/", &tenant).status, 303, "{hostile}");
        for page in ["people.group", "executions.execution"] {
            let view = [
                ("page", page),
                ("name", *hostile),
                ("query", &format!("q={plain}")),
                ("shared", "1"),
                ("next", "/admin/"),
            ];
            assert_eq!(ada.post("/admin/views/", &view).status, 303, "{hostile}");
        }
        for fields in [json!({ "token": hostile }), json!({ "token": "$secret:X", "base_url": hostile })] {
            let connection = json!({ "connector": "slack", "name": format!("odd-{n}"), "fields": fields });
            drop(site.api(ours, "POST", "/connections", Some(&connection)));
        }
    }
    shown.push(("/admin/views/?page=people.group".to_owned(), HOSTILE[3].to_owned()));
    shown.push(("/admin/people/token/".to_owned(), HOSTILE[2].to_owned()));
    shown
}

/// What a page makes of what it shows that it must not.
fn problems(at: &str, page: &Page) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if page.status >= 500 {
        found.push(format!("{at}: {}", page.status));
    }
    let policy = page.header("content-security-policy").unwrap_or_default();
    if !policy.starts_with("default-src 'none'; script-src 'self';") || policy.contains("unsafe") {
        found.push(format!("{at}: the policy is {policy:?}"));
    }
    if page.header("x-content-type-options") != Some("nosniff") {
        found.push(format!("{at}: its type may be guessed"));
    }
    if page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        found.extend(Markup::of(&page.body).dangers().into_iter().map(|danger| format!("{at}: {danger}")));
    }
    found
}

fn report(mut found: Vec<String>) {
    found.sort();
    found.dedup();
    let count = found.len();
    found.truncate(60);
    assert!(found.is_empty(), "{count} problems:\n{}", found.join("\n"));
}

both_databases! {
    async fn a3_a4_whatever_is_kept_in_a_text_field_is_shown_as_text(db: TestDatabase) {
        let (site, ours) = seeded(db).await;
        let mut ada = site.log_in();
        let mut shown = workflows(&site, &ours).await;
        arrivals(&site, &ours).await;
        shown.extend(names(&site, &ours, &mut ada));
        let mut found = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let opened = ada.crawl(20, |at, page| {
            found.extend(problems(at, page));
            let text = Markup::of(&page.body).text;
            seen.extend(HOSTILE.iter().filter(|hostile| text.contains(*hostile)));
        });
        for (at, text) in shown {
            let page = ada.get(&at);
            found.extend(problems(&at, &page));
            let whole = Markup::of(&page.body);
            let typed = whole.elements.iter().filter_map(|element| element.get("value")).any(|value| value.contains(&text));
            if !whole.text.contains(&text) && !typed {
                found.push(format!("{at} ({}) does not show {text}", page.status));
            }
        }
        report(found);
        assert_eq!(seen.len(), HOSTILE.len(), "some are shown nowhere: {:?}", HOSTILE.iter().filter(|one| !seen.contains(**one)).collect::<Vec<_>>());
        assert!(opened > 200, "only {opened} pages");
    }

    async fn a3_a4_what_is_asked_for_or_refused_is_repeated_as_text(db: TestDatabase) {
        let (site, ours) = seeded(db).await;
        let rows = site.fill(&ours).await;
        let mut ada = site.log_in();
        let mut found = Vec::new();
        let lists = ["/admin/executions/", "/admin/palette/", "/admin/workflows/", "/admin/secrets/", "/admin/connections/", "/admin/webhooks/", "/admin/audit/", "/admin/dead/", "/admin/outbox/", "/admin/webhooks/test/", "/admin/views/"];
        let lists: Vec<String> = lists.iter().map(|&list| list.to_owned()).chain(rows.models.iter().cloned()).collect();
        for hostile in HOSTILE {
            let plain: String = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect();
            for list in &lists {
                for at in [format!("{list}?q={plain}"), format!("{list}?{plain}={plain}"), format!("{list}?path={plain}&actor={plain}&o={plain}")] {
                    found.extend(problems(&at, &ada.get(&at)));
                }
            }
            let id = rows.get("execution").unwrap();
            for at in [
                format!("/admin/{plain}/"), format!("/admin/executions/{plain}/"), format!("/admin/executions/{id}/?tab={plain}"),
                format!("/admin/executions/{id}/?tab=logs&text={plain}"), format!("/admin/executions/{id}/signal/?name={plain}"),
                format!("/admin/people/group/autocomplete/?pick={plain}&next={plain}"), format!("/admin/people/group/add/?name={plain}"),
                format!("/admin/login/?next={plain}"), format!("/admin/setup/?token={plain}"), format!("/admin/views/?page=people.group&query={plain}&next={plain}"),
                format!("/admin/secrets/key/{plain}/"), format!("/admin/connectors/{plain}/"), format!("/admin/workflows/new/?from={plain}"),
            ] {
                found.extend(problems(&at, &ada.get(&at)));
            }
            let group = rows.get("/admin/people/group/").unwrap();
            for (at, fields) in [
                ("/admin/people/group/add/".to_owned(), vec![("name", ""), ("description", *hostile), ("permissions", *hostile)]),
                (format!("/admin/people/group/{group}/change/"), vec![("name", *hostile), ("row_version", *hostile), ("description", *hostile)]),
                ("/admin/people/user/add/".to_owned(), vec![("email", *hostile), ("name", *hostile), ("password", *hostile)]),
                ("/admin/workflows/new/".to_owned(), vec![("source", *hostile), ("do", "save")]),
                ("/admin/workflows/new/check/".to_owned(), vec![("source", *hostile)]),
                (format!("/admin/executions/{id}/signal/"), vec![("name", *hostile), ("payload", *hostile), ("token", *hostile)]),
                ("/admin/connections/new/".to_owned(), vec![("connector", "slack"), ("name", *hostile), ("token", *hostile), ("base_url", *hostile)]),
                ("/admin/secrets/new/".to_owned(), vec![("key", *hostile), ("value", *hostile)]),
                ("/admin/me/look/".to_owned(), vec![("theme", *hostile), ("zone", *hostile), ("next", *hostile)]),
                ("/admin/me/password/".to_owned(), vec![("old", *hostile), ("password", *hostile)]),
                ("/admin/views/".to_owned(), vec![("page", "people.group"), ("name", ""), ("query", *hostile), ("next", *hostile)]),
                ("/admin/executions/bulk/".to_owned(), vec![("op", *hostile), ("q", *hostile), ("across", "1")]),
                ("/admin/people/group/actions/".to_owned(), vec![("action", *hostile), ("query", *hostile), ("across", "1")]),
                ("/admin/login/".to_owned(), vec![("email", *hostile), ("next", *hostile)]),
            ] {
                let page = ada.post(&at, &fields);
                found.extend(problems(&at, &page));
                if page.status == 303 {
                    let to = page.location().to_owned();
                    if !to.starts_with("/admin/") {
                        found.push(format!("{at} leads to {to}"));
                    }
                    found.extend(problems(&to, &ada.get(&to)));
                }
            }
        }
        report(found);
    }

    async fn a3_what_is_streamed_to_a_page_is_text_too(db: TestDatabase) {
        let (site, ours) = seeded(db).await;
        let text = json!("{{ inputs.text }}");
        let source = json!({
            "workflow": "waits", "title": all(), "on": [{ "manual": true }],
            "steps": [
                { "id": "tried", "fail": text, "continue_on_error": true },
                { "id": "ok", "wait": { "signal": "go", "timeout": "1h" } },
            ],
        });
        site.make(&ours, "/workflows", &json!({ "source": source.to_string() }));
        site.make(&ours, "/workflows/waits/publish", &json!({}));
        let started = site.make(&ours, "/workflows/waits/run", &json!({ "input": { "text": all() } }));
        let id = started["id"].as_str().unwrap();
        until(&site, &ours, id, "waiting").await;
        let ada = site.log_in();
        let mut found = Vec::new();
        for tab in ["steps", "graph", "logs"] {
            let mut stream = ada.stream(&format!("/admin/executions/{id}/live?tab={tab}"), None);
            let mut events = 0;
            while let Some(event) = stream.next(Duration::from_secs(if events == 0 { 15 } else { 2 })) {
                events += 1;
                let data: Value = serde_json::from_str(&event.data).unwrap();
                let html = data["html"].as_str().unwrap_or_default();
                found.extend(Markup::of(html).dangers());
            }
            assert!(events > 2, "{events} events of {tab}");
        }
        report(found);
    }
}
