//! The numbers beside the choices of filters.

use automate_core::ids::TenantId;
use automate_governance::identity::NewUser;
use automate_tests::admin::{Browser, Page, Site, operator};
use automate_tests::both_databases;

const USERS: &str = "/admin/people/user/";

/// The choices that have a number: where they lead, and the number.
fn counted(page: &Page) -> Vec<(String, String)> {
    let filters = page.body.split("<aside class=\"filters\"").nth(1).unwrap().split("</aside>").next().unwrap();
    let choice = |link: &str| {
        let (address, rest) = link.split_once('"')?;
        let (_, count) = rest.split("</a>").next()?.split_once("<span class=\"count\">")?;
        Some((address.replace("&#38;", "&"), count.split('<').next()?.to_owned()))
    };
    filters.split("href=\"").skip(1).filter_map(choice).collect()
}

/// A page whose numbers are all there: on a machine that does other things, some take too long.
fn whole(browser: &mut Browser, address: &str) -> Page {
    let page = (0..100).map(|_| browser.get(address).is(200)).find(|page| !page.has(">…<"));
    page.unwrap_or_else(|| panic!("{address} never counts all"))
}

/// How many rows a list says that it has.
fn rows(page: &Page) -> String {
    let said = page.body.split("<p class=\"meta\">").nth(1).and_then(|rest| rest.split(" row").next());
    if page.has("Nothing matches") { "0".to_owned() } else { said.unwrap().to_owned() }
}

async fn people(site: &Site, tenant: TenantId, at: &str, staff: usize, others: usize) {
    for n in 0..staff + others {
        let user = NewUser {
            email: format!("p{n}@{at}.example"),
            name: format!("P {at}"),
            tenant: Some(tenant),
            is_staff: n < staff,
            ..NewUser::default()
        };
        site.identity().create_user(operator(), user).await.unwrap();
    }
}

both_databases! {
    async fn a_choice_says_how_many_rows_its_list_has_with_the_other_filters_as_they_are(db: TestDatabase) {
        let site = Site::start(db).await;
        let theirs = site.tenant("theirs", None).await;
        people(&site, theirs.id, "theirs", 3, 4).await;
        people(&site, TenantId::DEFAULT, "ours", 2, 3).await;
        let mut reader = site.person("reader@ours.example", TenantId::DEFAULT, &["people.view_user"]).await;
        let page = reader.get(USERS).is(200);
        assert!(counted(&page).is_empty() && page.has("Show counts"), "nobody has asked for them");
        assert!(page.links().iter().any(|link| link == "/admin/people/user/?facets=1"));
        for asked in ["?facets=1", "?q=ours&facets=1", "?is_staff=true&facets=1", "?logins=never&is_staff=false&facets=1"] {
            let page = whole(&mut reader, &format!("{USERS}{asked}"));
            let choices = counted(&page);
            assert!(choices.len() > 10 && page.has("Hide counts"), "{asked}: {choices:?}");
            for (address, count) in choices {
                assert_eq!(rows(&reader.get(&address).is(200)), count, "{asked}: {address}");
            }
        }
        let page = whole(&mut reader, &format!("{USERS}?is_staff=true&q=ours&facets=1"));
        let beside = |value: &str| {
            let name = format!("is_staff={value}");
            counted(&page).into_iter().find(|(address, _)| address.contains(&name)).map(|(_, count)| count)
        };
        // The filter's own choice is set aside, and what another tenant has is nowhere.
        assert_eq!((beside("true").as_deref(), beside("false").as_deref()), (Some("3"), Some("3")));
    }

    async fn counts_are_asked_for_in_one_way(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        for wrong in ["?facets=2", "?facets=1&facets=1"] {
            assert_eq!(ada.get(&format!("{USERS}{wrong}")).status, 400, "{wrong}");
        }
        assert_eq!(ada.get(&format!("{USERS}?facets=")).status, 400);
        let page = ada.get(&format!("{USERS}?facets=1&is_active=true")).is(200);
        assert!(page.links().iter().any(|link| link == "/admin/people/user/?is_active=true"), "they can be hidden");
        assert!(page.links().iter().any(|link| link == "/admin/people/user/?facets=1"), "they stay without filters");
    }
}
