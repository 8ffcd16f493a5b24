//! A site: an engine whose actions can be watched, its worker, the API, and people.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_api::v1::{ApiV1, AuthError, Authenticator, V1Settings, system_views};
use automate_api::{ApiSettings, ApiState};
use automate_connectors::ConnectorRegistry;
use automate_connectors::base::NoConnections;
use automate_connectors::base::http::NoHttp;
use automate_core::access::{Actor, ActorKind, DEFAULT_GROUPS, Principal};
use automate_core::ids::{ExecutionId, TenantId, TokenId, UserId};
use automate_core::runtime::{Engine, Settings};
use automate_core::status::ExecutionStatus;
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

use super::shapes;
use crate::engine::bed::{self, Bed};
pub(super) use crate::webhooks::site::Answer;

/// The tenant of everybody whose name does not say otherwise.
pub(super) const TENANT: TenantId = TenantId::DEFAULT;
/// The tenant of `other`.
pub(super) const OTHER: TenantId = TenantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));

/// Knows tokens by what they say: `aut_NAME`.
struct Tokens;

#[async_trait]
impl Authenticator for Tokens {
    async fn authenticate(&self, headers: &HeaderMap, _: Option<IpAddr>, _: bool) -> Result<Principal, AuthError> {
        let value = headers.get("authorization").ok_or(AuthError::Missing)?;
        match value.to_str().ok().and_then(|value| value.strip_prefix("Bearer aut_")) {
            Some(name) if name != "expired" => Ok(person(name)),
            _ => Err(AuthError::Invalid),
        }
    }
}

/// Somebody: `admin`, `other` of the other tenant, a member of a default group, `scope:SCOPE` who may
/// everything with a token of one scope, `permission:PERMISSION` who has all scopes and one
/// permission.
fn person(name: &str) -> Principal {
    let (permissions, scopes) = match name.split_once(':') {
        Some(("scope", scope)) => (vec!["*".to_owned()], scope.to_owned()),
        Some(("permission", permission)) => (vec![permission.to_owned()], "admin".to_owned()),
        _ => {
            let group = DEFAULT_GROUPS.iter().find(|group| group.name == name);
            (group.map_or_else(|| vec!["*".to_owned()], |group| group.permissions()), "admin".to_owned())
        }
    };
    Principal {
        actor: Actor { kind: ActorKind::Token, id: name.to_owned(), name: name.to_owned() },
        tenant: Some(if name == "other" { OTHER } else { TENANT }),
        user: Some(UserId(Uuid::nil())),
        token: Some(TokenId(Uuid::nil())),
        is_superuser: false,
        is_staff: false,
        permissions: permissions.into_iter().collect(),
        scopes: Some(BTreeSet::from([scopes])),
        rate_per_minute: None,
    }
}

/// One process.
pub(super) struct Site {
    pub(super) bed: Bed,
    pub(super) engine: Engine,
    pub(super) db: Database,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// A server with a worker.
    pub(super) async fn over(test: TestDatabase) -> Self {
        Self::with(Bed::new(test), Bed::settings()).await
    }

    /// A server without a worker: what is started stays where it is.
    pub(super) async fn idle(test: TestDatabase) -> Self {
        Self::with(Bed::new(test), Settings { concurrency: 0, ..Bed::settings() }).await
    }

    pub(super) async fn with(bed: Bed, settings: Settings) -> Self {
        let db = bed.db.open_again().await;
        let working = settings.concurrency > 0;
        let engine = bed.engine(settings).await;
        let audit = AuditLog::new(db.clone(), vec![AuditKey { id: "test".to_owned(), key: [7; 32].into() }]).unwrap();
        let resources = Resources::new(db.clone(), audit, [9; 32]);
        let stop = CancellationToken::new();
        let mut connectors = ConnectorRegistry::new(Arc::new(NoHttp), Arc::new(NoConnections));
        connectors.add(Arc::new(super::catalogue::Parrot)).add(Arc::new(super::catalogue::Parrot));
        let api = ApiV1::builder(engine.clone(), resources, Arc::new(connectors))
            .authenticator(Arc::new(Tokens))
            .settings(V1Settings { heartbeat: Duration::from_millis(300), ..V1Settings::default() })
            .shutdown(stop.clone())
            .build();
        let router = automate_api::v1::router(api, &system_views()).unwrap();
        let state =
            ApiState::new(engine.clone(), automate_api::metrics::detached(), ApiSettings::default(), stop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = automate_api::router_with(state, [router]);
        tokio::spawn(automate_api::server::serve(listener, app, stop.clone(), Duration::from_secs(5)));
        if working {
            let (worker, stopped) = (engine.clone(), stop.clone());
            tokio::spawn(async move { worker.run_worker(stopped).await });
        }
        Self { bed, engine, db, address, stop }
    }

    /// Begins a request of somebody.
    pub(super) fn ask(&self, who: &str, method: &str, target: &str) -> Ask<'_> {
        let ask = Ask {
            site: self,
            method: method.to_owned(),
            target: format!("/api/v1{target}"),
            headers: Vec::new(),
            body: None,
        };
        if who.is_empty() { ask } else { ask.header("authorization", &format!("Bearer aut_{who}")) }
    }

    #[track_caller]
    pub(super) fn get(&self, target: &str) -> impl Future<Output = Answer> {
        self.ask("admin", "GET", target).send()
    }

    #[track_caller]
    pub(super) fn post(&self, target: &str, body: &Value) -> impl Future<Output = Answer> {
        self.ask("admin", "POST", target).json(body).send()
    }

