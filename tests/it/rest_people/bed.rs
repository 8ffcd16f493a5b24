//! A house: the people of two tenants, and one or more servers over one database.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use automate_api::v1::base::RateLimiter;
use automate_api::v1::{ApiV1, IdentityAuthenticator, KnownPermissions, SharedBuckets, system_views};
use automate_api::{ApiSettings, ApiState};
use automate_connectors::ConnectorRegistry;
use automate_connectors::base::http::NoHttp;
use automate_connectors::base::{
    ActionContext, ConnectionField, ConnectionResolver, ConnectionSpec, Connector, ConnectorError, Health,
};
use automate_connectors::provider::{ChatAnswer, ChatRequest, Provider, ProviderContext, ProviderRegistry};
use automate_core::access::{Actor, Principal};
use automate_core::audit::Origin;
use automate_core::config::{OidcConfig, ProviderConfig};
use automate_core::expr::secret::Scrubber;
use automate_core::ids::{GroupId, TenantId, UserId};
use automate_core::runtime::{Engine, Ports, Settings};
use automate_core::secrets::{SecretError, SecretResolver, SecretValue};
use automate_governance::connections::StoredConnections;
use automate_governance::egress::{AddressPolicy, GuardedClient};
use automate_governance::identity::oidc::Oidc;
use automate_governance::identity::{Identity, IdentitySettings, NewTenant, NewToken, NewUser, Password};
use automate_governance::policy::Governor;
use automate_governance::secrets::{DatabaseBackend, MasterKey, MasterKeys};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::resource::{Resources, Writer};
use automate_tests::postgres::TestDatabase;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Where browsers find the house.
pub(super) const PUBLIC_URL: &str = "http://house.example";
/// The password of everybody in the house.
pub(super) const PASSWORD: &str = "a long walk by the sea";

/// Secrets out of the database.
struct Stored(DatabaseBackend);

#[async_trait]
impl SecretResolver for Stored {
    async fn resolve(&self, tenant: TenantId, key: &str) -> Result<SecretValue, SecretError> {
        match self.0.get(tenant, key).await {
            Ok(Some(value)) => Ok(value),
            _ => Err(SecretError::NotFound { key: key.to_owned(), asked: vec!["database".to_owned()] }),
        }
    }
}

/// Connections out of the database.
struct Resolved(StoredConnections, Arc<Stored>);

#[async_trait]
impl ConnectionResolver for Resolved {
    async fn resolve(
        &self,
        tenant: TenantId,
        connector: &str,
        name: &str,
    ) -> Result<Option<BTreeMap<String, SecretValue>>, ConnectorError> {
        let all = self.0.of(tenant).await.unwrap();
        let Some(found) = all.get(name).filter(|found| found.connector == connector) else { return Ok(None) };
        let mut fields = BTreeMap::new();
        for (field, value) in &found.fields {
            let text = value.as_str().unwrap();
            let value = match text.strip_prefix("$secret:") {
                Some(key) => {
                    self.1.resolve(tenant, key).await.map_err(|e| ConnectorError::config_invalid(e.to_string()))?
                }
                None => SecretValue::new(text.to_owned()),
            };
            fields.insert(field.clone(), value);
        }
        Ok(Some(fields))
    }
}

/// A connector whose other side is well when it is given the right token.
struct Crm;

#[async_trait]
impl Connector for Crm {
    fn key(&self) -> &'static str {
        "crm"
    }

    fn display_name(&self) -> &'static str {
        "CRM"
    }

    fn connection(&self) -> Option<ConnectionSpec> {
        Some(ConnectionSpec::new([
            ConnectionField::secret("token", "Token").required(),
            ConnectionField::plain("team", "Team"),
        ]))
    }

    async fn health(&self, ctx: &ActionContext) -> Health {
        match ctx.connection().get("token") {
            Some("the-right-token") => Health::Ok,
            Some("the-slow-token") => {
                tokio::time::sleep(Duration::from_secs(600)).await;
                Health::Ok
            }
            Some(other) => Health::Failing { reason: format!("it does not take `{other}`") },
            None => Health::Unknown,
        }
    }
}

/// A provider that nobody asks.
struct Parrot;

