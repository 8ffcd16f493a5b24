//! Between JSON and the values of the template engine.

use std::fmt::Write as _;
use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::value::{DynObject, Enumerator, Object, ObjectExt, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use serde_json::{Map, Number, Value as Json};

use super::budget::{over, secret_misused, tick, undefined, wrong_type};
use super::secret::Opaque;
use crate::limits;

/// How deep values are followed. Payloads are bounded much lower; templates can nest a little more.
pub(super) const DEPTH: usize = 128;

/// An object of JSON. Unlike minijinja's own map its keys are plain strings, so that an attribute
/// is found without making a key.
#[derive(Debug)]
pub(super) struct JsonMap(IndexMap<Box<str>, Value>);

impl JsonMap {
    pub(super) fn value(entries: impl IntoIterator<Item = (Box<str>, Value)>) -> Value {
        Value::from_object(Self(entries.into_iter().collect()))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|k| &**k)
    }
}

impl Object for JsonMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_key_value_enumerator(|this| Box::new(this.0.iter().map(|(k, v)| (Value::from(&**k), v.clone()))))
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The engine's value of a JSON value.
pub(super) fn to_value(json: &Json) -> Value {
    to_value_at(json, 0)
}

fn to_value_at(json: &Json, depth: usize) -> Value {
    if depth > DEPTH {
        return Value::from(Error::new(ErrorKind::InvalidOperation, "the value is nested too deeply for templates"));
    }
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::from(i),
            (None, Some(u)) => Value::from(u),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::from(items.iter().map(|v| to_value_at(v, depth + 1)).collect::<Vec<_>>()),
        Json::Object(entries) => {
            JsonMap::value(entries.iter().map(|(k, v)| (k.as_str().into(), to_value_at(v, depth + 1))))
        }
    }
}

/// Counts what a result takes, so that a small template cannot make a large one.
pub(super) struct Meter {
    left: usize,
    limit: usize,
    containers: usize,
}

impl Meter {
    pub(super) fn new(limit: usize) -> Self {
        Self { left: limit, limit, containers: 0 }
    }

    /// Lists and maps take far more memory than text.
    fn container(&mut self) -> Result<(), Error> {
        self.containers += 1;
        if self.containers > limits::TEMPLATE_ITEMS {
            return Err(over(format!("the result has more than {} lists and maps", limits::TEMPLATE_ITEMS)));
        }
        if self.containers.is_multiple_of(256) { tick() } else { Ok(()) }
    }

    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Error> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(over(format!("the result is larger than {} bytes", self.limit))),
        }
    }
}

/// The JSON of a result. Undefined anywhere in it, numbers that JSON does not have, and values past
/// the meter are errors; secrets become their markers.
pub(super) fn to_json(value: &Value, meter: &mut Meter) -> Result<Json, Error> {
    to_json_at(value, meter, 0)
}

fn to_json_at(value: &Value, meter: &mut Meter, depth: usize) -> Result<Json, Error> {
    if depth > DEPTH {
        return Err(over("the result is nested too deeply"));
    }
    meter.take(4)?;
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(undefined(value)),
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => Json::Number(number(value)?),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            meter.take(text.len())?;
            Json::String(text.to_owned())
        }
        ValueKind::Seq | ValueKind::Iterable => {
            meter.container()?;
            let mut items = Vec::new();
            for item in value.try_iter()? {
                items.push(to_json_at(&checked(item)?, meter, depth + 1)?);
            }
            Json::Array(items)
        }
        ValueKind::Map => {
            meter.container()?;
            let mut entries = Map::new();
            for (key, item) in value.as_object().and_then(DynObject::try_iter_pairs).into_iter().flatten() {
                let key = key_text(&key)?;
                meter.take(key.len())?;
                entries.insert(key, to_json_at(&checked(item)?, meter, depth + 1)?);
            }
            Json::Object(entries)
        }
        ValueKind::Plain => match value.downcast_object_ref::<Opaque>() {
            Some(secret) => {
                let marker = secret.marker();
                meter.take(marker.len())?;
                Json::String(marker)
            }
            None => return Err(wrong_type("this cannot be a result: name one of its entries")),
        },
        ValueKind::Bytes => return Err(wrong_type("bytes cannot be a result")),
        _ => return Err(invalid(value)),
    })
}

