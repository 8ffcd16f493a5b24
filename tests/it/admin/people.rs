//! The pages about people: members of groups, sessions, recovery codes.

use automate_core::ids::{TenantId, UserId};
use automate_governance::identity::UserChange;
use automate_store::db::Backend;
use automate_tests::admin::{Browser, PASSWORD, Page, Site, operator, tables};
use automate_tests::both_databases;
use totp_rs::{Algorithm, Secret, TOTP};

const GROUPS: &str = "/admin/people/group/";
const SESSIONS: &str = "/admin/me/sessions/";

/// Makes a group that gives something and answers with the address of its form.
fn group(ada: &mut Browser, name: &str, gives: &str, members: &[String]) -> String {
    let mut fields = vec![("name", name), ("description", ""), ("permissions", gives), ("_continue", "1")];
    fields.extend(members.iter().map(|member| ("members", member.as_str())));
    ada.post(&format!("{GROUPS}add/"), &fields).location().to_owned()
}

/// Whether a form has a box for somebody, and whether it is checked.
fn checked(form: &Page, user: UserId) -> Option<bool> {
    let (_, rest) = form.body.split_once(&format!("name=\"members\" value=\"{user}\""))?;
    Some(rest.starts_with(" checked"))
}

/// Sends a form of a group with these members.
fn store(browser: &mut Browser, form: &str, name: &str, gives: &str, members: &[UserId], version: &str) -> Page {
    let members: Vec<String> = members.iter().map(ToString::to_string).collect();
    let mut fields = vec![("name", name), ("description", ""), ("permissions", gives), ("row_version", version)];
    fields.push(("_continue", "1"));
    fields.extend(members.iter().map(|member| ("members", member.as_str())));
    browser.post(form, &fields)
}

/// The addresses at which a page ends single sessions.
fn ends(page: &Page) -> Vec<String> {
    page.links().into_iter().filter(|link| link.contains("/end/?session=")).collect()
}

