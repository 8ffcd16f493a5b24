//! A provider: what it says about itself, its keys, and calls to it.

use std::sync::{Arc, Mutex, PoisonError};

use automate_connectors::base::http::{HttpClient, HttpRequest};
use automate_core::config::OidcConfig;
use automate_core::limits;
use automate_core::secrets::SecretValue;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use jsonwebtoken::jwk::Jwk;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, ExtraTokenFields,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, StandardRevocableToken, StandardTokenResponse,
    TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use super::id_token::{Subject, is_true, keys_of};

/// A configured provider, with what was learned about it lately.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) config: OidcConfig,
    known: Mutex<Option<(Instant, Instant, Reached)>>,
}

/// What a provider says about itself.
#[derive(Debug, Clone)]
pub(super) struct Reached {
    described: Arc<Description>,
    pub(super) keys: Arc<Vec<Jwk>>,
}

/// The provider's description (OpenID Connect Discovery 1.0, section 3).
#[derive(Debug, Deserialize)]
struct Description {
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    jwks_uri: Url,
    userinfo_endpoint: Option<Url>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The answer of a token endpoint has the ID token besides.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct IdTokenField {
    id_token: Option<String>,
}

impl ExtraTokenFields for IdTokenField {}

type Tokens = StandardTokenResponse<IdTokenField, BasicTokenType>;
/// The client of a provider, ready to ask for codes and to exchange them.
pub(super) type OAuth = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Provider {
    pub(super) fn new(config: OidcConfig) -> Self {
        Self { config, known: Mutex::new(None) }
    }

    /// What the provider says about itself; asked for once in [`limits::PROVIDER_AGE`].
    pub(super) async fn reach(&self, http: &Arc<dyn HttpClient>) -> Result<Reached, String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, _, reached)) = known
            && at.elapsed() < limits::PROVIDER_AGE
        {
            return Ok(reached);
        }
        let issuer = self.config.issuer.trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let address = Url::parse(&address).map_err(|e| format!("the issuer is no address: {e}"))?;
        let secure = address.scheme() == "https";
        let document = get_json(http, address).await?;
        let described: Description =
            serde_json::from_value(document).map_err(|e| format!("its description cannot be read: {e}"))?;
        if described.issuer != self.config.issuer {
            return Err("its description names another issuer".to_owned());
        }
        let endpoints = [&described.authorization_endpoint, &described.token_endpoint, &described.jwks_uri];
        for url in endpoints.into_iter().chain(&described.userinfo_endpoint) {
            // A provider without TLS is one on the operator's own machine.
            if url.scheme() != "https" && (secure || url.scheme() != "http") {
                return Err("its description has an address without TLS".to_owned());
            }
        }
        let keys = keys_of(&get_json(http, described.jwks_uri.clone()).await?);
        let reached = Reached { described: Arc::new(described), keys: Arc::new(keys) };
        let now = Instant::now();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, now, reached.clone()));
        Ok(reached)
    }

    /// The provider's keys, asked for again because one was missing; not more often than once in
    /// [`limits::PROVIDER_KEYS_AGAIN`].
    pub(super) async fn keys_again(
        &self,
        http: &Arc<dyn HttpClient>,
        reached: &Reached,
    ) -> Result<Arc<Vec<Jwk>>, String> {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match known.as_mut() {
                Some((_, asked, latest)) if asked.elapsed() < limits::PROVIDER_KEYS_AGAIN => {
                    return Ok(Arc::clone(&latest.keys));
                }
                Some((_, asked, _)) => *asked = Instant::now(),
                None => {}
            }
        }
        let keys = Arc::new(keys_of(&get_json(http, reached.described.jwks_uri.clone()).await?));
        if let Some((_, _, latest)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            latest.keys = Arc::clone(&keys);
        }
        Ok(keys)
    }

    /// Checks the domain of the address against `allowed_domains`, whole and not by its end (R4).
    pub(super) fn check_domain(&self, subject: &Subject) -> Result<(), &'static str> {
        if self.config.allowed_domains.is_empty() || self.vouches_for(subject) {
            return Ok(());
        }
        Err("the e-mail address is not of an allowed domain, or not verified")
    }

    /// Whether the operator lets this provider speak for the address: it is verified, and of one of
    /// `allowed_domains`.
    pub(super) fn vouches_for(&self, subject: &Subject) -> bool {
        let domain = subject.email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
        subject.email_verified
            && domain.is_some_and(|domain| {
                self.config.allowed_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
            })
    }
}

