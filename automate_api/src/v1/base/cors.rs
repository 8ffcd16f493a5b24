//! Which other origins may call from a browser.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};

/// Origins that may call from a browser, named one by one. There is no way to name all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsPolicy {
    origins: Vec<Cow<'static, str>>,
    credentials: bool,
}

impl CorsPolicy {
    /// A policy for origins such as `https://app.example.org`. What is no origin is left out, `*`
    /// and `null` too.
    pub fn origins<O: Into<Cow<'static, str>>>(origins: impl IntoIterator<Item = O>) -> Self {
        let origins = origins.into_iter().map(Into::into).filter(|origin| is_origin(origin)).collect();
        Self { origins, credentials: false }
    }

    /// Lets browsers send cookies too.
    #[must_use]
    pub fn with_credentials(mut self) -> Self {
        self.credentials = true;
        self
    }

    /// The headers of an answer to a request of an origin; none where it is not named.
    #[must_use]
    pub fn headers(&self, origin: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin.filter(|origin| self.origins.iter().any(|ours| ours.as_bytes() == origin.as_bytes()))
        else {
            return headers;
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = "ETag, Location, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, \
                       Idempotent-Replayed, X-Correlation-ID";
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        headers
    }

    /// The headers of the answer to a preflight request for the methods of an address.
    #[must_use]
    pub fn preflight(&self, origin: Option<&HeaderValue>, methods: &str) -> HeaderMap {
        let mut headers = self.headers(origin);
        if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            return headers;
        }
        headers.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS);
        if let Ok(methods) = HeaderValue::from_str(methods) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        let allowed = "Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, Last-Event-ID, \
                       X-CSRF-Token, X-Correlation-ID";
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers
    }
}

/// Scheme, host and perhaps a port, as a browser writes it.
fn is_origin(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_only_named_origins_are_let_in_and_a_star_never() {
        let policy =
            CorsPolicy::origins(["https://app.example", "*", "null", "https://a.example/path"]).with_credentials();
        let allowed = |origin: &'static str| {
            let headers = policy.headers(Some(&HeaderValue::from_static(origin)));
            headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(allowed("https://app.example").as_deref(), Some("https://app.example"));
        for origin in
            ["https://evil.example", "https://app.example.evil", "http://app.example", "null", "*", "https://a.example"]
        {
            assert_eq!(allowed(origin), None, "{origin}");
        }
        assert!(policy.preflight(None, "GET").get(header::ACCESS_CONTROL_ALLOW_METHODS).is_none());
    }
}
