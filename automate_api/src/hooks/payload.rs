//! From verified bytes to a value.

use automate_core::limits;
use automate_core::store::Json;
use http::StatusCode;
use serde_json::{Map, Value};

use super::body::Format;
use crate::json_gate::{self, GateError};
use crate::problem::{FieldError, Problem};

/// A payload that passed the gate.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) value: Value,
    /// The value as JSON text: the body itself where that is JSON.
    pub(crate) text: Json,
    pub(crate) is_body: bool,
}

pub(crate) fn parse(format: Format, body: &[u8]) -> Result<Payload, Problem> {
    match format {
        Format::Json => {
            let (text, value) = json_gate::parse(body).map_err(|error| refused(&error))?;
            Ok(Payload { value, text: text.into(), is_body: true })
        }
        Format::Form => {
            let value = Value::Object(form(body)?);
            let text = value.to_string().into();
            Ok(Payload { value, text, is_body: false })
        }
    }
}

/// 400 for what the gate refused.
pub(crate) fn refused(error: &GateError) -> Problem {
    let code = error.kind.code();
    let place = FieldError { path: String::new(), code: code.to_owned(), message: error.to_string() };
    Problem::new(StatusCode::BAD_REQUEST, code, error.kind.to_string()).with_errors(vec![place])
}

/// A form as an object of strings (URL Standard, section 5.1). A name that comes more than once
/// becomes a list, as forms with several choices send it.
fn form(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let invalid = |code, detail| Problem::new(StatusCode::BAD_REQUEST, code, detail);
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
pub(crate) fn decoded(bytes: &[u8]) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_kept_byte_for_byte() {
        let payload = parse(Format::Json, b" {\"a\" : 1.50} ").unwrap();
        assert_eq!((&*payload.text, payload.is_body), (" {\"a\" : 1.50} ", true));
        assert_eq!(payload.value, json!({"a": 1.5}));
    }

    #[test]
    fn a_form_becomes_an_object() {
        let payload = parse(Format::Form, b"command=%2Fdeploy&text=web+app&x=1&x=2&x=3&empty=&bare&50%=%zz").unwrap();
        let expected = json!({"command": "/deploy", "text": "web app", "x": ["1", "2", "3"], "empty": "", "bare": "", "50%": "%zz"});
        assert_eq!((payload.value, payload.is_body), (expected, false));
    }

    #[test]
    fn w16_json_sent_as_a_form_is_only_a_strange_name() {
        let body = br#"{"files":{"x":{"filepath":"/etc/passwd"}}}"#;
        let payload = parse(Format::Form, body).unwrap();
        assert_eq!(payload.value, json!({String::from_utf8_lossy(body): ""}));
    }

    #[test]
    fn bad_forms_are_refused() {
        let code = |body: &[u8]| parse(Format::Form, body).unwrap_err().code();
        assert_eq!(code(b"a=%ff"), "INVALID_FORM");
        assert_eq!(code(b"a=%00"), "FORM_NUL");
        assert_eq!(code(b""), "INVALID_FORM");
        assert_eq!(code("a=1&".repeat(limits::JSON_KEYS + 1).as_bytes()), "FORM_TOO_MANY_FIELDS");
    }
}