#[async_trait]
impl Provider for Parrot {
    fn key(&self) -> &'static str {
        "parrot"
    }

    fn display_name(&self) -> &'static str {
        "Parrot"
    }

    async fn chat(&self, _: &ProviderContext, _: &ChatRequest) -> Result<ChatAnswer, ConnectorError> {
        Err(ConnectorError::internal("nobody asks it"))
    }
}

/// What the servers of one house share.
#[derive(Clone)]
struct Keys {
    master: MasterKeys,
    key: [u8; 32],
}

/// A server over the database.
pub(super) struct Node {
    pub(super) address: SocketAddr,
    pub(super) identity: Identity,
    pub(super) secrets: DatabaseBackend,
    stop: CancellationToken,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Node {
    async fn over(test: &TestDatabase, keys: &Keys) -> Self {
        Self::with_providers(test, keys, &BTreeMap::new()).await
    }

    /// A server where people can log in at identity providers, too.
    async fn with_providers(test: &TestDatabase, keys: &Keys, oidc: &BTreeMap<String, OidcConfig>) -> Self {
        let db = test.open_again().await;
        let audit_key = AuditKey { id: "test".to_owned(), key: Zeroizing::new(keys.key) };
        let audit = AuditLog::new(db.clone(), vec![audit_key]).unwrap();
        let settings =
            IdentitySettings { public_url: Some(PUBLIC_URL.parse().unwrap()), ..IdentitySettings::default() };
        let identity = Identity::new(db.clone(), audit.clone(), &keys.master, settings);
        let governor = Governor::new(db.clone(), audit.clone());
        let secrets = DatabaseBackend::new(db.orm().clone(), keys.master.clone()).with_reader(db.orm_reader().clone());
        let stored = Arc::new(Stored(secrets.clone()));
        let stored_secrets: Arc<dyn SecretResolver> = stored.clone();
        let connections = StoredConnections::new(db.clone());
        let mut providers = ProviderRegistry::new(Arc::new(NoHttp), stored.clone());
        providers.add(Arc::new(Parrot));
        providers.configure(
            "default",
            &ProviderConfig {
                kind: "parrot".to_owned(),
                fields: serde_json::from_value(json!({
                    "models": ["echo-1"], "default_model": "echo-1",
                    "prices": { "echo-1": { "input": "0.15", "output": 1 } },
                }))
                .unwrap(),
            },
        );
        let resolver = Arc::new(Resolved(connections.clone(), stored.clone()));
        let mut connectors = ConnectorRegistry::new(Arc::new(NoHttp), resolver).with_providers(Arc::new(providers));
        connectors.add(Arc::new(Crm));
        connectors.add_linked();
        let connectors = Arc::new(connectors);
        let store = automate_store::open(&db).unwrap();
        let mut ports = Ports::new(store, connectors.clone(), stored, Arc::new(Scrubber::new()));
        ports.policies = Arc::new(governor.clone());
        let engine = Engine::new(ports, Settings { concurrency: 0, ..Settings::default() });
        let stop = CancellationToken::new();
        let views = system_views();
        let resources = Resources::new(db.clone(), audit.clone(), keys.key);
        let limiter: Arc<dyn RateLimiter> = Arc::new(SharedBuckets::new(db.clone(), governor.clone()));
        let guard = GuardedClient::new(AddressPolicy::new(vec!["127.0.0.1".parse().unwrap()])).unwrap();
        let oidc = Oidc::new(identity.clone(), oidc, Arc::new(guard), stored_secrets);
        let doors = automate_api::auth::router(oidc, identity.clone(), limiter.clone());
        let api = ApiV1::builder(engine.clone(), resources, connectors)
            .authenticator(Arc::new(IdentityAuthenticator::new(identity.clone())))
            .limiter(limiter)
            .service(Arc::new(identity.clone()))
            .service(Arc::new(governor))
            .service(Arc::new(secrets.clone()))
            .service(Arc::new(connections))
            .service(Arc::new(KnownPermissions::of(&views)))
            .shutdown(stop.clone())
            .build();
        let rest = automate_api::v1::router(api, &views).unwrap();
        let state = ApiState::new(engine, automate_api::metrics::detached(), ApiSettings::default(), stop.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = automate_api::router_with(state, [rest, doors]);
        tokio::spawn(automate_api::server::serve(listener, router, stop.clone(), Duration::from_secs(5)));
        Self { address, identity, secrets, stop }
    }

    /// Goes to an address as a browser with some cookies does.
    pub(super) async fn visit(&self, target: &str, cookies: &str) -> Answer {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {cookies}\r\n\r\n",
            self.address
        );
        self.exchange(&request).await
    }

    async fn exchange(&self, request: &str) -> Answer {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        Answer::of(&answer)
    }

    /// Sends a request, as somebody or nobody.
    pub(super) async fn send(&self, who: &Caller, method: &str, target: &str, body: Option<&Value>) -> Answer {
        self.send_with(who, method, target, body, &[]).await
    }

    pub(super) async fn send_with(
        &self,
        who: &Caller,
        method: &str,
        target: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request =
            format!("{method} /api/v1{target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in who.headers().iter().map(|(n, v)| (*n, v.as_str())).chain(headers.iter().copied()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        } else if !matches!(method, "GET" | "HEAD") {
            request.push_str("Content-Length: 0\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body.as_deref().unwrap_or_default());
        self.exchange(&request).await
    }

    pub(super) async fn get(&self, who: &Caller, target: &str) -> Answer {
        self.send(who, "GET", target, None).await
    }

    pub(super) async fn post(&self, who: &Caller, target: &str, body: Value) -> Answer {
        self.send(who, "POST", target, Some(&body)).await
    }

    pub(super) async fn patch(&self, who: &Caller, target: &str, body: Value) -> Answer {
        self.send(who, "PATCH", target, Some(&body)).await
    }

    pub(super) async fn delete(&self, who: &Caller, target: &str) -> Answer {
        self.send(who, "DELETE", target, None).await
    }

    /// Logs somebody in over HTTP.
    pub(super) async fn log_in(&self, email: &str) -> Caller {
        let answer = self.post(&Caller::Nobody, "/session", json!({ "email": email, "password": PASSWORD })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.session()
    }
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    Nobody,
    Token(String),
    /// The value of the cookie, and the CSRF token.
    Session(String, String),
}

impl Caller {
    fn headers(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Nobody => Vec::new(),
            Self::Token(token) => vec![("Authorization", format!("Bearer {token}"))],
            Self::Session(cookie, csrf) => {
                vec![("Cookie", format!("automate_session={cookie}")), ("X-CSRF-Token", csrf.clone())]
            }
        }
    }
}

/// What the server answered.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) text: String,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok()).unwrap_or_default();
        let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: lines.filter_map(pair).collect(), text: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem.
    pub(super) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The status and the code of a problem.
    pub(super) fn problem(&self) -> (u16, String) {
        (self.status, self.code())
    }

    pub(super) fn id(&self) -> Uuid {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).parse().unwrap()
    }

    /// The session that the answer has begun.
    pub(super) fn session(&self) -> Caller {
        let cookie = self.headers.get("set-cookie").unwrap_or_else(|| panic!("{self:?}"));
        let value = cookie.strip_prefix("automate_session=").and_then(|rest| rest.split(';').next()).unwrap();
        Caller::Session(value.to_owned(), self.json()["csrf_token"].as_str().unwrap().to_owned())
    }

    /// The body of a problem without what differs from request to request.
    pub(super) fn anonymous(&self) -> Value {
        let mut body = self.json();
        body["correlation_id"].take();
        body
    }
}

/// A house over a database: one node, two tenants with one person of each kind.
pub(super) struct House {
    pub(super) node: Node,
    pub(super) ours: Tenant,
    pub(super) theirs: Tenant,
    keys: Keys,
}

/// A tenant and people of it.
pub(super) struct Tenant {
    pub(super) id: TenantId,
    /// A superuser who works here, with a token for everything.
    pub(super) root: Person,
    /// Everything in the tenant.
    pub(super) admin: Person,
    /// Of the group `editor`.
    pub(super) editor: Person,
    /// Of the group `viewer`.
    pub(super) viewer: Person,
}

/// Somebody, and their token for everything that they may.
pub(super) struct Person {
    pub(super) id: UserId,
    pub(super) email: String,
    pub(super) token: Caller,
}

impl House {
    pub(super) async fn over(test: &TestDatabase) -> Self {
        let keys = Keys { master: MasterKeys::new(MasterKey::generate()), key: [7; 32] };
        let node = Node::over(test, &keys).await;
        let operator = operator(TenantId::DEFAULT);
        node.identity.ensure_default_groups(TenantId::DEFAULT).await.unwrap();
        let acme = NewTenant { slug: "acme".to_owned(), name: "Acme".to_owned() };
        let acme = TenantId(node.identity.create_tenant(operator, acme).await.unwrap().id);
        let ours = Tenant::of(&node, TenantId::DEFAULT, "ours.example").await;
        let theirs = Tenant::of(&node, acme, "theirs.example").await;
        Self { node, ours, theirs, keys }
    }

