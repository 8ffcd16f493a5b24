//! Parameters of paths and queries.

use std::borrow::Cow;

use automate_core::limits;
use automate_store::resource::exact_id;
use chrono::DateTime;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Array, KnownFormat, Object, Schema, SchemaFormat, Type};

use super::shape::Shape;

/// What a parameter takes.
#[derive(Clone, PartialEq)]
pub enum ParameterKind {
    /// A UUID.
    Uuid,
    /// Text of at most so many characters.
    Text {
        /// The characters, at most.
        max: usize,
    },
    /// A word of letters, digits, `_`, `-` and `.`, as slugs and names are.
    Word,
    /// A whole number.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// `true` or `false`.
    Boolean,
    /// A time: RFC 3339.
    Time,
    /// One of these words.
    OneOf(Vec<Cow<'static, str>>),
    /// Some of these words, with commas between them.
    SomeOf(Vec<Cow<'static, str>>),
    /// A schema of what the handler reads and checks by itself.
    Other(Box<Object>),
    /// The same of several values, with commas between them.
    Several {
        /// The schema of each.
        schema: Box<Object>,
        /// How many, at most.
        most: usize,
        /// Whether each may come once only.
        unique: bool,
    },
}

/// A parameter.
#[derive(Clone, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it takes.
    pub kind: ParameterKind,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub description: Cow<'static, str>,
}

impl std::fmt::Debug for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Parameter({})", self.name)
    }
}

impl Parameter {
    /// A parameter that may be left out.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: ParameterKind,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name: name.into(), kind, required: false, description: description.into() }
    }

    /// Text.
    pub fn text(name: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ParameterKind::Text { max: limits::PARAMETER_CHARS }, description)
    }

    /// A UUID.
    pub fn uuid(name: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ParameterKind::Uuid, description)
    }

    /// `true` or `false`.
    pub fn boolean(name: impl Into<Cow<'static, str>>, description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, ParameterKind::Boolean, description)
    }

    /// A whole number within bounds.
    pub fn integer(
        name: impl Into<Cow<'static, str>>,
        min: i64,
        max: i64,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(name, ParameterKind::Integer { min, max }, description)
    }

    /// The same, but it must be given.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What a parameter of a path is where it is not declared.
    #[must_use]
    pub fn of_path(name: &str) -> Self {
        let kind = if name == "id" || name.ends_with("_id") { ParameterKind::Uuid } else { ParameterKind::Word };
        let description = if kind == ParameterKind::Uuid { "The id of the row." } else { "The name." };
        Self { name: Cow::Owned(name.to_owned()), kind, required: true, description: Cow::Borrowed(description) }
    }

    /// Why a value is not taken; `None` where it is.
    #[must_use]
    pub fn fault(&self, value: &str) -> Option<String> {
        if value.contains('\0') {
            return Some("it holds the character NUL".to_owned());
        }
        match &self.kind {
            // The short and braced forms that the library takes too are two names for one row.
            ParameterKind::Uuid => exact_id(value).is_none().then(|| "it is not a UUID".to_owned()),
            ParameterKind::Text { max } => {
                (value.chars().count() > *max).then(|| format!("it is longer than {max} characters"))
            }
            ParameterKind::Word => (!is_word(value))
                .then(|| format!("it is not 1 to {} letters, digits, `_`, `-` or `.`", limits::PATH_PARAMETER_BYTES)),
            ParameterKind::Integer { min, max } => match value.parse::<i64>() {
                Ok(number) if (*min..=*max).contains(&number) && is_plain_number(value) => None,
                _ => Some(format!("it is not a whole number from {min} to {max}")),
            },
            ParameterKind::Boolean => {
                (!matches!(value, "true" | "false")).then(|| "it is neither `true` nor `false`".to_owned())
            }
            ParameterKind::Time => DateTime::parse_from_rfc3339(value)
                .is_err()
                .then(|| "it is not a time as in `2026-01-31T12:00:00Z`".to_owned()),
            ParameterKind::OneOf(words) => {
                (!words.iter().any(|word| word == value)).then(|| format!("it is none of {}", words.join(", ")))
            }
            ParameterKind::SomeOf(words) => {
                let wrong = value.split(',').find(|part| !words.iter().any(|word| word == part))?;
                Some(format!("`{}` is none of {}", shortened(wrong), words.join(", ")))
            }
            ParameterKind::Other(_) | ParameterKind::Several { .. } => None,
        }
    }

    /// Whether it takes several values, with commas between them.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.kind, ParameterKind::SomeOf(_) | ParameterKind::Several { .. })
    }

    /// Bounds a number further.
    pub(super) fn bound(&mut self, least: i64, greatest: i64) {
        match &mut self.kind {
            ParameterKind::Integer { min, max } => (*min, *max) = (least.max(*min), greatest.min(*max)),
            kind => *kind = ParameterKind::Integer { min: least, max: greatest },
        }
    }

    /// Its schema.
    #[must_use]
    pub fn schema(&self) -> RefOr<Schema> {
        let text = || Object::builder().schema_type(Type::String);
        let object = match &self.kind {
            ParameterKind::Uuid => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
            ParameterKind::Text { max } => text().max_length(Some(*max)),
            ParameterKind::Word => {
                text().pattern(Some(format!("^(?!\\.+$)[A-Za-z0-9_.-]{{1,{}}}$", limits::PATH_PARAMETER_BYTES)))
            }
            ParameterKind::Integer { min, max } => {
                Object::builder().schema_type(Type::Integer).minimum(Some(*min)).maximum(Some(*max))
            }
            ParameterKind::Boolean => Object::builder().schema_type(Type::Boolean),
            ParameterKind::Time => text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
            ParameterKind::OneOf(words) | ParameterKind::SomeOf(words) => {
                text().enum_values(Some(words.iter().map(AsRef::as_ref).collect::<Vec<&str>>()))
            }
            ParameterKind::Other(schema) | ParameterKind::Several { schema, .. } => (**schema).clone().into(),
        };
        let one = Schema::Object(object.build());
        let list = Array::builder().items(RefOr::T(one.clone())).min_items(Some(1));
        let list = match &self.kind {
            ParameterKind::SomeOf(words) => list.unique_items(true).max_items(Some(words.len())),
            ParameterKind::Several { most, unique, .. } => list.unique_items(*unique).max_items(Some(*most)),
            _ => return RefOr::T(one),
        };
        RefOr::T(Schema::Array(list.build()))
    }

    /// A value that it takes, for documents.
    #[must_use]
    pub fn example(&self) -> Value {
        match &self.kind {
            ParameterKind::Uuid => json!("01890a5d-ac96-774b-bcce-b302099a8057"),
            ParameterKind::Text { .. } => json!("text"),
            ParameterKind::Word => json!("name"),
            ParameterKind::Integer { min, .. } => json!(min),
            ParameterKind::Boolean => json!(true),
            ParameterKind::Time => json!("2026-01-31T12:00:00Z"),
            ParameterKind::OneOf(words) | ParameterKind::SomeOf(words) => json!(words.first()),
            ParameterKind::Other(schema) | ParameterKind::Several { schema, .. } => {
                Shape::inline(Schema::Object((**schema).clone())).example()
            }
        }
    }
}

/// No sign, no zeros in front: one way to write each number.
fn is_plain_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    value == "0" || (digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'))
}

/// Whether it can be part of an address without being read as something else.
fn is_word(value: &str) -> bool {
    (1..=limits::PATH_PARAMETER_BYTES).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && value.bytes().any(|b| b != b'.')
}

/// A value as it is repeated in a message.
pub(crate) fn shortened(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(64).collect()
}
