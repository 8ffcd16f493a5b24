//! Bodies of webhooks: from verified bytes to a value.

use serde_json::{Map, Value};

use crate::json_gate::{self, GateError};
use crate::limits;
use crate::store::Json;

/// What a body is to be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON in UTF-8 (RFC 8259).
    Json,
    /// `application/x-www-form-urlencoded`, as Slack's commands are.
    Form,
}

impl Format {
    /// The format that a content type names. An absent one is JSON, as senders that are written in a
    /// hurry leave it out; one in another character set than UTF-8 is none, because it would be read
    /// as something else than what was signed.
    #[must_use]
    pub fn of(content_type: Option<&str>) -> Option<Self> {
        let Some(value) = content_type else { return Some(Self::Json) };
        let value = value.to_ascii_lowercase();
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next()?;
        let utf8 = parts.filter_map(|parameter| parameter.strip_prefix("charset=")).all(|charset| {
            let charset = charset.trim_matches('"');
            charset == "utf-8" || charset == "utf8"
        });
        let format = match essence {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            _ if essence.starts_with("application/") && essence.ends_with("+json") => Self::Json,
            _ => return None,
        };
        utf8.then_some(format)
    }
}

/// A payload that passed the gate.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The value.
    pub value: Value,
    /// The value as JSON text: the body itself where that is JSON.
    pub text: Json,
    /// Whether the text is the body, byte for byte.
    pub is_body: bool,
}

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The gate for JSON refused it.
    #[error(transparent)]
    Json(#[from] GateError),
    /// It is no form that can be kept.
    #[error("{message}")]
    Form {
        /// The stable code.
        code: &'static str,
        /// What is wrong.
        message: &'static str,
    },
}

/// Reads a body.
///
/// # Errors
/// [`BodyError`].
pub fn parse(format: Format, body: &[u8]) -> Result<Payload, BodyError> {
    match format {
        Format::Json => {
            let (text, value) = json_gate::parse(body)?;
            Ok(Payload { value, text: text.into(), is_body: true })
        }
        Format::Form => {
            let value = Value::Object(form(body)?);
            let text = value.to_string().into();
            Ok(Payload { value, text, is_body: false })
        }
    }
}

/// A form as an object of strings (URL Standard, section 5.1). A name that comes more than once
/// becomes a list, as forms with several choices send it.
fn form(body: &[u8]) -> Result<Map<String, Value>, BodyError> {
    let invalid = |code, message| BodyError::Form { code, message };
    let mut object = Map::new();
    let fields = body.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    for (n, field) in fields.enumerate() {
        if n == limits::JSON_KEYS {
            return Err(invalid("FORM_TOO_MANY_FIELDS", "the form has too many fields"));
        }
        let (name, value) = match field.iter().position(|byte| *byte == b'=') {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &[][..]),
        };
        let decode = |bytes| decoded(bytes).ok_or_else(|| invalid("INVALID_FORM", "the form is not valid UTF-8"));
        let (name, value) = (decode(name)?, decode(value)?);
        if name.contains('\0') || value.contains('\0') {
            return Err(invalid("FORM_NUL", "the form holds the character NUL"));
        }
        match object.get_mut(&name) {
            None => {
                object.insert(name, Value::String(value));
            }
            Some(Value::Array(values)) => values.push(Value::String(value)),
            Some(one) => *one = Value::Array(vec![one.take(), Value::String(value)]),
        }
    }
    if object.is_empty() {
        return Err(invalid("INVALID_FORM", "the form is empty"));
    }
    Ok(object)
}

/// Undoes the encoding of forms and queries; `None` where the result is not UTF-8.
#[must_use]
pub fn decoded(bytes: &[u8]) -> Option<String> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match (byte, escape) {
            (_, Some(escaped)) => {
                plain.push(escaped);
                at += 3;
                continue;
            }
            (b'+', None) => plain.push(b' '),
            (byte, None) => plain.push(*byte),
        }
        at += 1;
    }
    String::from_utf8(plain).ok()
}
