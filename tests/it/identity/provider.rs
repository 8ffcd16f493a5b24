//! Logging in at a real identity provider, as a browser does it.

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_connectors::base::http::{HttpClient, HttpRequest, HttpResponse};
use automate_core::config::{Hidden, OidcConfig};
use automate_core::ids::TenantId;
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use automate_governance::egress::{AddressPolicy, GuardedClient};
use automate_governance::identity::oidc::Oidc;
use automate_governance::identity::{AuthError, IdentitySettings, LogIn, LoggedIn};
use automate_tests::both_databases;
use automate_tests::identity_provider::{CLIENT_SECRET, IdentityProvider};
use http::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use url::Url;

use super::bed::{ADDRESS, Bed, TENANT, client, cookie, cookies_of, operator, user_id};

/// Where browsers find us in these tests. Nobody listens there: the browser stops before it.
pub(super) const OURS: &str = "http://automate.test";

pub(super) fn settings() -> IdentitySettings {
    IdentitySettings { public_url: Some(OURS.parse().unwrap()), ..IdentitySettings::default() }
}

/// The egress guard, allowed to reach this machine.
pub(super) fn http() -> Arc<dyn HttpClient> {
    let policy = AddressPolicy::new(vec!["127.0.0.1".parse().unwrap()]);
    Arc::new(GuardedClient::new(policy).unwrap())
}

/// Knows the one secret that the configuration names.
pub(super) struct Secrets;

#[async_trait::async_trait]
impl SecretResolver for Secrets {
    async fn resolve(&self, _: TenantId, key: &str) -> Result<SecretValue, SecretError> {
        match key {
            "OIDC" => Ok(SecretValue::new(CLIENT_SECRET.to_owned())),
            _ => Err(SecretError::NotFound { key: key.to_owned(), asked: Vec::new() }),
        }
    }
}

pub(super) fn config(issuer: &str, client_id: &str) -> OidcConfig {
    OidcConfig {
        issuer: issuer.to_owned(),
        client_id: client_id.to_owned(),
        client_secret: Hidden::new("$secret:OIDC".to_owned()),
        allowed_domains: vec!["example.org".to_owned()],
        create_users: true,
        ..OidcConfig::default()
    }
}

pub(super) fn oidc(bed: &Bed, providers: &[(&str, OidcConfig)]) -> Oidc {
    let providers: BTreeMap<String, OidcConfig> =
        providers.iter().map(|(name, config)| ((*name).to_owned(), config.clone())).collect();
    Oidc::new(bed.identity.clone(), &providers, http(), Arc::new(Secrets))
}

