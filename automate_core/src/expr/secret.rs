//! Secrets in templates: opaque while a template runs, a marker in what it renders, and the value
//! only in memory at the boundary.
//!
//! A marker holds the expression that makes the text (which key, which filters), not the value. It
//! begins with a random 128-bit number of this process, which never leaves it: data that looks like
//! a marker is data.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};
use minijinja::{Error, ErrorKind, State, Value as EngineValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budget::{note, secret_misused};
use super::error::{ExprError, Fault, TEMPLATE_SECRET};
use super::filters::crypto;
use crate::secrets::{SecretRef, SecretValue};

pub use super::scrub::{ScrubStream, Scrubber};

static OPEN: LazyLock<String> = LazyLock::new(|| format!("{{$secret-{}:", hex::encode(rand::random::<[u8; 16]>())));
const CLOSE: &str = "$}";

/// Filters that a secret may go through; they are applied at the boundary.
pub(super) const RECORDED: &[&str] = &["basic_auth", "base64", "hmac_sha256", "urlencode"];

/// A text that depends on secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum SecretText {
    /// Text that is known.
    #[serde(rename = "t")]
    Plain(String),
    /// The value of a key.
    #[serde(rename = "k")]
    Key(String),
    /// Texts one after the other.
    #[serde(rename = "j")]
    Joined(Vec<SecretText>),
    /// A filter, its input and its arguments.
    #[serde(rename = "f")]
    Filtered(String, Vec<SecretText>),
}

impl SecretText {
    fn keys(&self, into: &mut BTreeSet<String>) {
        match self {
            Self::Plain(_) => {}
            Self::Key(key) => {
                into.insert(key.clone());
            }
            Self::Joined(parts) | Self::Filtered(_, parts) => parts.iter().for_each(|p| p.keys(into)),
        }
    }

    /// What is stored and shown in place of the value.
    fn shown(&self, out: &mut String) {
        match self {
            Self::Plain(text) => out.push_str(text),
            Self::Key(key) => {
                out.push_str("$secret:");
                out.push_str(key);
            }
            Self::Joined(parts) => parts.iter().for_each(|p| p.shown(out)),
            Self::Filtered(name, parts) => {
                for (i, part) in parts.iter().enumerate() {
                    let joined = matches!(part, Self::Joined(_));
                    match i {
                        0 => {}
                        1 => out.push('('),
                        _ => out.push_str(", "),
                    }
                    if joined {
                        out.push('(');
                    }
                    part.shown(out);
                    if joined {
                        out.push(')');
                    }
                    if i == 0 {
                        out.push('|');
                        out.push_str(name);
                    }
                }
                if parts.len() > 1 {
                    out.push(')');
                }
            }
        }
    }

    fn resolve(&self, values: &BTreeMap<String, SecretValue>) -> Result<String, String> {
        Ok(match self {
            Self::Plain(text) => text.clone(),
            Self::Key(key) => match values.get(key) {
                Some(value) => value.expose_secret().to_owned(),
                None => return Err(format!("no value was given for the secret `{key}`")),
            },
            Self::Joined(parts) => {
                let mut text = String::new();
                for part in parts {
                    text.push_str(&part.resolve(values)?);
                }
                text
            }
            Self::Filtered(name, parts) => {
                let texts = parts.iter().map(|p| p.resolve(values)).collect::<Result<Vec<_>, _>>()?;
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                crypto::apply(name, &texts)?
            }
        })
    }
}

/// A secret, or text that holds one, inside a template. Everything but passing it on is an error.
pub(super) struct Opaque(pub(super) SecretText);

impl Opaque {
    pub(super) fn value(text: SecretText) -> EngineValue {
        EngineValue::from_object(Self(text))
    }

    pub(super) fn is(value: &EngineValue) -> bool {
        value.downcast_object_ref::<Self>().is_some() || value.downcast_object_ref::<Secrets>().is_some()
    }

    pub(super) fn of(value: &EngineValue) -> Option<&SecretText> {
        value.downcast_object_ref::<Self>().map(|o| &o.0)
    }

    pub(super) fn marker(&self) -> String {
        marker(&self.0)
    }
}

