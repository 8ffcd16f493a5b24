//! A provider that says what it should not.

use std::sync::{Arc, Mutex};

use automate_governance::identity::oidc::Oidc;
use automate_governance::identity::{AuthError, LogIn};
use automate_tests::postgres::TestDatabase;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::bed::{ADDRESS, Bed, client, cookie};
use super::provider::{OURS, config, oidc, settings};

/// How a token is made.
#[derive(Debug, Clone)]
enum Sign {
    Right,
    /// `alg: none`, without a signature.
    None,
    /// HS256, with the text as the secret.
    Hmac(Vec<u8>),
    /// With a key of somebody else's.
    Stranger,
    /// Right, with another header.
    Header(Value),
}

#[derive(Debug)]
struct Rogue {
    issuer: String,
    key: Vec<u8>,
    stranger: Vec<u8>,
    /// What the next token answer holds.
    token: Mutex<String>,
    /// What the token endpoint was asked.
    asked: Mutex<Vec<(String, String)>>,
}

impl Rogue {
    async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = || Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap().as_ref().to_vec();
        let rogue = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key: key(),
            stranger: key(),
            token: Mutex::default(),
            asked: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(keys))
            .route("/token", post(answer))
            .with_state(rogue.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        rogue
    }

    fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(Ed25519KeyPair::from_pkcs8(&self.key).unwrap().public_key().as_ref())
    }

    fn jwks(&self) -> Value {
        // Among keys that are none, of kinds that we do not know, or shared.
        json!({ "keys": [
            { "kty": "what", "kid": "odd" },
            { "kty": "oct", "kid": "shared", "k": URL_SAFE_NO_PAD.encode(self.public()) },
            { "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1", "x": self.public() },
        ]})
    }

    fn sign(&self, claims: &Value, how: &Sign) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("k1".into());
        match how {
            Sign::Right => jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&self.key)).unwrap(),
            Sign::Stranger => jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&self.stranger)).unwrap(),
            Sign::None => format!("{}.{}.", part(&json!({ "alg": "none", "kid": "k1" })), part(claims)),
            Sign::Hmac(secret) => {
                let mut header = Header::new(Algorithm::HS256);
                header.kid = Some("shared".into());
                jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
            }
            Sign::Header(header) => {
                let text = format!("{}.{}", part(header), part(claims));
                let signature = Ed25519KeyPair::from_pkcs8(&self.key).unwrap().sign(text.as_bytes());
                format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
            }
        }
    }
}

