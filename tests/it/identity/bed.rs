//! What these tests stand on.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use automate_core::access::{Actor, Principal};
use automate_core::audit::Origin;
use automate_core::clock::Clock;
use automate_core::ids::{GroupId, TenantId, UserId};
use automate_governance::identity::entity::user;
use automate_governance::identity::{
    AuthError, Authenticated, Client, Credentials, Identity, IdentitySettings, LogIn, LoggedIn, NewSession, NewTenant,
    NewUser, Password,
};
use automate_governance::secrets::{MasterKey, MasterKeys};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::db::Database;
use automate_store::resource::Writer;
use automate_tests::postgres::TestDatabase;
use chrono::{DateTime, TimeDelta, Utc};
use http::header::{COOKIE, HeaderMap, HeaderValue};
use sea_orm::{ConnectionTrait, Statement};
use zeroize::Zeroizing;

pub(super) const TENANT: TenantId = TenantId::DEFAULT;
/// A password that may be one.
pub(super) const PASSWORD: &str = "correct horse of the test";
/// Where the browser of a test sits.
pub(super) const ADDRESS: &str = "192.0.2.7";

/// A clock that the test moves.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<DateTime<Utc>>);

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// People over the database of a test.
pub(super) struct Bed {
    pub(super) identity: Identity,
    pub(super) clock: Arc<TestClock>,
    pub(super) db: Database,
    pub(super) keys: MasterKeys,
}

pub(super) fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

pub(super) fn client(address: &str) -> Client {
    let address: IpAddr = address.parse().unwrap();
    let origin = Origin { correlation_id: "c1".into(), address: address.to_string(), agent: "test".into() };
    Client { address, origin }
}

/// The one at the command line.
pub(super) fn operator() -> Writer {
    Writer { principal: Principal::operator(Actor::cli("tester"), TENANT), origin: Origin::default() }
}

pub(super) fn writer(principal: &Principal) -> Writer {
    Writer { principal: principal.clone(), origin: client(ADDRESS).origin }
}

fn audit(db: &Database) -> AuditLog {
    AuditLog::new(db.clone(), vec![AuditKey { id: "k".into(), key: Zeroizing::new([7; 32]) }]).unwrap()
}

impl Bed {
    pub(super) async fn new(test: &TestDatabase) -> Self {
        Self::with(test, IdentitySettings::default()).await
    }

    pub(super) async fn with(test: &TestDatabase, settings: IdentitySettings) -> Self {
        let keys = MasterKeys::new(MasterKey::generate());
        let clock = Arc::new(TestClock(Mutex::new(automate_core::clock::now())));
        let db = test.db.clone();
        let identity = Identity::with_clock(db.clone(), audit(&db), &keys, settings, clock.clone());
        identity.ensure_default_groups(TENANT).await.unwrap();
        Self { identity, clock, db, keys }
    }

    /// Another process over the same database.
    pub(super) async fn node(&self, test: &TestDatabase) -> Identity {
        let db = test.open_again().await;
        let settings = self.identity.settings().clone();
        Identity::with_clock(db.clone(), audit(&db), &self.keys, settings, self.clock.clone())
    }

    /// Moves the clock on, past what is kept in memory.
    pub(super) fn wait(&self, length: Duration) {
        *self.clock.0.lock().unwrap() += TimeDelta::from_std(length).unwrap();
        self.identity.forget();
    }

    pub(super) async fn group(&self, name: &str) -> GroupId {
        GroupId(self.identity.group_by_name(TENANT, name).await.unwrap().unwrap().id)
    }

    /// A user of the default tenant, with [`PASSWORD`], in a group.
    pub(super) async fn user(&self, email: &str, group: &str) -> user::Model {
        let new = NewUser {
            email: email.to_owned(),
            password: Some(password(PASSWORD)),
            groups: vec![self.group(group).await],
            ..NewUser::default()
        };
        self.identity.create_user(operator(), new).await.unwrap()
    }

    pub(super) async fn superuser(&self, email: &str) -> user::Model {
        let new = NewUser {
            email: email.to_owned(),
            password: Some(password(PASSWORD)),
            is_staff: true,
            is_superuser: true,
            ..NewUser::default()
        };
        self.identity.create_user(operator(), new).await.unwrap()
    }

    pub(super) async fn tenant(&self, slug: &str) -> TenantId {
        let new = NewTenant { slug: slug.to_owned(), name: slug.to_owned() };
        TenantId(self.identity.create_tenant(operator(), new).await.unwrap().id)
    }

    pub(super) async fn try_log_in(&self, email: &str, word: &str, address: &str) -> Result<LogIn, AuthError> {
        self.identity.log_in(credentials(email, word), &client(address), None).await
    }

    pub(super) async fn log_in(&self, email: &str) -> LoggedIn {
        match self.try_log_in(email, PASSWORD, ADDRESS).await.unwrap() {
            LogIn::Done(done) => *done,
            LogIn::SecondFactor { .. } => panic!("there is a second factor"),
        }
    }

    pub(super) async fn get(&self, headers: &HeaderMap) -> Result<Authenticated, AuthError> {
        self.identity.authenticate(headers, ADDRESS.parse().unwrap(), false).await
    }

    /// The actions of the audit log with how they went, oldest first.
    pub(super) async fn audited(&self) -> Vec<String> {
        let sql = "SELECT action, outcome FROM audit_log ORDER BY id";
        let statement = Statement::from_string(self.db.orm().get_database_backend(), sql);
        let rows = self.db.orm().query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| {
                format!(
                    "{} {}",
                    row.try_get::<String>("", "action").unwrap(),
                    row.try_get::<String>("", "outcome").unwrap()
                )
            })
            .collect()
    }

    pub(super) async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) AS n FROM {table}");
        let statement = Statement::from_string(self.db.orm().get_database_backend(), sql);
        self.db.orm().query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
    }
}

pub(super) fn credentials(email: &str, word: &str) -> Credentials {
    Credentials { email: email.to_owned(), password: password(word), code: None, next: None }
}

/// What the browser sends back of `Set-Cookie`.
pub(super) fn cookie(set_cookie: &str) -> HeaderMap {
    let pair = set_cookie.split(';').next().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, HeaderValue::from_str(pair).unwrap());
    headers
}

pub(super) fn cookies_of(session: &NewSession) -> HeaderMap {
    cookie(&session.set_cookie)
}

pub(super) fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

pub(super) fn user_id(row: &user::Model) -> UserId {
    UserId(row.id)
}

/// Asks a node again and again until a credential is worth nothing there; answers with how long that
/// took. Real time: what is kept in memory is kept by it.
pub(super) async fn until_refused(node: &Identity, headers: &HeaderMap) -> Duration {
    let begun = Instant::now();
    loop {
        match node.authenticate(headers, ADDRESS.parse().unwrap(), false).await {
            Err(AuthError::Invalid) => return begun.elapsed(),
            Ok(_) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it is let in still");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Bed {
    pub(super) fn clock_now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
