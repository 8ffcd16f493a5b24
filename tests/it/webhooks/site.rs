//! A site: an engine with its worker and server over a database, as one process is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use automate_api::{ApiSettings, ApiState};
use automate_connectors::ConnectorRegistry;
use automate_connectors::base::NoConnections;
use automate_connectors::base::http::NoHttp;
use automate_connectors::verify;
use automate_core::document::definition::VerifyScheme;
use automate_core::expr::secret::Scrubber;
use automate_core::ids::{ExecutionId, TenantId};
use automate_core::runtime::{Engine, Ports, Settings};
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use automate_core::store::{EventRecord, ExecutionRecord};
use automate_store::db::Database;
use automate_tests::postgres::TestDatabase;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// The secret of every signed path, of the form that Standard Webhooks gives it.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// What is signed with after a rotation.
pub(super) const NEW_SECRET: &str = "whsec_bmV3IHNlY3JldCBvZiB0d2VudHkgYnl0ZXM=";

/// Secrets that can be set and taken away.
#[derive(Default)]
pub(super) struct Secrets(Mutex<BTreeMap<String, String>>);

impl Secrets {
    pub(super) fn set(&self, key: &str, value: &str) {
        self.0.lock().unwrap().insert(key.to_owned(), value.to_owned());
    }
}

#[async_trait]
impl SecretResolver for Secrets {
    async fn resolve(&self, _tenant: TenantId, key: &str) -> Result<SecretValue, SecretError> {
        match self.0.lock().unwrap().get(key) {
            Some(value) => Ok(SecretValue::new(value.clone())),
            None => Err(SecretError::NotFound { key: key.to_owned(), asked: vec!["tests".to_owned()] }),
        }
    }
}

pub(super) struct Site {
    pub(super) engine: Engine,
    pub(super) address: SocketAddr,
    pub(super) secrets: Arc<Secrets>,
    pub(super) stop: CancellationToken,
    db: Database,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// A process over a database that others may use too.
    pub(super) async fn over(test: &TestDatabase) -> Self {
        Self::with(test, Settings { concurrency: 16, ..Settings::default() }).await
    }

