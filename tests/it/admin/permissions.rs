//! Whoever lacks a permission: what they ask for is refused and on record, and nothing offers it to
//! them.

use std::collections::BTreeSet;

use automate_core::access::{DEFAULT_GROUPS, all_permissions};
use automate_core::ids::TenantId;
use automate_tests::admin::markup::Markup;
use automate_tests::admin::{Browser, Rows, Site, tables};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;

use super::routes::{Entry, Whose, entries};

/// A full tenant, and a server whose workers rest.
async fn full(db: TestDatabase) -> (Site, Rows) {
    let mut site = Site::start(db).await;
    let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
    let rows = site.fill(&ours).await;
    site.start_again(&["--no-worker"]).await;
    (site, rows)
}

/// The entries with what they take, by address.
fn asked(rows: &Rows) -> Vec<(String, Entry)> {
    let all = entries(&rows.models).into_iter();
    all.filter_map(|entry| Some((entry.of(rows).filter(|at| !at.contains('{'))?, entry))).collect()
}

/// What differs in the database, but for what is on record.
async fn changes(site: &Site, before: &std::collections::BTreeMap<String, Vec<String>>) -> Vec<String> {
    let after = tables::contents(&site.database.db).await;
    tables::differences(before, &after).into_iter().filter(|one| !one.starts_with("audit")).collect()
}

async fn refusals(site: &Site) -> usize {
    tables::texts(&site.database.db, "SELECT action AS name FROM audit_log WHERE action = 'admin.refused'").await.len()
}

