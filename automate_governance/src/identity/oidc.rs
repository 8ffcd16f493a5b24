//! Logging in at an identity provider: OpenID Connect, the authorization code flow with PKCE.
//!
//! What is checked, and against what: the state is bound to the browser by a cookie and used once
//! (login CSRF, replay); PKCE binds the code to us (injection); the nonce binds the ID token to this
//! log-in; the provider's `iss`, in the answer and in the token, is the one that was asked (mix-up,
//! RFC 9207); keys come from the provider's own address, and only asymmetric algorithms count.

mod account;
mod id_token;
mod provider;

use std::collections::BTreeMap;
use std::sync::Arc;

use automate_connectors::base::http::HttpClient;
use automate_core::access::Actor;
use automate_core::audit::AuditOutcome;
use automate_core::config::OidcConfig;
use automate_core::ids::TenantId;
use automate_core::limits;
use automate_core::secrets::{Purpose, SecretResolver, SecretValue};
use automate_store::db::Database;
use automate_store::error::store_error;
use http::HeaderMap;
use http::header::COOKIE;
use oauth2::{CsrfToken, PkceCodeChallenge, PkceCodeVerifier, Scope};
use sea_orm::EntityTrait as _;
use serde_json::json;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::entity::login_flow;
use super::login::{LogIn, Proved, auth_error, begin_flow};
use super::random::{self, SECRET_CHARS, digest};
use super::request::{Client, safe_next};
use super::throttle::delta;
use super::{AuthError, Identity};
use id_token::Subject;
use provider::{Provider, Reached};

/// What a reference to a secret begins with.
const REFERENCE: &str = "$secret:";
/// Bytes of the query of an answer.
const ANSWER_BYTES: usize = 16 * 1024;

/// Log-ins at the configured identity providers. Cheap to clone.
#[derive(Clone)]
pub struct Oidc {
    identity: Identity,
    providers: Arc<BTreeMap<String, Provider>>,
    http: Arc<dyn HttpClient>,
    secrets: Arc<dyn SecretResolver>,
}

impl std::fmt::Debug for Oidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Oidc").field("providers", &self.providers.keys().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// A provider, as a log-in page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderLink {
    /// The configured name, which stands in its addresses.
    pub name: String,
    /// What its button says.
    pub label: String,
}

/// A log-in that has begun.
pub struct Begun {
    /// Where to send the browser.
    pub url: Url,
    /// The value of `Set-Cookie` that binds the log-in to the browser.
    pub set_cookie: Zeroizing<String>,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Begun({})", self.url.host_str().unwrap_or_default())
    }
}

impl Oidc {
    /// Log-ins at these providers. Outgoing calls go through `http`, which is the egress guard;
    /// `secrets` resolves the clients' secrets.
    #[must_use]
    pub fn new(
        identity: Identity,
        providers: &BTreeMap<String, OidcConfig>,
        http: Arc<dyn HttpClient>,
        secrets: Arc<dyn SecretResolver>,
    ) -> Self {
        let providers = providers.iter().map(|(name, config)| (name.clone(), Provider::new(config.clone()))).collect();
        Self { identity, providers: Arc::new(providers), http, secrets }
    }

