//! The token: had by logging in, renewed before it expires, replaced where Vault knows it no more.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use automate_core::limits;
use automate_core::secrets::SecretValue;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use vaultrs::api::AuthInfo;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RenewTokenSelfRequest};

use super::VaultError;
use super::login::{Credential, VaultAuth};
use super::wire::{Reply, Wire};

/// How often a token without an end, or without a known one, is looked at.
const IDLE: Duration = Duration::from_secs(3_600);

/// A token and its life.
#[derive(Debug)]
pub(super) struct Session {
    token: SecretValue,
    since: Instant,
    /// How long it lives from `since`; without end, or not known, where absent.
    life: Option<Duration>,
    renewable: bool,
}

impl Session {
    pub(super) const fn token(&self) -> &SecretValue {
        &self.token
    }

    fn is_over(&self) -> bool {
        self.life.is_some_and(|life| self.since.elapsed() >= life)
    }

    /// The time until it should be renewed: two thirds of its life.
    fn due_in(&self) -> Duration {
        let due = self.life.map_or(IDLE, |life| (life * 2 / 3).saturating_sub(self.since.elapsed()));
        due.clamp(limits::VAULT_LOGIN_PAUSE, IDLE)
    }

    pub(super) fn describe(&self) -> String {
        let kind = if self.renewable { "renewable" } else { "not renewable" };
        match self.life {
            Some(life) => {
                format!("the token lives {} s, {kind}", life.saturating_sub(self.since.elapsed()).as_secs())
            }
            None => "the token has no end that is known".to_owned(),
        }
    }
}

/// The current session of a backend.
pub(super) struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Wire,
    auth: VaultAuth,
    current: Mutex<Option<Arc<Session>>>,
    /// Held by the one who logs in; who waits for it finds what that one got.
    door: tokio::sync::Mutex<Option<Attempt>>,
    /// The task that renews the token. It holds no session back: it ends with this.
    renewal: OnceLock<AbortHandle>,
}

/// The last time that somebody logged in.
struct Attempt {
    at: Instant,
    error: Option<VaultError>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = self.renewal.get() {
            task.abort();
        }
    }
}

impl Sessions {
    pub(super) fn new(wire: Wire, auth: VaultAuth) -> Self {
        let (current, door) = (Mutex::new(None), tokio::sync::Mutex::new(None));
        Self { inner: Arc::new(Inner { wire, auth, current, door, renewal: OnceLock::new() }) }
    }

    pub(super) fn wire(&self) -> &Wire {
        &self.inner.wire
    }

    /// A session that has not expired; logs in where there is none.
    pub(super) async fn current(&self) -> Result<Arc<Session>, VaultError> {
        self.inner.session().await
    }

    /// Another session than this one, whose token Vault refused; `None` where the token is good and
    /// the refusal was meant.
    pub(super) async fn replace(&self, refused: &Arc<Session>) -> Result<Option<Arc<Session>>, VaultError> {
        self.inner.replace(refused).await
    }

    pub(super) fn keep_renewed(&self) {
        let weak = Arc::downgrade(&self.inner);
        self.inner.renewal.get_or_init(|| {
            let task = tokio::spawn(async move {
                while let Some(inner) = weak.upgrade() {
                    let pause = inner.renew_when_due().await;
                    drop(inner);
                    tokio::time::sleep(pause).await;
                }
            });
            task.abort_handle()
        });
    }
}

