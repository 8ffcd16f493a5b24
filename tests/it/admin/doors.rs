//! Coming in: set-up, log-in, what forms must prove, what every answer carries.

use automate_tests::admin::{PASSWORD, Site, tables};
use automate_tests::both_databases;

both_databases! {
    async fn a_stranger_is_led_to_the_log_in_and_from_there_to_where_they_wanted(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.browser();
        let asked = browser.get("/admin/me/?x=1");
        assert_eq!(asked.location(), "/admin/login/?next=%2Fadmin%2Fme%2F%3Fx%3D1");
        let form = browser.get(asked.location()).is(200);
        let next = form.hidden("next").unwrap();
        let wrong = browser.post("/admin/login/", &[("email", "ada@example.com"), ("password", "no"), ("next", &next)]);
        assert!(wrong.status == 401 && wrong.has("<title>Error: ") && !wrong.has("value=\"no\""), "{}", wrong.body);
        let right = [("email", "ada@example.com"), ("password", PASSWORD), ("next", next.as_str())];
        assert_eq!(browser.post("/admin/login/", &right).location(), "/admin/me/?x=1");
        assert_eq!(browser.get("/admin/").status, 200);
        assert_eq!(browser.get("/admin/logout/").status, 200);
        assert_eq!(browser.get("/admin/").status, 200, "a look at the page logs nobody out");
        let out = browser.post("/admin/logout/", &[]);
        assert_eq!(out.location(), "/admin/login/");
        assert_eq!(out.header("clear-site-data"), Some("\"cache\", \"storage\""), "nothing is left for whoever goes back");
        assert_eq!(browser.get("/admin/").location(), "/admin/login/?next=%2Fadmin%2F");
    }

    async fn the_first_user_comes_by_the_set_up_page_and_nobody_after_them(db: TestDatabase) {
        let site = Site::start_without_users(db).await;
        let mut browser = site.browser();
        let hint = browser.get("/admin/login/").is(200);
        assert!(hint.has("createsuperuser"));
        assert_eq!(browser.get("/admin/setup/?token=guessed").status, 410);
        let fields = [("token", "guessed"), ("email", "eve@example.com"), ("password", PASSWORD), ("again", PASSWORD)];
        assert_eq!(browser.post("/admin/setup/", &fields).status, 410);
        site.make_superuser("ada@example.com");
        assert!(browser.get("/admin/login/").has("id_password"));
    }

    async fn a_form_without_its_proof_does_nothing(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut browser = site.log_in();
        let look = [("theme", "dark")];
        let bare = browser.post_bare("/admin/me/look/", &look);
        assert!(bare.status == 403 && bare.header("set-cookie").is_none());
        let csrf = browser.get("/admin/me/").hidden("csrf").unwrap();
        let body = format!("theme=dark&csrf={csrf}");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        for foreign in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            let page = browser.send("POST", "/admin/me/look/", &[kind, foreign], Some(&body));
            assert_eq!(page.status, 403, "{foreign:?}");
        }
        let page = browser.post("/admin/me/look/", &look);
        assert!(page.status == 303 && page.header("set-cookie").unwrap().starts_with("automate_look=dark."));
        assert!(browser.get("/admin/me/").has("data-theme=\"dark\""));
    }

    async fn a5_a21_every_answer_carries_the_headers_and_nothing_inline(db: TestDatabase) {
        let site = Site::start(db).await;
        let (mut stranger, mut ada) = (site.browser(), site.log_in());
        for page in [
            stranger.get("/admin/login/"),
            stranger.get("/admin/setup/?token=x"),
            ada.get("/admin/"),
            ada.get("/admin/me/"),
            ada.get("/admin/no/such/page/"),
            ada.get("/admin/people/group/export/?format=csv"),
            ada.post("/admin/me/look/", &[("theme", "dark")]),
            ada.post_bare("/admin/me/look/", &[("theme", "dark")]),
        ] {
            let policy = page.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(page.header("referrer-policy"), Some("same-origin"));
            assert_eq!(page.header("cross-origin-opener-policy"), Some("same-origin"));
            assert_eq!(page.header("cache-control"), Some("no-store"));
            for inline in [" style=", " onclick=", "<style", "javascript:", "<script>"] {
                assert!(!page.has(inline), "{inline} in {}", page.body);
            }
        }
        let style = ada.get("/admin/").links().into_iter().find(|link| link.ends_with("admin.css")).unwrap();
        let style = ada.get(&style).is(200);
        assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(ada.get("/admin/static/0/no.css").status, 404);
    }

    async fn a16_no_stranger_is_believed_what_they_say_of_a_proxy(db: TestDatabase) {
        let site = Site::start(db).await;
        let said = [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x_forwarded_for", "203.0.113.9"),
            ("x-real-ip", "203.0.113.9"),
            ("forwarded", "for=203.0.113.9;host=evil.example;proto=https"),
            ("x-forwarded-proto", "https"),
            ("x-original-url", "/admin/me/"),
        ];
        let mut stranger = site.browser();
        let form = stranger.send("GET", "/admin/login/?next=/admin/me/", &said, None).is(200);
        assert!(!form.has("evil.example") && !form.has("203.0.113.9"), "{}", form.body);
        let led = stranger.send("GET", "/admin/", &[("host", "evil.example"), said[0]], None);
        assert_eq!(led.location(), "/admin/login/?next=%2Fadmin%2F");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let log_in = |browser: &mut automate_tests::admin::Browser, more: &[(&str, &str)], password: &str| {
            let headers = [&said[..], &[kind], more].concat();
            let word: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
            browser.send("POST", "/admin/login/", &headers, Some(&format!("email=ada%40example.com&password={word}")))
        };
        // The origin of a form is not what a header says that ours is.
        assert_eq!(log_in(&mut stranger, &[("origin", "https://evil.example")], PASSWORD).status, 403);
        assert_eq!(log_in(&mut stranger, &[], "a guess").status, 401);
        let page = log_in(&mut stranger, &[], PASSWORD);
        assert_eq!((page.status, page.location()), (303, "/admin/"));
        let cookie = page.header("set-cookie").unwrap();
        assert!(cookie.starts_with("automate_session=") && !cookie.contains("Secure"), "it came over plain HTTP: {cookie}");
        let log = tables::texts(&site.database.db, "SELECT DISTINCT address AS name FROM audit_log").await;
        assert!(log.iter().any(|address| address == "127.0.0.1") && !log.iter().any(|address| address.contains("203.0.113")), "{log:?}");
    }

    async fn whoever_is_not_of_the_staff_stays_outside(db: TestDatabase) {
        let site = Site::start(db).await;
        let mut ada = site.log_in();
        let token = ada.get("/admin/me/");
        assert_eq!(token.status, 200);
        let mut nobody = site.browser();
        let page = nobody.send("GET", "/admin/", &[("authorization", "Bearer aut_x_y")], None);
        assert_eq!(page.status, 303, "tokens are for the API");
        assert_eq!(nobody.send("DELETE", "/admin/me/", &[], None).status, 303);
        assert_eq!(ada.send("DELETE", "/admin/me/", &[], None).status, 405);
    }
}
