//! Lists of models: sorted, searched, filtered, kept, picked from.

use automate_tests::admin::{Page, Site};
use automate_tests::both_databases;
use serde_json::Value;

const GROUPS: &str = "/admin/people/group/";

/// The groups that a page lists, in its order.
fn groups(page: &Page) -> Vec<&'static str> {
    let mut found: Vec<(usize, &'static str)> = ["viewer", "operator", "editor", "admin"]
        .into_iter()
        .filter_map(|name| Some((page.body.find(&format!("/change/\">{name}</a>"))?, name)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, name)| name).collect()
}

both_databases! {
    async fn a_list_is_sorted_by_what_its_headings_lead_to(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let page = browser.get(GROUPS).is(200);
        assert_eq!(groups(&page), ["admin", "editor", "operator", "viewer"]);
        assert!(page.links().iter().any(|link| link == "/admin/people/group/?o=name"));
        let page = browser.get("/admin/people/group/?o=-name").is(200);
        assert_eq!(groups(&page), ["viewer", "operator", "editor", "admin"]);
        assert!(page.has("aria-sort=\"descending\"") && page.links().iter().any(|link| link.ends_with("?o=name")));
        let both = browser.get("/admin/people/group/?o=updated_at,-name").is(200);
        assert!(both.links().iter().any(|link| link.ends_with("?o=updated_at")), "either is taken away by a link");
    }

    async fn a_search_takes_words_and_holds_quoted_ones_together(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let found = |page: &Page| groups(page);
        assert_eq!(found(&browser.get("/admin/people/group/?q=VIEW")), ["viewer"]);
        assert_eq!(found(&browser.get("/admin/people/group/?q=repairs+runs")), ["operator"]);
        assert_eq!(found(&browser.get("/admin/people/group/?q=%22repairs+runs%22")), Vec::<&str>::new());
        for wild in ["%25", "_", "'", "%5C"] {
            let page = browser.get(&format!("/admin/people/group/?q={wild}")).is(200);
            assert!(groups(&page).len() < 4, "{wild} is no pattern");
        }
        let none = browser.get("/admin/people/group/?q=zebra").is(200);
        assert!(none.has("Nothing matches") && none.has("Search: zebra"));
        assert!(none.links().iter().any(|link| link == "/admin/people/group/?view=all"));
    }

    async fn an_address_with_something_else_in_it_leads_back_to_the_list(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        for wrong in [
            "?zebra=1", "?o=password", "?o=description", "?o=name,name", "?name=a&name=b", "?p=zebra", "?view=mine",
            "?d=2026", "?trash=1", "?id=1", "?tenant_id=0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", "?name__ne=x",
        ] {
            let page = browser.get(&format!("{GROUPS}{wrong}")).is(400);
            assert!(page.links().iter().any(|link| link == "/admin/people/group/?view=all"), "{wrong}");
        }
    }

    async fn a_list_begins_with_the_view_that_was_chosen_for_it(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let list = browser.get("/admin/people/group/?q=edit&o=-name").is(200);
        assert!(list.has("Keep this view"));
        let kept = [("page", "people.group"), ("name", "Editors"), ("query", "?q=edit&o=-name"), ("next", GROUPS)];
        assert_eq!(browser.post("/admin/views/", &kept).location(), GROUPS);
        let list = browser.get(GROUPS).is(200);
        assert!(list.has("The view “Editors” was kept."));
        assert!(list.links().iter().any(|link| link == "/admin/people/group/?q=edit&o=-name"));
        let manage = browser.get("/admin/views/?page=people.group&next=/admin/people/group/").is(200);
        let view = manage.body.split("name=\"view\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let view = view.unwrap().to_owned();
        let choose = [("page", "people.group"), ("view", view.as_str()), ("next", GROUPS)];
        assert_eq!(browser.post("/admin/views/default/", &choose).status, 303);
        assert_eq!(browser.get(GROUPS).location(), "/admin/people/group/?q=edit&o=-name");
        assert_eq!(groups(&browser.get("/admin/people/group/?view=all").is(200)).len(), 4);
        let delete = format!("/admin/views/{view}/delete/");
        assert!(browser.get(&delete).is(200).has("Delete the view"));
        assert_eq!(browser.post(&delete, &[("next", GROUPS)]).location(), GROUPS);
        assert_eq!(groups(&browser.get(GROUPS).is(200)).len(), 4);
        for (page, status) in [("zebra", 404), ("../x.y", 404)] {
            assert_eq!(browser.post("/admin/views/", &[("page", page), ("name", "x")]).status, status);
        }
        let elsewhere = [("page", "people.group"), ("name", "x"), ("next", "https://evil.example/")];
        assert_eq!(browser.post("/admin/views/", &elsewhere).location(), "/admin/");
    }

    async fn rows_are_picked_with_a_script_and_without(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let answer = browser.get("/admin/people/group/autocomplete/?q=op").is(200);
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0]["text"], "operator");
        let id = results[0]["id"].as_str().unwrap();
        let next = "/admin/people/user/?o=name";
        let page = browser.get(&format!("/admin/people/group/autocomplete/?pick=group_id&next={}", next.replace('?', "%3F"))).is(200);
        let link = format!("/admin/people/user/?o=name&group_id={id}");
        assert!(page.links().contains(&link), "{:?}", page.links());
        let elsewhere = browser.get("/admin/people/group/autocomplete/?pick=x&next=//evil.example/").is(200);
        assert!(!elsewhere.links().iter().any(|link| link.contains("evil.example")));
        assert_eq!(browser.get("/admin/people/group/autocomplete/?zebra=1").status, 400);
    }

    async fn whoever_may_not_see_rows_gets_none_of_their_pages(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut stranger = site.browser();
        for page in ["", "autocomplete/", "export/?format=csv", "runs/"] {
            assert_eq!(stranger.get(&format!("{GROUPS}{page}")).status, 303, "{page}");
        }
        assert_eq!(stranger.post(&format!("{GROUPS}actions/"), &[("action", "delete")]).status, 303);
    }
}
