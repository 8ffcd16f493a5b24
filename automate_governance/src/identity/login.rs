//! Logging in with a password, and with a second factor where there is one.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use automate_core::access::{Actor, Principal};
use automate_core::audit::{AuditOutcome, Origin};
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::store::StoreError;
use automate_store::db::Database;
use automate_store::error::store_error;
use automate_store::resource::Writer;
use chrono::{DateTime, Utc};
use http::HeaderMap;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait as _,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter as _, QuerySelect as _, Set,
};
use serde_json::json;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::email::is_same_address;
use super::entity::{login_flow, session, user};
use super::password::Verified;
use super::random::{self, SECRET_CHARS, digest};
use super::request::{Client, safe_next};
use super::throttle::{Attempt, delta};
use super::{AuthError, Identity, IdentityError, NewSession, Password, email_key, grants};

/// The name under which log-ins wait for their second factor; no provider's name has a colon.
const SECOND_FACTOR: &str = ":totp";

/// What somebody types to log in.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: Password,
    /// The code of the second factor, where it is given at once.
    pub code: Option<String>,
    /// Where to go afterwards.
    pub next: Option<String>,
}

/// How far a log-in has come.
#[derive(Debug)]
pub enum LogIn {
    /// They are in.
    Done(Box<LoggedIn>),
    /// The password was right; the code is to be given to [`Identity::log_in_code`] with the ticket.
    SecondFactor {
        /// What a form gives back with the code. Good for [`limits::LOGIN_FLOW`].
        ticket: Zeroizing<String>,
    },
}

/// Somebody who has just logged in.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who, and what they may do.
    pub principal: Principal,
    /// Their session, with the cookie to set.
    pub session: NewSession,
    /// A path of ours to go to.
    pub next: String,
}

/// A user as they were when they proved something.
pub(crate) struct Proved {
    pub(crate) user: user::Model,
    pub(crate) attempt: Option<Attempt>,
    /// A hash to store instead of the old one.
    pub(crate) rehashed: Option<String>,
    pub(crate) method: &'static str,
}

impl Identity {
    /// Logs in with a password. The session that the browser had (`headers`) ends; the new one has an
    /// id of its own.
    ///
    /// # Errors
    /// [`AuthError::Credentials`] whatever is wrong, [`AuthError::Throttled`] after too many failures
    /// of the account or from the address, [`AuthError::Busy`].
    pub async fn log_in(
        &self,
        credentials: Credentials,
        client: &Client,
        headers: Option<&HeaderMap>,
    ) -> Result<LogIn, AuthError> {
        let key = email_key(&credentials.email);
        let attempt = Attempt::new(&key, client.address);
        self.begin_attempt(&attempt, client).await?;
        let user = user::Entity::find()
            .filter(user::Column::EmailKey.eq(key))
            .one(self.inner.db.orm_reader())
            .await
            .map_err(store_error)?;
        // One that only looks like theirs is nobody's.
        let user = user.filter(|user| is_same_address(&user.email, &credentials.email));
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let verified = self.inner.hasher.verify(&credentials.password, hash.as_deref()).await?;
        let rehashed = match verified {
            Verified::RightButOld => Some(self.inner.hasher.hash(&credentials.password).await?),
            Verified::Right | Verified::Wrong => None,
        };
        let Some(user) = user else {
            return Err(self.failed(None, &attempt, client, "unknown account").await);
        };
        if verified == Verified::Wrong {
            return Err(self.failed(Some(&user), &attempt, client, "password").await);
        }
        if let Err(reason) = self.may_log_in(&user).await? {
            return Err(self.failed(Some(&user), &attempt, client, reason).await);
        }
        let proved = Proved { user, attempt: Some(attempt), rehashed, method: "password" };
        let next = safe_next(credentials.next.as_deref());
        if proved.user.totp_confirmed_at.is_none() {
            return self.enter(proved, None, client, headers, next).await.map(|done| LogIn::Done(Box::new(done)));
        }
        match credentials.code {
            Some(code) => {
                let done = self.enter(proved, Some(code), client, headers, next).await?;
                Ok(LogIn::Done(Box::new(done)))
            }
            None => Ok(LogIn::SecondFactor { ticket: self.ticket(proved, next).await? }),
        }
    }