/// The text of a value inside a longer text: strings as they are, everything else as JSON. `null`
/// has none, because it is nearly always a missing value that would end in an address or a header.
pub(super) fn write_text(value: &Value, out: &mut String, limit: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if text.len() > limit.saturating_sub(out.len()) {
                return Err(over(format!("the text is longer than {limit} bytes")));
            }
            out.push_str(text);
        }
        ValueKind::Undefined => return Err(undefined(value)),
        ValueKind::None => {
            return Err(wrong_type("null has no text; give it one, for example with `{{ value or 'none' }}`"));
        }
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => {
            // Writing to a string does not fail.
            let _ = write!(out, "{value}");
        }
        _ => {
            let json = to_json(value, &mut Meter::new(limit.saturating_sub(out.len())))?;
            match json {
                Json::String(text) => out.push_str(&text),
                json => {
                    let _ = write!(out, "{json}");
                }
            }
        }
    }
    if out.len() > limit {
        return Err(over(format!("the text is longer than {limit} bytes")));
    }
    Ok(())
}

fn number(value: &Value) -> Result<Number, Error> {
    if value.is_integer() {
        if let Some(i) = value.as_i64() {
            return Ok(i.into());
        }
        return u64::try_from(value.clone())
            .map(Number::from)
            .map_err(|_| wrong_type("the number does not fit into 64 bits"));
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(Number::from_f64)
        .ok_or_else(|| wrong_type("the result of a calculation is not a finite number"))
}

fn key_text(key: &Value) -> Result<String, Error> {
    match key.kind() {
        ValueKind::String => Ok(key.as_str().unwrap_or_default().to_owned()),
        ValueKind::Bool => Ok(key.is_true().to_string()),
        ValueKind::Number => Ok(number(key)?.to_string()),
        ValueKind::Plain if Opaque::is(key) => Err(secret_misused("the key of a map")),
        kind => Err(wrong_type(format!("a map's key must be text, not {kind}"))),
    }
}

/// An item of an iteration; iterators report their errors as items.
pub(super) fn checked(item: Value) -> Result<Value, Error> {
    if item.kind() == ValueKind::Invalid { Err(invalid(&item)) } else { Ok(item) }
}

/// The error inside an invalid value.
pub(super) fn invalid(value: &Value) -> Error {
    let shown = value.to_string();
    let text = shown.trim_start_matches("<invalid value: ").trim_end_matches('>');
    wrong_type(text.trim_start_matches("invalid operation: "))
}

/// Walks a value and says how many bytes it takes, or fails past the bounds of filters. Lists that
/// hold the same list several times are counted as often as they are seen, as every walk sees them.
pub(super) fn weigh(value: &Value) -> Result<usize, Error> {
    let mut weight = 0;
    weigh_at(value, &mut weight, 0)?;
    Ok(weight)
}

fn weigh_at(value: &Value, weight: &mut usize, depth: usize) -> Result<(), Error> {
    *weight += 16 + value.as_str().map_or(0, str::len);
    if *weight > limits::TEMPLATE_MEMORY_BYTES || depth > DEPTH {
        return Err(over("a value is too large or too deeply nested for this operation"));
    }
    if value.as_object().is_some() && weight.is_multiple_of(128) {
        tick()?;
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            if depth == 0 && value.len().unwrap_or(usize::MAX) > limits::TEMPLATE_ITEMS {
                return Err(over(format!("a list of more than {} items is too long for this", limits::TEMPLATE_ITEMS)));
            }
            for item in value.try_iter()? {
                weigh_at(&checked(item)?, weight, depth + 1)?;
            }
        }
        ValueKind::Map => {
            for (key, item) in value.as_object().and_then(DynObject::try_iter_pairs).into_iter().flatten() {
                *weight += key.as_str().map_or(0, str::len);
                weigh_at(&item, weight, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}
