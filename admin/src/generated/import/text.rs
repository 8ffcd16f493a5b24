//! The text of an import: what was typed in, or what is in a file.

use automate_core::limits;
use http::StatusCode;

use crate::http::{Fields, Upload};

/// Why there is no text to read: the status, the field that it came by, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) status: StatusCode,
    pub(super) field: &'static str,
    pub(super) problem: String,
}

/// The field of a file.
pub(super) const FILE: &str = "file";
/// The field of a text, in every step.
pub(super) const CSV: &str = "csv";

/// The text that was sent.
///
/// # Errors
/// What is wrong with it, in words for whoever sent it.
pub(super) fn of(upload: &Upload, posted: &Fields) -> Result<String, Unread> {
    let typed = posted.get(CSV).unwrap_or_default();
    let refuse = |status, problem: &str| Err(Unread { status, field: FILE, problem: problem.to_owned() });
    match upload {
        Upload::Nothing => Ok(typed.to_owned()),
        Upload::TooLong => {
            let most = limits::IMPORT_BYTES / (1024 * 1024);
            refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("it has more than {most} MiB; split it"))
        }
        Upload::File(_) if !typed.trim().is_empty() => {
            refuse(StatusCode::UNPROCESSABLE_ENTITY, "there are a file and a text; send one of them")
        }
        Upload::File(bytes) => decoded(bytes).or_else(|problem| refuse(StatusCode::UNPROCESSABLE_ENTITY, &problem)),
    }
}

fn decoded(bytes: &[u8]) -> Result<String, String> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
        return Err("it is a spreadsheet or an archive; save it as CSV".to_owned());
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is UTF-16; save it as CSV in UTF-8".to_owned());
    }
    if bytes.contains(&0) {
        return Err("it is no text; save it as CSV in UTF-8".to_owned());
    }
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let read = &bytes[..error.utf8_error().valid_up_to()];
        let line = read.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8; save it as CSV in UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &'static [u8]) -> Upload {
        Upload::File(bytes.into())
    }

    #[test]
    fn a_file_that_is_no_text_in_utf_8_is_refused_with_what_to_do() {
        let none = Fields::default();
        for (bytes, says) in [
            (&b"PK\x03\x04rest"[..], "spreadsheet"),
            (&b"\xff\xfea\0"[..], "UTF-16"),
            (&b"a,b\n1,\0"[..], "no text"),
            (&b"a,b\n1,2\nM\xfcller,3"[..], "line 3 is not UTF-8"),
        ] {
            let unread = of(&file(bytes), &none).unwrap_err();
            assert!(unread.problem.contains(says), "{unread:?}");
            assert_eq!((unread.status.as_u16(), unread.field), (422, FILE));
        }
        assert_eq!(of(&Upload::TooLong, &none).unwrap_err().status.as_u16(), 413);
        assert_eq!(of(&file("a\nä".as_bytes()), &none).unwrap(), "a\nä");
    }

    #[test]
    fn a_file_and_a_text_are_one_too_many() {
        let typed = Fields::of(vec![(CSV.to_owned(), "a\n1".to_owned())]);
        assert!(of(&file(b"a\n2"), &typed).unwrap_err().problem.contains("one of them"));
        assert_eq!(of(&Upload::Nothing, &typed).unwrap(), "a\n1");
        let blank = Fields::of(vec![(CSV.to_owned(), "\r\n".to_owned())]);
        assert_eq!(of(&file(b"a\n2"), &blank).unwrap(), "a\n2");
    }
}
