//! A site: an engine, the API with the system's views and the books, and people who may this or that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_api::v1::base::{Limit, Throttle, ThrottleBy, Views};
use automate_api::v1::{ApiV1, AuthError, Authenticator, V1Settings, system_views};
use automate_api::{ApiSettings, ApiState};
use automate_connectors::ConnectorRegistry;
use automate_connectors::base::NoConnections;
use automate_connectors::base::http::NoHttp;
use automate_core::access::{Actor, ActorKind, Principal};
use automate_core::expr::secret::Scrubber;
use automate_core::ids::{TenantId, TokenId, UserId};
use automate_core::runtime::{Engine, Ports, Settings};
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::db::Database;
use automate_store::resource::Resources;
use automate_tests::postgres::TestDatabase;
use http::HeaderMap;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::books::{Books, make_table};
pub(super) use crate::webhooks::site::Answer;

/// The tenant of everybody whose name does not say otherwise.
pub(super) const TENANT: TenantId = TenantId::DEFAULT;
/// The other tenant.
pub(super) const OTHER: TenantId = TenantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));

/// Knows tokens by what they say: `aut_NAME`.
struct Tokens;

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(
        &self,
        headers: &HeaderMap,
        _address: Option<IpAddr>,
        unsafe_method: bool,
    ) -> Result<Principal, AuthError> {
        if let Some(cookie) = headers.get("cookie") {
            let ours = cookie.as_bytes() == b"automate_session=admin";
            let proved = headers.get("x-csrf-token").is_some_and(|token| token == "csrf");
            return match (ours, unsafe_method && !proved) {
                (true, false) => Ok(person("admin")),
                (true, true) => Err(AuthError::Csrf),
                (false, _) => Err(AuthError::Invalid),
            };
        }
        let value = headers.get("authorization").ok_or(AuthError::Missing)?;
        match value.to_str().ok().and_then(|value| value.strip_prefix("Bearer aut_")) {
            Some(name) if !matches!(name, "expired" | "revoked" | "orphan") => Ok(person(name)),
            _ => Err(AuthError::Invalid),
        }
    }
}

/// Somebody, by their name.
fn person(name: &str) -> Principal {
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
    let (permissions, scopes): (&[&str], &[&str]) = match name {
        "reader" => (&["*"], &["books:read", "executions:read", "workflows:read"]),
        "viewer" => (&["library.view_book", "executions.view_execution", "executions.view_step"], &["admin"]),
        "nothing" => (&[], &["admin"]),
        _ => (&["*"], &["admin"]),
    };
    let id = Uuid::new_v5(name);
    Principal {
        actor: Actor { kind: ActorKind::Token, id: id.to_string(), name: name.to_owned() },
        tenant: match name {
            "other" => Some(OTHER),
            "stateless" => None,
            _ => Some(TENANT),
        },
        user: Some(UserId(id)),
        token: Some(TokenId(id)),
        is_superuser: false,
        is_staff: false,
        permissions: set(permissions),
        scopes: Some(set(scopes)),
        rate_per_minute: (name == "slow").then_some(60),
    }
}

trait NamedId {
    fn new_v5(name: &str) -> Uuid;
}

