//! The texts that show a value.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::SHORTEST;

/// Lines of a value of several lines, such as a private key, that are looked for by themselves.
const SHORTEST_LINE: usize = 16;

/// What is left as it is in a URL differs; letters and digits always are.
const KEPT_IN_URLS: [&str; 12] = [
    // RFC 3986: unreserved characters alone.
    "-._~",
    // `encodeURIComponent` and `encodeURI`.
    "-._~!'()*",
    "-_.!~*'()/:@$,;=+&",
    "-_.!~*'()/:@$,;=+&?#",
    // HTML forms.
    "-._*",
    // The filter `urlencode`, and Python's `quote`.
    "-._/",
    "-._~/",
    // What the WHATWG URL standard escapes of a value that stands in a query, in a path, in a segment
    // of it, or before the host.
    "!$%&()*+,-./:;=?@[\\]^_`{|}~",
    "!$%&'()*+,-./:;=@[\\]_|~",
    "!$&'()*+,-.:;=@[]_|~",
    "!$%&'()*+,-._~",
    "",
];

/// The texts that show a value.
pub(super) fn forms(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    add_forms(value, &mut forms);
    for line in value.lines().map(str::trim) {
        if line.len() >= SHORTEST_LINE && line.len() < value.len() && !line.starts_with("-----") {
            add_forms(line, &mut forms);
        }
    }
    forms.retain(|f| f.chars().count() >= SHORTEST);
    forms
}

fn add_forms(value: &str, forms: &mut Vec<String>) {
    let bytes = value.as_bytes();
    forms.push(value.to_owned());
    forms.push(value.chars().rev().collect());
    forms.push(hex::encode(bytes));
    forms.push(hex::encode_upper(bytes));
    forms.push(STANDARD.encode(bytes));
    forms.push(STANDARD_NO_PAD.encode(bytes));
    forms.push(URL_SAFE.encode(bytes));
    forms.push(URL_SAFE_NO_PAD.encode(bytes));
    for shift in 0..3 {
        forms.push(base64_core(&STANDARD_NO_PAD, bytes, shift));
        forms.push(base64_core(&URL_SAFE_NO_PAD, bytes, shift));
    }
    for kept in KEPT_IN_URLS {
        for upper in [true, false] {
            let encoded = percent_encoded(bytes, kept, upper);
            forms.push(encoded.replace("%20", "+"));
            forms.push(encoded);
        }
    }
    forms.push(bytes.iter().map(|b| format!("%{b:02X}")).collect());
    forms.push(bytes.iter().map(|b| format!("%{b:02x}")).collect());
    let json = serde_json::Value::String(value.to_owned()).to_string();
    let json = json.trim_start_matches('"');
    let json = json.strip_suffix('"').unwrap_or(json);
    for escaped in [json.to_owned(), ascii_json(json, false), ascii_json(json, true)] {
        forms.push(escaped.replace('/', "\\/"));
        forms.push(escaped);
    }
    // JSON inside JSON, as in a logged request body.
    forms.push(json.replace('\\', "\\\\").replace('"', "\\\""));
    for (quote, apostrophe) in
        [("&quot;", "&#39;"), ("&#34;", "&#x27;"), ("&quot;", "'"), ("\"", "'"), ("&#34;", "&apos;")]
    {
        let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let html = html.replace('"', quote).replace('\'', apostrophe);
        forms.push(html.replace('/', "&#x2F;"));
        forms.push(html);
    }
}

/// The characters of a base64 text that depend on these bytes alone when `shift` bytes stand before
/// them (RFC 4648: 3 bytes make 4 characters, so there are three ways to begin).
fn base64_core(engine: &impl base64::Engine, bytes: &[u8], shift: usize) -> String {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(bytes);
    let encoded = engine.encode(&padded);
    let from = (shift * 8).div_ceil(6);
    let to = padded.len() * 8 / 6;
    encoded.get(from..to).unwrap_or_default().to_owned()
}

fn percent_encoded(bytes: &[u8], kept: &str, upper: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else if upper {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

/// JSON with everything beyond ASCII (and, as some libraries do, `<`, `>` and `&`) as `\uXXXX`.
fn ascii_json(json: &str, html_safe: bool) -> String {
    let mut out = String::with_capacity(json.len());
    let mut units = [0; 2];
    for c in json.chars() {
        if c.is_ascii() && !(html_safe && matches!(c, '<' | '>' | '&' | '\'')) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}
