//! What a request says about who sends it: its token, its cookie, its origin.

use std::net::IpAddr;

use automate_core::audit::Origin;
use http::HeaderMap;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN};
use subtle::ConstantTimeEq as _;

use super::settings::IdentitySettings;
use super::{AuthError, Session};

/// The header that carries a session's CSRF token.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The longest cookie value that is looked at.
const COOKIE_BYTES: usize = 256;

/// Who asks, as far as the connection tells.
#[derive(Debug, Clone)]
pub struct Client {
    /// The address that asks: of the connection, or what a trusted proxy says.
    pub address: IpAddr,
    /// The same for the audit log.
    pub origin: Origin,
}

/// What a request presents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented<'h> {
    Nothing,
    Bearer(&'h str),
    Cookie(&'h str),
    /// Two of the same, or something else than a token.
    Unusable,
}

/// What the request presents; a token goes before a cookie, and then the cookie does not count.
pub(crate) fn presented<'h>(headers: &'h HeaderMap, settings: &IdentitySettings) -> Presented<'h> {
    let mut authorization = headers.get_all(AUTHORIZATION).iter();
    match (authorization.next(), authorization.next()) {
        (Some(_), Some(_)) => return Presented::Unusable,
        (Some(value), None) => {
            let Ok(text) = value.to_str() else { return Presented::Unusable };
            // The scheme is written in any case (RFC 9110, section 11.1).
            return match text.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Presented::Bearer(token.trim()),
                _ => Presented::Unusable,
            };
        }
        (None, _) => {}
    }
    cookie(headers, settings.cookie_name())
}

/// The session's cookie. A second one of the same name was planted from elsewhere, and nobody can
/// tell which: neither counts (A6).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Presented<'h> {
    let mut found = Presented::Nothing;
    for line in headers.get_all(COOKIE) {
        let Ok(line) = line.to_str() else { continue };
        for pair in line.split(';') {
            let Some((key, value)) = pair.split_once('=') else { continue };
            if key.trim() != name {
                continue;
            }
            if found != Presented::Nothing {
                return Presented::Unusable;
            }
            let value = value.trim();
            let well_formed = value.len() <= COOKIE_BYTES && value.bytes().all(|b| b.is_ascii_alphanumeric());
            found = if well_formed && !value.is_empty() { Presented::Cookie(value) } else { Presented::Unusable };
        }
    }
    found
}

/// Checks that a browser sends this from one of our own pages. Clients that are no browsers say
/// nothing about it, and pass: what they lack is a victim's cookie.
///
/// # Errors
/// [`AuthError::Csrf`].
pub fn check_same_origin(headers: &HeaderMap, settings: &IdentitySettings) -> Result<(), AuthError> {
    for site in headers.get_all(SEC_FETCH_SITE) {
        if site.as_bytes() != b"same-origin" {
            return Err(AuthError::Csrf("`Sec-Fetch-Site` is not `same-origin`"));
        }
    }
    for origin in headers.get_all(ORIGIN) {
        let ours = origin.to_str().is_ok_and(|origin| is_ours(origin, headers, settings));
        if !ours {
            return Err(AuthError::Csrf("`Origin` is another one"));
        }
    }
    Ok(())
}

fn is_ours(origin: &str, headers: &HeaderMap, settings: &IdentitySettings) -> bool {
    if let Some(url) = &settings.public_url {
        return url.origin().ascii_serialization() == origin;
    }
    // Without a configured address: the host that the browser itself asked.
    let host = headers.get(HOST).and_then(|h| h.to_str().ok());
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    named.is_some() && named == host
}

/// Checks what a form or a header presents as a session's CSRF token.
///
/// # Errors
/// [`AuthError::Csrf`].
pub fn check_csrf_token(session: &Session, presented: Option<&str>) -> Result<(), AuthError> {
    let presented = presented.ok_or(AuthError::Csrf("the CSRF token is missing"))?;
    let same = session.csrf.as_bytes().ct_eq(presented.as_bytes());
    if bool::from(same) { Ok(()) } else { Err(AuthError::Csrf("the CSRF token is another one")) }
}

/// The CSRF token of a request's header; two are none.
pub(crate) fn csrf_header(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CSRF_HEADER).iter();
    let first = values.next()?;
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok()
}

