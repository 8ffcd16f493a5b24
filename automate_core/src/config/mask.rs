//! What must not be shown: names that hold credentials, and passwords inside URLs.

/// What stands in the place of a hidden value.
pub const MASK: &str = "***";

/// Parts of a name that make it sensitive wherever they stand.
const PARTS: &[&str] =
    &["authorization", "cookie", "signature", "token", "secret", "password", "passwd", "passphrase", "credential"];
/// Whole words of a name that make it sensitive.
const WORDS: &[&str] = &["auth", "key", "pass", "pwd", "sig", "jwt", "otp", "pin", "private", "session", "dsn"];

/// Whether a header, field or parameter of that name holds a credential, going by the name alone.
/// Errs on the side of hiding.
#[must_use]
pub fn is_sensitive_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PARTS.iter().any(|part| lower.contains(part))
        || lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| WORDS.contains(&word) || word.ends_with("key"))
}

/// A URL with its password and its sensitive parameters masked. Text that is no URL comes back as
/// it is. Works on text, because a URL that does not parse may hold a password as well.
#[must_use]
pub fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (before_query, query) = match rest.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (rest, None),
    };
    let mut masked = format!("{scheme}://");
    // The last `@`, because a password may hold one unescaped.
    match before_query.rsplit_once('@') {
        Some((userinfo, host)) => {
            let user = userinfo.split(':').next().unwrap_or_default();
            masked.push_str(user);
            if userinfo.contains(':') {
                masked.push(':');
                masked.push_str(MASK);
            }
            masked.push('@');
            masked.push_str(host);
        }
        None => masked.push_str(before_query),
    }
    if let Some(query) = query {
        masked.push('?');
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, _)) if is_sensitive_name(name) => format!("{name}={MASK}"),
                _ => pair.to_owned(),
            })
            .collect();
        masked.push_str(&pairs.join("&"));
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_credentials_are_sensitive() {
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Set-Cookie",
            "X-Hub-Signature-256",
            "Stripe-Signature",
            "X-Api-Key",
            "apiKey",
            "X-Gitlab-Token",
            "client_secret",
            "db.password",
            "x-auth",
            "X-Amz-Credential",
        ] {
            assert!(is_sensitive_name(name), "{name}");
        }
        for name in ["Content-Type", "User-Agent", "webhook-id", "author", "X-Correlation-ID", "channel", "spinner"] {
            assert!(!is_sensitive_name(name), "{name}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_masked() {
        assert_eq!(mask_url("postgres://u:p%40@h:5432/db"), "postgres://u:***@h:5432/db");
        assert_eq!(mask_url("postgres://u:a@b/c@h/db"), "postgres://u:***@h/db");
        assert_eq!(mask_url("postgres://h/db?user=u&password=p"), "postgres://h/db?user=u&password=***");
        assert_eq!(mask_url("postgres://u@h/db"), "postgres://u@h/db");
        assert_eq!(mask_url("sqlite://./data/automate.db"), "sqlite://./data/automate.db");
        assert_eq!(mask_url("plain"), "plain");
    }
}
