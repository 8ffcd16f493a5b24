//! What becomes of a response.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use serde_json::{Map, Value};

use super::Answer;
use crate::base::http::HttpResponse;

pub(super) fn read(response: &HttpResponse) -> Answer {
    let (body, body_type) = body_of(response);
    Answer { status: response.status.as_u16(), headers: headers_of(&response.headers), body, body_type }
}

fn body_of(response: &HttpResponse) -> (Value, &'static str) {
    let media_type = response.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    // serde_json stops at 128 levels, so that a deeply nested answer stays text.
    if is_json(media_type)
        && let Ok(value) = serde_json::from_slice(&response.body)
    {
        return (value, "json");
    }
    match std::str::from_utf8(&response.body) {
        Ok(text) => (Value::String(text.to_owned()), "text"),
        Err(_) => (Value::String(STANDARD.encode(&response.body)), "base64"),
    }
}

/// `application/json`, `text/json` and everything with the suffix `+json` (RFC 6839).
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// One text per name; several values of a name are joined as RFC 9110, section 5.3 allows, which
/// does not hold for `set-cookie`. Cookies are credentials and are not kept.
fn headers_of(headers: &HeaderMap) -> Map<String, Value> {
    let mut map = Map::new();
    for name in headers.keys().filter(|name| **name != SET_COOKIE) {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        map.insert(name.as_str().to_owned(), Value::String(values.join(", ")));
    }
    map
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;
    use serde_json::json;

    use super::*;

    fn answer(media_type: &str, body: &'static [u8]) -> (Value, &'static str) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, media_type.parse().unwrap());
        body_of(&HttpResponse::new(StatusCode::OK, headers, Bytes::from_static(body)))
    }

    #[test]
    fn a_body_is_json_text_or_base64() {
        assert_eq!(answer("application/json; charset=utf-8", b"{\"a\":1}"), (json!({ "a": 1 }), "json"));
        assert_eq!(answer("application/problem+json", b"[]"), (json!([]), "json"));
        assert_eq!(answer("application/json", b"{oops"), (json!("{oops"), "text"));
        assert_eq!(answer("text/plain", b"{}"), (json!("{}"), "text"));
        assert_eq!(answer("image/png", b"\xff\xd8"), (json!("/9g="), "base64"));
    }

    #[test]
    fn cookies_are_not_kept_and_repeated_headers_are_joined() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", "session=1".parse().unwrap());
        headers.append("vary", "a".parse().unwrap());
        headers.append("vary", "b".parse().unwrap());
        assert_eq!(Value::Object(headers_of(&headers)), json!({ "vary": "a, b" }));
    }
}
