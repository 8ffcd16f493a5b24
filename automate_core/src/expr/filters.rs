//! The filters of templates: what Automate adds to minijinja's, and the registry that connectors and
//! applications add theirs to.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::value::{Kwargs, Rest, ValueOrKwargs};
use minijinja::{Error, Value as EngineValue};
use serde_json::{Map, Value};

use super::budget::wrong_type;
use super::convert::{Meter, to_json, to_value};
use crate::limits;
use crate::registry::{LoadReport, Loaded};

pub(super) mod builtin;
pub(super) mod crypto;
mod data;
mod money;
mod text;
mod time;

/// What a filter is given after its input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilterArgs {
    /// Arguments by position.
    pub positional: Vec<Value>,
    /// Arguments by name.
    pub named: Map<String, Value>,
}

impl FilterArgs {
    /// The argument at a position, or else by its name.
    #[must_use]
    pub fn get(&self, position: usize, name: &str) -> Option<&Value> {
        self.positional.get(position).or_else(|| self.named.get(name))
    }

    /// A text argument that may be left out.
    ///
    /// # Errors
    /// Where it is something else than text.
    pub fn text(&self, position: usize, name: &str) -> Result<Option<&str>, FilterError> {
        match self.get(position, name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(FilterError::new(format!("`{name}` must be text"))),
        }
    }

    /// A text argument that must be there.
    ///
    /// # Errors
    /// Where it is missing or something else than text.
    pub fn required_text(&self, position: usize, name: &str) -> Result<&str, FilterError> {
        self.text(position, name)?.ok_or_else(|| FilterError::new(format!("`{name}` is missing")))
    }
}

/// Why a filter could not be applied. The text names types and limits, not the data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// What is wrong.
    pub message: String,
}

impl FilterError {
    /// An error with a text.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// What a filter does: a pure function of its input and its arguments.
pub type FilterFunction = fn(&Value, &FilterArgs) -> Result<Value, FilterError>;

/// A filter, with what its documentation says.
#[derive(Clone, Copy)]
pub struct FilterSpec {
    /// The name in templates: lower-case letters, digits and `_`.
    pub name: &'static str,
    /// Input and arguments, such as `number | format_currency(code)`.
    pub signature: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// A template and what it renders to, as `{{ 1 | x }} -> 2`.
    pub example: &'static str,
    /// What it does.
    pub function: FilterFunction,
}

impl fmt::Debug for FilterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterSpec")
            .field("name", &self.name)
            .field("signature", &self.signature)
            .finish_non_exhaustive()
    }
}

/// A filter that a linked crate has registered with [`register_filter!`](crate::register_filter).
#[derive(Debug)]
pub struct FilterEntry {
    /// The filter.
    pub spec: FilterSpec,
    /// The crate and its version.
    pub origin: &'static str,
}

inventory::collect!(FilterEntry);

/// Registers a filter when the crate is linked into a program.
///
/// ```ignore
/// automate_core::register_filter!(FilterSpec { name: "shout", /* … */ function: shout });
/// ```
#[macro_export]
macro_rules! register_filter {
    ($spec:expr) => {
        $crate::expr::link::submit! {
            $crate::expr::FilterEntry {
                spec: $spec,
                origin: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")),
            }
        }
    };
}

/// Why a filter was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There is one of that name.
    #[error("there is already a filter `{0}`")]
    Taken(String),
    /// The name cannot be written in a template.
    #[error("`{0}` cannot be a filter's name; use lower-case letters, digits and `_`, not beginning with `_`")]
    InvalidName(String),
}

/// The filters that templates may use.
#[derive(Debug, Clone)]
pub struct FilterRegistry {
    specs: BTreeMap<&'static str, FilterSpec>,
}

impl FilterRegistry {
    /// The filters of Automate. minijinja's are always there.
    #[must_use]
    pub fn builtin() -> Self {
        let specs = [data::SPECS, crypto::SPECS, text::SPECS, time::SPECS, money::SPECS].concat();
        Self { specs: specs.into_iter().map(|s| (s.name, s)).collect() }
    }

    /// The filters of Automate and of all linked crates, with a report of what came from where.
    #[must_use]
    pub fn link_time() -> (Self, LoadReport) {
        let mut registry = Self::builtin();
        let mut report = LoadReport::default();
        let mut entries: Vec<&FilterEntry> = inventory::iter::<FilterEntry>().collect();
        // The order of linking is not one to rely on.
        entries.sort_by_key(|e| (e.spec.name, e.origin));
        for entry in entries {
            report.entries.push(Loaded {
                kind: "filter",
                key: entry.spec.name.to_owned(),
                origin: entry.origin.to_owned(),
                refused: registry.register(entry.spec).err().map(|e| e.to_string()),
            });
        }
        (registry, report)
    }

    /// Adds a filter.
    ///
    /// # Errors
    /// Where the name is taken (by a filter of minijinja, too) or not a valid one.
    pub fn register(&mut self, spec: FilterSpec) -> Result<(), RegisterError> {
        let valid = spec.name.starts_with(|c: char| c.is_ascii_lowercase())
            && spec.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !valid {
            return Err(RegisterError::InvalidName(spec.name.to_owned()));
        }
        if self.specs.contains_key(spec.name) || builtin::is_filter(spec.name) {
            return Err(RegisterError::Taken(spec.name.to_owned()));
        }
        self.specs.insert(spec.name, spec);
        Ok(())
    }

    /// The filters that are not minijinja's, sorted by name.
    pub fn specs(&self) -> impl Iterator<Item = &FilterSpec> {
        self.specs.values()
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = (&'static str, EngineValue)> {
        self.specs.values().map(|spec| {
            let (name, function) = (spec.name, spec.function);
            (
                name,
                EngineValue::from_function(move |args: Rest<ValueOrKwargs>| call(name, function, &args.into_values())),
            )
        })
    }
}

fn call(name: &str, function: FilterFunction, args: &[EngineValue]) -> Result<EngineValue, Error> {
    let mut meter = Meter::new(limits::STEP_OUTPUT_BYTES);
    let Some((input, rest)) = args.split_first() else {
        return Err(wrong_type(format!("the filter `{name}` needs an input")));
    };
    let input = to_json(input, &mut meter)?;
    let mut given = FilterArgs::default();
    for arg in rest {
        if arg.is_kwargs() {
            let kwargs = Kwargs::try_from(arg.clone())?;
            for key in kwargs.args() {
                given.named.insert(key.to_owned(), to_json(&kwargs.get::<EngineValue>(key)?, &mut meter)?);
            }
        } else {
            given.positional.push(to_json(arg, &mut meter)?);
        }
    }
    let output = function(&input, &given).map_err(|e| wrong_type(format!("the filter `{name}`: {e}")))?;
    Ok(to_value(&output))
}

/// The text of an input: text as it is, numbers and booleans as JSON.
fn text_of(value: &Value) -> Result<String, FilterError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Err(FilterError::new("null is not text")),
        Value::Array(_) | Value::Object(_) => Err(FilterError::new("a list or map is not text; use `to_json` first")),
    }
}