impl Inner {
    fn kept(&self) -> Option<Arc<Session>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&session));
        session
    }

    async fn session(&self) -> Result<Arc<Session>, VaultError> {
        let good = || self.kept().filter(|session| !session.is_over());
        if let Some(session) = good() {
            return Ok(session);
        }
        let mut door = self.door.lock().await;
        match good() {
            Some(session) => Ok(session),
            None => self.log_in(&mut door).await,
        }
    }

    async fn replace(&self, refused: &Arc<Session>) -> Result<Option<Arc<Session>>, VaultError> {
        let mut door = self.door.lock().await;
        if let Some(session) = self.kept().filter(|session| !Arc::ptr_eq(session, refused)) {
            return Ok(Some(session));
        }
        // 403 is said of a token that is unknown, and of a path that the token may not read.
        if let Reply::Data(_) = self.wire.call(LookupTokenSelfRequest {}, Some(refused.token())).await? {
            return Ok(None);
        }
        let fresh = self.log_in(&mut door).await?;
        // The same token once more, from its file or the configuration, is no better.
        if fresh.token.expose_secret() == refused.token.expose_secret() {
            let why = "Vault refused the token with 403: it has expired or was revoked, or may not read this";
            return Err(VaultError::LogIn(why.to_owned()));
        }
        Ok(Some(fresh))
    }

    /// Logs in, but not again right after the last time: a Vault that refuses, or a path that is
    /// closed, must not make a log-in of every reading.
    async fn log_in(&self, door: &mut Option<Attempt>) -> Result<Arc<Session>, VaultError> {
        if let Some(last) = door.as_ref().filter(|last| last.at.elapsed() < limits::VAULT_LOGIN_PAUSE) {
            return match (&last.error, self.kept().filter(|session| !session.is_over())) {
                (Some(error), _) => Err(error.clone()),
                (None, Some(session)) => Ok(session),
                (None, None) => Err(VaultError::LogIn("the token expired as soon as it was given".to_owned())),
            };
        }
        let result = match &self.auth {
            VaultAuth::Token(credential) => self.take_token(credential).await,
            VaultAuth::AppRole { mount, role_id, secret_id } => {
                self.log_in_with_role(mount, role_id, secret_id.as_ref()).await
            }
        };
        *door = Some(Attempt { at: Instant::now(), error: result.as_ref().err().cloned() });
        let session = result?;
        tracing::debug!(token = session.describe(), "logged in to Vault");
        Ok(self.keep(session))
    }

    async fn read(credential: &Credential, what: &str) -> Result<SecretValue, VaultError> {
        let credential = credential.clone();
        let read = tokio::task::spawn_blocking(move || credential.read()).await;
        let value = read.unwrap_or_else(|_| Err("the task ended early".to_owned()));
        let value = value.map_err(|why| VaultError::LogIn(format!("the {what} cannot be read: {why}")))?;
        crate::redaction::process_scrubber().add(&value);
        Ok(value)
    }

    async fn take_token(&self, credential: &Credential) -> Result<Session, VaultError> {
        let token = Self::read(credential, "token").await?;
        let since = Instant::now();
        let (life, renewable) = match self.wire.call(LookupTokenSelfRequest {}, Some(&token)).await? {
            Reply::Data(found) => {
                ((found.ttl > 0).then(|| Duration::from_secs(found.ttl)), found.renewable == Some(true))
            }
            // A token need not be allowed to look at itself. Whether it is good shows when it is used.
            Reply::Refused { status: 403, .. } => (None, false),
            Reply::Refused { status, text } => return Err(VaultError::Status { status, text }),
            Reply::Auth(_) | Reply::Unreadable => {
                return Err(VaultError::LogIn("this is not Vault's answer".to_owned()));
            }
        };
        Ok(Session { token, since, life, renewable })
    }

    async fn log_in_with_role(
        &self,
        mount: &str,
        role_id: &SecretValue,
        secret_id: Option<&Credential>,
    ) -> Result<Session, VaultError> {
        crate::redaction::process_scrubber().add(role_id);
        let secret_id = match secret_id {
            Some(credential) => Self::read(credential, "secret id").await?.expose_secret().to_owned(),
            None => String::new(),
        };
        let request =
            LoginWithApproleRequest { mount: mount.to_owned(), role_id: role_id.expose_secret().to_owned(), secret_id };
        let since = Instant::now();
        match self.wire.call(request, None).await? {
            Reply::Auth(auth) => Ok(granted(*auth, since)),
            Reply::Refused { status, text } => {
                Err(VaultError::LogIn(format!("the log-in at `auth/{mount}` was refused with {status}: {text}")))
            }
            Reply::Data(()) | Reply::Unreadable => Err(VaultError::LogIn("this is not Vault's answer".to_owned())),
        }
    }

    /// Renews or replaces the token where it is time, and says when to look again.
    async fn renew_when_due(&self) -> Duration {
        let session = match self.session().await {
            Ok(session) => session,
            Err(error) => {
                tracing::warn!(%error, "cannot log in to Vault");
                return limits::VAULT_RETRY;
            }
        };
        let Some(life) = session.life else { return IDLE };
        if session.since.elapsed() < life * 2 / 3 {
            return session.due_in();
        }
        match self.renew(&session, life).await {
            Ok(renewed) => renewed.due_in(),
            Err(error) => {
                let left = life.saturating_sub(session.since.elapsed()).as_secs();
                tracing::warn!(%error, seconds_left = left, "the token of Vault could not be renewed");
                limits::VAULT_RETRY
            }
        }
    }

    async fn renew(&self, session: &Arc<Session>, life: Duration) -> Result<Arc<Session>, VaultError> {
        let mut door = self.door.lock().await;
        if let Some(other) = self.kept().filter(|kept| !Arc::ptr_eq(kept, session)) {
            return Ok(other);
        }
        if session.renewable {
            let since = Instant::now();
            let request = RenewTokenSelfRequest { increment: None };
            match self.wire.call(request, Some(session.token())).await? {
                Reply::Auth(auth) => {
                    let renewed = granted(*auth, since);
                    // Less than before, as the end of all renewals comes near: time for a new one.
                    let enough = renewed.life.is_none_or(|granted| granted > life / 2);
                    if enough || matches!(self.auth, VaultAuth::Token(Credential::Given(_))) {
                        return Ok(self.keep(renewed));
                    }
                }
                Reply::Refused { status, text } => {
                    tracing::debug!(status, text, "Vault does not renew the token; logging in again");
                }
                Reply::Data(()) | Reply::Unreadable => {}
            }
        }
        self.log_in(&mut door).await
    }
}

fn granted(auth: AuthInfo, since: Instant) -> Session {
    let token = SecretValue::new(auth.client_token);
    crate::redaction::process_scrubber().add(&token);
    let life = (auth.lease_duration > 0).then(|| Duration::from_secs(auth.lease_duration));
    Session { token, since, life, renewable: auth.renewable }
}
