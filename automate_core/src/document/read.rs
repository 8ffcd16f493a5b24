//! From data to definition: a walk over the whole document that gathers every error with its
//! place, and reads what can be read all the same, so that later checks have something to look at.

mod step;
mod trigger;
mod workflow;

use serde_json::{Map, Value};

use super::definition::Workflow;
use super::findings::{Findings, shown};
use super::shapes::Shape;
use super::source::{Place, Position, Positions, pointer_to};
use super::{Diagnostic, Severity, codes, duration, findings};

/// Reads a workflow. Where there are errors the result is the best that could be made of the
/// document: steps keep their place and id, whatever else is wrong with them.
pub(super) fn read(value: &Value, positions: &Positions, findings: &mut Findings) -> Option<Workflow> {
    let node = Node { value, place: positions.root(), pointer: String::new() };
    let mut reader = Reader { findings, steps: 0, first_step_too_many: None };
    reader.workflow(&node)
}

/// One value of the document with its place.
#[derive(Debug, Clone)]
struct Node<'a> {
    value: &'a Value,
    place: &'a Place,
    pointer: String,
}

impl<'a> Node<'a> {
    fn item(&self, index: usize, value: &'a Value) -> Self {
        Node { value, place: self.place.item(index), pointer: format!("{}/{index}", self.pointer) }
    }
}

/// A mapping of the document with its place.
struct Object<'a> {
    map: &'a Map<String, Value>,
    place: &'a Place,
    pointer: String,
}

impl<'a> Object<'a> {
    fn field(&self, name: &str) -> Option<Node<'a>> {
        let value = self.map.get(name)?;
        Some(Node { value, place: self.place.field(name), pointer: pointer_to(&self.pointer, name) })
    }

    fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    fn fields(&self) -> impl Iterator<Item = (&'a String, Node<'a>)> {
        self.map.iter().map(|(name, value)| {
            (name, Node { value, place: self.place.field(name), pointer: pointer_to(&self.pointer, name) })
        })
    }
}

struct Reader<'f> {
    findings: &'f mut Findings,
    /// Steps read so far, nested ones included.
    steps: usize,
    first_step_too_many: Option<(Position, String)>,
}

