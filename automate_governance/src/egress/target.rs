//! Checks of a URL before anything is looked up.

use std::net::IpAddr;

use automate_core::limits;
use url::{Host, Url};

use super::address::{AddressPolicy, Denied};

/// Where a call goes, after the URL was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A literal address, which passed the policy.
    Address(IpAddr, u16),
    /// A name, whose addresses are yet to be checked.
    Name(String, u16),
}

impl Target {
    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Address(_, port) | Self::Name(_, port) => *port,
        }
    }
}

/// Why a URL is refused. Holds no part of it but scheme and host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("not a URL: {0}")]
    Malformed(String),
    /// Longer than [`limits::EGRESS_URL_BYTES`].
    #[error("the URL is longer than {} bytes", limits::EGRESS_URL_BYTES)]
    TooLong,
    /// A control character, a blank at the edge, or a backslash, which readers of URLs see differently.
    #[error("the URL holds a control character or a backslash")]
    Characters,
    /// Not http or https.
    #[error("the scheme `{0}` is refused; only http and https go out")]
    Scheme(String),
    /// `user:password@`.
    #[error("user names and passwords in URLs are refused; use a connection or an Authorization header")]
    UserInfo,
    /// No host, or one that no resolver takes.
    #[error("the URL has no usable host")]
    Host,
    /// The address policy refused it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The name of a metadata service.
    #[error("`{0}` is a cloud metadata service; only a rule for its exact address in `egress.allow` opens it")]
    MetadataName(String),
}

/// Reads a URL from text that may come from outside, such as a `Location` header, strictly: the
/// WHATWG parser drops tabs and newlines and turns backslashes into slashes, which is how two
/// readers come to see two hosts.
///
/// # Errors
/// [`TargetError`] for everything that is not plainly a URL.
pub fn parse_target(text: &str, base: Option<&Url>) -> Result<Url, TargetError> {
    if text.len() > limits::EGRESS_URL_BYTES {
        return Err(TargetError::TooLong);
    }
    if text.chars().any(|c| c.is_control() || c == '\\') || text.trim() != text {
        return Err(TargetError::Characters);
    }
    let url = Url::options().base_url(base).parse(text);
    url.map_err(|e| TargetError::Malformed(e.to_string()))
}

/// Checks a parsed URL: scheme, user info, length, and literal addresses. The parser has already
/// brought `127.1`, `0x7f000001`, `2130706433` and circled digits into one form (O1).
///
/// # Errors
/// [`TargetError`] with the rule that refused it.
pub fn vet_target(url: &Url, policy: &AddressPolicy) -> Result<Target, TargetError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(TargetError::Scheme(url.scheme().to_owned()));
    }
    if url.as_str().len() > limits::EGRESS_URL_BYTES {
        return Err(TargetError::TooLong);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::UserInfo);
    }
    let port = url.port_or_known_default().ok_or(TargetError::Host)?;
    match url.host().ok_or(TargetError::Host)? {
        Host::Ipv4(v4) => {
            policy.check(IpAddr::V4(v4), port)?;
            Ok(Target::Address(IpAddr::V4(v4), port))
        }
        Host::Ipv6(v6) => {
            policy.check(IpAddr::V6(v6), port)?;
            Ok(Target::Address(IpAddr::V6(v6), port))
        }
        Host::Domain(name) => {
            if name.is_empty() || name.len() > 254 {
                return Err(TargetError::Host);
            }
            if policy.is_closed_name(name) {
                return Err(TargetError::MetadataName(name.to_owned()));
            }
            Ok(Target::Name(name.to_owned(), port))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vet(text: &str) -> Result<Target, TargetError> {
        vet_target(&parse_target(text, None)?, &AddressPolicy::default())
    }

    #[test]
    fn o1_every_spelling_of_loopback_is_denied() {
        for host in [
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "①②⑦.⓪.⓪.①",
            "0x7f.1",
            "017700000001",
            "１２７.0.0.1",
        ] {
            assert!(
                matches!(vet(&format!("http://{host}/")), Err(TargetError::Denied(_))),
                "{host}: {:?}",
                vet(&format!("http://{host}/"))
            );
        }
        // A name, which the lookup then refuses by its address.
        assert_eq!(vet("http://localhost./"), Ok(Target::Name("localhost.".into(), 80)));
    }

    #[test]
    fn o2_bracketed_forms_are_denied_and_scope_ids_do_not_parse() {
        for host in
            ["[::]", "[::1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "0.0.0.0"]
        {
            assert!(matches!(vet(&format!("https://{host}/")), Err(TargetError::Denied(_))), "{host}");
        }
        for host in ["[fe80::1%25eth0]", "[fe80::1%eth0]"] {
            assert!(matches!(vet(&format!("https://{host}/")), Err(TargetError::Malformed(_))), "{host}");
        }
    }

    #[test]
    fn o4_metadata_names_are_denied() {
        assert!(matches!(vet("http://metadata.google.internal/"), Err(TargetError::MetadataName(_))));
        assert!(matches!(vet("http://169.254.169.254/latest"), Err(TargetError::Denied(_))));
    }

    #[test]
    fn o9_only_http_and_https_go_out() {
        for url in ["file:///etc/passwd", "gopher://x/", "unix:/run/x", "data:text/plain,x", "ftp://x/", "javascript:1"]
        {
            assert!(matches!(vet(url), Err(TargetError::Scheme(_))), "{url}");
        }
        assert_eq!(vet("https://example.com/"), Ok(Target::Name("example.com".into(), 443)));
    }

    #[test]
    fn o10_urls_that_two_readers_see_differently_are_refused() {
        for url in ["http://u@h/", "http://u:p@h/", "http://example.com@127.0.0.1/", "http://:p@h/"] {
            assert_eq!(vet(url), Err(TargetError::UserInfo), "{url}");
        }
        for url in [
            "http://good\\@bad/",
            "http://exa\tmple.com/",
            "http://example.com/\n",
            "http://h/\u{0}",
            " http://h/",
            "http://h/\r\nX: y",
        ] {
            assert_eq!(vet(url), Err(TargetError::Characters), "{url:?}");
        }
        // Twins show as punycode.
        assert_eq!(vet("https://аpple.com/"), Ok(Target::Name("xn--pple-43d.com".into(), 443)));
        assert_eq!(vet(&format!("https://h/{}", "x".repeat(9000))), Err(TargetError::TooLong));
    }
}