both_databases! {
    async fn the_members_of_a_group_are_changed_in_its_form(db: TestDatabase) {
        let site = Site::start(db).await;
        let bob = site.make_person("bob@example.org", TenantId::DEFAULT, &[]).await;
        let eve = site.make_person("eve@example.org", TenantId::DEFAULT, &[]).await;
        let mut ada = site.log_in();
        let gives = "workflows.view_workflow";
        let form = group(&mut ada, "Testers", gives, &[bob.to_string()]);
        let page = ada.get(&form).is(200);
        assert_eq!((checked(&page, bob), checked(&page, eve)), (Some(true), Some(false)), "{}", page.body);
        assert!(page.has("bob@example.org") && page.has("Members") && page.has("Others of this tenant"));
        let version = page.hidden("row_version").unwrap();
        assert_eq!(store(&mut ada, &form, "Testers", gives, &[eve], &version).location(), form);
        let page = ada.get(&form).is(200);
        assert_eq!((checked(&page, bob), checked(&page, eve)), (Some(false), Some(true)), "{}", page.body);
        let history = ada.get(&form.replace("change/", "history/")).is(200);
        assert!(history.has("group.change") && history.has("joined") && history.has("eve@example.org"), "{}", history.body);
        let of_bob = ada.get(&format!("/admin/people/user/{bob}/history/")).is(200);
        assert!(of_bob.count("user.change") >= 2, "in and out: {}", of_bob.body);
        // Who left it in the meantime is not brought back by a form that was opened before.
        let old = page.hidden("row_version").unwrap();
        let leave = UserChange { groups: Some(Vec::new()), ..UserChange::default() };
        site.identity().change_user(operator(), eve, leave, None).await.unwrap();
        let conflict = store(&mut ada, &form, "Renamed", gives, &[eve], &old).is(409);
        assert!(conflict.has("eve@example.org") && !conflict.has(&format!("[\"{eve}\"]")), "{}", conflict.body);
        assert_eq!(checked(&ada.get(&form), eve), Some(false));
    }

    async fn nobody_is_let_into_a_group_that_gives_more_than_whoever_lets_them_in_has(db: TestDatabase) {
        let site = Site::start(db).await;
        let bob = site.make_person("bob@example.org", TenantId::DEFAULT, &[]).await;
        let mut ada = site.log_in();
        let powerful = group(&mut ada, "Powerful", "workflow.publish", &[]);
        let groups = ["people.view_group", "people.change_group"];
        let mut clerk = site.person("clerk@example.org", TenantId::DEFAULT, &[&groups[..], &["people.view_user", "people.change_user"]].concat()).await;
        let page = clerk.get(&powerful).is(200);
        let version = page.hidden("row_version").unwrap();
        assert_eq!(checked(&page, bob), Some(false));
        let refused = store(&mut clerk, &powerful, "Powerful", "workflow.publish", &[bob], &version).is(422);
        assert!(refused.has("which you do not have"), "{}", refused.body);
        // Whoever may not change people does not find the field, and what is sent for it is dropped.
        let mut namer = site.person("namer@example.org", TenantId::DEFAULT, &groups).await;
        let page = namer.get(&powerful).is(200);
        assert!(!page.has("bob@example.org") && checked(&page, bob).is_none(), "{}", page.body);
        assert_eq!(store(&mut namer, &powerful, "Renamed", "workflow.publish", &[bob], &version).location(), powerful);
        let page = ada.get(&powerful).is(200);
        assert!(page.has("Renamed") && checked(&page, bob) == Some(false), "{}", page.body);
        let history = ada.get(&powerful.replace("change/", "history/")).is(200);
        assert!(history.has("admin.forged_field"), "{}", history.body);
    }

    async fn a_person_sees_their_sessions_and_ends_one_or_all_others(db: TestDatabase) {
        let site = Site::start(db).await;
        let (mut here, mut there, mut elsewhere) = (site.log_in(), site.log_in(), site.log_in());
        let page = here.get(SESSIONS).is(200);
        assert_eq!((page.count("this one"), ends(&page).len()), (1, 3), "{}", page.body);
        let digests = match site.database.db.backend() {
            Backend::Sqlite => "SELECT lower(hex(id_hash)) AS name FROM sessions",
            Backend::Postgres => "SELECT encode(id_hash, 'hex') AS name FROM sessions",
        };
        for digest in tables::texts(&site.database.db, digests).await {
            assert!(!page.has(&digest[..16]), "{digest}");
        }
        // The newest stands first: `elsewhere`.
        let end = ends(&page)[0].clone();
        let asks = here.get(&end).is(200);
        assert!(asks.has("has to log in again") && elsewhere.get("/admin/").status == 200, "a look ends nothing: {}", asks.body);
        let done = here.submit(&end, &[]).is(200);
        assert!(done.has("The session has ended.") && ends(&done).len() == 2, "{}", done.body);
        assert!(elsewhere.get("/admin/").location().starts_with("/admin/login/"));
        assert_eq!(here.post(&end, &[]).status, 404, "it is no more");
        let all = format!("{SESSIONS}end/");
        assert!(here.get(&all).is(200).has("1 other session of yours ends"));
        assert_eq!(there.get("/admin/").status, 200);
        assert!(here.submit(&all, &[]).is(200).has("1 other session of yours ended."));
        assert!(there.get("/admin/").location().starts_with("/admin/login/"));
        assert!(here.get(&all).is(200).has("no session of yours but this one"));
        let log = here.get("/admin/audit/?action=user.end_session").is(200);
        assert_eq!(log.count("user.end_session</a>"), 1, "{}", log.body);
        // One's own, too; then one is out.
        let own = ends(&here.get(SESSIONS)).remove(0);
        assert!(here.get(&own).is(200).has("looking at this with"));
        assert_eq!(here.post(&own, &[]).location(), "/admin/login/");
        assert!(here.get("/admin/").location().starts_with("/admin/login/"));
    }

    async fn the_sessions_of_others_take_their_permissions(db: TestDatabase) {
        let site = Site::start(db).await;
        let bob = site.make_person("bob@example.org", TenantId::DEFAULT, &["workflows.view_workflow"]).await;
        let mut theirs = site.log_in_as("bob@example.org");
        let sessions = format!("/admin/people/user/{bob}/sessions/");
        let sees = ["people.view_user", "people.view_session"];
        let mut viewer = site.person("viewer@example.org", TenantId::DEFAULT, &sees).await;
        let page = viewer.get(&sessions).is(200);
        assert!(page.has("Sessions of bob@example.org") && ends(&page).is_empty() && !page.has("End all"), "{}", page.body);
        assert!(viewer.get(&format!("/admin/people/user/{bob}/change/")).is(200).has(&sessions));
        // Who may end sessions and may do less than bob ends none of his.
        let mut small = site.person("small@example.org", TenantId::DEFAULT, &[&sees[..], &["people.delete_session"]].concat()).await;
        let end = ends(&small.get(&sessions)).remove(0);
        assert_eq!(viewer.get(&end).status, 403);
        assert!(small.post(&end, &[]).status >= 400);
        assert_eq!(theirs.get("/admin/").status, 200);
        let mut ada = site.log_in();
        assert!(ada.get(&end).is(200).has("ends, on all nodes"));
        assert!(ada.submit(&end, &[]).is(200).has("They are not logged in anywhere."));
        assert!(theirs.get("/admin/").location().starts_with("/admin/login/"));
        let log = ada.get("/admin/audit/?action=user.end_session").is(200);
        assert!(log.has("ada@example.com"), "{}", log.body);
    }

    async fn recovery_codes_are_counted_and_renewed_and_shown_once(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let begun = ada.post("/admin/me/totp/", &[]).is(200);
        let key = begun.body.split("<dt>Key</dt><dd><code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap().to_owned();
        let bytes = Secret::Encoded(key).to_bytes().unwrap();
        let app = TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, bytes, None, String::new());
        let code = app.generate(u64::try_from(automate_core::clock::now().timestamp()).unwrap());
        let codes = |page: &Page| -> Vec<String> {
            let list = page.body.split("aria-label=\"Recovery codes\">").nth(1).and_then(|rest| rest.split("</ol>").next());
            list.unwrap_or_default().split("<li>").skip(1).map(|one| one.split('<').next().unwrap().to_owned()).collect()
        };
        let old = codes(&begun);
        assert_eq!(old.len(), 10, "{}", begun.body);
        let on = ada.submit("/admin/me/totp/confirm/", &[("code", &code)]).is(200);
        assert!(on.has("10 of 10 recovery codes are left") && codes(&on).is_empty(), "{}", on.body);
        let renew = "/admin/me/totp/recovery/";
        let wrong = ada.post(renew, &[("password", "not the password at all")]).is(422);
        assert!(wrong.has("Nothing was changed") && codes(&wrong).is_empty(), "{}", wrong.body);
        let renewed = ada.post(renew, &[("password", PASSWORD)]).is(200);
        let new = codes(&renewed);
        assert!(new.len() == 10 && new.iter().all(|code| !old.contains(code)), "{}", renewed.body);
        assert!(!ada.get("/admin/me/totp/").is(200).has(&new[0]), "once");
        // An old one lets nobody in; a new one does, and is used up.
        let log_in = |code: &str| {
            let mut browser = site.browser();
            let asked = browser.post("/admin/login/", &[("email", "ada@example.com"), ("password", PASSWORD)]);
            assert!(asked.location().starts_with("/admin/login/code/"), "{:?}", asked.headers);
            browser.get(asked.location());
            browser.post("/admin/login/code/", &[("code", code)]).status
        };
        assert_ne!(log_in(&old[0]), 303);
        assert_eq!(log_in(&new[0]), 303);
        assert!(ada.get("/admin/me/").is(200).has("9 of 10 recovery codes are left"));
        let log = ada.get("/admin/audit/?action=user.recovery_codes").is(200);
        assert!(log.has("user.recovery_codes</a>") && !log.has(&new[1]), "{}", log.body);
    }
}
