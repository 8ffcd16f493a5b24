//! The first account.

use std::time::Duration;

use automate_governance::identity::{AuthError, IdentityError};
use automate_tests::both_databases;

use super::bed::{ADDRESS, Bed, PASSWORD, client, password};

both_databases! {
    async fn a18_the_first_account_is_made_with_the_link_and_once(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        assert_eq!(bed.count("users").await, 0, "there is no default account");
        let link = bed.identity.setup_link().await.unwrap().unwrap();
        let redeem = async |token: &str, email: &str, word: &str| {
            let identity = &bed.identity;
            identity.redeem_setup_link(token, email.into(), "Ada".into(), &password(word), &client(ADDRESS)).await
        };
        let expired = |result: &Result<_, IdentityError>| matches!(result, Err(IdentityError::Auth(AuthError::Expired)));
        for guess in ["", "guess", &link.token[1..], &link.token.to_uppercase()] {
            assert!(expired(&redeem(guess, "eve@example.org", PASSWORD).await), "{guess}");
        }
        assert_eq!(redeem(&link.token, "ada@example.org", "short").await.unwrap_err().code(), "INVALID_INPUT");
        assert!(bed.identity.is_setup_link(&link.token).await.unwrap(), "a typing error does not use it up");
        let ada = redeem(&link.token, "ada@example.org", PASSWORD).await.unwrap();
        assert!(ada.is_superuser && ada.is_staff);
        assert!(expired(&redeem(&link.token, "eve@example.org", PASSWORD).await));
        assert!(bed.identity.setup_link().await.unwrap().is_none());
        bed.log_in("ada@example.org").await;
    }

    async fn a18_a_race_for_the_first_account_has_one_winner(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let mut tasks = Vec::new();
        // Links of several processes that started at once.
        let mut links = Vec::new();
        for _ in 0..6 {
            links.push(bed.identity.setup_link().await.unwrap().unwrap());
        }
        for (n, link) in links.into_iter().enumerate() {
            let identity = bed.identity.clone();
            tasks.push(tokio::spawn(async move {
                let email = format!("u{n}@example.org");
                identity.redeem_setup_link(&link.token, email, String::new(), &password(PASSWORD), &client(ADDRESS)).await
            }));
        }
        let mut winners = 0;
        for task in tasks {
            winners += u32::from(task.await.unwrap().is_ok());
        }
        assert_eq!((winners, bed.count("users").await), (1, 1));
        assert_eq!(bed.count("login_flows").await, 0, "the other links are used up");
    }

    async fn a18_a_link_is_good_for_a_day(test: TestDatabase) {
        let bed = Bed::new(&test).await;
        let link = bed.identity.setup_link().await.unwrap().unwrap();
        bed.wait(Duration::from_secs(3600));
        bed.identity.tidy().await.unwrap();
        assert!(bed.identity.is_setup_link(&link.token).await.unwrap());
        bed.wait(Duration::from_secs(24 * 3600));
        assert!(!bed.identity.is_setup_link(&link.token).await.unwrap());
        bed.identity.tidy().await.unwrap();
        assert_eq!(bed.count("login_flows").await, 0);
    }
}