    pub(super) async fn with(test: &TestDatabase, settings: Settings) -> Self {
        let db = test.open_again().await;
        let secrets = Arc::new(Secrets::default());
        secrets.set("SIGNING", SECRET);
        let actions = ConnectorRegistry::new(Arc::new(NoHttp), Arc::new(NoConnections));
        let ports = Ports::new(
            automate_store::open(&db).unwrap(),
            Arc::new(actions),
            Arc::clone(&secrets) as Arc<dyn SecretResolver>,
            Arc::new(Scrubber::new()),
        );
        let engine = Engine::new(ports, settings);
        let stop = CancellationToken::new();
        let state =
            ApiState::new(engine.clone(), automate_api::metrics::detached(), ApiSettings::default(), stop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = automate_api::router(state);
        tokio::spawn(automate_api::server::serve(listener, router, stop.clone(), Duration::from_secs(5)));
        let (worker, stopped) = (engine.clone(), stop.clone());
        tokio::spawn(async move { worker.run_worker(stopped).await });
        Self { engine, address, secrets, stop, db }
    }

    /// Publishes a document.
    pub(super) async fn publish(&self, source: &str) {
        if let Err(error) = self.engine.publish(TenantId::DEFAULT, source, "test", "").await {
            panic!("{error:?}");
        }
    }

    /// Publishes a workflow of one step that listens at a path, verified as `verify` says.
    pub(super) async fn listen(&self, path: &str, verify: &str) {
        let slug = path.replace(['/', '.'], "-");
        self.publish(&format!(
            "workflow: {slug}\non: [{{ webhook: {path}, verify: {verify} }}]\nsteps: [{{ id: see, set: {{ got: \"{{{{ event.payload }}}}\" }} }}]\noutput: \"{{{{ vars.got }}}}\""
        ))
        .await;
    }

    /// Publishes one for a scheme, at the path of its name.
    pub(super) async fn listen_signed(&self, scheme: VerifyScheme) {
        let name = scheme.as_str();
        self.listen(name, &format!("{{ scheme: {name}, secret: $secret:SIGNING }}")).await;
    }

    /// Posts JSON to a path of the default tenant.
    pub(super) async fn post(&self, path: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        self.post_to(&format!("/hooks/default/{path}"), headers, body).await
    }

    /// Posts to an address.
    pub(super) async fn post_to(&self, target: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        self.request("POST", target, headers, body).await
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], b"").await
    }

    pub(super) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        self.raw(&[request.as_bytes(), body].concat()).await
    }

    /// Sends bytes and reads until the server closes.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let _ = socket.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        Answer::of(&answer)
    }

    /// Posts a body signed by a scheme, to the path of its name.
    pub(super) async fn post_signed(&self, scheme: VerifyScheme, id: &str, body: &[u8]) -> Answer {
        self.post(scheme.as_str(), &signed(scheme, SECRET, id, 0, body), body).await
    }

    /// Waits for the end of an execution.
    pub(super) async fn ended(&self, id: &str) -> ExecutionRecord {
        let id: ExecutionId = id.parse().unwrap();
        let waited = self.engine.wait_until_ended(TenantId::DEFAULT, id, Duration::from_secs(30)).await;
        waited.unwrap().unwrap_or_else(|| panic!("execution {id} did not end"))
    }

    /// The event of an id.
    pub(super) async fn event(&self, id: &str) -> EventRecord {
        self.engine.ports().store.event(TenantId::DEFAULT, id.parse().unwrap()).await.unwrap()
    }

    /// Counts the executions there are.
    pub(super) async fn executions(&self) -> u64 {
        self.engine.ports().store.count_executions(TenantId::DEFAULT, &Default::default()).await.unwrap()
    }

    /// The rows of the inbox, oldest first, once there are as many.
    pub(super) async fn inbox(&self, expected: usize) -> Vec<InboxRow> {
        let mut rows = Vec::new();
        for _ in 0..250 {
            rows = self.inbox_now().await;
            if rows.len() >= expected {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the inbox has {} rows and not {expected}: {rows:?}", rows.len());
    }

    async fn inbox_now(&self) -> Vec<InboxRow> {
        const QUERY: &str = "SELECT path, headers, body, body_bytes, remote_addr, signature, \
                             CAST(http_status AS INTEGER) FROM webhook_requests ORDER BY id";
        type Columns = (String, String, Option<Vec<u8>>, i64, Option<String>, String, i32);
        let rows: Vec<Columns> = match (self.db.postgres(), self.db.sqlite_reader()) {
            (Some(pool), _) => sqlx::query_as(QUERY).fetch_all(pool).await.unwrap(),
            (None, Some(pool)) => sqlx::query_as(QUERY).fetch_all(pool).await.unwrap(),
            (None, None) => unreachable!("a database is one of the two"),
        };
        let row = |(path, headers, body, body_bytes, remote_addr, signature, http_status)| InboxRow {
            path,
            headers,
            body,
            body_bytes,
            remote_addr,
            signature,
            http_status,
        };
        rows.into_iter().map(row).collect()
    }
}

/// A row of the inbox.
#[derive(Debug)]
pub(super) struct InboxRow {
    pub(super) path: String,
    pub(super) headers: String,
    pub(super) body: Option<Vec<u8>>,
    pub(super) body_bytes: i64,
    pub(super) remote_addr: Option<String>,
    pub(super) signature: String,
    pub(super) http_status: i32,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).unwrap_or_default();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: lines.filter_map(pair).collect(), text: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/problem+json"), "{self:?}");
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The body of a problem without what differs from request to request.
    pub(crate) fn anonymous(&self) -> Value {
        let mut body = self.json();
        body["correlation_id"].take();
        body
    }

    /// The execution of a delivery that started one.
    pub(crate) fn execution(&self) -> String {
        let ids = self.json()["execution_ids"].clone();
        assert_eq!(ids.as_array().map(Vec::len), Some(1), "{self:?}");
        ids[0].as_str().unwrap().to_owned()
    }
}

/// The headers of a signed delivery, `offset` seconds away from now.
pub(super) fn signed(scheme: VerifyScheme, secret: &str, id: &str, offset: i64, body: &[u8]) -> Vec<(String, String)> {
    let at = automate_core::clock::now() + chrono::TimeDelta::seconds(offset);
    verify::sign(scheme, secret, None, id, at, body).unwrap()
}

pub(super) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
