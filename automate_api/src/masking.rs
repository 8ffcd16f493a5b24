//! Headers as they are kept and shown: secrets masked, bounded. The one place that knows which.

use automate_core::limits::INBOX_HEADER_BYTES;
use http::HeaderMap;
use serde_json::{Map, Value};

/// What stands in the place of a masked value.
pub const MASK: &str = "***";

/// Stands in the object where headers were left out because of the bound.
pub const TRUNCATED: &str = "x-automate-truncated";

/// Parts of a header's name that make its value a secret. Signatures are masked as well: within
/// the tolerance of its timestamp a signed request could be repeated with one.
const SENSITIVE: &[&str] =
    &["authorization", "cookie", "signature", "token", "secret", "key", "password", "passwd", "credential", "session"];

/// Whether the value of a header of that (lower-case) name is masked.
#[must_use]
pub fn is_sensitive(name: &str) -> bool {
    SENSITIVE.iter().any(|part| name.contains(part))
}

/// The headers as a JSON object with lower-case names. Repeated ones are joined by `, `, bytes
/// outside UTF-8 are replaced, NUL is dropped (databases cannot keep it), and past
/// [`INBOX_HEADER_BYTES`] the rest is left out and [`TRUNCATED`] says so.
#[must_use]
pub fn masked_headers(headers: &HeaderMap) -> Value {
    let mut object = Map::with_capacity(headers.keys_len());
    let mut bytes = 0;
    for name in headers.keys() {
        let value = if is_sensitive(name.as_str()) { MASK.to_owned() } else { joined(headers, name) };
        bytes += name.as_str().len() + value.len() + 6;
        if bytes > INBOX_HEADER_BYTES {
            object.insert(TRUNCATED.to_owned(), Value::Bool(true));
            break;
        }
        object.insert(name.as_str().to_owned(), Value::String(value));
    }
    Value::Object(object)
}

fn joined(headers: &HeaderMap, name: &http::HeaderName) -> String {
    let mut all = String::new();
    for value in headers.get_all(name) {
        if !all.is_empty() {
            all.push_str(", ");
        }
        match value.to_str() {
            Ok(text) => all.push_str(text),
            Err(_) => all.push_str(&String::from_utf8_lossy(value.as_bytes()).replace('\0', "")),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn whatever_carries_a_secret_is_masked_and_the_rest_is_kept() {
        let mut headers = HeaderMap::new();
        for name in [
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "Stripe-Signature",
            "X-Hub-Signature-256",
            "X-Gitlab-Token",
            "X-Client-Secret",
            "X-Api-Key",
            "X-Password",
        ] {
            headers.insert(http::HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("s3cr3t"));
        }
        headers.insert("X-GitHub-Event", HeaderValue::from_static("issues"));
        headers.append("X-Many", HeaderValue::from_static("a"));
        headers.append("X-Many", HeaderValue::from_static("b"));
        let masked = masked_headers(&headers);
        assert!(!masked.to_string().contains("s3cr3t"));
        assert_eq!(masked["stripe-signature"], json!("***"));
        assert_eq!(masked["x-github-event"], json!("issues"));
        assert_eq!(masked["x-many"], json!("a, b"));
    }

    #[test]
    fn too_many_headers_are_cut_and_the_object_says_so() {
        let mut headers = HeaderMap::new();
        let long = "x".repeat(4_000);
        for n in 0..20 {
            headers.insert(
                http::HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap(),
                HeaderValue::from_str(&long).unwrap(),
            );
        }
        let masked = masked_headers(&headers);
        assert!(masked.to_string().len() < INBOX_HEADER_BYTES + 1_024);
        assert_eq!(masked[TRUNCATED], json!(true));
    }

    #[test]
    fn bytes_outside_utf8_do_not_break_the_object() {
        let mut headers = HeaderMap::new();
        headers.insert("x-odd", HeaderValue::from_bytes(b"a\xffb").unwrap());
        assert_eq!(masked_headers(&headers)["x-odd"], json!("a\u{fffd}b"));
    }
}
