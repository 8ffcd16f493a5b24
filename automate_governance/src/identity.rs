//! Who people are: accounts, groups, sessions, API tokens, and how somebody proves to be one.
//!
//! [`Identity`] does all of it over the database. Every change is audited in the transaction that
//! makes it; what a session, a token or a permission is worth is read from the database and kept for
//! [`limits::IDENTITY_AGE`] at most, so that taking one back
//! works on all nodes within five seconds.
//!
//! Whether a caller has the permission for a change is checked where requests come in, as for all
//! resources. What is checked here besides is that nobody gives themselves or others more than they
//! have.

mod authenticate;
mod email;
pub mod entity;
mod error;
mod giving;
mod grants;
mod groups;
mod login;
mod members;
pub mod oidc;
mod password;
mod random;
mod recovery;
mod request;
mod scope;
mod seal;
mod session;
mod settings;
mod setup;
mod tenants;
mod throttle;
mod token;
mod totp;
mod users;

use std::future::Future;
use std::sync::Arc;

use automate_core::access::{Actor, Principal};
use automate_core::audit::{AuditEntry, AuditOutcome, Origin};
use automate_core::clock::{Clock, SystemClock};
use automate_core::ids::{TenantId, UserId};
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::audit::AuditLog;
use automate_store::db::Database;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, EntityTrait as _};
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::secrets::MasterKeys;

pub use authenticate::Authenticated;
pub use email::{check_email, check_name, email_key};
pub use error::{AuthError, IdentityError};
pub use groups::{GroupChange, NewGroup};
pub use login::{Credentials, LogIn, LoggedIn};
pub use members::MemberChange;
pub use password::Password;
pub use recovery::Proof;
pub use request::{CSRF_HEADER, Client, check_csrf_token, check_same_origin, safe_next};
pub use scope::{KnownScopes, RESOURCES};
pub use session::{NewSession, Session, ShownSession};
pub use settings::IdentitySettings;
pub use setup::SetupLink;
pub(crate) use tenants::SLUG_CHARS;
pub use tenants::{NewTenant, check_slug};
pub use token::{CreatedToken, FreshToken, NewToken, scopes_of};
pub use totp::TotpSetup;
pub use users::{NewUser, UserChange};

/// Accounts and everything that proves to be one. Cheap to clone.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    audit: AuditLog,
    settings: IdentitySettings,
    sealer: seal::Sealer,
    hasher: password::Hasher,
    clock: Arc<dyn Clock>,
    recent: grants::Recent<authenticate::CredentialKey, authenticate::Known>,
    touches: Arc<Semaphore>,
    refusals: login::Refusals,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Identity {
    /// People over a database; the master keys encrypt second factors.
    #[must_use]
    pub fn new(db: Database, audit: AuditLog, keys: &MasterKeys, settings: IdentitySettings) -> Self {
        Self::with_clock(db, audit, keys, settings, Arc::new(SystemClock))
    }

    /// The same under another clock.
    #[must_use]
    pub fn with_clock(
        db: Database,
        audit: AuditLog,
        keys: &MasterKeys,
        settings: IdentitySettings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let inner = Inner {
            db,
            audit,
            settings,
            sealer: seal::Sealer::new(keys),
            hasher: password::Hasher::default(),
            clock,
            recent: grants::Recent::default(),
            touches: Arc::new(Semaphore::new(limits::IDENTITY_TOUCHES)),
            refusals: login::Refusals::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the operator decided.
    #[must_use]
    pub fn settings(&self) -> &IdentitySettings {
        &self.inner.settings
    }

    /// Forgets what was read lately: after a change to people's rows that went around [`Identity`].
    /// Without it this process notices as the others do, within five seconds.
    pub fn forget(&self) {
        self.inner.recent.forget();
    }

    /// Deletes what is over: sessions, log-ins that were begun, counts of attempts. Once an hour is
    /// enough.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let (now, settings) = (self.now(), self.inner.settings.clone());
        let work = move |db: Database| async move {
            throttle::tidy(db.orm(), now).await?;
            login::tidy(db.orm(), now).await?;
            session::tidy(db.orm(), now, &settings).await
        };
        self.inner.db.run(work).await
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// Runs a change in a transaction, in a task of its own, and forgets what was known before it.
    async fn write<T, W, F>(&self, work: W) -> Result<T, IdentityError>
    where
        T: Send + 'static,
        W: FnOnce(Self, DatabaseTransaction) -> F + Send + 'static,
        F: Future<Output = Result<(DatabaseTransaction, T), IdentityError>> + Send + 'static,
    {
        let this = self.clone();
        let run = move |db: Database| async move {
            let txn = db.begin().await?;
            // A transaction that is dropped is taken back.
            match work(this.clone(), txn).await {
                Ok((txn, value)) => {
                    txn.commit().await.map_err(store_error)?;
                    this.inner.recent.forget();
                    Ok(Ok(value))
                }
                Err(error) => Ok(Err(error)),
            }
        };
        match self.inner.db.run(run).await {
            Ok(done) => done,
            Err(StoreError::Conflict(_)) => Err(IdentityError::Conflict("another row has it already".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends what was done to the audit log, in the transaction that does it.
    #[expect(clippy::too_many_arguments, reason = "an entry is made of that many things")]
    async fn audit(
        &self,
        txn: &DatabaseTransaction,
        writer: &Writer,
        tenant: TenantId,
        action: &str,
        object_type: &str,
        object: Uuid,
        changes: Value,
    ) -> Result<(), StoreError> {
        let entry = AuditEntry::new(tenant, writer.principal.actor.clone(), action)
            .from(writer.origin.clone())
            .about(object_type, object)
            .with(changes);
        self.inner.audit.append(txn, entry).await
    }

    /// Notes that something was tried and failed, in a transaction of its own.
    async fn audit_failure(
        &self,
        tenant: TenantId,
        actor: Actor,
        origin: &Origin,
        action: &str,
        outcome: AuditOutcome,
        changes: Value,
    ) -> Result<(), StoreError> {
        let entry = AuditEntry::new(tenant, actor, action).from(origin.clone()).outcome(outcome).with(changes);
        self.inner.audit.record(vec![entry]).await
    }

    /// A person as the writer of what they do themselves.
    async fn writer_of(
        &self,
        txn: &DatabaseTransaction,
        user: UserId,
        origin: Origin,
    ) -> Result<Writer, IdentityError> {
        let row = entity::user::Entity::find_by_id(user.0).one(txn).await.map_err(store_error)?;
        let row = row.ok_or(IdentityError::NotFound("user"))?;
        let permissions = grants::permissions(txn, &row).await?;
        let tenant = row.tenant_id.map(TenantId);
        let principal: Principal = authenticate::principal_of(grants::Grants { user: row, permissions }, tenant);
        Ok(Writer { principal, origin })
    }

    /// The tenant whose log a user's changes stand in.
    fn tenant_of(&self, user: &entity::user::Model) -> TenantId {
        user.tenant_id.map_or(TenantId::DEFAULT, TenantId)
    }
}
