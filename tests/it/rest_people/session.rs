//! Logging in and out.

use automate_tests::both_databases;
use serde_json::{Value, json};
use totp_rs::{Algorithm, Secret, TOTP};

use super::bed::{Answer, Caller, House, PASSWORD};

both_databases! {
    async fn somebody_logs_in_looks_and_logs_out(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let editor = &house.ours.editor;
        let answer = node.post(&Caller::Nobody, "/session", json!({ "email": editor.email, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = &answer.headers["set-cookie"];
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let session = answer.session();
        let who = node.get(&session, "/session").await;
        assert_eq!(who.status, 200, "{who:?}");
        let body = who.json();
        assert_eq!(body["user"]["email"], editor.email.as_str());
        assert_eq!(body["tenant"]["slug"], "default");
        assert_eq!(body["scopes"], Value::Null);
        assert_eq!(body["csrf_token"], answer.json()["csrf_token"]);
        assert!(body["permissions"].as_array().unwrap().contains(&json!("workflow.publish")));
        let out = node.delete(&session, "/session").await;
        assert_eq!(out.status, 204, "{out:?}");
        assert!(out.headers["set-cookie"].contains("Max-Age=0") && out.headers.contains_key("clear-site-data"));
        assert_eq!(node.get(&session, "/session").await.status, 401);
    }

    async fn a_token_is_told_whose_it_is_and_has_no_session(db: TestDatabase) {
        let house = House::over(&db).await;
        let token = house.token(&house.ours, &house.ours.editor, &["workflows:read"]).await;
        let who = house.node.get(&token, "/session").await.json();
        assert_eq!(who["user"]["email"], house.ours.editor.email.as_str());
        assert_eq!((who["scopes"].clone(), who["csrf_token"].clone()), (json!(["workflows:read"]), Value::Null));
        assert_eq!(house.node.delete(&token, "/session").await.problem(), (403, "SESSION_REQUIRED".to_owned()));
        for (method, path, body) in [
            ("POST", "/session/password", json!({ "old_password": PASSWORD, "new_password": "another long walk" })),
            ("POST", "/session/totp", Value::Null),
        ] {
            let body = Some(&body).filter(|body| !body.is_null());
            assert_eq!(house.node.send(&token, method, path, body).await.status, 403, "{path}");
        }
    }

    async fn a7_an_unknown_address_and_a_wrong_password_are_answered_alike(db: TestDatabase) {
        let house = House::over(&db).await;
        let attempt = |email: String, password: &'static str| {
            let node = &house.node;
            async move { node.post(&Caller::Nobody, "/session", json!({ "email": email, "password": password })).await }
        };
        let wrong = attempt(house.ours.viewer.email.clone(), "not the password at all").await;
        let unknown = attempt("nobody@ours.example".to_owned(), "not the password at all").await;
        assert_eq!(wrong.problem(), (401, "INVALID_CREDENTIALS".to_owned()));
        assert_eq!(wrong.anonymous(), unknown.anonymous());
        let names = |answer: &Answer| {
            answer.headers.keys().filter(|name| !name.starts_with("ratelimit")).cloned().collect::<Vec<_>>()
        };
        assert_eq!(names(&wrong), names(&unknown));
        assert!(!wrong.headers.contains_key("set-cookie"));
        for _ in 0..8 {
            attempt(house.ours.viewer.email.clone(), "not the password at all").await;
        }
        let throttled = attempt(house.ours.viewer.email.clone(), PASSWORD).await;
        assert_eq!(throttled.problem(), (429, "RATE_LIMITED".to_owned()), "even the right one is not looked at");
        assert!(throttled.headers.contains_key("retry-after"));
        assert_eq!(house.node.get(&house.ours.viewer.token, "/session").await.status, 200, "who is in stays in");
    }

    async fn a1_a_change_with_a_session_needs_its_csrf_token_and_our_own_origin(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let session = node.log_in(&house.ours.admin.email).await;
        let Caller::Session(cookie, csrf) = session.clone() else { unreachable!() };
        let body = json!({ "name": "night shift" });
        let other = Caller::Session(cookie.clone(), "x".repeat(csrf.len()));
        assert_eq!(node.post(&other, "/groups", body.clone()).await.problem(), (403, "CSRF_FAILED".to_owned()));
        for headers in [
            &[("Origin", "null")][..],
            &[("Origin", "https://evil.example")],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Sec-Fetch-Site", "same-site")],
        ] {
            let answer = node.send_with(&session, "POST", "/groups", Some(&body), headers).await;
            assert_eq!(answer.problem(), (403, "CSRF_FAILED".to_owned()), "{headers:?}");
        }
        assert_eq!(node.post(&session, "/groups", body).await.status, 201);
        let credentials = json!({ "email": house.ours.admin.email, "password": PASSWORD });
        let crossed = node
            .send_with(&Caller::Nobody, "POST", "/session", Some(&credentials), &[("Origin", "https://evil.example")])
            .await;
        assert_eq!(crossed.problem(), (403, "CSRF_FAILED".to_owned()), "logging a victim in as somebody else");
    }

    async fn a6_the_session_that_a_browser_had_ends_when_it_logs_in(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let first = node.log_in(&house.ours.viewer.email).await;
        let Caller::Session(cookie, _) = &first else { unreachable!() };
        let body = json!({ "email": house.ours.viewer.email, "password": PASSWORD });
        let cookie = format!("automate_session={cookie}");
        let again = node.send_with(&Caller::Nobody, "POST", "/session", Some(&body), &[("Cookie", &cookie)]).await;
        let second = again.session();
        assert_eq!(node.get(&first, "/session").await.status, 401);
        assert_eq!(node.get(&second, "/session").await.status, 200);
        let preset = format!("automate_session={}", "a".repeat(43));
        let fixed = node.send_with(&Caller::Nobody, "POST", "/session", Some(&body), &[("Cookie", &preset)]).await;
        assert!(!fixed.headers["set-cookie"].contains(&"a".repeat(43)));
    }

    async fn superusers_choose_a_tenant_and_nobody_else_does(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let body = json!({ "tenant_id": house.theirs.id });
        let admin = node.log_in(&house.ours.admin.email).await;
        assert_eq!(node.post(&admin, "/session/tenant", body.clone()).await.status, 403);
        let root = node.log_in(&house.ours.root.email).await;
        let chosen = node.post(&root, "/session/tenant", body).await;
        assert_eq!(chosen.status, 200, "{chosen:?}");
        assert_eq!(chosen.json()["tenant"]["slug"], "acme");
        let there = chosen.session();
        assert_eq!(node.get(&root, "/session").await.status, 401, "the session has another id");
        let users = node.get(&there, "/users").await.json();
        let emails: Vec<&str> =
            users["results"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
        assert!(emails.contains(&house.theirs.viewer.email.as_str()), "{emails:?}");
        assert!(!emails.contains(&house.ours.viewer.email.as_str()), "{emails:?}");
        let nowhere = json!({ "tenant_id": automate_core::ids::new_v7() });
        assert_eq!(node.post(&there, "/session/tenant", nowhere).await.status, 422);
    }

    async fn ones_own_password_is_changed_with_the_old_one_only(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let (session, other) = (node.log_in(&house.ours.viewer.email).await, node.log_in(&house.ours.viewer.email).await);
        let change = |old: &str, new: &str| json!({ "old_password": old, "new_password": new });
        let wrong = node.post(&session, "/session/password", change("not the password at all", "a longer walk by the sea")).await;
        assert_eq!(wrong.problem(), (422, "INVALID_INPUT".to_owned()));
        assert_eq!(wrong.json()["errors"][0]["code"], "INVALID_CREDENTIALS");
        assert_eq!(node.post(&session, "/session/password", change(PASSWORD, "password1234")).await.status, 422);
        let done = node.post(&session, "/session/password", change(PASSWORD, "a longer walk by the sea")).await;
        assert_eq!(done.status, 200, "{done:?}");
        let fresh = done.session();
        assert_eq!(node.get(&fresh, "/session").await.status, 200);
        assert_eq!(node.get(&session, "/session").await.status, 401);
        assert_eq!(node.get(&other, "/session").await.status, 401);
        let old = json!({ "email": house.ours.viewer.email, "password": PASSWORD });
        assert_eq!(node.post(&Caller::Nobody, "/session", old).await.status, 401);
    }

    async fn a_second_factor_is_set_up_asked_for_and_taken_away(db: TestDatabase) {
        let house = House::over(&db).await;
        let node = &house.node;
        let email = house.ours.viewer.email.as_str();
        let session = node.log_in(email).await;
        let begun = node.send(&session, "POST", "/session/totp", None).await;
        assert_eq!(begun.status, 200, "{begun:?}");
        let secret = begun.json()["secret"].as_str().unwrap().to_owned();
        assert!(begun.json()["url"].as_str().unwrap().starts_with("otpauth://totp/"));
        let wrong = node.post(&session, "/session/totp/confirm", json!({ "code": "000000" })).await;
        assert_eq!(wrong.json()["errors"][0]["code"], "INVALID_CREDENTIALS");
        let confirmed = node.post(&session, "/session/totp/confirm", json!({ "code": code(&secret, 0) })).await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        assert_eq!(confirmed.json()["user"]["second_factor"], true);
        let session = confirmed.session();

        let half = node.post(&Caller::Nobody, "/session", json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!((half.status, half.json()["second_factor"].clone()), (202, json!(true)));
        assert!(!half.headers.contains_key("set-cookie"));
        let ticket = half.json()["ticket"].clone();
        let bad = node.post(&Caller::Nobody, "/session/code", json!({ "ticket": ticket, "code": "000000" })).await;
        assert_eq!(bad.problem(), (401, "INVALID_CREDENTIALS".to_owned()));
        let full = node.post(&Caller::Nobody, "/session/code", json!({ "ticket": ticket, "code": code(&secret, 1) })).await;
        assert_eq!(full.status, 200, "{full:?}");
        let unknown = node.post(&Caller::Nobody, "/session/code", json!({ "ticket": "x", "code": "000000" })).await;
        assert_eq!(unknown.problem(), (410, "LINK_EXPIRED".to_owned()));

        let again = json!({ "email": email, "password": PASSWORD, "code": code(&secret, 0) });
        let again = node.post(&Caller::Nobody, "/session", again).await;
        assert_eq!(again.problem(), (401, "INVALID_CREDENTIALS".to_owned()), "no code counts twice");
        let gone = node.send(&session, "DELETE", "/session/totp", Some(&json!({ "password": PASSWORD }))).await;
        assert_eq!(gone.status, 200, "{gone:?}");
        assert_eq!(gone.json()["user"]["second_factor"], false);
    }
}

/// The code of a secret, some steps of the clock from now.
fn code(secret: &str, steps: i64) -> String {
    let secret = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
    let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, secret, None, "somebody".to_owned()).unwrap();
    totp.generate(u64::try_from(automate_core::clock::now().timestamp() + 30 * steps).unwrap())
}
