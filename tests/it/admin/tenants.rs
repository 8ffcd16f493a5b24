//! What is another tenant's is not there: on every address, in every list, for every deed.

use automate_core::ids::TenantId;
use automate_tests::admin::{Browser, Page, Rows, Site, tables};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;

use super::routes::{Entry, NO_ROW, Whose, absent, entries};

/// What every name and text of the other tenant has in it.
const THEIRS: &str = "zebra";

/// A page without what differs from one answer to the next: ids, and the name that was asked for.
fn plain(page: &Page, name: &str) -> (u16, String) {
    let mut text = page.body.replace(name, "NAME");
    let is_id = |part: &str| {
        part.char_indices().all(|(at, c)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() })
    };
    let mut at = 0;
    while at + 36 <= text.len() {
        if text.is_char_boundary(at) && text.is_char_boundary(at + 36) && is_id(&text[at..at + 36]) {
            text.replace_range(at..at + 36, "ID");
        }
        at += 1;
    }
    (page.status, text)
}

/// What forms have, so that none is refused for what it lacks.
const FIELDS: &[(&str, &str)] = &[
    ("token", "t-1"),
    ("nonce", "n-1"),
    ("version", "1"),
    ("row_version", "1"),
    ("name", "x"),
    ("payload", "{}"),
    ("input", "{}"),
    ("source", "workflow: x\nsteps: [{ id: a, set: { a: 1 } }]"),
    ("do", "check"),
    ("number", "1"),
    ("step", "w"),
    ("decision", "fail"),
    ("value", "v"),
    ("password", "a long walk by the sea"),
    ("rate", "10"),
];

fn kind(entry: &Entry) -> Option<&str> {
    match &entry.whose {
        Whose::Row(kind) => Some(kind),
        Whose::Nobody | Whose::Own | Whose::Stream | Whose::Name(_) => None,
    }
}

/// Whether a page has something of the other tenant.
fn shows(page: &Page, theirs: &Rows) -> Option<String> {
    let body = page.body.to_lowercase();
    let id = theirs.ids().find(|id| body.contains(id)).map(|id| format!("the id {id}"));
    id.or_else(|| body.find(THEIRS).map(|at| body[at.saturating_sub(80)..].chars().take(200).collect()))
}

/// Two tenants that are full, and a server whose workers rest.
async fn two(db: TestDatabase) -> (Site, Rows, Rows) {
    let mut site = Site::start(db).await;
    let ours = site.tenant("default", Some(TenantId::DEFAULT)).await;
    let theirs = site.tenant(THEIRS, None).await;
    let (own, foreign) = (site.fill(&ours).await, site.fill(&theirs).await);
    site.start_again(&["--no-worker"]).await;
    (site, own, foreign)
}

/// Asks for a row of theirs and for one that nobody has: the answers must not differ.
fn compare(
    browser: &mut Browser,
    who: &str,
    foreign: &str,
    absent: &str,
    names: (&str, &str),
    post: bool,
) -> Option<String> {
    let mut ask = |at: &str| if post { browser.post(at, FIELDS) } else { browser.get(at) };
    let (theirs, nobodys) = (ask(foreign), ask(absent));
    let verb = if post { "POST" } else { "GET" };
    if theirs.status != 404 {
        return Some(format!("{verb} {foreign} by {who}: {} {:?}", theirs.status, theirs.header("location")));
    }
    let (theirs, nobodys) = (plain(&theirs, names.0), plain(&nobodys, names.1));
    (theirs != nobodys)
        .then(|| format!("{verb} {foreign} by {who} tells a foreign row from none: {theirs:?} {nobodys:?}"))
}