    /// The providers that are configured.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderLink> {
        let link = |(name, provider): (&String, &Provider)| {
            let label = &provider.config.label;
            ProviderLink { name: name.clone(), label: if label.is_empty() { name.clone() } else { label.clone() } }
        };
        self.providers.iter().map(link).collect()
    }

    /// The path that the provider sends browsers back to; each has its own, so that an answer of one
    /// is never taken for another's.
    #[must_use]
    pub fn callback_path(name: &str) -> String {
        format!("/auth/oidc/{name}/callback")
    }

    /// Begins a log-in: where to send the browser, and the cookie to set before.
    ///
    /// # Errors
    /// [`AuthError::Provider`] where there is no such provider or it does not answer as it should.
    pub async fn begin(&self, name: &str, next: Option<&str>) -> Result<Begun, AuthError> {
        let provider = self.provider(name)?;
        let reached = self.reach(name, provider).await?;
        let client = reached.client(&provider.config, self.redirect(name)?, None).map_err(|e| fault(name, e))?;
        let (state, binding) = (random::text(SECRET_CHARS), random::text(SECRET_CHARS));
        let nonce = random::text(SECRET_CHARS);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let token = CsrfToken::new(state.to_string());
        let mut request = client
            .authorize_url(|| token)
            .set_pkce_challenge(challenge)
            .add_extra_param("nonce", nonce.to_string())
            .add_scope(Scope::new("openid".to_owned()));
        for scope in provider.config.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, _) = request.url();
        let flow = login_flow::Model {
            state_hash: state_hash(&state, &binding),
            provider: name.to_owned(),
            nonce: nonce.to_string(),
            verifier: verifier.secret().clone(),
            next: safe_next(next),
            created_at: self.identity.now(),
        };
        let stored = self.identity.write(move |_, txn| async move {
            begin_flow(&txn, flow).await?;
            Ok((txn, ()))
        });
        stored.await.map_err(auth_error)?;
        Ok(Begun { url, set_cookie: Zeroizing::new(self.cookie(&binding)) })
    }

    /// Finishes a log-in with the query that the provider sent the browser back with. With a second
    /// factor of ours it goes on as after a password.
    ///
    /// # Errors
    /// [`AuthError::Expired`] where the log-in was not begun by this browser, was finished before or
    /// is too old; [`AuthError::Provider`] for everything that is wrong with what the provider says.
    pub async fn finish(
        &self,
        name: &str,
        query: &str,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<LogIn, AuthError> {
        let provider = self.provider(name)?;
        match self.finish_at(name, provider, query, client, headers).await {
            Err(AuthError::Provider { provider, reason }) => {
                if self.identity.inner.refusals.may_tell(self.identity.now()) {
                    let facts = json!({ "method": "oidc", "provider": provider, "reason": reason });
                    let (tenant, actor, failed) = (TenantId::DEFAULT, Actor::anonymous(), AuditOutcome::Failed);
                    self.identity.audit_failure(tenant, actor, &client.origin, "user.login", failed, facts).await?;
                }
                Err(AuthError::Provider { provider, reason })
            }
            other => other,
        }
    }

    async fn finish_at(
        &self,
        name: &str,
        provider: &Provider,
        query: &str,
        client: &Client,
        headers: &HeaderMap,
    ) -> Result<LogIn, AuthError> {
        let answer = Answer::parse(query).map_err(|e| fault(name, e))?;
        let flow = self.take_flow(name, &answer, headers).await?;
        if let Some(error) = answer.error {
            return Err(fault(name, format!("it answered `{error}`")));
        }
        let code = answer.code.ok_or_else(|| fault(name, "its answer has no code"))?;
        let reached = self.reach(name, provider).await?;
        reached.check_issuer(answer.issuer.as_deref()).map_err(|e| fault(name, e))?;
        let subject = self.subject(name, provider, &reached, code, &flow).await?;
        provider.check_domain(&subject).map_err(|e| fault(name, e))?;
        let user = self.account(name, provider, subject, client).await?;
        if let Err(reason) = self.identity.may_log_in(&user).await? {
            return Err(fault(name, reason));
        }
        let proved = Proved { user, attempt: None, rehashed: None, method: "oidc" };
        if proved.user.totp_confirmed_at.is_some() {
            return Ok(LogIn::SecondFactor { ticket: self.identity.ticket(proved, flow.next).await? });
        }
        let done = self.identity.enter(proved, None, client, Some(headers), flow.next).await?;
        Ok(LogIn::Done(Box::new(done)))
    }

    /// The log-in that an answer belongs to; it cannot be finished again, however this ends.
    async fn take_flow(
        &self,
        name: &str,
        answer: &Answer,
        headers: &HeaderMap,
    ) -> Result<login_flow::Model, AuthError> {
        let binding = self.binding(headers).ok_or(AuthError::Expired)?;
        let hash = state_hash(&answer.state, &binding);
        let run = move |db: Database| async move {
            let txn = db.begin().await?;
            let flow = login_flow::Entity::find_by_id(hash.clone()).one(&txn).await.map_err(store_error)?;
            let gone = login_flow::Entity::delete_by_id(hash).exec(&txn).await.map_err(store_error)?;
            txn.commit().await.map_err(store_error)?;
            // Of two at once, one deletes it.
            Ok(flow.filter(|_| gone.rows_affected == 1))
        };
        let flow = self.identity.inner.db.run(run).await?;
        let fresh = flow
            .filter(|flow| flow.provider == name && self.identity.now() - flow.created_at < delta(limits::LOGIN_FLOW));
        fresh.ok_or(AuthError::Expired)
    }

    /// Exchanges the code, and checks who the provider says it is.
    async fn subject(
        &self,
        name: &str,
        provider: &Provider,
        reached: &Reached,
        code: String,
        flow: &login_flow::Model,
    ) -> Result<Subject, AuthError> {
        let wrong = |reason: String| fault(name, reason);
        let secret = self.client_secret(name, &provider.config).await?;
        let oauth = reached.client(&provider.config, self.redirect(name)?, secret).map_err(wrong)?;
        let verifier = PkceCodeVerifier::new(flow.verifier.clone());
        let (token, access) = provider::exchange(&oauth, &self.http, code, verifier).await.map_err(wrong)?;
        let keys = reached.keys.clone();
        let now = self.identity.now();
        let expected = id_token::Expected {
            issuer: &provider.config.issuer,
            client_id: &provider.config.client_id,
            nonce: &flow.nonce,
            now,
        };
        let claims = match id_token::verify(&token, &keys, &expected) {
            Err(id_token::IdTokenError::UnknownKey) => {
                let keys = provider.keys_again(&self.http, reached).await.map_err(wrong)?;
                id_token::verify(&token, &keys, &expected)
            }
            other => other,
        };
        let claims = claims.map_err(|e| wrong(e.to_string()))?;
        let mut subject = Subject::from_claims(claims);
        if subject.email.is_none() {
            // Some providers tell the address there only.
            reached.add_user_info(&self.http, &access, &mut subject).await.map_err(wrong)?;
        }
        Ok(subject)
    }

    fn provider(&self, name: &str) -> Result<&Provider, AuthError> {
        self.providers.get(name).ok_or_else(|| fault(name, "no such provider is configured"))
    }

    async fn reach(&self, name: &str, provider: &Provider) -> Result<Reached, AuthError> {
        provider.reach(&self.http).await.map_err(|e| fault(name, e))
    }

    fn redirect(&self, name: &str) -> Result<Url, AuthError> {
        let base = self.identity.settings().public_url.as_ref();
        let base = base.ok_or_else(|| fault(name, "`server.public_url` is not configured"))?;
        base.join(&Self::callback_path(name)).map_err(|e| fault(name, e.to_string()))
    }

    async fn client_secret(&self, name: &str, config: &OidcConfig) -> Result<Option<SecretValue>, AuthError> {
        let Some(given) = config.client_secret.value() else { return Ok(None) };
        let Some(key) = given.expose_secret().strip_prefix(REFERENCE) else { return Ok(Some(given)) };
        let purpose = Purpose::Provider { key: format!("oidc {name}") };
        let value = self.secrets.resolve_for(TenantId::DEFAULT, key, &purpose).await;
        value.map(Some).map_err(|e| fault(name, e.to_string()))
    }

    fn cookie_name(&self) -> &'static str {
        if self.identity.settings().is_https() { "__Host-automate_login" } else { "automate_login" }
    }

    fn cookie(&self, binding: &str) -> String {
        let secure = if self.identity.settings().is_https() { "; Secure" } else { "" };
        let age = limits::LOGIN_FLOW.as_secs();
        // Lax: the provider sends the browser back by a link from another site.
        format!("{}={binding}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}", self.cookie_name())
    }

    /// The value of the cookie that binds a log-in to the browser; two are none.
    fn binding(&self, headers: &HeaderMap) -> Option<String> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| key.trim() == self.cookie_name())
            .map(|(_, value)| value.trim().to_owned());
        let value = values.next()?;
        if values.next().is_some() { None } else { Some(value) }
    }
}

