//! Logging in at an identity provider with a browser.

use std::sync::{Arc, Mutex};

use automate_core::config::OidcConfig;
use automate_tests::both_databases;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use url::Url;

use super::bed::{Answer, House, PUBLIC_URL};

/// A provider that says of everybody who they are.
struct Provider {
    issuer: String,
    key: Vec<u8>,
    email: String,
    nonce: Mutex<String>,
}

impl Provider {
    async fn start(email: &str) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap().as_ref().to_vec(),
            email: email.to_owned(),
            nonce: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// The operator lets it speak for the addresses of its domain.
    fn config(&self) -> OidcConfig {
        let domain = self.email.split('@').next_back().unwrap_or_default().to_owned();
        OidcConfig {
            issuer: self.issuer.clone(),
            client_id: "automate".to_owned(),
            allowed_domains: vec![domain],
            ..OidcConfig::default()
        }
    }
}

async fn describe(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({
        "issuer": provider.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"),
    }))
}

async fn keys(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let pair = Ed25519KeyPair::from_pkcs8(&provider.key).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k", "x": x }] }))
}

async fn token(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let now = automate_core::clock::now().timestamp();
    let claims = json!({
        "iss": provider.issuer, "sub": "s-1", "aud": "automate", "exp": now + 300, "iat": now,
        "nonce": *provider.nonce.lock().unwrap(), "email": provider.email, "email_verified": true,
    });
    let header = Header { kid: Some("k".to_owned()), ..Header::new(Algorithm::EdDSA) };
    let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&provider.key)).unwrap();
    Json(json!({ "access_token": "at", "token_type": "Bearer", "id_token": token }))
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

/// The cookie that an answer sets, as the browser sends it back.
fn cookie(answer: &Answer) -> String {
    answer.headers["set-cookie"].split(';').next().unwrap().to_owned()
}

both_databases! {
    async fn somebody_logs_in_at_a_provider_and_goes_where_they_wanted(db: TestDatabase) {
        let house = House::over(&db).await;
        let provider = Provider::start(&house.ours.viewer.email).await;
        let node = house.node_with_provider(&db, "corp", provider.config()).await;
        let begun = node.visit("/auth/oidc/corp/login?next=/admin/workflows/", "").await;
        assert_eq!(begun.status, 303, "{begun:?}");
        assert_eq!(begun.headers["cache-control"], "no-store");
        let there: Url = begun.headers["location"].parse().unwrap();
        assert!(there.as_str().starts_with(&provider.issuer));
        assert_eq!(parameter(&there, "redirect_uri"), format!("{PUBLIC_URL}/auth/oidc/corp/callback"));
        *provider.nonce.lock().unwrap() = parameter(&there, "nonce");
        let back = format!("/auth/oidc/corp/callback?code=c&state={}", parameter(&there, "state"));
        let stranger = node.visit(&back, "").await;
        assert_eq!(stranger.problem(), (410, "LINK_EXPIRED".to_owned()), "another browser");
        let done = node.visit(&back, &cookie(&begun)).await;
        assert_eq!(done.status, 303, "{done:?}");
        assert_eq!(done.headers["location"], "/admin/workflows/");
        let session = cookie(&done);
        let who = node.visit("/api/v1/session", &session).await.json();
        assert_eq!(who["user"]["email"], house.ours.viewer.email.as_str());
        let again = node.visit(&back, &cookie(&begun)).await;
        assert_eq!(again.status, 410, "once");
    }

    async fn a8_a_log_in_leads_to_a_path_of_ours_only(db: TestDatabase) {
        let house = House::over(&db).await;
        let provider = Provider::start(&house.ours.viewer.email).await;
        let node = house.node_with_provider(&db, "corp", provider.config()).await;
        for next in ["//evil.example", "/%5Cevil.example", "%2509//evil.example", "https:evil.example", "https://evil.example/"] {
            let begun = node.visit(&format!("/auth/oidc/corp/login?next={next}"), "").await;
            let there: Url = begun.headers["location"].parse().unwrap();
            *provider.nonce.lock().unwrap() = parameter(&there, "nonce");
            let back = format!("/auth/oidc/corp/callback?code=c&state={}", parameter(&there, "state"));
            let done = node.visit(&back, &cookie(&begun)).await;
            assert_eq!(done.status, 303, "{next}: {done:?}");
            assert_eq!(done.headers["location"], "/", "{next}");
        }
    }

    async fn what_is_no_provider_or_no_answer_of_one_is_refused(db: TestDatabase) {
        let house = House::over(&db).await;
        let provider = Provider::start(&house.ours.viewer.email).await;
        let node = house.node_with_provider(&db, "corp", provider.config()).await;
        assert_eq!(node.visit("/auth/oidc/other/login", "").await.status, 404);
        for query in ["", "?", "?code=c", "?state=s", "?error=access_denied&state=s", "?code=a&code=b&state=s"] {
            let answer = node.visit(&format!("/auth/oidc/corp/callback{query}"), "").await;
            assert!(matches!(answer.status, 401 | 410), "{query}: {answer:?}");
            assert!(!answer.headers.contains_key("set-cookie"));
        }
        let mut statuses = Vec::new();
        for _ in 0..25 {
            statuses.push(node.visit("/auth/oidc/corp/login", "").await.status);
        }
        assert!(statuses.contains(&303) && statuses.ends_with(&[429]), "{statuses:?}");
    }
}