/// A path of ours that a log-in may lead to, or `/` where it is none: one that a browser would take
/// for another host, or for a script, is none (A8).
#[must_use]
pub fn safe_next(next: Option<&str>) -> String {
    const HOME: &str = "/";
    let Some(next) = next else { return HOME.to_owned() };
    // Browsers drop tabs and line breaks, and take a backslash for a slash.
    let plain = next.len() <= 2_048
        && next.starts_with('/')
        && !next.starts_with("//")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if !plain {
        return HOME.to_owned();
    }
    // As the browser's own parser (the WHATWG URL standard) understands it.
    let Ok(base) = url::Url::parse("http://ours.invalid") else { return HOME.to_owned() };
    match base.join(next) {
        Ok(url) if url.origin() == base.origin() && !url.path().starts_with("//") => next.to_owned(),
        Ok(_) | Err(_) => HOME.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn https() -> IdentitySettings {
        IdentitySettings {
            public_url: Some("https://automate.example".parse().unwrap()),
            ..IdentitySettings::default()
        }
    }

    #[test]
    fn a8_only_a_path_of_ours_is_gone_to() {
        for good in ["/", "/admin/", "/admin/workflows/workflow/?q=a%20b&x=1#top", "/a:b"] {
            assert_eq!(safe_next(Some(good)), good);
        }
        for bad in [
            "//evil",
            "/\\evil",
            "\\\\evil",
            "/\t/evil",
            "%09//evil",
            "https:evil",
            "https://evil",
            "javascript:alert(1)",
            "/\n/evil",
            "evil",
            "",
            " /",
            "/a b",
            "///evil",
            "/./\\evil",
            "/.//evil",
            "/..//evil",
            "/é",
            "http:///evil",
            "/\u{0}",
        ] {
            assert_eq!(safe_next(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(safe_next(None), "/");
        assert_eq!(safe_next(Some(&format!("/{}", "a".repeat(4_000)))), "/");
    }

    #[test]
    fn a6_a_second_cookie_of_the_name_makes_both_worthless() {
        let settings = IdentitySettings::default();
        let one = headers(&[("cookie", "a=b; automate_session=abc123; c=d")]);
        assert_eq!(presented(&one, &settings), Presented::Cookie("abc123"));
        for tossed in ["automate_session=abc; automate_session=def", "automate_session=abc; automate_session=abc"] {
            assert_eq!(presented(&headers(&[("cookie", tossed)]), &settings), Presented::Unusable);
        }
        let split = headers(&[("cookie", "automate_session=abc"), ("cookie", "automate_session=def")]);
        assert_eq!(presented(&split, &settings), Presented::Unusable);
        // Over TLS the plain name, which a sibling could have planted, is not looked at.
        assert_eq!(presented(&one, &https()), Presented::Nothing);
        let host = headers(&[("cookie", "__Host-automate_session=abc123; automate_session=planted")]);
        assert_eq!(presented(&host, &https()), Presented::Cookie("abc123"));
    }

    #[test]
    fn a_token_goes_before_a_cookie_and_two_tokens_are_none() {
        let settings = IdentitySettings::default();
        let both = headers(&[("authorization", "bearer aut_x"), ("cookie", "automate_session=abc")]);
        assert_eq!(presented(&both, &settings), Presented::Bearer("aut_x"));
        let two = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(presented(&two, &settings), Presented::Unusable);
        for other in ["Basic YTpi", "Bearer", "aut_x"] {
            assert_eq!(presented(&headers(&[("authorization", other)]), &settings), Presented::Unusable);
        }
    }

    #[test]
    fn a1_another_origin_is_refused() {
        let own = IdentitySettings::default();
        let ok = |pairs: &[(&'static str, &str)], settings: &IdentitySettings| {
            check_same_origin(&headers(pairs), settings).is_ok()
        };
        assert!(ok(&[("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000")], &own));
        assert!(ok(&[("host", "h"), ("sec-fetch-site", "same-origin"), ("origin", "http://h")], &own));
        assert!(ok(&[], &own));
        assert!(ok(&[("origin", "https://automate.example")], &https()));
        for bad in [
            &[("host", "h"), ("origin", "null")][..],
            &[("host", "h"), ("origin", "http://h.evil")],
            &[("host", "h"), ("origin", "http://evil")],
            &[("host", "h"), ("origin", "http://h:81")],
            &[("host", "h"), ("sec-fetch-site", "cross-site")],
            &[("host", "h"), ("sec-fetch-site", "same-site")],
            &[("host", "h"), ("sec-fetch-site", "none")],
            &[("host", "h"), ("origin", "http://h"), ("origin", "http://evil")],
            &[("host", "null"), ("origin", "null")],
        ] {
            assert!(!ok(bad, &own), "{bad:?}");
        }
        // The configured address counts, not what the request claims for a host (A16).
        assert!(!ok(&[("host", "evil"), ("origin", "https://evil")], &https()));
        assert!(!ok(&[("origin", "http://automate.example")], &https()));
    }
}