    /// The second step of a log-in: the code, with the ticket of the first.
    ///
    /// # Errors
    /// [`AuthError::Expired`] where the ticket is unknown, used or too old, otherwise as
    /// [`Identity::log_in`].
    pub async fn log_in_code(
        &self,
        ticket: &str,
        code: &str,
        client: &Client,
        headers: Option<&HeaderMap>,
    ) -> Result<LoggedIn, AuthError> {
        let db = self.inner.db.orm_reader();
        let flow = login_flow::Entity::find_by_id(digest(ticket).to_vec()).one(db).await.map_err(store_error)?;
        let now = self.now();
        let flow =
            flow.filter(|flow| flow.provider == SECOND_FACTOR && now - flow.created_at < delta(limits::LOGIN_FLOW));
        let flow = flow.ok_or(AuthError::Expired)?;
        let id: Uuid = flow.verifier.parse().map_err(|_| AuthError::Expired)?;
        let user = user::Entity::find_by_id(id).one(db).await.map_err(store_error)?.ok_or(AuthError::Expired)?;
        // The password that was right is not the password any more.
        if flow.nonce != password_mark(&user) {
            return Err(AuthError::Expired);
        }
        let attempt = Attempt::new(&user.email_key, client.address);
        self.begin_attempt(&attempt, client).await?;
        if let Err(reason) = self.may_log_in(&user).await? {
            return Err(self.failed(Some(&user), &attempt, client, reason).await);
        }
        let proved = Proved { user, attempt: Some(attempt), rehashed: None, method: "password" };
        let next = safe_next(Some(&flow.next));
        let done = self.enter(proved, Some(code.to_owned()), client, headers, next).await?;
        // One that stays behind where the process dies here is worth nothing without a further code.
        let delete = login_flow::Entity::delete_by_id(digest(ticket).to_vec());
        let run = move |db: Database| async move { delete.exec(db.orm()).await.map_err(store_error) };
        self.inner.db.run(run).await?;
        Ok(done)
    }

    async fn begin_attempt(&self, attempt: &Attempt, client: &Client) -> Result<(), AuthError> {
        let Err(retry_after) = attempt.begin(&self.inner.db, self.now()).await? else { return Ok(()) };
        if self.inner.refusals.may_tell(self.now()) {
            let facts = json!({ "account": attempt.account(), "reason": "too many failures" });
            let (actor, origin) = (Actor::anonymous(), &client.origin);
            let tenant = TenantId::DEFAULT;
            self.audit_failure(tenant, actor, origin, "user.login", AuditOutcome::Refused, facts).await?;
        }
        Err(AuthError::Throttled { retry_after })
    }

    /// Notes a failed log-in. What was typed for a name is told where it is one: it may be a password
    /// in the wrong field.
    async fn failed(&self, user: Option<&user::Model>, attempt: &Attempt, client: &Client, reason: &str) -> AuthError {
        let facts = json!({ "account": attempt.account(), "reason": reason });
        let tenant = user.map_or(TenantId::DEFAULT, |user| self.tenant_of(user));
        let mut actor = Actor::anonymous();
        if let Some(user) = user {
            actor.name.clone_from(&user.email);
        }
        let noted = self.audit_failure(tenant, actor, &client.origin, "user.login", AuditOutcome::Failed, facts).await;
        match noted {
            Ok(()) => AuthError::Credentials,
            Err(error) => AuthError::Store(error),
        }
    }