    /// Another server over the same database.
    pub(super) async fn another_node(&self, test: &TestDatabase) -> Node {
        Node::over(test, &self.keys).await
    }

    /// Another server, where people can log in at a provider, too.
    pub(super) async fn node_with_provider(&self, test: &TestDatabase, name: &str, provider: OidcConfig) -> Node {
        Node::with_providers(test, &self.keys, &BTreeMap::from([(name.to_owned(), provider)])).await
    }

    /// A token of somebody with certain scopes.
    pub(super) async fn token(&self, tenant: &Tenant, owner: &Person, scopes: &[&str]) -> Caller {
        token(&self.node, tenant.id, owner.id, scopes).await
    }

    /// Somebody new in a tenant, who has these permissions themselves.
    pub(super) async fn person(&self, tenant: &Tenant, name: &str, permissions: &[&str]) -> Person {
        person(&self.node, tenant.id, &format!("{name}@house.example"), &[], permissions, false).await
    }
}

/// Whoever set the house up.
pub(super) fn operator(tenant: TenantId) -> Writer {
    Writer { principal: Principal::operator(Actor::cli("tests"), tenant), origin: Origin::default() }
}

async fn token(node: &Node, tenant: TenantId, user: UserId, scopes: &[&str]) -> Caller {
    let new = NewToken {
        name: format!("token of {user}"),
        user,
        tenant: Some(tenant),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        rate_per_minute: None,
        expires_at: None,
    };
    let made = node.identity.create_token(operator(tenant), new).await.unwrap();
    Caller::Token(made.fresh.secret.to_string())
}

async fn person(
    node: &Node,
    tenant: TenantId,
    email: &str,
    groups: &[&str],
    permissions: &[&str],
    is_superuser: bool,
) -> Person {
    let mut ids = Vec::new();
    for group in groups {
        ids.push(GroupId(node.identity.group_by_name(tenant, group).await.unwrap().unwrap().id));
    }
    let new = NewUser {
        email: email.to_owned(),
        name: email.split('@').next().unwrap_or_default().to_owned(),
        password: Some(Password::new(PASSWORD.to_owned())),
        tenant: Some(tenant),
        is_superuser,
        groups: ids,
        permissions: permissions.iter().map(|permission| (*permission).to_owned()).collect(),
        ..NewUser::default()
    };
    let row = node.identity.create_user(operator(tenant), new).await.unwrap();
    let id = UserId(row.id);
    Person { id, email: email.to_owned(), token: token(node, tenant, id, &["admin"]).await }
}

impl Tenant {
    async fn of(node: &Node, id: TenantId, domain: &str) -> Self {
        let at = |name: &str| format!("{name}@{domain}");
        Self {
            id,
            root: person(node, id, &at("root"), &[], &[], true).await,
            admin: person(node, id, &at("admin"), &["admin"], &[], false).await,
            editor: person(node, id, &at("editor"), &["editor"], &[], false).await,
            viewer: person(node, id, &at("viewer"), &["viewer"], &[], false).await,
        }
    }

    /// The id of a group.
    pub(super) async fn group(&self, node: &Node, name: &str) -> Uuid {
        node.identity.group_by_name(self.id, name).await.unwrap().unwrap().id
    }
}

/// The entries of the log about an action, as `(object_type, object_id, changes)`.
pub(super) async fn logged(house: &House, tenant: &Tenant, action: &str) -> Vec<Value> {
    let target = format!("/audit?action={action}&fields=actor,object_type,object_id,outcome,changes&limit=200");
    let answer = house.node.get(&tenant.root.token, &target).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["results"].as_array().unwrap().clone()
}
