//! A server as it is shipped, and principals made up at will.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use automate_api::v1::base::Operation;
use automate_core::access::{Actor, Principal};
use automate_core::audit::Origin;
use automate_core::ids::{TenantId, UserId};
use automate_governance::identity::{Identity, IdentitySettings, NewTenant, NewToken, NewUser};
use automate_governance::secrets::{MasterKey, MasterKeys};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::resource::Writer;
use automate_tests::binary::Project;
use automate_tests::postgres::TestDatabase;
use automate_tests::processes::Process;
use serde_json::{Value, json};

/// An answer as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// What a token was made for: tenant, permissions, scopes, superuser.
type Made = (Option<TenantId>, Vec<String>, Vec<String>, bool);

pub(super) struct Site {
    address: String,
    identity: Identity,
    tokens: Mutex<BTreeMap<Made, String>>,
    _process: Process,
}

/// Another tenant, with a row of everything.
pub(super) struct Theirs {
    pub(super) tenant: String,
    pub(super) token: String,
    rows: BTreeMap<String, String>,
}

impl Theirs {
    /// The id of a row of a resource.
    pub(super) fn row(&self, resource: &str) -> Option<String> {
        self.rows.get(resource).cloned()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.values().map(String::as_str).filter(|id| id.len() == 36)
    }
}

impl Site {
    pub(super) async fn over(db: &TestDatabase) -> Self {
        let project = Arc::new(Project::new(&db.url));
        let most = "10000000".to_owned();
        let env = [
            ("AUTOMATE_API__REQUESTS_PER_MINUTE", most.clone()),
            ("AUTOMATE_API__ADDRESS_REQUESTS_PER_MINUTE", most.clone()),
            ("AUTOMATE_API__FAILURES_PER_MINUTE", most),
        ];
        let mut process = Process::new(&project, "serve", &["serve", "--bind", "127.0.0.1:0"], &env);
        process.start().await;
        let address = process.address();
        let again = db.open_again().await;
        let keys = MasterKeys::new(MasterKey::generate());
        // The server signs the log with a key of its own; this one only appends.
        let key = AuditKey { id: "test".to_owned(), key: [7; 32].into() };
        let audit = AuditLog::new(again.clone(), vec![key]).unwrap();
        let identity = Identity::new(again, audit, &keys, IdentitySettings::default());
        Self { address, identity, tokens: Mutex::default(), _process: process }
    }

    fn root() -> Writer {
        let principal = Principal::operator(Actor::cli("test"), TenantId::DEFAULT);
        Writer { principal, origin: Origin::default() }
    }

    /// A token of somebody new with these permissions, with these scopes; made once.
    pub(super) async fn token(
        &self,
        tenant: Option<TenantId>,
        permissions: &[String],
        scopes: &[String],
        superuser: bool,
    ) -> String {
        let made: Made = (tenant, permissions.to_vec(), scopes.to_vec(), superuser);
        if let Some(token) = self.tokens.lock().unwrap().get(&made) {
            return token.clone();
        }
        let number = self.tokens.lock().unwrap().len();
        let user = NewUser {
            email: format!("user{number}-{}@example.org", tenant.is_some()),
            tenant: Some(tenant.unwrap_or(TenantId::DEFAULT)),
            permissions: permissions.to_vec(),
            is_superuser: superuser,
            ..NewUser::default()
        };
        let user = self.identity.create_user(Self::root(), user).await.unwrap();
        let token = NewToken {
            name: "matrix".to_owned(),
            user: UserId(user.id),
            tenant: Some(tenant.unwrap_or(TenantId::DEFAULT)),
            scopes: scopes.to_vec(),
            rate_per_minute: Some(1_000_000),
            expires_at: None,
        };
        let token = self.identity.create_token(Self::root(), token).await.unwrap().fresh.secret.to_string();
        self.tokens.lock().unwrap().insert(made, token.clone());
        token
    }

    /// Sends a request and reads the whole answer.
    pub(super) fn ask(&self, method: &str, target: &str, token: Option<&str>, body: Option<&Value>) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        if let Some(token) = token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// What the owner sees at an operation's address, to be compared before and after.
    pub(super) fn get(&self, token: &str, target: &str, operation: &Operation) -> Option<Answer> {
        (operation.method == "GET").then(|| {
            let answer = self.ask("GET", target, Some(token), None);
            let mut json = answer.json();
            if let Some(fields) = json.as_object_mut() {
                // When it was asked.
                fields.remove("at");
            }
            Answer { head: String::new(), body: json.to_string(), ..answer }
        })
    }

    /// Makes a tenant and a row of each resource in it, through the API itself.
    pub(super) async fn tenant_with_rows(&self) -> Theirs {
        let new = NewTenant { slug: "theirs".to_owned(), name: "Theirs".to_owned() };
        let tenant = self.identity.create_tenant(Self::root(), new).await.unwrap();
        let token = self.token(Some(TenantId(tenant.id)), &["*".to_owned()], &["admin".to_owned()], false).await;
        let post = |path: &str, body: Value| {
            let answer = self.ask("POST", &format!("/api/v1{path}"), Some(&token), Some(&body));
            assert!((200..300).contains(&answer.status), "POST {path}: {answer:?}");
            answer.json()
        };
        let source = "workflow: theirs\non: [{ manual: true }, { webhook: theirs, verify: none }]\nsteps:\n  - { id: w, wait: { for: 1h } }\n";
        post("/workflows", json!({ "source": source }));
        post("/workflows/theirs/publish", json!({}));
        post("/workflows/theirs/run", json!({}));
        post("/events", json!({ "type": "their.event", "payload": { "n": 1 } }));
        post("/connections", json!({ "connector": "slack", "name": "team", "fields": { "token": "$secret:THEIRS" } }));
        post("/secrets", json!({ "key": "THEIRS", "value": "their-secret-value" }));
        post("/groups", json!({ "name": "on call", "description": "", "permissions": [] }));
        post("/tokens", json!({ "name": "deploy", "scopes": ["workflows:read"] }));
        let selection = json!({ "workflow": "theirs", "statuses": ["failed"] });
        post("/bulk-operations", json!({ "operation": "retry", "selection": selection }));
        // Triggers are looked up anew within a second.
        for _ in 0..100 {
            let answer = self.ask("POST", "/hooks/theirs/theirs", None, Some(&json!({ "n": 1 })));
            if answer.status == 202 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut rows = BTreeMap::from([
            ("tenants".to_owned(), tenant.id.to_string()),
            ("secrets".to_owned(), "THEIRS".to_owned()),
        ]);
        let lists = [
            "workflows",
            "executions",
            "events",
            "triggers",
            "webhooks",
            "outbox",
            "connections",
            "groups",
            "tokens",
            "users",
            "audit",
            "bulk-operations",
        ];
        for list in lists {
            let answer = self.ask("GET", &format!("/api/v1/{list}"), Some(&token), None);
            let id = answer.json()["results"][0]["id"].as_str().map(str::to_owned);
            rows.insert(list.to_owned(), id.unwrap_or_else(|| panic!("{list} of the other tenant: {answer:?}")));
        }
        Theirs { tenant: tenant.id.to_string(), token, rows }
    }
}
