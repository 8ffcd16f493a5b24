//! From verified bytes to a value, and what the sender is told where that cannot be.

use automate_core::body::{self, BodyError, Format};
use automate_core::json_gate::GateError;
use http::StatusCode;

use crate::problem::{FieldError, Problem};

pub(crate) use automate_core::body::{Payload, decoded};

pub(crate) fn parse(format: Format, body: &[u8]) -> Result<Payload, Problem> {
    body::parse(format, body).map_err(|error| match error {
        BodyError::Json(error) => refused(&error),
        BodyError::Form { code, message } => Problem::new(StatusCode::BAD_REQUEST, code, message),
    })
}

/// 400 for what the gate refused.
pub(crate) fn refused(error: &GateError) -> Problem {
    let code = error.kind.code();
    let place = FieldError { path: String::new(), code: code.to_owned(), message: error.to_string() };
    Problem::new(StatusCode::BAD_REQUEST, code, error.kind.to_string()).with_errors(vec![place])
}

#[cfg(test)]
mod tests {
    use automate_core::limits;
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