fn fault(provider: &str, reason: impl Into<String>) -> AuthError {
    let plain: String = reason.into().chars().take(300).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let provider = provider.chars().take(64).filter(|c| !c.is_control()).collect();
    AuthError::Provider { provider, reason: plain }
}

/// What is stored of the state in the address and the cookie in the browser together.
fn state_hash(state: &str, binding: &str) -> Vec<u8> {
    digest(&format!("{}.{state}.{binding}", state.len())).to_vec()
}

/// What the provider sent the browser back with (RFC 6749, section 4.1.2).
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    state: String,
    code: Option<String>,
    error: Option<String>,
    issuer: Option<String>,
}

impl Answer {
    fn parse(query: &str) -> Result<Self, &'static str> {
        if query.len() > ANSWER_BYTES {
            return Err("its answer is too long");
        }
        let mut found = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let known = matches!(name.as_ref(), "state" | "code" | "error" | "iss");
            // Parameters must not come twice (RFC 6749, section 3.1).
            if known && found.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err("a parameter of its answer comes twice");
            }
        }
        let state = found.remove("state").ok_or("its answer has no state")?;
        let error = found
            .remove("error")
            .map(|error| error.chars().take(100).filter(|c| c.is_ascii_graphic() || *c == ' ').collect::<String>());
        Ok(Self { state, code: found.remove("code"), error, issuer: found.remove("iss") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_parameter_twice_is_refused() {
        let answer = Answer::parse("code=a%20b&state=s&iss=https%3A%2F%2Fi&session_state=x").unwrap();
        assert_eq!(
            answer,
            Answer { state: "s".into(), code: Some("a b".into()), error: None, issuer: Some("https://i".into()) }
        );
        assert!(Answer::parse("code=a&code=b&state=s").is_err());
        assert!(Answer::parse("code=a").is_err());
        assert_eq!(Answer::parse("error=access_denied%0d%0a&state=s").unwrap().error.unwrap(), "access_denied");
    }

    #[test]
    fn state_and_cookie_are_hashed_so_that_neither_can_be_taken_for_the_other() {
        assert_ne!(state_hash("ab", "c"), state_hash("a", "bc"));
        assert_ne!(state_hash("a.b", "c"), state_hash("a", "b.c"));
    }
}
