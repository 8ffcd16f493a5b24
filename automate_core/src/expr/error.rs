//! Why a template could not be compiled or rendered, without any value of a secret.

use minijinja::ErrorKind;

use super::budget;

/// The template cannot be parsed, or uses something that templates do not have.
pub const TEMPLATE_SYNTAX: &str = "TEMPLATE_SYNTAX";
/// A name, attribute or item is not there.
pub const TEMPLATE_UNDEFINED: &str = "TEMPLATE_UNDEFINED";
/// A bound on size, time or work was passed.
pub const TEMPLATE_LIMIT: &str = "TEMPLATE_LIMIT";
/// A value has the wrong type or cannot be represented.
pub const TEMPLATE_TYPE: &str = "TEMPLATE_TYPE";
/// A secret was used for something other than being passed on.
pub const TEMPLATE_SECRET: &str = "TEMPLATE_SECRET";
/// An environment variable is not on the allow-list.
pub const TEMPLATE_ENV: &str = "TEMPLATE_ENV";

/// How many bytes of the source an error repeats.
const SHOWN_BYTES: usize = 200;

/// Why an expression, a template or a value with templates in it could not be compiled or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message} (in `{expression}`, line {line}{})", if .pointer.is_empty() { String::new() } else { format!(", at {}", .pointer) })]
pub struct ExprError {
    /// One of the stable words above, such as `TEMPLATE_UNDEFINED`.
    pub code: &'static str,
    /// JSON pointer of the string inside the value; empty at its root.
    pub pointer: String,
    /// The source of the string, cut at 200 bytes.
    pub expression: String,
    /// The line within the string, from 1.
    pub line: usize,
    /// What is wrong, and where possible what to do about it.
    pub message: String,
}

impl ExprError {
    pub(super) fn at(mut self, pointer: &str) -> Self {
        self.pointer = format!("{pointer}{}", self.pointer);
        self
    }
}

/// A fault before it is known which string it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) line: usize,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, line: 1, message: message.into() }
    }

    pub(super) fn on_line(mut self, line: usize) -> Self {
        self.line = line.max(1);
        self
    }

    pub(super) fn in_source(self, source: &str) -> ExprError {
        ExprError {
            code: self.code,
            pointer: String::new(),
            expression: cut(source, SHOWN_BYTES).to_owned(),
            line: self.line,
            message: self.message,
        }
    }

    /// A fault of minijinja. Its text names kinds and paths; the values of secrets never reach it.
    pub(super) fn of_engine(error: &minijinja::Error) -> Self {
        let line = error.line().unwrap_or(1);
        if let Some((code, message)) = budget::take_fault() {
            return Self::new(code, message).on_line(line);
        }
        let detail = error.detail().unwrap_or_default();
        let code = match error.kind() {
            ErrorKind::UndefinedError => TEMPLATE_UNDEFINED,
            ErrorKind::OutOfFuel | ErrorKind::WriteFailure => TEMPLATE_LIMIT,
            ErrorKind::SyntaxError if detail.contains("recursion limit") => TEMPLATE_LIMIT,
            ErrorKind::SyntaxError
            | ErrorKind::UnknownFilter
            | ErrorKind::UnknownTest
            | ErrorKind::UnknownFunction
            | ErrorKind::UnknownMethod
            | ErrorKind::BadEscape => TEMPLATE_SYNTAX,
            _ if detail.contains("` is undefined") => TEMPLATE_UNDEFINED,
            _ if detail.contains("recursion limit") => TEMPLATE_LIMIT,
            _ => TEMPLATE_TYPE,
        };
        let message = match error.kind() {
            ErrorKind::OutOfFuel => "the template does too much work".to_owned(),
            ErrorKind::UndefinedError | ErrorKind::SyntaxError if !detail.is_empty() => detail.to_owned(),
            kind if detail.is_empty() => kind.to_string(),
            kind => format!("{kind}: {detail}"),
        };
        Self::new(code, cut(&message, 1024)).on_line(line)
    }
}

/// The beginning of a text, at most so many bytes.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let mut end = bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