impl Reached {
    /// The client for the provider.
    pub(super) fn client(
        &self,
        config: &OidcConfig,
        redirect: Url,
        secret: Option<SecretValue>,
    ) -> Result<OAuth, String> {
        let text = |e: oauth2::url::ParseError| e.to_string();
        let client = oauth2::Client::new(ClientId::new(config.client_id.clone()))
            .set_auth_uri(AuthUrl::new(self.described.authorization_endpoint.to_string()).map_err(text)?)
            .set_token_uri(TokenUrl::new(self.described.token_endpoint.to_string()).map_err(text)?)
            .set_redirect_uri(RedirectUrl::new(redirect.to_string()).map_err(text)?);
        let methods = &self.described.token_endpoint_auth_methods_supported;
        let has = |method: &str| methods.iter().any(|known| known == method);
        // The default is the header (OpenID Connect Discovery 1.0, section 3).
        let auth = if !methods.is_empty() && !has("client_secret_basic") && has("client_secret_post") {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        };
        let client = client.set_auth_type(auth);
        Ok(match secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
            None => client,
        })
    }

    /// Checks the issuer that the answer names (RFC 9207): against a provider that lends its answers
    /// to another one.
    pub(super) fn check_issuer(&self, named: Option<&str>) -> Result<(), &'static str> {
        match named {
            Some(issuer) if issuer != self.described.issuer => Err("its answer is another provider's"),
            None if self.described.authorization_response_iss_parameter_supported => {
                Err("its answer does not say whose it is")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Adds the address and name that the provider tells at its userinfo endpoint only.
    pub(super) async fn add_user_info(
        &self,
        http: &Arc<dyn HttpClient>,
        access: &str,
        subject: &mut Subject,
    ) -> Result<(), String> {
        let Some(url) = &self.described.userinfo_endpoint else { return Ok(()) };
        let bearer = HeaderValue::from_str(&format!("Bearer {access}"))
            .map_err(|_| "its access token has characters that a header cannot carry".to_owned())?;
        let request = request(HttpRequest::get(url.clone())).sensitive_header(AUTHORIZATION, bearer);
        let info = send_json(http, request).await?;
        // Section 5.3.2: otherwise the answer may be somebody else's.
        if info.get("sub").and_then(Value::as_str) != Some(subject.id.as_str()) {
            return Err("its userinfo is somebody else's".to_owned());
        }
        let text = |name: &str| info.get(name).and_then(Value::as_str).map(str::to_owned);
        subject.email = text("email");
        subject.email_verified = is_true(info.get("email_verified"));
        subject.name = subject.name.take().or_else(|| text("name"));
        Ok(())
    }
}

/// Exchanges a code for the ID token and the access token.
pub(super) async fn exchange(
    client: &OAuth,
    http: &Arc<dyn HttpClient>,
    code: String,
    verifier: PkceCodeVerifier,
) -> Result<(Zeroizing<String>, Zeroizing<String>), String> {
    let send = |request: oauth2::HttpRequest| forward(Arc::clone(http), request);
    let exchanged =
        client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier).request_async(&send).await;
    let tokens = exchanged.map_err(|error| match error {
        RequestTokenError::ServerResponse(answer) => format!("it refused the code: {}", answer.error()),
        RequestTokenError::Request(Failed(reason)) => reason,
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => "its token answer cannot be read".to_owned(),
    })?;
    let id_token = tokens.extra_fields().id_token.clone().ok_or("its token answer has no ID token")?;
    Ok((Zeroizing::new(id_token), Zeroizing::new(tokens.access_token().secret().clone())))
}

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failed(String);

/// Sends a request of the OAuth library through the egress guard.
async fn forward(http: Arc<dyn HttpClient>, outgoing: oauth2::HttpRequest) -> Result<oauth2::HttpResponse, Failed> {
    let (parts, body) = outgoing.into_parts();
    let url = Url::parse(&parts.uri.to_string()).map_err(|e| Failed(e.to_string()))?;
    let mut inner = request(HttpRequest::new(parts.method, url));
    for (name, value) in &parts.headers {
        let mut value = value.clone();
        value.set_sensitive(name == AUTHORIZATION);
        inner.headers.insert(name, value);
    }
    inner.body = Bytes::from(body);
    let response = http.send(inner).await.map_err(|e| Failed(e.to_string()))?;
    let mut answer = http::Response::new(response.body.to_vec());
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    Ok(answer)
}

fn request(mut request: HttpRequest) -> HttpRequest {
    request.timeout = limits::PROVIDER_TIMEOUT;
    request.max_response_bytes = limits::PROVIDER_BYTES;
    request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    request
}

async fn get_json(http: &Arc<dyn HttpClient>, url: Url) -> Result<Value, String> {
    send_json(http, request(HttpRequest::get(url))).await
}

async fn send_json(http: &Arc<dyn HttpClient>, request: HttpRequest) -> Result<Value, String> {
    let path = request.url.path().to_owned();
    let response = http.send(request).await.map_err(|e| e.to_string())?;
    if !response.status.is_success() {
        return Err(format!("it answered {path} with {}", response.status));
    }
    serde_json::from_slice(&response.body).map_err(|_| format!("its answer to {path} is no JSON"))
}
