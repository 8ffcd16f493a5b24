//! Sessions: how they begin, what they need, and how they end.

use std::time::Duration;

use automate_core::access::TenantScope;
use automate_governance::identity::{AuthError, IdentityError, IdentitySettings, LogIn, UserChange};
use automate_tests::both_databases;
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::bed::{
    ADDRESS, Bed, PASSWORD, TENANT, client, cookies_of, credentials, operator, password, until_refused, user_id, writer,
};

/// How long it may take at most until a node notices.
const NOTICED: Duration = Duration::from_secs(5);

fn with(mut headers: HeaderMap, name: &'static str, value: &str) -> HeaderMap {
    headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    headers
}

both_databases! {
    async fn a6_a_preset_cookie_is_not_taken_over(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        bed.user("eve@example.org", "viewer").await;
        // An id of the attacker's own, and one that they got for themselves.
        let made_up = with(HeaderMap::new(), "cookie", "automate_session=abcdefabcdefabcdefabcdef");
        let eves = cookies_of(&bed.log_in("eve@example.org").await.session);
        for planted in [made_up, eves] {
            let from = client(ADDRESS);
            let done = bed.identity.log_in(credentials("ada@example.org", PASSWORD), &from, Some(&planted)).await;
            let LogIn::Done(done) = done.unwrap() else { panic!() };
            assert_ne!(cookies_of(&done.session)[COOKIE], planted[COOKIE]);
            assert!(matches!(bed.get(&planted).await, Err(AuthError::Invalid)), "the planted one is worth nothing");
            assert!(bed.get(&cookies_of(&done.session)).await.is_ok());
        }
    }

    async fn a6_over_tls_the_cookie_is_bound_to_the_host(test: TestDatabase) {
        let settings = IdentitySettings {
            public_url: Some("https://automate.example".parse().unwrap()),
            ..IdentitySettings::default()
        };
        let bed = Bed::with(&test, settings).await;
        bed.user("ada@example.org", "viewer").await;
        let session = bed.log_in("ada@example.org").await.session;
        let set = session.set_cookie.as_str();
        assert!(set.starts_with("__Host-automate_session="), "{set}");
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Domain"));
        // Tossed from a sibling domain: it has no `__Host-`, because no browser would take it from there.
        let id = set.split_once('=').unwrap().1.split(';').next().unwrap();
        let tossed = with(HeaderMap::new(), "cookie", &format!("automate_session={id}"));
        assert!(matches!(bed.get(&tossed).await, Err(AuthError::Missing)));
        assert!(bed.get(&cookies_of(&session)).await.is_ok());
    }

    async fn a1_a_change_needs_the_token_of_the_session_and_our_origin(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let session = bed.log_in("ada@example.org").await.session;
        let other = bed.log_in("ada@example.org").await.session;
        let base = with(cookies_of(&session), "host", "automate.test");
        let post = async |headers: HeaderMap| {
            bed.identity.authenticate(&headers, ADDRESS.parse().unwrap(), true).await.map(|_| ()).map_err(|e| e.code())
        };
        let csrf = session.session.csrf.as_str();
        let good = with(base.clone(), "x-csrf-token", csrf);
        assert_eq!(post(good.clone()).await, Ok(()));
        assert_eq!(post(with(good.clone(), "origin", "http://automate.test")).await, Ok(()));
        assert_eq!(post(with(good.clone(), "sec-fetch-site", "same-origin")).await, Ok(()));
        let refused = [
            base.clone(),
            with(base.clone(), "x-csrf-token", ""),
            with(base.clone(), "x-csrf-token", &other.session.csrf),
            with(base.clone(), "x-csrf-token", &csrf[..csrf.len() - 1]),
            with(good.clone(), "x-csrf-token", csrf),
            with(good.clone(), "origin", "null"),
            with(good.clone(), "origin", "http://evil.test"),
            with(good.clone(), "sec-fetch-site", "cross-site"),
            with(good.clone(), "sec-fetch-site", "same-site"),
        ];
        for headers in refused {
            assert_eq!(post(headers.clone()).await, Err("CSRF_FAILED"), "{headers:?}");
        }
        // Looking needs none of it.
        assert!(bed.get(&base).await.is_ok());
    }

    async fn a_session_ends_after_idling_and_in_any_case(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        for _ in 0..16 {
            bed.wait(Duration::from_secs(50 * 60));
            if bed.get(&headers).await.is_err() {
                break;
            }
            // The use is noted at nobody's expense; the next look must find it.
            let begun = std::time::Instant::now();
            while bed.identity.sessions_of(bed.get(&headers).await.unwrap().principal.user.unwrap()).await.unwrap()[0].last_seen_at
                < bed.clock_now()
            {
                assert!(begun.elapsed() < Duration::from_secs(10));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(matches!(bed.get(&headers).await, Err(AuthError::Invalid)), "twelve hours are over");
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        bed.wait(Duration::from_secs(61 * 60));
        assert!(matches!(bed.get(&headers).await, Err(AuthError::Invalid)), "an hour of nothing");
        bed.identity.tidy().await.unwrap();
        assert_eq!(bed.count("sessions").await, 0);
    }

    async fn a17_a_log_out_counts_on_all_nodes(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let other = bed.node(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let session = bed.log_in("ada@example.org").await.session;
        let headers = cookies_of(&session);
        assert!(other.authenticate(&headers, ADDRESS.parse().unwrap(), false).await.is_ok());
        bed.identity.log_out(&session.session, &client(ADDRESS)).await.unwrap();
        assert!(matches!(bed.get(&headers).await, Err(AuthError::Invalid)), "here at once");
        assert!(until_refused(&other, &headers).await < NOTICED);
        assert!(bed.audited().await.contains(&"user.logout done".to_owned()));
    }

    async fn a17_deactivation_and_suspension_count_on_all_nodes(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let other = bed.node(&test).await;
        let acme = bed.tenant("acme").await;
        let mut users = Vec::new();
        for email in ["ada@example.org", "bob@example.org"] {
            let new = automate_governance::identity::NewUser {
                email: email.into(),
                password: Some(password(PASSWORD)),
                tenant: Some(acme),
                ..Default::default()
            };
            let row = bed.identity.create_user(operator(), new).await.unwrap();
            let headers = cookies_of(&bed.log_in(email).await.session);
            assert!(other.authenticate(&headers, ADDRESS.parse().unwrap(), false).await.is_ok());
            users.push((row, headers));
        }
        let off = UserChange { is_active: Some(false), ..UserChange::default() };
        bed.identity.change_user(operator(), user_id(&users[0].0), off, None).await.unwrap();
        bed.identity.suspend_tenant(operator(), acme, true).await.unwrap();
        for (_, headers) in &users {
            assert!(until_refused(&other, headers).await < NOTICED);
        }
        bed.identity.suspend_tenant(operator(), acme, false).await.unwrap();
        assert!(bed.get(&users[1].1).await.is_ok(), "the tenant goes on, and so does who was logged in");
        assert!(bed.get(&users[0].1).await.is_err());
    }

    async fn a17_a_role_that_is_taken_away_is_gone_on_all_nodes(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let other = bed.node(&test).await;
        let ada = bed.user("ada@example.org", "operator").await;
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        let may = async || {
            let found = other.authenticate(&headers, ADDRESS.parse().unwrap(), false).await.unwrap();
            found.principal.can("workflow.run")
        };
        assert!(may().await);
        let none = UserChange { groups: Some(Vec::new()), ..UserChange::default() };
        bed.identity.change_user(operator(), user_id(&ada), none, None).await.unwrap();
        let begun = std::time::Instant::now();
        while may().await {
            assert!(begun.elapsed() < NOTICED);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn a17_a_new_password_ends_all_other_sessions(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let other = bed.node(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let elsewhere = cookies_of(&bed.log_in("ada@example.org").await.session);
        let here = bed.log_in("ada@example.org").await;
        assert!(other.authenticate(&elsewhere, ADDRESS.parse().unwrap(), false).await.is_ok());
        let change = |old: &str, new: &str| {
            let (writer, old, new) = (writer(&here.principal), password(old), password(new));
            let (identity, session) = (bed.identity.clone(), here.session.session.clone());
            async move { identity.change_password(writer, &session, &old, &new, false, &client(ADDRESS)).await }
        };
        let wrong = change("not the password", "another horse of the test").await.unwrap_err();
        assert!(matches!(wrong, IdentityError::Auth(AuthError::Credentials)));
        assert_eq!(change(PASSWORD, "short").await.unwrap_err().code(), "INVALID_INPUT");
        let fresh = change(PASSWORD, "another horse of the test").await.unwrap();
        assert!(bed.get(&cookies_of(&fresh)).await.is_ok());
        assert!(bed.get(&cookies_of(&here.session)).await.is_err(), "this one has another id now");
        assert_eq!(fresh.session.created_at, here.session.session.created_at, "and lives no longer for it");
        assert!(until_refused(&other, &elsewhere).await < NOTICED);
        assert!(bed.try_log_in("ada@example.org", PASSWORD, ADDRESS).await.is_err());
    }

    async fn a6_a_change_of_rank_ends_the_sessions(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "admin").await;
        let headers = cookies_of(&bed.log_in("ada@example.org").await.session);
        let staff = UserChange { is_staff: Some(true), ..UserChange::default() };
        bed.identity.change_user(operator(), user_id(&ada), staff, None).await.unwrap();
        assert!(bed.get(&headers).await.is_err());
        let done = bed.log_in("ada@example.org").await;
        assert!(done.principal.is_staff && !done.principal.is_superuser);
    }

    async fn only_superusers_choose_a_tenant(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let acme = bed.tenant("acme").await;
        bed.superuser("root@example.org").await;
        bed.user("ada@example.org", "admin").await;
        let root = bed.log_in("root@example.org").await;
        let chosen = bed.identity.choose_tenant(writer(&root.principal), &root.session.session, acme).await.unwrap();
        assert!(bed.get(&cookies_of(&root.session)).await.is_err(), "the id is another one");
        let found = bed.get(&cookies_of(&chosen)).await.unwrap();
        assert_eq!(found.principal.tenant_scope(), TenantScope::One(acme));
        let ada = bed.log_in("ada@example.org").await;
        let refused = bed.identity.choose_tenant(writer(&ada.principal), &ada.session.session, acme).await;
        assert!(matches!(refused, Err(IdentityError::Forbidden(_))));
        assert_eq!(bed.get(&cookies_of(&ada.session)).await.unwrap().principal.tenant, Some(TENANT));
    }

    async fn logging_out_everywhere_leaves_the_one_that_is_kept(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let eve = bed.user("eve@example.org", "admin").await;
        let (one, two) = (bed.log_in("ada@example.org").await, bed.log_in("ada@example.org").await);
        let eves = bed.log_in("eve@example.org").await;
        let keep = Some(two.session.session.id_hash);
        assert_eq!(bed.identity.log_out_everywhere(writer(&two.principal), user_id(&ada), keep).await.unwrap(), 1);
        assert!(bed.get(&cookies_of(&one.session)).await.is_err() && bed.get(&cookies_of(&two.session)).await.is_ok());
        // Who belongs to another tenant does not even find her.
        let acme = bed.tenant("acme").await;
        let mut stranger = writer(&eves.principal);
        stranger.principal.tenant = Some(acme);
        let refused = bed.identity.log_out_everywhere(stranger, user_id(&ada), None).await;
        assert!(matches!(refused, Err(IdentityError::NotFound(_))));
        assert!(bed.identity.sessions_of(user_id(&eve)).await.unwrap().len() == 1);
    }

    async fn a_session_is_ended_by_a_name_that_tells_nothing_of_it(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        bed.user("eve@example.org", "viewer").await;
        let (one, two) = (bed.log_in("ada@example.org").await, bed.log_in("ada@example.org").await);
        let (by, user) = (writer(&two.principal), user_id(&ada));
        let shown = bed.identity.open_sessions(&by, user, Some(&two.session.session)).await.unwrap();
        assert_eq!(shown.iter().map(|session| session.current).filter(|current| *current).count(), 1);
        assert!(shown.iter().all(|session| session.address == ADDRESS && session.agent == "test"));
        let text = format!("{shown:?}");
        for session in [&one.session.session, &two.session.session] {
            assert!(!text.contains(&hex::encode(session.id_hash)[..16]) && !text.contains(&session.csrf), "{text}");
        }
        let other = shown.iter().find(|session| !session.current).unwrap();
        // Who may do less ends none of hers, and who is elsewhere finds none.
        let eve = bed.log_in("eve@example.org").await;
        let more = UserChange { permissions: Some(vec!["workflow.publish".to_owned()]), ..UserChange::default() };
        bed.identity.change_user(operator(), user, more, None).await.unwrap();
        let above = bed.identity.end_session(writer(&eve.principal), user, &other.name).await;
        assert!(matches!(above, Err(IdentityError::Forbidden(_))), "{above:?}");
        let mut stranger = writer(&eve.principal);
        stranger.principal.tenant = Some(bed.tenant("acme").await);
        assert!(matches!(bed.identity.open_sessions(&stranger, user, None).await, Err(IdentityError::NotFound(_))));
        let foreign = bed.identity.end_session(stranger, user, &other.name).await;
        assert!(matches!(foreign, Err(IdentityError::NotFound(_))));
        assert!(bed.get(&cookies_of(&one.session)).await.is_ok());
        bed.identity.end_session(by.clone(), user, &other.name).await.unwrap();
        assert!(bed.get(&cookies_of(&one.session)).await.is_err() && bed.get(&cookies_of(&two.session)).await.is_ok());
        let again = bed.identity.end_session(by.clone(), user, &other.name).await;
        assert!(matches!(again, Err(IdentityError::NotFound("session"))));
        assert!(bed.audited().await.contains(&"user.end_session done".to_owned()));
        // One that is over is not shown any more.
        bed.wait(bed.identity.settings().idle);
        assert_eq!(bed.identity.open_sessions(&by, user, None).await.unwrap(), []);
    }
}