    /// Why somebody who has proved who they are is not let in all the same.
    pub(crate) async fn may_log_in(&self, user: &user::Model) -> Result<Result<(), &'static str>, StoreError> {
        if !user.is_active {
            return Ok(Err("the account is not active"));
        }
        match user.tenant_id {
            Some(tenant) if !user.is_superuser => {
                let active = grants::is_tenant_active(self.inner.db.orm_reader(), tenant).await?;
                Ok(if active { Ok(()) } else { Err("the tenant is suspended") })
            }
            None if !user.is_superuser => Ok(Err("the account belongs to no tenant")),
            Some(_) | None => Ok(Ok(())),
        }
    }

    /// Lets somebody in: in one transaction, over the row as it is now.
    pub(crate) async fn enter(
        &self,
        proved: Proved,
        code: Option<String>,
        client: &Client,
        headers: Option<&HeaderMap>,
        next: String,
    ) -> Result<LoggedIn, AuthError> {
        let (origin, previous) = (client.origin.clone(), self.previous(headers));
        let (user, attempt) = (proved.user.clone(), proved.attempt.clone());
        let entered = self
            .write(move |this, txn| async move {
                let done = this.enter_in(&txn, proved, code, origin, previous, next).await?;
                Ok((txn, done))
            })
            .await;
        match (entered, attempt) {
            (Ok(done), _) => Ok(done),
            (Err(IdentityError::Auth(AuthError::Credentials)), Some(attempt)) => {
                Err(self.failed(Some(&user), &attempt, client, "code").await)
            }
            (Err(error), _) => Err(auth_error(error)),
        }
    }

    async fn enter_in(
        &self,
        txn: &DatabaseTransaction,
        proved: Proved,
        code: Option<String>,
        origin: Origin,
        previous: Option<[u8; 32]>,
        next: String,
    ) -> Result<LoggedIn, IdentityError> {
        let wrong = || IdentityError::Auth(AuthError::Credentials);
        let row = user::Entity::find_by_id(proved.user.id).lock_exclusive().one(txn).await.map_err(store_error)?;
        let row = row.filter(|row| row.is_active).ok_or_else(wrong)?;
        // What was proved was proved about this.
        if row.password_hash != proved.user.password_hash || row.email_key != proved.user.email_key {
            return Err(wrong());
        }
        let second_factor = match (row.totp_confirmed_at, code.as_deref()) {
            (None, _) => "none",
            (Some(_), None) => return Err(wrong()),
            (Some(_), Some(code)) if self.take_code(txn, &row, code).await? => "code",
            (Some(_), Some(code)) if self.take_recovery_code(txn, &row, code).await? => "recovery code",
            (Some(_), Some(_)) => return Err(wrong()),
        };
        if let Some(attempt) = &proved.attempt {
            attempt.succeed(txn, true).await?;
        }
        if let Some(previous) = previous {
            session::Entity::delete_by_id(previous.to_vec()).exec(txn).await.map_err(store_error)?;
        }
        let session = self.begin_session(txn, row.id, row.tenant_id, &origin).await?;
        let mut change = user::ActiveModel { id: Set(row.id), ..Default::default() };
        change.last_login_at = Set(Some(self.now()));
        if let Some(hash) = proved.rehashed {
            change.password_hash = Set(Some(hash));
        }
        change.update(txn).await.map_err(store_error)?;
        let writer = self.writer_of(txn, session.session.user, origin).await?;
        let facts = json!({ "method": proved.method, "second_factor": second_factor });
        self.audit(txn, &writer, self.tenant_of(&row), "user.login", "user", row.id, facts).await?;
        let Writer { principal, .. } = writer;
        Ok(LoggedIn { principal, session, next })
    }

    /// Notes that the password was right, for the second step.
    pub(crate) async fn ticket(&self, proved: Proved, next: String) -> Result<Zeroizing<String>, AuthError> {
        let ticket = random::text(SECRET_CHARS);
        let (hash, now) = (digest(&ticket).to_vec(), self.now());
        let stored = self
            .write(move |_, txn| async move {
                if let Some(attempt) = &proved.attempt {
                    attempt.succeed(&txn, false).await?;
                }
                let flow = login_flow::Model {
                    state_hash: hash,
                    provider: SECOND_FACTOR.to_owned(),
                    nonce: password_mark(&proved.user),
                    verifier: proved.user.id.to_string(),
                    next,
                    created_at: now,
                };
                begin_flow(&txn, flow).await?;
                Ok((txn, ()))
            })
            .await;
        stored.map_err(auth_error)?;
        Ok(ticket)
    }
}

/// Names a password without telling it: what a ticket was given for.
fn password_mark(user: &user::Model) -> String {
    hex::encode(digest(user.password_hash.as_deref().unwrap_or_default()))
}

/// Stores a log-in that is under way, where there is room for it.
pub(crate) async fn begin_flow(txn: &DatabaseTransaction, flow: login_flow::Model) -> Result<(), IdentityError> {
    tidy(txn, flow.created_at).await?;
    if login_flow::Entity::find().count(txn).await.map_err(store_error)? >= limits::LOGIN_FLOWS {
        return Err(IdentityError::Auth(AuthError::Busy));
    }
    login_flow::Entity::insert(flow.into_active_model()).exec(txn).await.map_err(store_error)?;
    Ok(())
}

/// Deletes log-ins that were begun and are too old to be finished.
pub(crate) async fn tidy<C: ConnectionTrait>(db: &C, now: DateTime<Utc>) -> Result<(), StoreError> {
    let (flows, links) = (now - delta(limits::LOGIN_FLOW), now - delta(limits::SETUP_LINK));
    let column = login_flow::Column::CreatedAt;
    let is_flow = login_flow::Column::Provider.ne(super::setup::SETUP);
    let old = Condition::any().add(column.lte(links)).add(Condition::all().add(column.lte(flows)).add(is_flow));
    login_flow::Entity::delete_many().filter(old).exec(db).await.map_err(store_error)?;
    Ok(())
}

/// A failure inside a log-in, as whoever logs in is told it.
pub(crate) fn auth_error(error: IdentityError) -> AuthError {
    match error {
        IdentityError::Auth(error) => error,
        IdentityError::Store(error) => AuthError::Store(error),
        IdentityError::NotFound(_) | IdentityError::Forbidden(_) | IdentityError::Changed { .. } => {
            AuthError::Credentials
        }
        IdentityError::Invalid(_) | IdentityError::Conflict(_) => {
            AuthError::Store(StoreError::Conflict(error.to_string()))
        }
    }
}

/// How many refusals are told in a second; the others only happen.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    second: AtomicI64,
    told: AtomicU32,
}

impl Refusals {
    /// Whether one more may be written down.
    pub(crate) fn may_tell(&self, now: DateTime<Utc>) -> bool {
        let second = now.timestamp();
        if self.second.swap(second, Ordering::AcqRel) != second {
            self.told.store(0, Ordering::Release);
        }
        self.told.fetch_add(1, Ordering::AcqRel) < limits::REFUSALS_PER_SECOND
    }
}
