//! The second factor: setting it up, logging in with it, losing it.

use std::time::Duration;

use automate_governance::identity::{AuthError, Identity, IdentityError, IdentitySettings, LogIn, LoggedIn, Proof};
use automate_governance::secrets::{MasterKey, MasterKeys};
use automate_tests::both_databases;
use totp_rs::{Algorithm, Secret, TOTP};

use super::bed::{ADDRESS, Bed, PASSWORD, client, cookies_of, credentials, operator, password, user_id, writer};

/// An authenticator app.
struct App(TOTP);

impl App {
    fn of(secret: &str) -> Self {
        let bytes = Secret::Encoded(secret.to_owned()).to_bytes().unwrap();
        Self(TOTP::new_unchecked(Algorithm::SHA1, 6, 0, 30, bytes, None, String::new()))
    }

    fn code(&self, bed: &Bed) -> String {
        self.0.generate(u64::try_from(bed.clock_now().timestamp()).unwrap())
    }
}

/// Somebody with a second factor, which was just confirmed.
async fn with_factor(bed: &Bed) -> (LoggedIn, App) {
    let (done, app, _) = with_factor_and_codes(bed).await;
    (done, app)
}

/// The same, with the recovery codes.
async fn with_factor_and_codes(bed: &Bed) -> (LoggedIn, App, Vec<String>) {
    bed.user("ada@example.org", "viewer").await;
    let mut done = bed.log_in("ada@example.org").await;
    let by = writer(&done.principal);
    let setup = bed.identity.totp_begin(by.clone(), done.session.session.user).await.unwrap();
    assert!(setup.url.starts_with("otpauth://totp/Automate:ada%40example.org?secret="));
    let app = App::of(&setup.secret);
    // It counts only once a code was given: until then a log-in needs none.
    bed.log_in("ada@example.org").await;
    let code = app.code(bed);
    done.session = bed.identity.totp_confirm(by, &done.session.session, &code, &client(ADDRESS)).await.unwrap();
    let codes = setup.recovery_codes.iter().map(|code| code.to_string()).collect();
    (done, app, codes)
}

async fn log_in(bed: &Bed, code: Option<String>) -> Result<LogIn, AuthError> {
    let mut wanted = credentials("ada@example.org", PASSWORD);
    wanted.code = code;
    wanted.next = Some("/admin/x/".into());
    bed.identity.log_in(wanted, &client(ADDRESS), None).await
}

async fn ticket(bed: &Bed) -> String {
    match log_in(bed, None).await.unwrap() {
        LogIn::SecondFactor { ticket } => ticket.to_string(),
        LogIn::Done(_) => panic!("no code was asked for"),
    }
}

