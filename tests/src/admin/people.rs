//! People who may do exactly what a test says, in a tenant of the test's choice.

use automate_core::access::{Actor, EVERYTHING, Principal};
use automate_core::audit::Origin;
use automate_core::ids::{TenantId, UserId};
use automate_governance::identity::{Identity, IdentitySettings, NewTenant, NewToken, NewUser, Password};
use automate_governance::secrets::{MasterKey, MasterKeys};
use automate_store::audit::{AuditKey, AuditLog};
use automate_store::resource::Writer;
use serde_json::Value;

use super::{Browser, PASSWORD, Page, Site};

/// A tenant with somebody who may do everything in it.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its slug.
    pub slug: String,
    /// The address that the somebody logs in with; they are no superuser.
    pub email: String,
    /// Their API token, with every scope.
    pub token: String,
}

/// What has the rights of whoever runs the commands.
#[must_use]
pub fn operator() -> Writer {
    let principal = Principal::operator(Actor::cli("test"), TenantId::DEFAULT);
    Writer { principal, origin: Origin::default() }
}

impl Site {
    /// The people of the database.
    ///
    /// # Panics
    /// Where the audit log cannot be opened.
    #[must_use]
    pub fn identity(&self) -> Identity {
        // The server signs the log with a key of its own; this one only appends.
        let key = AuditKey { id: "test".to_owned(), key: [7; 32].into() };
        let audit = AuditLog::new(self.database.db.clone(), vec![key]).unwrap();
        let keys = MasterKeys::new(MasterKey::generate());
        Identity::new(self.database.db.clone(), audit, &keys, IdentitySettings::default())
    }

    /// Makes somebody of the staff with exactly these permissions.
    ///
    /// # Panics
    /// Where that fails.
    pub async fn make_person(&self, email: &str, tenant: TenantId, permissions: &[&str]) -> UserId {
        let user = NewUser {
            email: email.to_owned(),
            tenant: Some(tenant),
            password: Some(Password::new(PASSWORD.to_owned())),
            is_staff: true,
            permissions: permissions.iter().map(|&permission| permission.to_owned()).collect(),
            ..NewUser::default()
        };
        UserId(self.identity().create_user(operator(), user).await.unwrap().id)
    }

    /// Makes somebody as [`Site::make_person`] does, and logs them in.
    ///
    /// # Panics
    /// Where that fails.
    pub async fn person(&self, email: &str, tenant: TenantId, permissions: &[&str]) -> Browser {
        self.make_person(email, tenant, permissions).await;
        self.log_in_as(email)
    }

    /// Makes somebody who may do everything in a tenant; `None` makes the tenant of that slug.
    ///
    /// # Panics
    /// Where that fails.
    pub async fn tenant(&self, slug: &str, id: Option<TenantId>) -> Tenant {
        let identity = self.identity();
        let id = match id {
            Some(id) => id,
            None => {
                let new = NewTenant { slug: slug.to_owned(), name: format!("Tenant {slug}") };
                TenantId(identity.create_tenant(operator(), new).await.unwrap().id)
            }
        };
        let email = format!("root@{slug}.example");
        let user = self.make_person(&email, id, &[EVERYTHING]).await;
        let token = NewToken {
            name: format!("{slug}-seed"),
            user,
            tenant: Some(id),
            scopes: vec!["admin".to_owned()],
            rate_per_minute: Some(1_000_000),
            expires_at: None,
        };
        let token = identity.create_token(operator(), token).await.unwrap().fresh.secret.to_string();
        Tenant { id, slug: slug.to_owned(), email, token }
    }

    /// Asks the REST API for something in a tenant.
    ///
    /// # Panics
    /// Where no answer comes.
    pub fn api(&self, tenant: &Tenant, method: &str, path: &str, body: Option<&Value>) -> Page {
        let bearer = format!("Bearer {}", tenant.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let body = body.map(Value::to_string);
        self.browser().send(method, &format!("/api/v1{path}"), &headers, body.as_deref())
    }

    /// Makes something by the REST API.
    ///
    /// # Panics
    /// Where it is refused.
    #[track_caller]
    pub fn make(&self, tenant: &Tenant, path: &str, body: &Value) -> Value {
        let answer = self.api(tenant, "POST", path, Some(body));
        assert!((200..300).contains(&answer.status), "POST {path} {body}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }
}