/// Goes where the provider leads and logs in there as `name`; answers with the query that it sends
/// the browser back with.
async fn browse(url: Url, name: &str) -> String {
    let http = http();
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let mut request = HttpRequest::get(url);
    for _ in 0..20 {
        let line = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("; ");
        request.headers.insert(COOKIE, HeaderValue::from_str(&line).unwrap());
        let at = request.url.clone();
        let answer: HttpResponse = http.send(request).await.unwrap();
        for set in answer.headers.get_all(SET_COOKIE) {
            let (key, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            cookies.insert(key.to_owned(), value.to_owned());
        }
        if let Some(location) = answer.headers.get(LOCATION) {
            let next = at.join(location.to_str().unwrap()).unwrap();
            if next.as_str().starts_with(OURS) {
                return next.query().unwrap().to_owned();
            }
            request = HttpRequest::get(next);
            continue;
        }
        let page = String::from_utf8(answer.body.to_vec()).unwrap();
        let form = if page.contains(r#"name="prompt" value="login""#) {
            format!("prompt=login&login={name}&password=x")
        } else {
            assert!(page.contains(r#"name="prompt" value="consent""#), "{} {page}", answer.status);
            "prompt=consent".to_owned()
        };
        request = HttpRequest::new(http::Method::POST, at).body("application/x-www-form-urlencoded", form);
    }
    panic!("the provider leads in circles");
}

async fn log_in(oidc: &Oidc, provider: &str, name: &str) -> Result<LoggedIn, AuthError> {
    let begun = oidc.begin(provider, Some("/admin/a/")).await?;
    let query = browse(begun.url, name).await;
    match oidc.finish(provider, &query, &client(ADDRESS), &cookie(&begun.set_cookie)).await? {
        LogIn::Done(done) => Ok(*done),
        LogIn::SecondFactor { .. } => panic!("there is no second factor"),
    }
}

fn reason(result: Result<LoggedIn, AuthError>) -> String {
    match result {
        Err(AuthError::Provider { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

both_databases! {
    async fn somebody_logs_in_at_a_provider_with_each_algorithm(test: TestDatabase) {
        let Some(provider) = IdentityProvider::start(&format!("{OURS}{}", Oidc::callback_path("corp"))) else { return };
        let bed = Bed::with(&test, settings()).await;
        let mut seen = Vec::new();
        for algorithm in ["RS256", "ES256", "EdDSA"] {
            let oidc = oidc(&bed, &[("corp", config(&provider.issuer, &format!("automate-{algorithm}")))]);
            let done = log_in(&oidc, "corp", "ada").await.unwrap();
            assert_eq!(done.next, "/admin/a/");
            let found = bed.get(&cookies_of(&done.session)).await.unwrap().principal;
            assert_eq!((found.actor.name.as_str(), found.tenant), ("ada@example.org", Some(TENANT)));
            assert!(found.can("workflows.view_workflow") && !found.can("workflow.run"), "a viewer");
            seen.push(found.user);
        }
        assert!(seen.iter().all(|user| *user == seen[0]), "the same account each time");
        assert_eq!((bed.count("users").await, bed.count("login_flows").await), (1, 0));
        let row = bed.identity.user_by_email("ada@example.org").await.unwrap().unwrap();
        assert_eq!((row.name.as_str(), row.password_hash), ("Name of ada", None));
        assert!(bed.audited().await.contains(&"user.link done".to_owned()));
    }

    async fn an_account_is_linked_by_its_address_only_where_the_operator_says_so(test: TestDatabase) {
        let Some(provider) = IdentityProvider::start(&format!("{OURS}{}", Oidc::callback_path("corp"))) else { return };
        let bed = Bed::with(&test, settings()).await;
        let ada = bed.user("Ada@example.org", "admin").await;
        let mut open = config(&provider.issuer, "automate-RS256");
        // Anybody may register there: it does not speak for our accounts.
        open.allowed_domains.clear();
        let refused = reason(log_in(&oidc(&bed, &[("corp", open)]), "corp", "ada").await);
        assert!(refused.contains("not linked"), "{refused}");
        let trusted = oidc(&bed, &[("corp", config(&provider.issuer, "automate-RS256"))]);
        let done = log_in(&trusted, "corp", "ada").await.unwrap();
        assert_eq!(done.principal.user.unwrap().0, ada.id);
        // Addresses that are not verified, other domains, and ends of names that are like ours.
        let unverified = reason(log_in(&trusted, "corp", "unverified").await);
        assert!(unverified.contains("not verified"), "{unverified}");
        for domains in [vec!["ample.org"], vec!["org"], vec!["example.org.evil"], vec!["sub.example.org"]] {
            let mut other = config(&provider.issuer, "automate-RS256");
            other.allowed_domains = domains.into_iter().map(str::to_owned).collect();
            assert!(reason(log_in(&oidc(&bed, &[("corp", other)]), "corp", "bob").await).contains("allowed domain"));
        }
        let mut closed = config(&provider.issuer, "automate-RS256");
        closed.create_users = false;
        let refused = reason(log_in(&oidc(&bed, &[("corp", closed)]), "corp", "bob").await);
        assert!(refused.contains("create_users"), "{refused}");
        assert_eq!(bed.count("users").await, 1);
        // An account that was switched off here stays so.
        let off = automate_governance::identity::UserChange { is_active: Some(false), ..Default::default() };
        bed.identity.change_user(operator(), user_id(&ada), off, None).await.unwrap();
        assert!(reason(log_in(&trusted, "corp", "ada").await).contains("not active"));
        assert!(bed.audited().await.contains(&"user.login failed".to_owned()));
    }

    async fn a_log_in_belongs_to_its_browser_and_is_finished_once(test: TestDatabase) {
        let Some(provider) = IdentityProvider::start(&format!("{OURS}{}", Oidc::callback_path("corp"))) else { return };
        let bed = Bed::with(&test, settings()).await;
        let oidc = oidc(&bed, &[("corp", config(&provider.issuer, "automate-ES256"))]);
        let begun = oidc.begin("corp", None).await.unwrap();
        let query = browse(begun.url.clone(), "ada").await;
        let victim = oidc.begin("corp", None).await.unwrap();
        let finish = async |query: &str, headers: &HeaderMap| oidc.finish("corp", query, &client(ADDRESS), headers).await;
        // Somebody else's answer in the victim's browser, and no cookie at all.
        for headers in [cookie(&victim.set_cookie), HeaderMap::new()] {
            assert!(matches!(finish(&query, &headers).await, Err(AuthError::Expired)));
        }
        let own = cookie(&begun.set_cookie);
        assert!(matches!(finish(&query, &own).await, Ok(LogIn::Done(_))));
        assert!(matches!(finish(&query, &own).await, Err(AuthError::Expired)), "replayed");
        assert!(matches!(finish("code=x&state=made-up", &own).await, Err(AuthError::Expired)));
        // One that took too long.
        let slow = oidc.begin("corp", None).await.unwrap();
        let query = browse(slow.url.clone(), "ada").await;
        bed.wait(std::time::Duration::from_secs(601));
        assert!(matches!(finish(&query, &cookie(&slow.set_cookie)).await, Err(AuthError::Expired)));
    }

    async fn a8_a_log_in_leads_to_a_path_of_ours(test: TestDatabase) {
        let Some(provider) = IdentityProvider::start(&format!("{OURS}{}", Oidc::callback_path("corp"))) else { return };
        let bed = Bed::with(&test, settings()).await;
        let oidc = oidc(&bed, &[("corp", config(&provider.issuer, "automate-RS256"))]);
        let begun = oidc.begin("corp", Some("//evil.test/")).await.unwrap();
        let query = browse(begun.url, "ada").await;
        let done = oidc.finish("corp", &query, &client(ADDRESS), &cookie(&begun.set_cookie)).await.unwrap();
        let LogIn::Done(done) = done else { panic!() };
        assert_eq!(done.next, "/");
    }
}