both_databases! {
    async fn whoever_has_not_logged_in_is_led_to_the_log_in_from_every_address(db: TestDatabase) {
        let (site, rows) = full(db).await;
        let before = tables::contents(&site.database.db).await;
        let mut stranger = site.browser();
        for (at, entry) in asked(&rows) {
            if ["/admin/login/", "/admin/login/code/", "/admin/setup/"].contains(&at.as_str()) {
                continue;
            }
            if entry.get.is_some() {
                let page = stranger.get(&at);
                assert!(page.location().starts_with("/admin/login/?next="), "{at}");
                assert_eq!(stranger.send("GET", &at, &[("x-fragment", "1")], None).status, 401, "{at}");
                assert_eq!(stranger.send("GET", &at, &[("accept", "text/event-stream")], None).status, 401, "{at}");
            }
            if entry.post.is_some() {
                assert!(stranger.post_bare(&at, &[("x", "y")]).location().starts_with("/admin/login/"), "{at}");
            }
        }
        assert_eq!(changes(&site, &before).await, Vec::<String>::new());
    }

    async fn without_its_permission_every_address_is_refused_and_the_refusal_is_on_record(db: TestDatabase) {
        let (site, rows) = full(db).await;
        let asked = asked(&rows);
        let needed: BTreeSet<&String> = asked.iter().flat_map(|(_, e)| e.get.iter().chain(&e.post).flatten()).collect();
        let everything = all_permissions();
        let mut people: Vec<(&str, Browser)> = Vec::new();
        for (number, permission) in needed.iter().enumerate() {
            let others: Vec<&str> = everything.iter().map(String::as_str).filter(|own| own != permission).collect();
            let email = format!("without{number}@example.org");
            people.push((permission, site.person(&email, TenantId::DEFAULT, &others).await));
        }
        let nobody = site.person("nobody@example.org", TenantId::DEFAULT, &[]).await;
        people.push(("", nobody));
        let before = tables::contents(&site.database.db).await;
        let (mut problems, mut expected) = (Vec::new(), refusals(&site).await);
        for (lacking, browser) in &mut people {
            for (at, entry) in &asked {
                for (takes, post) in [(&entry.get, false), (&entry.post, true)] {
                    let Some(takes) = takes else { continue };
                    let lacks = takes.iter().any(|one| one == lacking) || lacking.is_empty() && !takes.is_empty();
                    if !lacks {
                        continue;
                    }
                    let page = if post { browser.post(at, &[("action", "delete")]) } else { browser.get(at) };
                    let verb = if post { "POST" } else { "GET" };
                    match page.status {
                        403 => expected += 1,
                        // There is no such deed with rows of this model, for anybody.
                        404 if is_generated(entry) => {}
                        status => problems.push(format!("{verb} {at} without `{lacking}`: {status}")),
                    }
                }
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert_eq!(changes(&site, &before).await, Vec::<String>::new());
        assert_eq!(refusals(&site).await, expected, "each refusal is on record");
    }

    async fn nothing_that_is_shown_leads_to_a_refusal(db: TestDatabase) {
        let (site, rows) = full(db).await;
        let mut sets: Vec<(String, Vec<String>)> =
            DEFAULT_GROUPS.iter().map(|group| (group.name.to_owned(), group.permissions())).collect();
        let views: Vec<String> = all_permissions().into_iter().filter(|one| one.contains(".view_")).collect();
        sets.push(("views".to_owned(), views.clone()));
        for (name, more) in [
            ("payloads", vec!["execution.view_payload", "secret.reveal_metadata"]),
            ("changes", vec!["workflows.change_workflow", "connectors.change_connection", "secrets.change_secret", "people.change_user", "people.change_group", "people.change_token", "tenants.change_policy"]),
            ("adds", vec!["workflows.add_workflow", "connectors.add_connection", "secrets.add_secret", "people.add_user", "people.add_group", "people.add_token"]),
            ("deletes", vec!["connectors.delete_connection", "secrets.delete_secret", "people.delete_user", "people.delete_group", "people.delete_token"]),
        ] {
            sets.push((name.to_owned(), views.iter().cloned().chain(more.into_iter().map(str::to_owned)).collect()));
        }
        sets.extend(views.iter().map(|one| (one.replace('.', "-"), vec![one.clone()])));
        let before = tables::contents(&site.database.db).await;
        let mut problems = Vec::new();
        for (name, permissions) in &sets {
            let all: Vec<&str> = permissions.iter().map(String::as_str).collect();
            let mut browser = site.person(&format!("{name}@example.org"), TenantId::DEFAULT, &all).await;
            let can = |permission: &String| all.contains(&"*") || all.contains(&permission.as_str());
            let entries = entries(&rows.models);
            let found = browser.crawl(3, |at, page| {
                if page.status == 403 {
                    problems.push(format!("{name} is led to {at}, and refused"));
                }
                for form in Markup::of(&page.body).elements {
                    let action = match form.name.as_str() {
                        "form" if form.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post")) => {
                            Some(form.get("action").filter(|action| !action.is_empty()).unwrap_or(at).to_owned())
                        }
                        _ => form.get("formaction").map(str::to_owned),
                    };
                    let Some(action) = action else { continue };
                    let path = action.split(['?', '#']).next().unwrap_or_default();
                    let Some(entry) = entries.iter().find(|entry| entry.post.is_some() && entry.is(path)) else {
                        if page.status < 400 {
                            problems.push(format!("{at}: the form posts to {action}, which is no address"));
                        }
                        continue;
                    };
                    if let Some(lacking) = entry.post.iter().flatten().find(|permission| !can(permission)) {
                        problems.push(format!("{at} shows {name} a form to {path}, which takes {lacking}"));
                    }
                }
            });
            assert!(found > 1, "{name} saw {found} pages");
        }
        problems.sort();
        problems.dedup();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        let accounts = ["users", "user_permissions", "login_throttle", "login_attempts"];
        let changed = changes(&site, &before).await.into_iter().filter(|one| !accounts.iter().any(|own| one.starts_with(own)));
        assert_eq!(changed.collect::<Vec<_>>(), Vec::<String>::new(), "looking at pages changed something");
    }

    async fn nobody_gives_or_takes_what_is_above_them(db: TestDatabase) {
        let site = Site::start(db).await;
        let manager = ["people.view_user", "people.change_user", "people.add_user", "people.delete_user", "people.view_group", "people.change_group", "people.add_group"];
        let boss = site.make_person("boss@example.org", TenantId::DEFAULT, &["*"]).await;
        let ada = site.identity().user_by_email("ada@example.com").await.unwrap().unwrap().id.to_string();
        let mut eve = site.person("eve@example.org", TenantId::DEFAULT, &manager).await;
        let own = site.identity().user_by_email("eve@example.org").await.unwrap().unwrap().id.to_string();
        let before = tables::contents(&site.database.db).await;
        for victim in [boss.to_string(), ada] {
            let user = format!("/admin/people/user/{victim}");
            for (deed, fields) in [
                ("password", vec![("password", "another long walk by the sea")]),
                ("end-sessions", vec![]),
                ("reset-totp", vec![]),
                ("delete", vec![("row_version", "1")]),
                ("change", vec![("row_version", "1"), ("email", "eve2@example.org"), ("_save", "1")]),
            ] {
                let page = eve.post(&format!("{user}/{deed}/"), &fields);
                assert!((400..500).contains(&page.status), "{deed} of {victim}: {} {:?}", page.status, page.header("location"));
            }
        }
        for forged in [("permissions", "*"), ("permissions", "outbox.purge"), ("is_superuser", "true"), ("is_staff", "true")] {
            let user = [("email", "new@example.org"), ("name", "N"), forged, ("_save", "1")];
            let page = eve.post("/admin/people/user/add/", &user);
            assert!((400..500).contains(&page.status), "{forged:?}: {} {:?}", page.status, page.header("location"));
            let mut change = vec![("row_version", "1"), ("email", "eve@example.org"), ("is_active", "true"), ("is_staff", "true"), forged, ("_save", "1")];
            change.extend(manager.iter().map(|permission| ("permissions", *permission)));
            drop(eve.post(&format!("/admin/people/user/{own}/change/"), &change));
            let group = [("name", "mine"), ("permissions", "outbox.purge"), ("_save", "1")];
            let page = eve.post("/admin/people/group/add/", &group);
            assert!((400..500).contains(&page.status), "a group: {} {:?}", page.status, page.header("location"));
        }
        let changed = changes(&site, &before).await;
        assert_eq!(changed, Vec::<String>::new());
    }
}

fn is_generated(entry: &Entry) -> bool {
    let below = [
        "/export/",
        "/import/",
        "/add/",
        "/restore/",
        "/delete/",
        "/actions/",
        "/edit/",
        "/change/",
        "/autocomplete/",
        "/runs/",
        "/cancel/",
    ];
    entry.pattern.split('/').count() > 4 && below.iter().any(|page| entry.pattern.ends_with(page))
        || entry.whose == Whose::Row("run".to_owned())
}
