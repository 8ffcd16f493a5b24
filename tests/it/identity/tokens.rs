//! API tokens.

use std::time::Duration;

use automate_core::ids::{TenantId, TokenId};
use automate_governance::identity::{AuthError, CreatedToken, IdentityError, NewToken, UserChange, entity::user};
use automate_store::resource::Writer;
use automate_tests::both_databases;
use chrono::TimeDelta;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::bed::{ADDRESS, Bed, TENANT, bearer, cookies_of, operator, password, until_refused, user_id, writer};

fn new(owner: &user::Model, scopes: &[&str]) -> NewToken {
    NewToken {
        name: "ci".into(),
        user: user_id(owner),
        tenant: None,
        scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
        rate_per_minute: Some(90),
        expires_at: None,
    }
}

async fn make(bed: &Bed, by: Writer, owner: &user::Model, scopes: &[&str]) -> CreatedToken {
    bed.identity.create_token(by, new(owner, scopes)).await.unwrap()
}

both_databases! {
    async fn a_token_may_what_its_owner_and_its_scopes_allow(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "operator").await;
        let made = make(&bed, operator(), &ada, &["workflows:read", "events:publish"]).await;
        let found = bed.get(&bearer(&made.fresh.secret)).await.unwrap();
        assert!(found.session.is_none());
        let principal = found.principal;
        assert_eq!((principal.user, principal.tenant, principal.rate_per_minute), (Some(user_id(&ada)), Some(TENANT), Some(90)));
        assert!(principal.has_scope("workflows:read") && !principal.has_scope("workflows:write"));
        assert!(principal.can("workflow.run") && !principal.can("workflow.publish"));
        // An unsafe method needs no CSRF token: a browser does not send a bearer token by itself.
        assert!(bed.identity.authenticate(&bearer(&made.fresh.secret), ADDRESS.parse().unwrap(), true).await.is_ok());
    }

    async fn r1_what_is_no_valid_token_is_refused_alike(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let good = make(&bed, operator(), &ada, &["admin"]).await;
        let mut soon = new(&ada, &["admin"]);
        soon.expires_at = Some(bed.clock_now() + TimeDelta::try_minutes(5).unwrap());
        let expired = bed.identity.create_token(operator(), soon).await.unwrap();
        assert!(bed.get(&bearer(&expired.fresh.secret)).await.is_ok());
        bed.wait(Duration::from_secs(301));
        let revoked = make(&bed, operator(), &ada, &["admin"]).await;
        assert!(bed.identity.revoke_token(operator(), TokenId(revoked.row.id)).await.unwrap());
        assert!(!bed.identity.revoke_token(operator(), TokenId(revoked.row.id)).await.unwrap());
        // The secret of one under the prefix of another, and one of another installation.
        let foreign = automate_governance::identity::FreshToken::make();
        let secrets = [&expired.fresh, &revoked.fresh, &foreign].map(|fresh| fresh.secret.to_string());
        let tampered = [good.fresh.secret.to_uppercase(), format!("{}0", *good.fresh.secret), "aut_".to_owned(), "x".repeat(100_000)];
        for secret in secrets.into_iter().chain(tampered) {
            let error = bed.get(&bearer(&secret)).await.unwrap_err();
            assert!(matches!(error, AuthError::Invalid), "{error}");
            assert_eq!((error.status(), error.www_authenticate()), (401, Some("Bearer realm=\"automate\", error=\"invalid_token\"")));
        }
        let missing = bed.get(&HeaderMap::new()).await.unwrap_err();
        assert_eq!((missing.status(), missing.www_authenticate()), (401, Some("Bearer realm=\"automate\"")));
        let mut twice = bearer(&good.fresh.secret);
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(matches!(bed.get(&twice).await, Err(AuthError::Invalid)));
        assert!(bed.get(&bearer(&good.fresh.secret)).await.is_ok());
    }

    async fn a17_a_token_is_dead_on_all_nodes_when_it_is_taken_back(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let other = bed.node(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let headers = bearer(&made.fresh.secret);
        assert!(other.authenticate(&headers, ADDRESS.parse().unwrap(), false).await.is_ok());
        bed.identity.revoke_token(operator(), TokenId(made.row.id)).await.unwrap();
        assert!(matches!(bed.get(&headers).await, Err(AuthError::Invalid)));
        assert!(until_refused(&other, &headers).await < Duration::from_secs(5));
    }

    async fn r3_a_token_is_worth_what_its_owner_is_now(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "operator").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let headers = bearer(&made.fresh.secret);
        assert!(bed.get(&headers).await.unwrap().principal.can("workflow.run"));
        // The group is gone: what it gave is gone, and nothing takes its place.
        bed.identity.delete_group(operator(), bed.group("operator").await).await.unwrap();
        assert!(bed.get(&headers).await.unwrap().principal.permissions.is_empty());
        let off = UserChange { is_active: Some(false), ..UserChange::default() };
        bed.identity.change_user(operator(), user_id(&ada), off, None).await.unwrap();
        assert!(matches!(bed.get(&headers).await, Err(AuthError::Invalid)));
        bed.identity.delete_user(operator(), user_id(&ada)).await.unwrap();
        assert!(matches!(bed.get(&headers).await, Err(AuthError::Invalid)));
        assert_eq!(bed.count("api_tokens").await, 0);
    }

    async fn r3_an_owner_who_was_moved_leaves_their_tokens_behind(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let acme = bed.tenant("acme").await;
        let ada = bed.user("ada@example.org", "operator").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let id = match bed.db.backend() {
            automate_store::db::Backend::Postgres => format!("'{}'", acme.0),
            automate_store::db::Backend::Sqlite => format!("x'{}'", acme.0.simple()),
        };
        let sql = format!("UPDATE users SET tenant_id = {id}");
        sea_orm::ConnectionTrait::execute_unprepared(bed.db.orm(), &sql).await.unwrap();
        bed.identity.forget();
        assert!(matches!(bed.get(&bearer(&made.fresh.secret)).await, Err(AuthError::Invalid)));
    }

    async fn r4_prefixes_and_scopes_are_compared_whole(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "admin").await;
        let made = make(&bed, operator(), &ada, &["ext:team_a:routes"]).await;
        let principal = bed.get(&bearer(&made.fresh.secret)).await.unwrap().principal;
        assert!(principal.has_scope("ext:team_a:routes"));
        for near in ["ext:team_ab:routes", "ext:team_a:route", "ext:team_a:", "ext:team_a:routes:x", "ext:TEAM_A:routes"] {
            assert!(!principal.has_scope(near), "{near}");
        }
        assert!(bed.identity.token_by_prefix(TENANT, &made.row.prefix[..6]).await.unwrap().is_none());
        assert!(bed.identity.token_by_prefix(TENANT, &made.row.prefix).await.unwrap().is_some());
        assert!(bed.identity.token_by_prefix(TenantId::new(), &made.row.prefix).await.unwrap().is_none());
    }

    async fn nobody_makes_a_token_with_more_than_they_have(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "admin").await;
        let root = bed.superuser("root@example.org").await;
        let session = writer(&bed.log_in("ada@example.org").await.principal);
        let forbidden = |result: Result<CreatedToken, IdentityError>| matches!(result, Err(IdentityError::Forbidden(_)));
        assert!(forbidden(bed.identity.create_token(session.clone(), new(&root, &["admin"])).await));
        let small = make(&bed, session, &ada, &["tokens:write", "workflows:read"]).await;
        let by_token = writer(&bed.get(&bearer(&small.fresh.secret)).await.unwrap().principal);
        assert!(forbidden(bed.identity.create_token(by_token.clone(), new(&ada, &["admin"])).await));
        assert!(forbidden(bed.identity.create_token(by_token.clone(), new(&ada, &["workflows:write"])).await));
        make(&bed, by_token, &ada, &["workflows:read"]).await;
        for (change, code) in [
            (Box::new(|new: &mut NewToken| new.scopes = vec!["workflow:read".into()]) as Box<dyn Fn(&mut NewToken)>, "INVALID_INPUT"),
            (Box::new(|new: &mut NewToken| new.scopes.clear()), "INVALID_INPUT"),
            (Box::new(|new: &mut NewToken| new.name = "a\nb".into()), "INVALID_INPUT"),
            (Box::new(|new: &mut NewToken| new.rate_per_minute = Some(0)), "INVALID_INPUT"),
            (Box::new(|new: &mut NewToken| new.expires_at = Some(chrono::DateTime::UNIX_EPOCH)), "INVALID_INPUT"),
            (Box::new(|new: &mut NewToken| new.tenant = Some(TenantId::new())), "NOT_FOUND"),
        ] {
            let mut wanted = new(&ada, &["admin"]);
            change(&mut wanted);
            assert_eq!(bed.identity.create_token(operator(), wanted).await.unwrap_err().code(), code);
        }
    }

    async fn a_person_takes_back_their_own_only(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        bed.user("eve@example.org", "viewer").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let eve = writer(&bed.log_in("eve@example.org").await.principal);
        let refused = bed.identity.revoke_token(eve, TokenId(made.row.id)).await;
        assert!(matches!(refused, Err(IdentityError::NotFound(_))));
        let own = writer(&bed.log_in("ada@example.org").await.principal);
        assert!(bed.identity.revoke_token(own, TokenId(made.row.id)).await.unwrap());
    }

    async fn a_new_password_takes_tokens_back_where_that_is_wanted(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let headers = bearer(&made.fresh.secret);
        bed.identity.set_password(operator(), user_id(&ada), &password("another horse of hers"), false).await.unwrap();
        assert!(bed.get(&headers).await.is_ok());
        bed.identity.set_password(operator(), user_id(&ada), &password("a third horse of hers"), true).await.unwrap();
        assert!(bed.get(&headers).await.is_err());
    }

    async fn the_use_of_a_token_is_noted_once_a_minute(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let used = async || bed.identity.tokens(TENANT, None, 10).await.unwrap()[0].last_used_at;
        let first = bed.clock_now();
        for _ in 0..20 {
            bed.get(&bearer(&made.fresh.secret)).await.unwrap();
        }
        let begun = std::time::Instant::now();
        while used().await != Some(first) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bed.wait(Duration::from_secs(30));
        bed.get(&bearer(&made.fresh.secret)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(used().await, Some(first));
        bed.wait(Duration::from_secs(31));
        bed.get(&bearer(&made.fresh.secret)).await.unwrap();
        while used().await == Some(first) {
            assert!(begun.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn a_secret_is_in_no_row_and_a_session_goes_before_nothing(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let ada = bed.user("ada@example.org", "viewer").await;
        let made = make(&bed, operator(), &ada, &["admin"]).await;
        let secret = &made.fresh.secret[17..];
        assert!(!made.row.hash.windows(8).any(|w| secret.as_bytes().windows(8).any(|s| s == w)));
        let sql = "SELECT changes FROM audit_log WHERE action = 'token.create'";
        let statement = sea_orm::Statement::from_string(sea_orm::ConnectionTrait::get_database_backend(bed.db.orm()), sql);
        let row = sea_orm::ConnectionTrait::query_one_raw(bed.db.orm(), statement).await.unwrap().unwrap();
        let changes: String = row.try_get("", "changes").unwrap();
        assert!(changes.contains("ada@example.org") && !changes.contains(&secret[..20]), "{changes}");
        // A worthless token is not made good by a cookie beside it.
        let mut both = cookies_of(&bed.log_in("ada@example.org").await.session);
        both.insert(AUTHORIZATION, HeaderValue::from_static("Bearer aut_x"));
        assert!(matches!(bed.get(&both).await, Err(AuthError::Invalid)));
    }
}
