//! Forms of models: what they take, what they refuse, and what happens where two change one row.

use automate_tests::admin::{Browser, Site};
use automate_tests::both_databases;

const GROUPS: &str = "/admin/people/group/";

/// Makes a group and answers with the address of its form.
fn group(ada: &mut Browser, name: &str) -> String {
    let fields =
        [("name", name), ("description", "For tests"), ("permissions", "workflows.view_workflow"), ("_continue", "1")];
    let made = ada.post(&format!("{GROUPS}add/"), &fields);
    made.location().to_owned()
}

both_databases! {
    async fn a_form_that_is_wrong_says_so_and_keeps_what_was_typed(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let empty = ada.get(&format!("{GROUPS}add/")).is(200);
        assert!(empty.has("for=\"id_name\"") && empty.has("class=\"req\">required"), "{}", empty.body);
        let wrong = ada.post(&format!("{GROUPS}add/"), &[("name", ""), ("description", "<b>kept</b>"), ("_save", "1")]).is(422);
        assert!(wrong.has("<title>Error: ") && wrong.has("href=\"#id_name\"") && wrong.has("aria-invalid=\"true\""), "{}", wrong.body);
        assert!(wrong.has("kept") && !wrong.has("<b>kept</b>"), "{}", wrong.body);
    }

    async fn a_name_is_typed_into_one_line_of_its_length(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let page = ada.get("/admin/tenants/tenant/add/").is(200);
        let slug = page.body.split("<input ").find(|rest| rest.contains("id=\"id_slug\"")).unwrap();
        let slug = slug.split('>').next().unwrap();
        assert!(slug.contains("type=\"text\"") && slug.contains("maxlength=\"50\""), "{slug}");
        let typed = [("slug", "a".repeat(51)), ("name", "Long".to_owned()), ("_save", "1".to_owned())];
        let typed: Vec<(&str, &str)> = typed.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let wrong = ada.post("/admin/tenants/tenant/add/", &typed).is(422);
        assert!(wrong.has("href=\"#id_slug\""), "{}", wrong.body);
    }

    async fn what_a_form_does_not_take_is_dropped_and_audited(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let form = group(&mut ada, "Testers");
        let page = ada.get(&form).is(200);
        let version = page.hidden("row_version").unwrap();
        let other = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        let forged = [
            ("row_version", version.as_str()), ("name", "Testers"), ("description", "Changed"), ("tenant_id", other),
            ("id", other), ("created_at", "2001-01-01T00:00:00Z"), ("_continue", "1"),
        ];
        assert_eq!(ada.post(&form, &forged).location(), form);
        let page = ada.get(&form).is(200);
        assert!(page.has("Changed") && !page.has("2001-01-01"), "{}", page.body);
        let history = ada.get(&form.replace("change/", "history/")).is(200);
        assert!(history.has("admin.forged_field") && history.has("refused") && history.has("tenant_id"), "{}", history.body);
    }

    async fn two_who_change_one_row_are_shown_both_and_lose_nothing(db: TestDatabase) {
        let site = Site::start(db).await;
        let (mut ada, mut also) = (site.log_in(), site.log_in());
        let form = group(&mut ada, "Readers");
        let old = also.get(&form).is(200).hidden("row_version").unwrap();
        let theirs = [("row_version", old.as_str()), ("name", "Readers"), ("description", "Theirs"), ("_continue", "1")];
        assert_eq!(ada.post(&form, &theirs).status, 303);
        let mine = [("row_version", old.as_str()), ("name", "Bookworms"), ("description", "Mine"), ("_save", "1")];
        let conflict = also.post(&form, &mine).is(409);
        for text in ["Theirs", "Mine", "Bookworms", "ada@example.com"] {
            assert!(conflict.has(text), "{text}: {}", conflict.body);
        }
        let now = conflict.hidden("row_version").unwrap();
        let resolved = [
            ("row_version", now.as_str()), ("_resolves", "1"), ("_mine", "name"), ("name", "Bookworms"),
            ("description", "Mine"), ("_continue", "1"),
        ];
        assert_eq!(also.post(&form, &resolved).location(), form);
        let page = also.get(&form).is(200);
        assert!(page.has("Bookworms") && page.has("Theirs") && !page.has("Mine"), "{}", page.body);
    }

    async fn a_row_that_is_deleted_while_it_is_changed_says_so(db: TestDatabase) {
        let site = Site::start(db).await;
        let (mut ada, mut also) = (site.log_in(), site.log_in());
        let form = group(&mut ada, "Shortlived");
        let version = also.get(&form).is(200).hidden("row_version").unwrap();
        let delete = form.replace("change/", "delete/");
        let asks = ada.get(&delete).is(200);
        assert!(asks.has("deleted for good") && ada.get(&form).status == 200, "a look deletes nothing");
        let fields = [("row_version", version.as_str())];
        assert_eq!(ada.post(&delete, &fields).location(), GROUPS);
        let typed = [("row_version", version.as_str()), ("name", "Typed"), ("description", ""), ("_save", "1")];
        let gone = also.post(&form, &typed).is(404);
        assert!(gone.has("was deleted while you were changing it") && gone.has("Typed"), "{}", gone.body);
    }

    async fn a_token_is_shown_once_and_can_be_taken_back(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let fields = [("name", "ci"), ("scopes", "workflows:read"), ("_save", "1")];
        let made = ada.post("/admin/people/token/add/", &fields).is(200);
        assert!(made.has("shown once") && made.has("aut_"), "{}", made.body);
        let list = ada.get("/admin/people/token/").is(200);
        let row = list.links().into_iter().find(|link| link.ends_with("/change/")).unwrap();
        let page = ada.get(&row).is(200);
        assert!(page.has("Take it back"), "{}", page.body);
        let revoke = row.replace("change/", "revoke/");
        assert!(ada.get(&revoke).is(200).has("Requests with it are refused"));
        assert_eq!(ada.post(&revoke, &[]).location(), row);
        assert!(!ada.get(&row).is(200).has("Take it back"));
    }

    async fn every_page_of_the_systems_models_opens(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let pages = [
            "people/user/", "people/user/add/", "people/user/history/", "people/group/", "people/token/", "people/token/add/",
            "tenants/tenant/", "tenants/tenant/add/", "workflows/workflow/", "workflows/version/", "workflows/trigger/",
            "executions/execution/", "executions/event/", "executions/webhookrequest/", "executions/bulkoperation/",
            "outbox/item/", "connectors/connection/", "secrets/secret/", "audit/entry/",
        ];
        for page in pages {
            let page = ada.get(&format!("/admin/{page}")).is(200);
            assert!(!page.has(" style=") && !page.has(" onclick="), "{}", page.body);
        }
        let users = ada.get("/admin/people/user/").is(200);
        let row = users.links().into_iter().find(|link| link.ends_with("/change/")).unwrap();
        let page = ada.get(&row).is(200);
        assert!(page.has("Set a password") && page.has("What they may do") && !page.has("password_hash"), "{}", page.body);
        assert!(ada.get(&row.replace("change/", "end-sessions/")).is(200).has("All of their sessions end"));
    }
}
