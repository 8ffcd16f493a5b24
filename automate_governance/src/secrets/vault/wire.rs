//! One call to Vault, through the guard.

use std::sync::Arc;

use automate_connectors::base::http::{HttpClient, HttpRequest};
use automate_core::limits;
use automate_core::secrets::SecretValue;
use http::{HeaderName, HeaderValue};
use rustify::endpoint::Endpoint;
use serde::de::DeserializeOwned;
use url::Url;
use vaultrs::api::{AuthInfo, EndpointError, EndpointMiddleware, EndpointResult};

use super::VaultError;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
/// Characters of Vault's own errors that are shown.
const SHOWN: usize = 200;

/// What Vault answered.
pub(super) enum Reply<T> {
    /// Data.
    Data(T),
    /// A token.
    Auth(Box<AuthInfo>),
    /// An error's status and texts; empty where it told none.
    Refused { status: u16, text: String },
    /// Something that is not what this endpoint answers.
    Unreadable,
}

impl<T> Reply<T> {
    pub(super) const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 403, .. })
    }
}

/// The way to one server.
pub(super) struct Wire {
    http: Arc<dyn HttpClient>,
    base: String,
    middleware: EndpointMiddleware,
}

impl Wire {
    pub(super) fn new(http: Arc<dyn HttpClient>, address: &Url, namespace: Option<String>) -> Self {
        // The token is not the middleware's: that one would make a header of it that may be shown.
        let middleware = EndpointMiddleware { token: String::new(), version: "v1".to_owned(), wrap: None, namespace };
        Self { http, base: address.as_str().trim_end_matches('/').to_owned(), middleware }
    }

    /// The server.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Calls an endpoint of `vaultrs`.
    pub(super) async fn call<E: Endpoint>(
        &self,
        endpoint: E,
        token: Option<&SecretValue>,
    ) -> Result<Reply<E::Response>, VaultError> {
        let internal = |what: &str| VaultError::Call(format!("the request cannot be made: {what}"));
        let made = endpoint.with_middleware(&self.middleware).request(&self.base).map_err(|_| internal("endpoint"))?;
        let (parts, body) = made.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| internal("address"))?;
        let mut request = HttpRequest::new(parts.method, url).timeout(limits::VAULT_TIMEOUT);
        request.headers = parts.headers;
        request.max_response_bytes = limits::VAULT_RESPONSE_BYTES;
        if let Some(token) = token {
            let value = HeaderValue::from_str(token.expose_secret())
                .map_err(|_| VaultError::LogIn("the token has characters that a header cannot carry".to_owned()))?;
            request = request.sensitive_header(TOKEN, value);
        }
        if !body.is_empty() {
            request = request.body("application/json", body);
        }
        let response = self.http.send(request).await.map_err(|error| VaultError::Call(error.to_string()))?;
        let status = response.status.as_u16();
        if !response.status.is_success() {
            return Ok(Reply::Refused { status, text: errors_in(&response.body) });
        }
        Ok(read(&response.body))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Reply<T> {
    match serde_json::from_slice::<EndpointResult<T>>(body) {
        Ok(EndpointResult { auth: Some(auth), .. }) => Reply::Auth(Box::new(auth)),
        Ok(EndpointResult { data: Some(data), .. }) => Reply::Data(data),
        // The error of the parser would quote the answer.
        Ok(_) | Err(_) => Reply::Unreadable,
    }
}

/// The texts of Vault's `errors`, on one short line, without any secret that is known.
fn errors_in(body: &[u8]) -> String {
    let Ok(found) = serde_json::from_slice::<EndpointError>(body) else { return String::new() };
    let text = found.errors.join("; ");
    let text = crate::redaction::process_scrubber().scrub_str(&text).into_owned();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect::<String>().trim().to_owned()
}