both_databases! {
    async fn a_log_in_asks_for_the_code_and_takes_each_once(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (_, app) = with_factor(&bed).await;
        // The code that confirmed is used up.
        let first = ticket(&bed).await;
        let code = app.code(&bed);
        let reused = bed.identity.log_in_code(&first, &code, &client(ADDRESS), None).await;
        assert!(matches!(reused, Err(AuthError::Credentials)));
        bed.wait(Duration::from_secs(30));
        let code = app.code(&bed);
        let done = bed.identity.log_in_code(&first, &code, &client(ADDRESS), None).await.unwrap();
        assert_eq!(done.next, "/admin/x/");
        assert!(bed.get(&cookies_of(&done.session)).await.is_ok());
        // Neither the ticket nor the code again.
        let again = bed.identity.log_in_code(&first, &code, &client(ADDRESS), None).await;
        assert!(matches!(again, Err(AuthError::Expired)));
        assert!(matches!(log_in(&bed, Some(code.clone())).await, Err(AuthError::Credentials)));
        // The step before the last one that was used, though its time is not over.
        bed.wait(Duration::from_secs(30));
        assert!(matches!(log_in(&bed, Some(code)).await, Err(AuthError::Credentials)));
        assert!(matches!(log_in(&bed, Some(app.code(&bed))).await, Ok(LogIn::Done(_))));
    }

    async fn a7_codes_are_not_guessed(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (_, app) = with_factor(&bed).await;
        bed.wait(Duration::from_secs(60));
        let mut looked_at = 0;
        for n in 0..20 {
            let wrong = format!("{:06}", (app.code(&bed).parse::<u32>().unwrap() + 1 + n) % 1_000_000);
            match bed.identity.log_in(credentials("ada@example.org", PASSWORD), &client(ADDRESS), None).await {
                Ok(LogIn::SecondFactor { ticket }) => {
                    let from = client(&format!("198.51.100.{n}"));
                    match bed.identity.log_in_code(&ticket, &wrong, &from, None).await {
                        Err(AuthError::Credentials) => looked_at += 1,
                        Err(AuthError::Throttled { .. }) => {}
                        other => panic!("{other:?}"),
                    }
                }
                Err(AuthError::Throttled { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(looked_at <= 6, "the password being right does not begin the count anew: {looked_at}");
    }

    async fn a_recovery_code_stands_in_for_the_second_factor_once(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (done, app, codes) = with_factor_and_codes(&bed).await;
        assert_eq!((codes.len(), bed.count("recovery_codes").await), (10, 10));
        // At once, or in the second step; as it stands, or as somebody types it.
        assert!(matches!(log_in(&bed, Some(codes[0].clone())).await, Ok(LogIn::Done(_))));
        let first = ticket(&bed).await;
        let typed = codes[1].replace('-', " ").to_uppercase();
        bed.identity.log_in_code(&first, &typed, &client(ADDRESS), None).await.unwrap();
        for used in &codes[..2] {
            assert!(matches!(log_in(&bed, Some(used.clone())).await, Err(AuthError::Credentials)), "each once");
        }
        assert_eq!(bed.count("recovery_codes").await, 8);
        assert!(bed.audited().await.contains(&"user.login done".to_owned()));
        // Of two who have the same one, one gets in.
        let both = tokio::join!(log_in(&bed, Some(codes[2].clone())), log_in(&bed, Some(codes[2].clone())));
        let inside = [both.0, both.1].iter().filter(|result| matches!(result, Ok(LogIn::Done(_)))).count();
        assert_eq!(inside, 1);
        bed.wait(Duration::from_secs(60));
        assert!(matches!(log_in(&bed, Some(app.code(&bed))).await, Ok(LogIn::Done(_))), "the app goes on");
        // Nobody else's, and none that is stored as it is.
        bed.user("eve@example.org", "viewer").await;
        let mut eve = bed.log_in("eve@example.org").await;
        let by = writer(&eve.principal);
        let setup = bed.identity.totp_begin(by.clone(), eve.session.session.user).await.unwrap();
        let codes_do_not_confirm =
            bed.identity.totp_confirm(by.clone(), &eve.session.session, &setup.recovery_codes[0], &client(ADDRESS)).await;
        assert!(matches!(codes_do_not_confirm, Err(IdentityError::Auth(AuthError::Credentials))));
        let code = App::of(&setup.secret).code(&bed);
        eve.session = bed.identity.totp_confirm(by, &eve.session.session, &code, &client(ADDRESS)).await.unwrap();
        let mut theirs = credentials("eve@example.org", PASSWORD);
        theirs.code = Some(codes[3].clone());
        assert!(matches!(bed.identity.log_in(theirs, &client(ADDRESS), None).await, Err(AuthError::Credentials)));
        assert_eq!(bed.count("recovery_codes").await, 17);
        // They go with the second factor, and with the account.
        let session = &done.session.session;
        bed.identity.totp_reset(operator(), session.user).await.unwrap();
        assert_eq!(bed.count("recovery_codes").await, 10);
        bed.identity.delete_user(operator(), eve.session.session.user).await.unwrap();
        assert_eq!(bed.count("recovery_codes").await, 0);
    }

    async fn recovery_codes_of_a_factor_that_is_begun_again_are_others(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("ada@example.org", "viewer").await;
        let done = bed.log_in("ada@example.org").await;
        let (by, user) = (writer(&done.principal), done.session.session.user);
        let first = bed.identity.totp_begin(by.clone(), user).await.unwrap();
        let second = bed.identity.totp_begin(by.clone(), user).await.unwrap();
        assert_eq!(bed.count("recovery_codes").await, 10);
        let code = App::of(&second.secret).code(&bed);
        bed.identity.totp_confirm(by, &done.session.session, &code, &client(ADDRESS)).await.unwrap();
        let old = log_in(&bed, Some(first.recovery_codes[0].to_string())).await;
        assert!(matches!(old, Err(AuthError::Credentials)));
        assert!(matches!(log_in(&bed, Some(second.recovery_codes[0].to_string())).await, Ok(LogIn::Done(_))));
        let shown = format!("{second:?}");
        assert!(!shown.contains(second.recovery_codes[0].as_str()), "{shown}");
    }

    async fn renewed_recovery_codes_take_the_place_of_the_old_ones_and_need_a_proof(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (done, app, old) = with_factor_and_codes(&bed).await;
        let (by, session) = (writer(&done.principal), &done.session.session);
        let renew = async |proof: Proof| {
            bed.identity.renew_recovery_codes(by.clone(), session, proof, &client(ADDRESS)).await
        };
        let left = async || bed.identity.recovery_codes_left(session.user).await.unwrap();
        assert_eq!(left().await, 10);
        let refused = |result: Result<_, IdentityError>| {
            matches!(result.map(|_: Vec<_>| ()), Err(IdentityError::Auth(AuthError::Credentials)))
        };
        assert!(refused(renew(Proof::Password(password("not the password"))).await));
        // Neither a recovery code nor the code that confirmed the factor, which is used up.
        assert!(refused(renew(Proof::Code(old[0].clone())).await));
        assert!(refused(renew(Proof::Code(app.code(&bed))).await));
        assert_eq!(left().await, 10);
        let first = renew(Proof::Password(password(PASSWORD))).await.unwrap();
        assert!(matches!(log_in(&bed, Some(old[1].clone())).await, Err(AuthError::Credentials)), "an old one");
        assert!(matches!(log_in(&bed, Some(first[0].to_string())).await, Ok(LogIn::Done(_))));
        assert_eq!(left().await, 9);
        bed.wait(Duration::from_secs(60));
        let second = renew(Proof::Code(app.code(&bed))).await.unwrap();
        assert_eq!((second.len(), left().await), (10, 10));
        assert!(matches!(log_in(&bed, Some(first[1].to_string())).await, Err(AuthError::Credentials)));
        let audited = bed.audited().await;
        assert_eq!(audited.iter().filter(|entry| *entry == "user.recovery_codes done").count(), 2);
        // Without a second factor there is nothing that they could stand in for.
        bed.user("eve@example.org", "viewer").await;
        let eve = bed.log_in("eve@example.org").await;
        let proof = Proof::Password(password(PASSWORD));
        let here = client(ADDRESS);
        let none = bed.identity.renew_recovery_codes(writer(&eve.principal), &eve.session.session, proof, &here).await;
        assert!(matches!(none, Err(IdentityError::Conflict(_))));
    }

    async fn a_ticket_is_good_for_ten_minutes_and_for_its_password(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (done, app) = with_factor(&bed).await;
        let old = ticket(&bed).await;
        bed.wait(Duration::from_secs(601));
        let code = app.code(&bed);
        assert!(matches!(bed.identity.log_in_code(&old, &code, &client(ADDRESS), None).await, Err(AuthError::Expired)));
        assert!(matches!(bed.identity.log_in_code("made up", &code, &client(ADDRESS), None).await, Err(AuthError::Expired)));
        let before = ticket(&bed).await;
        let id = done.session.session.user;
        bed.identity.set_password(operator(), id, &password("another horse of hers"), false).await.unwrap();
        assert!(matches!(bed.identity.log_in_code(&before, &code, &client(ADDRESS), None).await, Err(AuthError::Expired)));
    }

    async fn confirming_ends_other_sessions_and_disabling_asks_for_the_password(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        bed.user("eve@example.org", "admin").await;
        let (done, _) = with_factor(&bed).await;
        assert_eq!(bed.identity.sessions_of(done.session.session.user).await.unwrap().len(), 1);
        assert!(bed.get(&cookies_of(&done.session)).await.is_ok());
        let by = writer(&done.principal);
        let again = bed.identity.totp_begin(by.clone(), done.session.session.user).await;
        assert!(matches!(again, Err(IdentityError::Conflict(_))), "a stolen session does not replace it");
        let disable = async |word: &str| {
            let session = &done.session.session;
            bed.identity.totp_disable(by.clone(), session, &password(word), &client(ADDRESS)).await
        };
        let wrong = disable("not the password").await;
        assert!(matches!(wrong, Err(IdentityError::Auth(AuthError::Credentials))));
        // Nobody else's either.
        let eve = bed.log_in("eve@example.org").await;
        let theirs = bed.identity.totp_begin(writer(&eve.principal), done.session.session.user).await;
        assert!(matches!(theirs, Err(IdentityError::Forbidden(_))));
        let fresh = disable(PASSWORD).await.unwrap();
        assert!(bed.get(&cookies_of(&fresh)).await.is_ok() && bed.get(&cookies_of(&done.session)).await.is_err());
        bed.log_in("ada@example.org").await;
    }

    async fn somebody_who_lost_it_is_helped_by_who_may_do_more(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (done, _) = with_factor(&bed).await;
        bed.identity.totp_reset(operator(), done.session.session.user).await.unwrap();
        assert!(bed.get(&cookies_of(&done.session)).await.is_err());
        bed.log_in("ada@example.org").await;
        assert!(bed.audited().await.contains(&"user.totp_disable done".to_owned()));
    }

    async fn s6_the_secret_is_encrypted_and_follows_the_master_key(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let (done, app) = with_factor(&bed).await;
        let row = bed.identity.user_by_email("ada@example.org").await.unwrap().unwrap();
        let sealed = row.totp_secret.unwrap();
        assert!(!sealed.windows(20).any(|window| window == app.0.secret.as_slice()));
        let of = |keys: &MasterKeys| {
            let audit = automate_store::audit::AuditLog::new(
                bed.db.clone(),
                vec![automate_store::audit::AuditKey { id: "k".into(), key: zeroize::Zeroizing::new([7; 32]) }],
            );
            Identity::with_clock(bed.db.clone(), audit.unwrap(), keys, IdentitySettings::default(), bed.clock.clone())
        };
        let new = MasterKey::generate();
        let both = of(&MasterKeys::new(new.clone()).with_earlier(bed.keys.current().unwrap().clone()));
        let alone = of(&MasterKeys::new(new));
        bed.wait(Duration::from_secs(30));
        let mut wanted = credentials("ada@example.org", PASSWORD);
        wanted.code = Some(app.code(&bed));
        assert!(alone.log_in(wanted.clone(), &client(ADDRESS), None).await.is_err(), "not without its key");
        assert_eq!(both.reseal_factors().await.unwrap(), 1);
        assert_eq!(both.reseal_factors().await.unwrap(), 0);
        assert!(matches!(alone.log_in(wanted, &client(ADDRESS), None).await, Ok(LogIn::Done(_))));
        // A secret that is put into another row does not open there.
        let eve = bed.user("eve@example.org", "viewer").await;
        let moved = "UPDATE users SET totp_confirmed_at = created_at, totp_secret = \
                     (SELECT totp_secret FROM users WHERE email = 'ada@example.org') WHERE email = 'eve@example.org'";
        sea_orm::ConnectionTrait::execute_unprepared(bed.db.orm(), moved).await.unwrap();
        let mut theirs = credentials("eve@example.org", PASSWORD);
        theirs.code = Some(app.code(&bed));
        assert!(alone.log_in(theirs, &client(ADDRESS), None).await.is_err());
        assert_ne!(user_id(&eve), done.session.session.user);
    }
}