    /// The answer's body, which must be a success.
    pub(super) async fn show(&self, target: &str) -> Value {
        let answer = self.get(target).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.json()
    }

    /// Publishes a document.
    pub(super) async fn publish(&self, source: &str) {
        bed::publish(&self.engine, source).await;
    }

    /// Starts a workflow over REST.
    pub(super) async fn run(&self, workflow: &str, input: &Value) -> ExecutionId {
        let answer = self.post(&format!("/workflows/{workflow}/run"), &serde_json::json!({ "input": input })).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        ExecutionId(answer.json()["id"].as_str().unwrap().parse().unwrap())
    }

    /// Starts a workflow and waits until the execution is somewhere.
    pub(super) async fn run_to(&self, workflow: &str, input: &Value, status: ExecutionStatus) -> ExecutionId {
        let id = self.run(workflow, input).await;
        bed::reaches(&self.engine, id, status).await;
        id
    }

    /// The actions in the audit log, in their order, with how they went.
    pub(super) async fn audited(&self) -> Vec<String> {
        const QUERY: &str = "SELECT action || ' ' || outcome FROM audit_log ORDER BY seq";
        match (self.db.postgres(), self.db.sqlite_reader()) {
            (Some(pool), _) => sqlx::query_scalar(QUERY).fetch_all(pool).await.unwrap(),
            (None, Some(pool)) => sqlx::query_scalar(QUERY).fetch_all(pool).await.unwrap(),
            (None, None) => unreachable!("a database is one of the two"),
        }
    }

    async fn connect(&self, bytes: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        socket
    }

    /// The statuses and codes of a request by everybody who may not make it: nobody, the other tenant,
    /// whoever lacks the scope, whoever lacks the permission.
    pub(super) async fn refusals(&self, method: &str, target: &str, body: Option<&Value>) -> BTreeMap<String, String> {
        let mut refusals = BTreeMap::new();
        for who in ["", "other", "scope:none:read", "permission:none.view_none"] {
            let ask = self.ask(who, method, target);
            let ask = match body {
                Some(body) => ask.json(body),
                None => ask,
            };
            let answer = ask.send().await;
            let code = if answer.status < 300 { String::new() } else { answer.code() };
            refusals.insert(who.to_owned(), format!("{} {code}", answer.status));
        }
        refusals
    }
}

/// What [`Site::refusals`] finds where everything is as it should be.
pub(super) fn all_refused() -> BTreeMap<String, String> {
    let expected = [
        ("", "401 UNAUTHENTICATED"),
        ("other", "404 NOT_FOUND"),
        ("permission:none.view_none", "403 PERMISSION_REQUIRED"),
        ("scope:none:read", "403 SCOPE_REQUIRED"),
    ];
    expected.into_iter().map(|(who, what)| (who.to_owned(), what.to_owned())).collect()
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
        let mut ask = self.header("content-type", "application/json");
        ask.body = Some(body.to_string().into_bytes());
        ask
    }

    fn bytes(&self) -> Vec<u8> {
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

    /// Sends it; the answer is what the document says that it may be.
    pub(super) async fn send(self) -> Answer {
        let mut socket = self.site.connect(&self.bytes()).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let answer = Answer::of(&answer);
        shapes::check(&self.method, &self.target, &answer);
        answer
    }

    /// Sends it and reads its stream.
    pub(super) async fn stream(self) -> Stream {
        Stream { socket: self.site.connect(&self.bytes()).await, text: String::new() }
    }
}

/// A stream of events that is being read.
pub(super) struct Stream {
    socket: TcpStream,
    text: String,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) data: Value,
}

impl Event {
    /// `step.completed a`.
    pub(super) fn line(&self) -> String {
        let kind = self.data["type"].as_str().unwrap();
        match self.data["path"].as_str() {
            Some(path) => format!("{kind} {path}"),
            None => kind.to_owned(),
        }
    }
}

impl Stream {
    /// Reads until there are as many events, or the stream has ended.
    pub(super) async fn read(&mut self, events: usize) -> Vec<Event> {
        let until = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.events();
            if found.len() >= events {
                return found;
            }
            let mut bytes = [0; 4096];
            let read = tokio::time::timeout_at(until, self.socket.read(&mut bytes)).await;
            let read = read.unwrap_or_else(|_| panic!("no more came than {}", self.text)).unwrap_or(0);
            if read == 0 {
                return found;
            }
            self.text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// Reads until the stream ends.
    pub(super) async fn until_its_end(mut self) -> Vec<Event> {
        self.read(usize::MAX).await
    }

    /// Everything that came.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let (mut id, mut kind) = (String::new(), String::new());
        for line in self.text.lines() {
            match line.split_once(": ") {
                Some(("id", value)) => value.clone_into(&mut id),
                Some(("event", value)) => value.clone_into(&mut kind),
                Some(("data", value)) => {
                    // The last one may not be there whole.
                    let Ok(data) = serde_json::from_str::<Value>(value) else { continue };
                    assert_eq!(data["type"].as_str(), Some(kind.as_str()));
                    events.push(Event { id: id.clone(), data });
                }
                _ => {}
            }
        }
        events
    }
}

/// The codes of the faults that a problem tells, by their paths.
pub(super) fn faults(answer: &Answer) -> BTreeMap<String, String> {
    let errors = answer.json()["errors"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    errors.iter().map(|error| (text(&error["path"]), text(&error["code"]))).collect()
}
