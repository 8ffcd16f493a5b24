//! Passwords: who gets in, who does not, and what strangers learn from it.

use std::time::{Duration, Instant};

use automate_governance::identity::{AuthError, IdentityError, LogIn, NewUser, UserChange};
use automate_tests::both_databases;
use automate_tests::postgres::TestDatabase;

use super::bed::{ADDRESS, Bed, PASSWORD, client, cookies_of, credentials, operator, password, user_id};

both_databases! {
    async fn somebody_logs_in_with_their_address_in_whatever_case(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("Ada@example.org", "operator").await;
        let mut wanted = credentials(" aDA@Example.ORG", PASSWORD);
        wanted.next = Some("/admin/?page=2".into());
        let done = bed.identity.log_in(wanted, &client(ADDRESS), None).await.unwrap();
        let LogIn::Done(done) = done else { panic!() };
        assert_eq!(done.next, "/admin/?page=2");
        let found = bed.get(&cookies_of(&done.session)).await.unwrap();
        assert_eq!(found.principal.user, Some(user_id(&ada)));
        assert!(found.principal.can("workflow.run") && !found.principal.can("workflow.publish"));
        assert!(!found.principal.is_staff && !found.principal.is_superuser);
        assert!(bed.audited().await.contains(&"user.login done".to_owned()));
    }

    async fn a7_an_account_is_slowed_down_and_sessions_go_on(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let session = bed.log_in("ada@example.org").await.session;
        let mut looked_at = 0;
        for n in 0..30 {
            // From everywhere at once: the account counts, not the address.
            match bed.try_log_in("ada@example.org", "a wrong password", &format!("198.51.100.{n}")).await {
                Err(AuthError::Credentials) => looked_at += 1,
                Err(AuthError::Throttled { retry_after }) => assert!(retry_after <= Duration::from_secs(900)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(looked_at, 6, "five are free, the sixth begins the delay");
        assert!(matches!(bed.try_log_in("ada@example.org", PASSWORD, ADDRESS).await, Err(AuthError::Throttled { .. })));
        assert!(bed.get(&cookies_of(&session)).await.is_ok(), "who is in stays in");
        bed.wait(Duration::from_secs(2));
        bed.log_in("ada@example.org").await;
        // It was right: everything begins anew.
        for _ in 0..5 {
            assert!(matches!(
                bed.try_log_in("ada@example.org", "wrong again, is it", "203.0.113.9").await,
                Err(AuthError::Credentials)
            ));
        }
        bed.log_in("ada@example.org").await;
        let failed = bed.audited().await.iter().filter(|entry| *entry == "user.login failed").count();
        assert_eq!(failed, 11);
    }

    async fn a7_a_hundred_attempts_at_once_are_counted_as_a_hundred(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let identity = bed.identity.clone();
                tokio::spawn(async move {
                    let from = client(&format!("198.51.100.{n}"));
                    identity.log_in(credentials("ada@example.org", "a wrong password"), &from, None).await
                })
            })
            .collect();
        let mut looked_at = 0;
        for task in tasks {
            match task.await.unwrap() {
                Err(AuthError::Credentials) => looked_at += 1,
                Err(AuthError::Throttled { .. } | AuthError::Busy | AuthError::Store(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(looked_at <= 6, "{looked_at} were looked at");
    }

    async fn a7_one_address_is_slowed_down_over_all_accounts(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let mut looked_at = 0;
        for n in 0..40 {
            let address = format!("2001:db8:1:2::{n:x}");
            match bed.try_log_in(&format!("nobody{n}@example.org"), "a wrong password", &address).await {
                Err(AuthError::Credentials) => looked_at += 1,
                Err(AuthError::Throttled { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(looked_at, 21);
        assert!(bed.try_log_in("ada@example.org", PASSWORD, "2001:db8:1:2::ffff").await.is_err());
        assert!(bed.try_log_in("ada@example.org", PASSWORD, "2001:db8:1:3::1").await.is_ok(), "others get in");
    }

    async fn a7_another_process_counts_on(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let other = bed.node(&test).await;
        bed.user("ada@example.org", "viewer").await;
        for n in 0..6 {
            let node = if n % 2 == 0 { &bed.identity } else { &other };
            let answer = node.log_in(credentials("ada@example.org", "a wrong password"), &client(ADDRESS), None).await;
            assert!(matches!(answer, Err(AuthError::Credentials)), "{n}");
        }
        for node in [&bed.identity, &other] {
            let answer = node.log_in(credentials("ada@example.org", PASSWORD), &client(ADDRESS), None).await;
            assert!(matches!(answer, Err(AuthError::Throttled { .. })));
        }
    }

    async fn a7_whatever_is_wrong_reads_the_same(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let gone = bed.user("gone@example.org", "viewer").await;
        let off = UserChange { is_active: Some(false), ..UserChange::default() };
        bed.identity.change_user(operator(), user_id(&gone), off, None).await.unwrap();
        let elsewhere = NewUser { email: "sso@example.org".into(), ..NewUser::default() };
        bed.identity.create_user(operator(), elsewhere).await.unwrap();
        let acme = bed.tenant("acme").await;
        let theirs = NewUser {
            email: "eve@example.org".into(),
            password: Some(password(PASSWORD)),
            tenant: Some(acme),
            ..NewUser::default()
        };
        bed.identity.create_user(operator(), theirs).await.unwrap();
        bed.identity.suspend_tenant(operator(), acme, true).await.unwrap();
        let cases = [
            ("ada@example.org", "a wrong password"),
            ("nobody@example.org", PASSWORD),
            ("gone@example.org", PASSWORD),
            ("sso@example.org", PASSWORD),
            ("eve@example.org", PASSWORD),
            // Looks like hers, and is not.
            ("аda@example.org", PASSWORD),
            ("", ""),
            ("ada@example.org\0", PASSWORD),
        ];
        for (email, word) in cases {
            let error = bed.try_log_in(email, word, ADDRESS).await.unwrap_err();
            let text = "the e-mail address, the password or the code is wrong";
            assert_eq!((error.code(), error.status(), error.to_string().as_str()), ("INVALID_CREDENTIALS", 401, text), "{email:?}");
        }
    }
}

/// The time that an unknown address takes is that of a wrong password, as far as a test can say:
/// without the dummy hash it would be a hundred times shorter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a7_an_unknown_account_takes_as_long_as_a_known_one() {
    let test = TestDatabase::sqlite().await;
    let bed = Bed::new(&test).await;
    let mut times = [Vec::new(), Vec::new()];
    for n in 0..6 {
        let known = format!("known{n}@example.org");
        bed.user(&known, "viewer").await;
        for (which, email) in [(0, known), (1, format!("unknown{n}@example.org"))] {
            let begun = Instant::now();
            let answer = bed.try_log_in(&email, "a wrong password", &format!("198.51.100.{n}")).await;
            assert!(matches!(answer, Err(AuthError::Credentials)));
            times[which].push(begun.elapsed());
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    assert!((0.33..3.0).contains(&ratio), "known {known:?}, unknown {unknown:?}");
}

both_databases! {
    async fn what_was_typed_for_a_name_is_not_written_down(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let typed = "my password in the wrong field";
        assert!(bed.try_log_in(typed, "x", ADDRESS).await.is_err());
        for table in ["audit_log", "login_attempts"] {
            let statement = sea_orm::Statement::from_string(
                sea_orm::ConnectionTrait::get_database_backend(bed.db.orm()),
                if table == "audit_log" { "SELECT actor || changes AS t FROM audit_log" } else { "SELECT key AS t FROM login_attempts" },
            );
            let rows = sea_orm::ConnectionTrait::query_all_raw(bed.db.orm(), statement).await.unwrap();
            assert!(!rows.is_empty());
            for row in rows {
                assert!(!row.try_get::<String>("", "t").unwrap().contains("password in"), "{table}");
            }
        }
    }

    async fn r11_an_address_that_looks_like_another_is_taken(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("paul@example.org", "viewer").await;
        for twin in ["PAUL@example.org", "раul@example.org", "pａul@example.org"] {
            let new = NewUser { email: twin.into(), ..NewUser::default() };
            let error = bed.identity.create_user(operator(), new).await.unwrap_err();
            assert!(matches!(error, IdentityError::Conflict(_)), "{twin}: {error}");
        }
        let invisible = NewUser { email: "pa\u{200b}ul@example.org".into(), ..NewUser::default() };
        assert_eq!(bed.identity.create_user(operator(), invisible).await.unwrap_err().code(), "INVALID_INPUT");
    }

    async fn a19_a_name_cannot_forge_a_line(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        for name in ["Ada\r\nuser.login done", "\u{1b}[2J", "a\u{202e}b"] {
            let new = NewUser { email: "ada@example.org".into(), name: name.into(), ..NewUser::default() };
            assert_eq!(bed.identity.create_user(operator(), new).await.unwrap_err().code(), "INVALID_INPUT");
        }
        assert_eq!(bed.count("users").await, 0);
    }

    async fn a_weak_password_is_refused_wherever_it_is_set(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        for weak in ["short", "password1234", "ada@example.org"] {
            let new = NewUser { email: "b@example.org".into(), password: Some(password(weak)), ..NewUser::default() };
            let set = bed.identity.set_password(operator(), user_id(&ada), &password(weak), false).await;
            assert_eq!(set.unwrap_err().code(), "INVALID_INPUT");
            if weak != "ada@example.org" {
                assert_eq!(bed.identity.create_user(operator(), new).await.unwrap_err().code(), "INVALID_INPUT");
            }
        }
        bed.log_in("ada@example.org").await;
    }
}
