//! Filters that encode and sign. Those that a secret may go through are plain functions of texts,
//! because they run again at the boundary, on the value.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{alphabet, engine::DecodePaddingMode};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{FilterArgs, FilterError, FilterSpec, text_of};

/// Either alphabet is met in the wild, with and without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const LENIENT_STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

pub(super) const SPECS: &[FilterSpec] = &[
    FilterSpec {
        name: "base64",
        signature: "text | base64",
        doc: "Encodes a text in base64. A secret stays one.",
        example: "{{ 'hello' | base64 }} -> aGVsbG8=",
        function: |input, args| apply_to(input, args, "base64", &[]),
    },
    FilterSpec {
        name: "base64_decode",
        signature: "text | base64_decode",
        doc: "Decodes base64 (standard or URL alphabet, with or without padding) that holds a UTF-8 text.",
        example: "{{ 'aGVsbG8=' | base64_decode }} -> hello",
        function: base64_decode,
    },
    FilterSpec {
        name: "hmac_sha256",
        signature: "text | hmac_sha256(key)",
        doc: "The HMAC-SHA256 (RFC 2104) of a text, in lower-case hexadecimal. Input and key may be secrets.",
        example: "{{ 'message' | hmac_sha256('key') }} -> 6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a",
        function: |input, args| apply_to(input, args, "hmac_sha256", &["key"]),
    },
    FilterSpec {
        name: "sha256",
        signature: "text | sha256",
        doc: "The SHA-256 of a text, in lower-case hexadecimal.",
        example: "{{ 'abc' | sha256 }} -> ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        function: |input, _| Ok(hex::encode(Sha256::digest(text_of(input)?)).into()),
    },
    FilterSpec {
        name: "basic_auth",
        signature: "user | basic_auth(password)",
        doc: "The value of an Authorization header for HTTP Basic authentication (RFC 7617). Both may be secrets.",
        example: "{{ 'user' | basic_auth('pass') }} -> Basic dXNlcjpwYXNz",
        function: |input, args| apply_to(input, args, "basic_auth", &["password"]),
    },
];

fn apply_to(input: &Value, args: &FilterArgs, filter: &str, names: &[&str]) -> Result<Value, FilterError> {
    let mut texts = vec![text_of(input)?];
    for (i, name) in names.iter().enumerate() {
        texts.push(args.required_text(i, name)?.to_owned());
    }
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    apply(filter, &texts).map(Value::from).map_err(FilterError::new)
}

/// Applies one of the filters that secrets may go through to its input and arguments.
pub(in crate::expr) fn apply(filter: &str, texts: &[&str]) -> Result<String, String> {
    match (filter, texts) {
        ("base64", [text]) => Ok(STANDARD.encode(text)),
        ("urlencode", [text]) => {
            minijinja::filters::urlencode(&minijinja::Value::from(*text)).map_err(|e| e.kind().to_string())
        }
        ("hmac_sha256", [text, key]) => {
            let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| "the key cannot be used")?;
            mac.update(text.as_bytes());
            Ok(hex::encode(mac.finalize().into_bytes()))
        }
        ("basic_auth", [user, password]) => {
            if user.contains(':') {
                return Err("a user name for basic authentication cannot have a `:`".to_owned());
            }
            Ok(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
        }
        _ => Err(format!("the filter `{filter}` cannot be applied to a secret")),
    }
}

fn base64_decode(input: &Value, _: &FilterArgs) -> Result<Value, FilterError> {
    let text = text_of(input)?;
    let text = text.trim();
    let bytes = LENIENT_STANDARD
        .decode(text)
        .or_else(|_| LENIENT_URL.decode(text))
        .map_err(|_| FilterError::new("the text is not base64"))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| FilterError::new("what was encoded is not text in UTF-8"))
}
