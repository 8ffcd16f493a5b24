//! Redaction: by known value (the process-wide scrubber) and by name (headers, fields).

use automate_core::config::{MASK, is_sensitive_name};
use http::HeaderMap;
use serde_json::{Map, Value};

pub use automate_core::redaction::{mask_fields, process_scrubber};

/// Headers as they may be stored and shown to templates: an object by lower-case name, several
/// values joined with `, `, credentials masked. A value that is not UTF-8 is shown escaped.
#[must_use]
pub fn mask_headers(headers: &HeaderMap) -> Value {
    let mut shown = Map::new();
    for name in headers.keys() {
        let hidden = is_sensitive_name(name.as_str()) || headers.get_all(name).iter().any(|v| v.is_sensitive());
        let text = if hidden {
            MASK.to_owned()
        } else {
            let values: Vec<String> = headers.get_all(name).iter().map(|value| text_of(value.as_bytes())).collect();
            process_scrubber().scrub_str(&values.join(", ")).into_owned()
        };
        shown.insert(name.as_str().to_owned(), Value::String(text));
    }
    Value::Object(shown)
}

fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}

/// Text on one line and without tricks (A19): control characters, and the marks that turn the
/// direction of writing, are written as escapes.
pub(crate) fn escape_line(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_direction_mark(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// The explicit directional marks of Unicode's bidirectional algorithm (UAX #9, section 2), and the
/// two line separators that some readers break lines at.
const fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, COOKIE, HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_with_credentials_are_masked() {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer t"));
        headers.insert(COOKIE, HeaderValue::from_static("sid=1"));
        for name in ["stripe-signature", "x-hub-signature-256", "x-gitlab-token", "x-api-key", "x-client-secret"] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("hush"));
        }
        headers.append("x-many", HeaderValue::from_static("a"));
        headers.append("x-many", HeaderValue::from_static("b"));
        headers.insert("x-raw", HeaderValue::from_bytes(&[0xff, b'a']).unwrap());
        let mut marked = HeaderValue::from_static("hush");
        marked.set_sensitive(true);
        headers.insert("x-plain", marked);
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        let shown = mask_headers(&headers);
        assert!(!shown.to_string().contains("hush") && !shown.to_string().contains("Bearer"));
        assert_eq!(shown["x-many"], "a, b");
        assert_eq!(shown["x-raw"], "\\xffa");
        assert_eq!(shown["content-type"], "text/plain");
        assert_eq!(shown["authorization"], "***");
    }

    #[test]
    fn fields_with_credentials_are_masked_wherever_they_stand() {
        let mut value = json!({
            "user": "u", "password": "p", "nested": [{"apiKey": 7, "ok": 1}], "token": "$secret:T", "secret": null,
            "credentials": {"a": "b"}
        });
        mask_fields(&mut value);
        assert_eq!(
            value,
            json!({
                "user": "u", "password": "***", "nested": [{"apiKey": "***", "ok": 1}], "token": "$secret:T", "secret": null,
                "credentials": "***"
            })
        );
    }
}
