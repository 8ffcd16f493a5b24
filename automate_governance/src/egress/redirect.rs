//! What becomes of a request that is answered with a redirect (RFC 9110, section 15.4).

use automate_connectors::base::http::HttpRequest;
use automate_core::config::is_sensitive_name;
use http::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use http::{Method, StatusCode};

use super::target::{TargetError, parse_target};

/// Why a redirect is not followed although redirects were asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RedirectError {
    #[error("a redirect to a refused URL: {0}")]
    Target(#[from] TargetError),
    #[error("a redirect from https to http")]
    Downgrade,
    #[error("a redirect that would send the body to another origin")]
    BodyElsewhere,
    #[error("more redirects than {0}")]
    TooMany(u8),
}

/// Whether a status asks the client to go elsewhere.
pub(super) const fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The request that follows, or `None` where the answer names no place to go.
pub(super) fn next_request(
    mut request: HttpRequest,
    status: StatusCode,
    headers: &HeaderMap,
) -> Result<Option<HttpRequest>, RedirectError> {
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let location = location.to_str().map_err(|_| TargetError::Characters)?;
    let url = parse_target(location, Some(&request.url))?;
    if request.url.scheme() == "https" && url.scheme() != "https" {
        return Err(RedirectError::Downgrade);
    }
    let same_origin = url.origin() == request.url.origin();
    let becomes_get = status == StatusCode::SEE_OTHER && request.method != Method::HEAD
        || matches!(status.as_u16(), 301 | 302) && request.method == Method::POST;
    if becomes_get {
        request.method = Method::GET;
        request.body = bytes::Bytes::new();
        for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_LANGUAGE] {
            request.headers.remove(name);
        }
    } else if !same_origin && !request.body.is_empty() {
        return Err(RedirectError::BodyElsewhere);
    }
    if !same_origin {
        let credentials: Vec<_> = request
            .headers
            .iter()
            .filter(|(name, value)| value.is_sensitive() || is_sensitive_name(name.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        for name in credentials {
            request.headers.remove(name);
        }
    }
    request.url = url;
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
    use url::Url;

    use super::*;

    fn request(method: Method, url: &str) -> HttpRequest {
        HttpRequest::new(method, Url::parse(url).unwrap())
            .sensitive_header(HeaderName::from_static("x-custom"), HeaderValue::from_static("s"))
            .header(AUTHORIZATION, HeaderValue::from_static("Bearer s"))
            .header(ACCEPT, HeaderValue::from_static("*/*"))
    }

    fn follow(request: HttpRequest, status: u16, location: &str) -> Result<Option<HttpRequest>, RedirectError> {
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        next_request(request, StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn o8_credentials_stay_at_their_origin() {
        let other = follow(request(Method::GET, "https://a.example/x"), 302, "https://b.example/y").unwrap().unwrap();
        assert_eq!(other.headers.keys().collect::<Vec<_>>(), [&ACCEPT]);
        let port =
            follow(request(Method::GET, "https://a.example/x"), 302, "https://a.example:8443/y").unwrap().unwrap();
        assert_eq!(port.headers.len(), 1);
        let same = follow(request(Method::GET, "https://a.example/x"), 302, "/y").unwrap().unwrap();
        assert_eq!((same.url.as_str(), same.headers.len()), ("https://a.example/y", 3));
    }

    #[test]
    fn o8_downgrades_and_bodies_to_elsewhere_are_not_followed() {
        assert_eq!(follow(request(Method::GET, "https://a/"), 301, "http://a/").unwrap_err(), RedirectError::Downgrade);
        let post = || request(Method::POST, "https://a/").body("text/plain", "secret");
        assert_eq!(follow(post(), 307, "https://b/").unwrap_err(), RedirectError::BodyElsewhere);
        let same = follow(post(), 307, "/b").unwrap().unwrap();
        assert_eq!((same.method, same.body.len()), (Method::POST, 6));
        let get = follow(post(), 303, "https://b/").unwrap().unwrap();
        assert_eq!((get.method, get.body.len(), get.headers.contains_key(CONTENT_TYPE)), (Method::GET, 0, false));
    }

    #[test]
    fn o10_a_location_with_tricks_is_not_followed() {
        assert!(matches!(
            follow(request(Method::GET, "https://a/"), 302, "https://b\\@c/").unwrap_err(),
            RedirectError::Target(TargetError::Characters)
        ));
    }
}