async fn describe(State(rogue): State<Arc<Rogue>>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", rogue.issuer);
    Json(json!({
        "issuer": rogue.issuer, "authorization_endpoint": at("/auth"), "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"), "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(State(rogue): State<Arc<Rogue>>) -> Json<Value> {
    Json(rogue.jwks())
}

async fn answer(State(rogue): State<Arc<Rogue>>, headers: http::HeaderMap, body: String) -> Json<Value> {
    let authorization = headers.get("authorization").map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    rogue.asked.lock().unwrap().push((authorization, body));
    let token = rogue.token.lock().unwrap().clone();
    Json(json!({ "access_token": "at", "token_type": "Bearer", "id_token": token }))
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

/// What a good token says, at the time of the bed.
fn claims(bed: &Bed, rogue: &Rogue, nonce: &str) -> Value {
    let now = bed.clock_now().timestamp();
    json!({
        "iss": rogue.issuer, "sub": "s-1", "aud": "automate", "exp": now + 300, "iat": now, "nonce": nonce,
        "email": "ada@example.org", "email_verified": true, "name": "Ada",
    })
}

/// One log-in, whose token says `change`d claims.
async fn attempt(
    bed: &Bed,
    oidc: &Oidc,
    rogue: &Rogue,
    how: &Sign,
    change: impl FnOnce(&mut Value),
) -> Result<(), AuthError> {
    let begun = oidc.begin("corp", None).await.unwrap();
    let mut said = claims(bed, rogue, &parameter(&begun.url, "nonce"));
    change(&mut said);
    *rogue.token.lock().unwrap() = rogue.sign(&said, how);
    let iss: String = url::form_urlencoded::byte_serialize(rogue.issuer.as_bytes()).collect();
    let query = format!("code=c&state={}&iss={iss}", parameter(&begun.url, "state"));
    let done = oidc.finish("corp", &query, &client(ADDRESS), &cookie(&begun.set_cookie)).await;
    done.map(|done| assert!(matches!(done, LogIn::Done(_))))
}

fn reason(result: Result<(), AuthError>) -> String {
    match result {
        Err(AuthError::Provider { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

async fn bed() -> (TestDatabase, Bed, Arc<Rogue>, Oidc) {
    let test = TestDatabase::sqlite().await;
    let bed = Bed::with(&test, settings()).await;
    let rogue = Rogue::start().await;
    let oidc = oidc(&bed, &[("corp", config(&rogue.issuer, "automate"))]);
    (test, bed, rogue, oidc)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_a_wrong_claim_is_not_believed() {
    let (_test, bed, rogue, oidc) = bed().await;
    let now = bed.clock_now().timestamp();
    attempt(&bed, &oidc, &rogue, &Sign::Right, |_| {}).await.unwrap();
    attempt(&bed, &oidc, &rogue, &Sign::Right, |c| c["aud"] = json!(["automate"])).await.unwrap();
    attempt(&bed, &oidc, &rogue, &Sign::Right, |c| {
        c["aud"] = json!(["automate", "other"]);
        c["azp"] = json!("automate");
    })
    .await
    .unwrap();
    let wrong: Vec<(&str, Value, &str)> = vec![
        ("nonce", json!("another"), "`nonce`"),
        ("nonce", Value::Null, "`nonce`"),
        ("aud", json!("another"), "`aud`"),
        ("aud", json!("automate2"), "`aud`"),
        ("aud", json!(["automate", "other"]), "`azp`"),
        ("aud", json!([]), "`aud`"),
        ("azp", json!("another"), "`azp`"),
        ("iss", json!("http://127.0.0.1:1"), "`iss`"),
        ("iss", json!(format!("{}/", rogue.issuer)), "`iss`"),
        ("sub", json!(""), "`sub`"),
        ("exp", json!(now - 61), "expired"),
        ("exp", json!("9999999999"), "cannot be read"),
        ("exp", Value::Null, "cannot be read"),
        ("iat", json!(now + 120), "expired"),
        ("iat", json!(now - 3600), "expired"),
        ("nbf", json!(now + 3600), "expired"),
        ("email_verified", json!(false), "not verified"),
        ("email_verified", json!(1), "not verified"),
        ("email", json!("ada@example.org.evil"), "domain"),
        ("email", json!("ada@evil@example.org"), "e-mail address"),
    ];
    for (name, value, expected) in wrong {
        let said = reason(
            attempt(&bed, &oidc, &rogue, &Sign::Right, |c| {
                c[name] = value.clone();
                // Somebody new, so that what is wrong about the address matters.
                c["sub"] = if name == "sub" { value.clone() } else { json!("s-2") };
            })
            .await,
        );
        assert!(said.contains(expected), "{name} {value}: {said}");
    }
    assert_eq!(bed.count("users").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_signed_by_the_providers_key_is_not_believed() {
    let (_test, bed, rogue, oidc) = bed().await;
    let jwks = rogue.jwks().to_string().into_bytes();
    let header = |header: Value| Sign::Header(header);
    let wrong = [
        (Sign::None, "algorithm"),
        // The public key as a shared secret, in each form that it is known in; a shared key of theirs, too.
        (Sign::Hmac(rogue.public().into_bytes()), "algorithm"),
        (Sign::Hmac(URL_SAFE_NO_PAD.decode(rogue.public()).unwrap()), "algorithm"),
        (Sign::Hmac(jwks), "algorithm"),
        (Sign::Stranger, "signature"),
        (header(json!({ "alg": "EdDSA", "kid": "unknown" })), "does not have"),
        (header(json!({ "alg": "ES256", "kid": "k1" })), "does not have"),
        (header(json!({ "alg": "EdDSA", "kid": "shared" })), "does not have"),
        (header(json!({ "alg": "EdDSA", "kid": "k1", "crit": ["x"], "x": 1 })), "cannot be read"),
        (header(json!({ "alg": "eddsa", "kid": "k1" })), "algorithm"),
        (header(json!({ "alg": "NONE" })), "algorithm"),
    ];
    for (how, expected) in wrong {
        let said = reason(attempt(&bed, &oidc, &rogue, &how, |_| {}).await);
        assert!(said.contains(expected), "{how:?}: {said}");
    }
    // Without a name there is one key that fits.
    attempt(&bed, &oidc, &rogue, &Sign::Header(json!({ "alg": "EdDSA" })), |_| {}).await.unwrap();
    let garbage = ["", "a.b.c", "...", "a", &"a".repeat(100_000)];
    for token in garbage {
        let begun = oidc.begin("corp", None).await.unwrap();
        *rogue.token.lock().unwrap() = token.to_owned();
        let iss: String = url::form_urlencoded::byte_serialize(rogue.issuer.as_bytes()).collect();
        let query = format!("code=c&state={}&iss={iss}", parameter(&begun.url, "state"));
        assert!(oidc.finish("corp", &query, &client(ADDRESS), &cookie(&begun.set_cookie)).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_one_provider_is_not_taken_for_anothers() {
    let test = TestDatabase::sqlite().await;
    let bed = Bed::with(&test, settings()).await;
    let (honest, rogue) = (Rogue::start().await, Rogue::start().await);
    let both = [("corp", config(&honest.issuer, "automate")), ("evil", config(&rogue.issuer, "automate"))];
    let oidc = oidc(&bed, &both);
    let finish = async |name: &str, query: &str, set_cookie: &str| {
        oidc.finish(name, query, &client(ADDRESS), &cookie(set_cookie)).await
    };
    let iss = |rogue: &Rogue| url::form_urlencoded::byte_serialize(rogue.issuer.as_bytes()).collect::<String>();
    // Begun at one, finished at the other's address: the code would go to the wrong one.
    let begun = oidc.begin("corp", None).await.unwrap();
    let state = parameter(&begun.url, "state");
    let crossed = finish("evil", &format!("code=c&state={state}"), &begun.set_cookie).await;
    assert!(matches!(crossed, Err(AuthError::Expired)));
    // The answer names another issuer, or none although the provider always does.
    for (query, expected) in [(format!("&iss={}", iss(&rogue)), "another provider"), (String::new(), "whose it is")] {
        let begun = oidc.begin("corp", None).await.unwrap();
        let query = format!("code=c&state={}{query}", parameter(&begun.url, "state"));
        match finish("corp", &query, &begun.set_cookie).await {
            Err(AuthError::Provider { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(rogue.asked.lock().unwrap().is_empty() && honest.asked.lock().unwrap().is_empty(), "no code was sent");
    // It says no.
    let begun = oidc.begin("corp", None).await.unwrap();
    let query = format!("error=access_denied&state={}&iss={}", parameter(&begun.url, "state"), iss(&honest));
    match finish("corp", &query, &begun.set_cookie).await {
        Err(AuthError::Provider { reason, .. }) => assert!(reason.contains("access_denied"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert!(matches!(finish("corp", &query, &begun.set_cookie).await, Err(AuthError::Expired)), "used up by that");
    assert!(oidc.begin("nobody", None).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_code_is_bound_to_us_by_secret_and_proof() {
    let (_test, bed, rogue, oidc) = bed().await;
    let begun = oidc.begin("corp", None).await.unwrap();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "automate"),
        ("scope", "openid email profile"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", &format!("{OURS}/auth/oidc/corp/callback")),
    ] {
        assert_eq!(parameter(&begun.url, name), value);
    }
    assert!(parameter(&begun.url, "state").len() >= 43 && parameter(&begun.url, "nonce").len() >= 43);
    assert!(begun.set_cookie.contains("HttpOnly") && begun.set_cookie.contains("SameSite=Lax"));
    *rogue.token.lock().unwrap() = rogue.sign(&claims(&bed, &rogue, &parameter(&begun.url, "nonce")), &Sign::Right);
    let iss: String = url::form_urlencoded::byte_serialize(rogue.issuer.as_bytes()).collect();
    let query = format!("code=the+code&state={}&iss={iss}", parameter(&begun.url, "state"));
    let done = oidc.finish("corp", &query, &client(ADDRESS), &cookie(&begun.set_cookie)).await.unwrap();
    assert!(matches!(done, LogIn::Done(_)));
    let (authorization, body) = rogue.asked.lock().unwrap()[0].clone();
    assert!(authorization.starts_with("Basic "), "{authorization}");
    let asked: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!((asked["grant_type"].as_str(), asked["code"].as_str()), ("authorization_code", "the code"));
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
    assert_eq!(parameter(&begun.url, "code_challenge"), challenge);
    assert!(!body.contains("secret"));
}