impl Reader<'_> {
    fn report(&mut self, at: Position, path: &str, code: &str, message: String, suggestion: Option<String>) {
        self.findings.push(Diagnostic {
            path: path.to_owned(),
            line: at.line,
            column: at.column,
            code: code.to_owned(),
            message,
            suggestion,
            severity: Severity::Error,
        });
    }

    fn error(&mut self, node: &Node<'_>, code: &str, message: impl Into<String>, suggestion: impl Into<Advice>) {
        self.report(node.place.at, &node.pointer, code, message.into(), suggestion.into().0);
    }

    /// An error about a field as such, placed on its key.
    fn key_error(&mut self, node: &Node<'_>, code: &str, message: impl Into<String>, suggestion: impl Into<Advice>) {
        let at = node.place.key.unwrap_or(node.place.at);
        self.report(at, &node.pointer, code, message.into(), suggestion.into().0);
    }

    fn warning(&mut self, node: &Node<'_>, code: &str, message: impl Into<String>) {
        let at = node.place.key.unwrap_or(node.place.at);
        self.findings.push(Diagnostic {
            path: node.pointer.clone(),
            line: at.line,
            column: at.column,
            code: code.to_owned(),
            message: message.into(),
            suggestion: None,
            severity: Severity::Warning,
        });
    }

    fn wrong_type(&mut self, node: &Node<'_>, expected: &str, suggestion: impl Into<Advice>) {
        let message = format!("expected {expected}, found {}", type_of(node.value));
        self.error(node, codes::WRONG_TYPE, message, suggestion);
    }

    /// A mapping of any fields.
    fn mapping<'a>(&mut self, node: &Node<'a>, title: &str) -> Option<Object<'a>> {
        match node.value {
            Value::Object(map) => Some(Object { map, place: node.place, pointer: node.pointer.clone() }),
            _ => {
                self.wrong_type(node, &format!("a mapping for {title}"), None);
                None
            }
        }
    }

    /// A mapping of a shape; fields that the shape does not have are reported.
    fn object<'a>(&mut self, node: &Node<'a>, shape: &Shape) -> Option<Object<'a>> {
        let object = self.mapping(node, shape.title)?;
        for (name, field) in object.fields() {
            if shape.fields.contains(&name.as_str()) {
                continue;
            }
            if shape.later.contains(&name.as_str()) {
                self.unsupported(&field, name);
            } else {
                let suggestion = findings::did_you_mean(name, shape.fields.iter().copied())
                    .unwrap_or_else(|| format!("{} has: {}", shape.title, shape.fields.join(", ")));
                let message = format!("{} has no field {}", shape.title, shown(name));
                self.key_error(&field, codes::UNKNOWN_FIELD, message, suggestion);
            }
        }
        Some(object)
    }

    /// A part of the language that this version knows of and does not run.
    fn unsupported(&mut self, field: &Node<'_>, name: &str) {
        self.key_error(field, codes::UNSUPPORTED_FEATURE, format!("`{name}` is not in this version"), None);
    }

    fn missing(&mut self, object: &Object<'_>, title: &str, field: &str, suggestion: impl Into<Advice>) {
        let message = format!("{title} needs `{field}`");
        self.report(object.place.at, &object.pointer, codes::MISSING_FIELD, message, suggestion.into().0);
    }

    fn list<'a>(&mut self, node: &Node<'a>, of: &str) -> Option<&'a Vec<Value>> {
        match node.value {
            Value::Array(items) => Some(items),
            Value::Object(_) => {
                self.wrong_type(node, &format!("a list of {of}"), "write `- ` before it");
                None
            }
            _ => {
                self.wrong_type(node, &format!("a list of {of}"), None);
                None
            }
        }
    }

    fn text<'a>(&mut self, node: &Node<'a>) -> Option<&'a str> {
        match node.value {
            Value::String(text) => Some(text),
            Value::Number(_) | Value::Bool(_) => {
                self.wrong_type(node, "text", "put it in quotes");
                None
            }
            _ => {
                self.wrong_type(node, "text", None);
                None
            }
        }
    }

    /// Text that is not empty.
    fn some_text<'a>(&mut self, node: &Node<'a>) -> Option<&'a str> {
        let text = self.text(node)?;
        if text.trim().is_empty() {
            self.error(node, codes::INVALID_VALUE, "this is empty", None);
            return None;
        }
        Some(text)
    }

    /// An expression or a template that is one; `true` and `false` may be written bare.
    fn condition(&mut self, node: &Node<'_>) -> Option<String> {
        match node.value {
            Value::Bool(value) => Some(value.to_string()),
            _ => self.some_text(node).map(str::to_owned),
        }
    }

    fn boolean(&mut self, node: &Node<'_>) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(*value),
            Value::String(text) if ["yes", "no", "on", "off"].contains(&text.as_str()) => {
                self.wrong_type(node, "true or false", "YAML 1.2 knows only `true` and `false`");
                None
            }
            _ => {
                self.wrong_type(node, "true or false", None);
                None
            }
        }
    }

    /// A length of time; zero only where `zero` allows it.
    fn duration(&mut self, node: &Node<'_>, zero: Zero) -> Option<std::time::Duration> {
        let text = match node.value {
            Value::String(text) => text,
            Value::Number(number) => {
                let suggestion = format!("add a unit: `{number}s`");
                self.wrong_type(node, "a length of time", suggestion);
                return None;
            }
            _ => {
                self.wrong_type(node, "a length of time", duration::DurationError::Form.suggestion());
                return None;
            }
        };
        match duration::parse(text) {
            Ok(length) if length.is_zero() && zero == Zero::Refused => {
                self.error(node, codes::INVALID_VALUE, "this must be longer than nothing", None);
                None
            }
            Ok(length) => Some(length),
            Err(problem) => {
                let message = format!("{problem}: {}", shown(text));
                self.error(node, codes::INVALID_VALUE, message, problem.suggestion());
                None
            }
        }
    }

    /// One of some words.
    fn word<'a>(&mut self, node: &Node<'a>, words: &[&str]) -> Option<&'a str> {
        let text = self.text(node)?;
        if words.contains(&text) {
            return Some(text);
        }
        let suggestion = findings::did_you_mean(text, words.iter().copied())
            .unwrap_or_else(|| format!("use one of: {}", words.join(", ")));
        self.error(node, codes::INVALID_VALUE, format!("{} is not known here", shown(text)), suggestion);
        None
    }
}

/// Whether a length of time may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zero {
    Allowed,
    Refused,
}

/// A suggestion, however it was written.
struct Advice(Option<String>);

impl From<Option<String>> for Advice {
    fn from(advice: Option<String>) -> Self {
        Self(advice)
    }
}

impl From<String> for Advice {
    fn from(advice: String) -> Self {
        Self(Some(advice))
    }
}

impl From<&str> for Advice {
    fn from(advice: &str) -> Self {
        Self(Some(advice.to_owned()))
    }
}

/// What people call the type of a value.
pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