/// The marker of a text. Known text at its ends is left outside of the marker.
pub(super) fn marker(text: &SecretText) -> String {
    match text {
        SecretText::Plain(text) => text.clone(),
        SecretText::Joined(parts) => parts.iter().map(marker).collect(),
        other => {
            // The type has no map with keys that are not text, so this cannot fail.
            let payload = serde_json::to_vec(other).unwrap_or_default();
            format!("{}{}{CLOSE}", *OPEN, URL_SAFE_NO_PAD.encode(payload))
        }
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Object for Opaque {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, _: &EngineValue) -> Option<EngineValue> {
        Some(EngineValue::from(secret_misused("taken apart")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[EngineValue]) -> Result<EngineValue, Error> {
        Err(secret_misused("called"))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, _: &str, _: &[EngineValue]) -> Result<EngineValue, Error> {
        Err(secret_misused("called"))
    }

    fn custom_cmp(self: &Arc<Self>, _: &DynObject) -> Option<std::cmp::Ordering> {
        // A comparison cannot return an error, so the render fails when it is over.
        note_comparison();
        None
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever prints a secret without knowing that it is one must not go on with the result.
        note_comparison();
        f.write_str("***")
    }
}

fn note_comparison() {
    note(TEMPLATE_SECRET, "a secret cannot be compared, sorted or made into text");
}

/// The name `secrets`: every valid key is there, because which keys exist is found out late.
#[derive(Debug)]
pub(super) struct Secrets;

impl Object for Secrets {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &EngineValue) -> Option<EngineValue> {
        match key.as_str() {
            Some(key) => self.get_value_by_str(key),
            None => Some(EngineValue::from(invalid_key("the key"))),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<EngineValue> {
        Some(match check_key(key) {
            Ok(()) => Opaque::value(SecretText::Key(key.to_owned())),
            Err(shown) => EngineValue::from(invalid_key(shown)),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

fn invalid_key(shown: &str) -> Error {
    let message = format!(
        "`{shown}` is not a secret's key; it has letters, digits, `_`, `-` and `.`, and may have a backend before a `/` and `?version=N` at its end"
    );
    note(TEMPLATE_SECRET, message.clone());
    Error::new(ErrorKind::InvalidOperation, message)
}

/// What may follow `$secret:`. The error is what to show of anything else.
pub(super) fn check_key(key: &str) -> Result<(), &str> {
    if SecretRef::read(key).is_some() { Ok(()) } else { Err(super::error::cut(key, 64)) }
}

/// Turns rendered values into what is stored, and into what an action is given.
#[derive(Debug, Clone, Default)]
pub struct SecretBinder(());

impl SecretBinder {
    pub(super) fn new() -> Self {
        Self(())
    }

    /// The keys of the secrets that a rendered value needs, as they follow `$secret:`.
    #[must_use]
    pub fn keys(&self, value: &Value) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        each_string(value, &mut |text| {
            for part in split(text) {
                if let Part::Marker(Ok(secret)) = part {
                    secret.keys(&mut keys);
                }
            }
        });
        keys
    }

    /// The value with `$secret:KEY` (and the filters, as in `$secret:KEY|base64`) in place of each
    /// marker: what may be stored and shown. It is data: it must not be compiled as a template again.
    #[must_use]
    pub fn redacted(&self, value: Value) -> Value {
        let replaced = replace(value, &mut |secret| {
            let mut shown = String::new();
            match secret {
                Ok(secret) => secret.shown(&mut shown),
                Err(()) => shown.push_str("$secret:?"),
            }
            Ok(shown)
        });
        // The closure above returns no error.
        replaced.unwrap_or(Value::Null)
    }

    /// The value with the secrets in it, for the call that it is made for and nothing else.
    ///
    /// # Errors
    /// `TEMPLATE_SECRET` where a value was not given, a recorded filter fails, or a marker is not
    /// whole. The text names keys only.
    pub fn bind(&self, value: Value, values: &BTreeMap<String, SecretValue>) -> Result<Value, ExprError> {
        let fault = |message: String| Fault::new(TEMPLATE_SECRET, message).in_source("");
        replace(value, &mut |secret| match secret {
            Ok(secret) => secret.resolve(values).map_err(fault),
            Err(()) => Err(fault("a reference to a secret was damaged after it was rendered".to_owned())),
        })
    }
}

enum Part<'a> {
    Text(&'a str),
    Marker(Result<SecretText, ()>),
}

/// The texts and markers of a string.
fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(OPEN.as_str()) {
        parts.push(Part::Text(&rest[..at]));
        rest = &rest[at + OPEN.len()..];
        let Some(end) = rest.find(CLOSE) else {
            parts.push(Part::Marker(Err(())));
            return parts;
        };
        let payload = URL_SAFE_NO_PAD.decode(&rest[..end]).map_err(|_| ());
        parts.push(Part::Marker(payload.and_then(|p| serde_json::from_slice(&p).map_err(|_| ()))));
        rest = &rest[end + CLOSE.len()..];
    }
    parts.push(Part::Text(rest));
    parts
}

fn each_string(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|v| each_string(v, visit)),
        Value::Object(entries) => entries.iter().for_each(|(key, v)| {
            visit(key);
            each_string(v, visit);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

type Marked<'a> = dyn FnMut(Result<SecretText, ()>) -> Result<String, ExprError> + 'a;

fn replace(mut value: Value, with: &mut Marked<'_>) -> Result<Value, ExprError> {
    replace_in(&mut value, with)?;
    Ok(value)
}

fn replace_in(value: &mut Value, with: &mut Marked<'_>) -> Result<(), ExprError> {
    match value {
        Value::String(text) => {
            if let Cow::Owned(new) = replaced(text, with)? {
                *text = new;
            }
        }
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                replace_in(item, with).map_err(|e| e.at(&format!("/{i}")))?;
            }
        }
        Value::Object(entries) => {
            // Templates cannot make a secret a key; if one is there all the same, it is replaced too.
            if entries.keys().any(|k| k.contains(OPEN.as_str())) {
                for (key, item) in std::mem::take(entries) {
                    let key = replaced(&key, with)?.into_owned();
                    entries.insert(key, item);
                }
            }
            for (key, item) in entries.iter_mut() {
                replace_in(item, with).map_err(|e| e.at(&super::pointer_segment(key)))?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn replaced<'a>(text: &'a str, with: &mut Marked<'_>) -> Result<Cow<'a, str>, ExprError> {
    if !text.contains(OPEN.as_str()) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    for part in split(text) {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Marker(secret) => out.push_str(&with(secret)?),
        }
    }
    Ok(Cow::Owned(out))
}