both_databases! {
    async fn a_row_of_another_tenant_is_as_one_that_is_not_there(db: TestDatabase) {
        let (site, own, foreign) = two(db).await;
        let mut problems = Vec::new();
        // Somebody who may do everything in their tenant, and a superuser who works in the same.
        let browsers = ["root@default.example", "ada@example.com"].map(|who| (who, site.log_in_as(who)));
        let before = tables::contents(&site.database.db).await;
        for (who, mut browser) in browsers {
            let mut asked = 0;
            for entry in entries(&own.models) {
                let Some(kind) = kind(&entry) else { continue };
                if who.starts_with("ada") && (kind == "tenant" || kind.contains("tenant")) {
                    continue;
                }
                let Some(theirs) = foreign.get(kind) else { continue };
                let (at, nobodys) = (entry.of(&foreign).unwrap(), entry.of_nobody());
                for post in [false, true] {
                    if if post { entry.post.is_some() } else { entry.get.is_some() } {
                        problems.extend(compare(&mut browser, who, &at, &nobodys, (theirs, absent(kind)), post));
                        asked += 1;
                    }
                }
            }
            assert!(asked > 150, "only {asked} were asked");
            // The key of a secret of theirs is free here, as any other is.
            for deed in ["set", "delete"] {
                let at = |key: &str| format!("/admin/secrets/key/{key}/{deed}/");
                let key = foreign.get("secret").unwrap();
                let (theirs, nobodys) = (browser.get(&at(key)), browser.get(&at(absent("secret"))));
                if plain(&theirs, key) != plain(&nobodys, absent("secret")) {
                    problems.push(format!("{} tells {who} that there is a secret: {}", at(key), theirs.body));
                }
            }
            for query in ["tab=steps", "tab=graph", "tab=io", "tab=logs", "tab=events", "tab=audit", "step=w", "after=1"] {
                let at = |id: &str| format!("/admin/executions/{id}/?{query}");
                let id = foreign.get("execution").unwrap();
                problems.extend(compare(&mut browser, who, &at(id), &at(NO_ROW), (id, NO_ROW), false));
            }
        }
        let after = tables::contents(&site.database.db).await;
        problems.extend(tables::differences(&before, &after).into_iter().filter(|one| !one.starts_with("audit")));
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    async fn no_list_stream_or_export_shows_what_is_another_tenants(db: TestDatabase) {
        let (site, own, foreign) = two(db).await;
        let mut browser = site.log_in_as("root@default.example");
        let mut problems = Vec::new();
        let mut look = |at: &str| {
            let page = browser.get(at);
            problems.extend(shows(&page, &foreign).map(|what| format!("{at} shows {what}")));
            if page.status >= 500 {
                problems.push(format!("{at}: {}", page.status));
            }
            page
        };
        for entry in entries(&own.models) {
            match &entry.whose {
                Whose::Own | Whose::Nobody if entry.get.is_some() && !entry.pattern.contains('{') => {
                    drop(look(&entry.pattern));
                }
                Whose::Row(_) if entry.get.is_some() && !entry.pattern.ends_with("/live") => {
                    if let Some(at) = entry.of(&own) {
                        drop(look(&at));
                    }
                }
                _ => {}
            }
        }
        // What is searched for by its name is not found, and not told from what nobody has.
        let flow = foreign.get("workflow").unwrap().to_owned();
        for model in &own.models {
            for format in ["csv", "jsonl"] {
                drop(look(&format!("{model}export/?format={format}")));
            }
        }
        for (place, found) in [
            (format!("/admin/executions/?q=workflow%3A{flow}"), "No execution matches"),
            ("/admin/executions/?q=state%3Afailed".to_owned(), "default-breaks"),
            ("/admin/palette/?q=e".to_owned(), ""),
            ("/admin/audit/?limit=500".to_owned(), ""),
            ("/admin/views/?page=people.group".to_owned(), "View of default"),
        ] {
            let page = browser.get(&place);
            assert!(page.has(found), "{place}: {}", page.body);
            let body = page.body.replace(&flow, "");
            let shown = shows(&Page { body, ..page }, &foreign);
            problems.extend(shown.map(|what| format!("{place} shows {what}")));
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    async fn nothing_is_done_to_what_is_another_tenants_however_it_is_selected(db: TestDatabase) {
        let (site, own, foreign) = two(db).await;
        let mut browser = site.log_in_as("root@default.example");
        let before = tables::contents(&site.database.db).await;
        let run = foreign.get("execution").unwrap();
        let asked = browser.get(&format!("/admin/executions/bulk/?op=cancel&id={run}"));
        let nobodys = browser.get(&format!("/admin/executions/bulk/?op=cancel&id={NO_ROW}"));
        assert_eq!(plain(&asked, run), plain(&nobodys, NO_ROW));
        let all = browser.get("/admin/executions/bulk/?op=cancel&across=1&q=state%3Awaiting").is(200);
        assert!(all.has("2 executions") && shows(&all, &foreign).is_none(), "{}", all.body);
        for model in &own.models {
            let Some(id) = foreign.get(model) else { continue };
            let fields = |id: &str| [("action", "delete".to_owned()), ("pk", id.to_owned())];
            let post = |browser: &mut Browser, id: &str| {
                let fields = fields(id);
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let page = browser.post(&format!("{model}actions/"), &fields);
                (page.status, page.header("location").map(str::to_owned))
            };
            assert_eq!(post(&mut browser, id), post(&mut browser, NO_ROW), "{model}");
            // What is to be said is said once.
            drop(browser.get("/admin/help/"));
            let list = |id: &str| format!("{model}autocomplete/?pick=x&q={id}");
            assert_eq!(plain(&browser.get(&list(id)), id), plain(&browser.get(&list(NO_ROW)), NO_ROW), "{model}");
        }
        // A reference to a row of theirs is refused as one to none.
        let group = foreign.get("/admin/people/group/").unwrap();
        let user = |browser: &mut Browser, email: &str, group: &str| {
            let fields = [("email", email), ("name", "X"), ("groups", group), ("_save", "1")];
            let page = browser.post("/admin/people/user/add/", &fields);
            (page.status, page.has("group"))
        };
        assert_eq!(user(&mut browser, "a@b.example", group), user(&mut browser, "c@b.example", NO_ROW));
        let after = tables::contents(&site.database.db).await;
        let changed = tables::differences(&before, &after).into_iter().filter(|one| !one.starts_with("audit"));
        assert_eq!(changed.collect::<Vec<_>>(), Vec::<String>::new());
        let members = tables::texts(&site.database.db, "SELECT 'x' AS name FROM user_groups").await;
        assert!(members.is_empty());
    }
}