impl NamedId for Uuid {
    /// One id per name.
    fn new_v5(name: &str) -> Uuid {
        use sha2::Digest as _;
        let digest = sha2::Sha256::digest(name.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

struct NoSecrets;

#[async_trait]
impl SecretResolver for NoSecrets {
    async fn resolve(&self, _tenant: TenantId, key: &str) -> Result<SecretValue, SecretError> {
        Err(SecretError::NotFound { key: key.to_owned(), asked: Vec::new() })
    }
}

pub(super) struct Site {
    pub(super) address: SocketAddr,
    pub(super) api: ApiV1,
    pub(super) db: Database,
    pub(super) views: Views,
    stop: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    pub(super) async fn over(test: &TestDatabase) -> Self {
        Self::with(test, V1Settings::default()).await
    }

    pub(super) async fn with(test: &TestDatabase, settings: V1Settings) -> Self {
        let db = test.open_again().await;
        make_table(&db).await;
        Self::again(test, settings).await
    }

    /// One more process over a database that has its tables.
    pub(super) async fn again(test: &TestDatabase, settings: V1Settings) -> Self {
        let db = test.open_again().await;
        let connectors = Arc::new(ConnectorRegistry::new(Arc::new(NoHttp), Arc::new(NoConnections)));
        let store = automate_store::open(&db).unwrap();
        let ports = Ports::new(store, connectors.clone(), Arc::new(NoSecrets), Arc::new(Scrubber::new()));
        let engine = Engine::new(ports, Settings { concurrency: 4, ..Settings::default() });
        let key = AuditKey { id: "test".to_owned(), key: [7; 32].into() };
        let audit = AuditLog::new(db.clone(), vec![key]).unwrap();
        let resources = Resources::new(db.clone(), audit, [9; 32]);
        let stop = CancellationToken::new();
        let api = ApiV1::builder(engine.clone(), resources, connectors)
            .authenticator(Arc::new(Tokens))
            .settings(settings)
            .shutdown(stop.clone())
            .build();
        let views = system_views().with(Books);
        let router = automate_api::v1::router(api.clone(), &views).unwrap();
        let metrics = automate_api::metrics::detached();
        let state = ApiState::new(engine.clone(), metrics, ApiSettings::default(), stop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = automate_api::router_with(state, [router]);
        tokio::spawn(automate_api::server::serve(listener, app, stop.clone(), Duration::from_secs(5)));
        let (worker, stopped) = (engine, stop.clone());
        tokio::spawn(async move { worker.run_worker(stopped).await });
        Self { address, api, db, views, stop }
    }

    /// Settings with small buckets.
    pub(super) fn strict(burst: u32) -> V1Settings {
        let limit = Limit::per_minute(60).burst(burst);
        V1Settings { throttles: vec![Throttle::new("api", ThrottleBy::Principal, limit)], ..V1Settings::default() }
    }

    /// Begins a request of somebody.
    pub(super) fn ask<'s>(&'s self, who: &str, method: &str, target: &str) -> Ask<'s> {
        let ask =
            Ask { site: self, method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None };
        if who.is_empty() { ask } else { ask.header("authorization", &format!("Bearer aut_{who}")) }
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.ask("admin", "GET", target).send().await
    }

    pub(super) async fn post(&self, target: &str, body: &Value) -> Answer {
        self.ask("admin", "POST", target).json(body).send().await
    }

    /// Creates a book and answers with its id.
    pub(super) async fn book(&self, title: &str, pages: i64) -> String {
        let body = serde_json::json!({ "title": title, "author": "Ursula", "pages": pages });
        let answer = self.post("/api/v1/books", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// How many books there are, whosever they are.
    pub(super) async fn books(&self) -> i64 {
        const QUERY: &str = "SELECT count(*) FROM books";
        match (self.db.postgres(), self.db.sqlite_reader()) {
            (Some(pool), _) => sqlx::query_scalar(QUERY).fetch_one(pool).await.unwrap(),
            (None, Some(pool)) => sqlx::query_scalar(QUERY).fetch_one(pool).await.unwrap(),
            (None, None) => unreachable!("a database is one of the two"),
        }
    }

    /// Sends bytes and reads until the server closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let _ = socket.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        Answer::of(&answer)
    }
}

/// A request that is being written.
pub(super) struct Ask<'s> {
    site: &'s Site,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Ask<'_> {
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string().as_bytes())
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    /// The request's bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = &self.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }

    pub(super) async fn send(self) -> Answer {
        self.site.raw(&self.bytes()).await
    }
}

/// The codes of the faults that a problem tells, by their paths.
pub(super) fn faults(answer: &Answer) -> BTreeMap<String, String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.iter().map(|error| (text(&error["path"]), text(&error["code"]))).collect()
}
