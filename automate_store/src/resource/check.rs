//! Whether what somebody gives is what a column takes.

use automate_core::limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::service::exact_id;
use super::value::{parse_time, time_text};
use super::{Column, ColumnKind, FieldProblem, Model, codes, name};

/// Whether a row is created or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Update,
}

/// Checks fields that somebody gives and answers with them as they are stored.
pub(super) fn fields(
    model: &Model,
    deed: Deed,
    fields: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<FieldProblem>> {
    let writable = |column: &Column| if deed == Deed::Create { column.on_create } else { column.on_update };
    let mut problems = Vec::new();
    let mut checked = Map::new();
    for (name, value) in fields {
        match model.columns.iter().find(|column| column.name == name) {
            Some(column) if writable(column) => match self::value(column, value) {
                Ok(value) => {
                    checked.insert(name.clone(), value);
                }
                Err(mut found) => problems.append(&mut found),
            },
            // That there is a hidden column is told to nobody.
            Some(column) if column.shown || column.on_create || column.on_update => {
                let message = if deed == Deed::Update && column.on_create {
                    "stays as it was given when the row was created"
                } else {
                    "cannot be set; leave it out"
                };
                problems.push(FieldProblem::new(name, codes::READ_ONLY, message));
            }
            _ => {
                let known = model.columns.iter().filter(|column| writable(column)).map(|column| column.name);
                let message = format!("there is no such field{}", name::suggestion(name, known));
                problems.push(FieldProblem::new(name::shortened(name), codes::UNKNOWN_FIELD, message));
            }
        }
        if problems.len() >= limits::FIELD_PROBLEMS {
            break;
        }
    }
    if deed == Deed::Create {
        let missing = |column: &&Column| column.on_create && !column.optional && !fields.contains_key(column.name);
        let missing = model.columns.iter().filter(missing);
        problems.extend(missing.map(|column| FieldProblem::new(column.name, codes::REQUIRED, "is needed")));
    }
    problems.truncate(limits::FIELD_PROBLEMS);
    if problems.is_empty() { Ok(checked) } else { Err(problems) }
}

/// Checks one value that is to be stored.
fn value(column: &Column, value: &Value) -> Result<Value, Vec<FieldProblem>> {
    let problem = |code, message: String| vec![FieldProblem::new(column.name, code, message)];
    if value.is_null() {
        return if column.nullable {
            Ok(Value::Null)
        } else {
            Err(problem(codes::NULL, "must not be null".to_owned()))
        };
    }
    let wrong = |what: &str| problem(codes::WRONG_TYPE, format!("must be {what}"));
    match (column.kind, value) {
        (ColumnKind::Uuid, Value::String(text)) if exact_id(text).is_some() => Ok(value.clone()),
        (ColumnKind::Uuid, _) => Err(wrong(UUID)),
        (ColumnKind::Text, Value::String(text)) => match text_problems(column, text) {
            found if found.is_empty() => Ok(value.clone()),
            found => Err(found),
        },
        (ColumnKind::Text, _) => Err(wrong("a text")),
        (ColumnKind::Json, _) => {
            if value.to_string().len() > column.max_length {
                return Err(problem(codes::TOO_LONG, format!("must be at most {} bytes of JSON", column.max_length)));
            }
            let mut found = Vec::new();
            nul_in(column.name.to_owned(), value, &mut found);
            if found.is_empty() { Ok(value.clone()) } else { Err(found) }
        }
        (ColumnKind::Integer, Value::Number(number)) => match number.as_i64() {
            Some(integer) if fits(column, integer) => Ok(value.clone()),
            None if !number.is_u64() => Err(wrong("a whole number")),
            _ => Err(problem(codes::OUT_OF_RANGE, range(column))),
        },
        (ColumnKind::Integer, _) => Err(wrong("a whole number")),
        (ColumnKind::Double, Value::Number(number)) => {
            // A whole number beyond 2^53 may have no double of its own.
            let exact = number.as_f64().is_some_and(|double| {
                double.is_finite()
                    && number.as_i64().is_none_or(|integer| double as i64 == integer && integer != i64::MAX)
                    && number.as_u64().is_none_or(|integer| double as u64 == integer && integer != u64::MAX)
            });
            if exact {
                Ok(value.clone())
            } else {
                Err(problem(codes::OUT_OF_RANGE, "is a number that a double cannot hold exactly".to_owned()))
            }
        }
        (ColumnKind::Double, _) => Err(wrong("a number")),
        (ColumnKind::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (ColumnKind::Boolean, _) => Err(wrong("true or false")),
        (ColumnKind::Time, Value::String(text)) => match parse_time(text) {
            Ok(time) => Ok(Value::String(time_text(time))),
            Err(message) => Err(problem(codes::WRONG_TYPE, message.to_owned())),
        },
        (ColumnKind::Time, _) => Err(wrong("a time as RFC 3339 writes it")),
        (ColumnKind::Bytes, Value::String(text)) if STANDARD.decode(text).is_ok() => {
            if text.len() / 4 * 3 > column.max_length {
                return Err(problem(codes::TOO_LONG, format!("must be at most {} bytes", column.max_length)));
            }
            Ok(value.clone())
        }
        (ColumnKind::Bytes, _) => Err(wrong("bytes as base64")),
    }
}

const UUID: &str = "a UUID in its usual form, such as 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";

fn fits(column: &Column, integer: i64) -> bool {
    match column.bits {
        16 => i16::try_from(integer).is_ok(),
        32 => i32::try_from(integer).is_ok(),
        _ => true,
    }
}

fn range(column: &Column) -> String {
    let (least, most) = match column.bits {
        16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    };
    format!("must be from {least} to {most}")
}

fn text_problems(column: &Column, text: &str) -> Vec<FieldProblem> {
    let mut found = Vec::new();
    let mut add = |code, message: String| found.push(FieldProblem::new(column.name, code, message));
    if text.len() > column.max_length && text.chars().count() > column.max_length {
        add(codes::TOO_LONG, format!("must be at most {} characters", column.max_length));
        return found;
    }
    if let Some(character) = text.chars().find(|c| name::is_unprintable(*c, column.name_like)) {
        add(codes::CONTROL_CHARACTER, format!("has the character U+{:04X} in it", u32::from(character)));
    }
    if column.name_like
        && let Some((code, message)) = name::problem(text)
    {
        add(code, message.to_owned());
    }
    if !column.choices.is_empty() && !column.choices.contains(&text) {
        add(codes::NOT_A_CHOICE, not_a_choice(column, text));
    }
    found
}

fn not_a_choice(column: &Column, text: &str) -> String {
    let known = column.choices.iter().copied();
    format!("must be one of {}{}", column.choices.join(", "), name::suggestion(text, known))
}

/// Finds the characters that no text of PostgreSQL can hold, in texts and keys at every level.
fn nul_in(path: String, value: &Value, found: &mut Vec<FieldProblem>) {
    if found.len() >= limits::FIELD_PROBLEMS {
        return;
    }
    let mut check = |text: &str| {
        if text.contains('\0') {
            let message = "has the character U+0000 in it";
            found.push(FieldProblem::new(path.clone(), codes::CONTROL_CHARACTER, message));
        }
    };
    match value {
        Value::String(text) => check(text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                nul_in(format!("{path}/{index}"), item, found);
            }
        }
        Value::Object(entries) => {
            entries.keys().for_each(|key| check(key));
            for (key, item) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                nul_in(format!("{path}/{}", name::shortened(&key)), item, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads one value of a filter. `name` is the parameter's.
pub(super) fn filter_value(column: &Column, name: &str, text: &str) -> Result<Value, FieldProblem> {
    let problem = |code, message: String| FieldProblem::new(name, code, message);
    let wrong = |what: &str| problem(codes::WRONG_TYPE, format!("must be {what}"));
    if text.chars().nth(limits::LIST_VALUE_CHARS).is_some() {
        let message = format!("must be at most {} characters", limits::LIST_VALUE_CHARS);
        return Err(problem(codes::TOO_LONG, message));
    }
    if let Some(character) = text.chars().find(|c| c.is_control()) {
        let message = format!("has the character U+{:04X} in it", u32::from(character));
        return Err(problem(codes::CONTROL_CHARACTER, message));
    }
    match column.kind {
        ColumnKind::Uuid => exact_id(text).map(|id| Value::String(id.to_string())).ok_or_else(|| wrong(UUID)),
        ColumnKind::Text if !column.choices.is_empty() && !column.choices.contains(&text) => {
            Err(problem(codes::NOT_A_CHOICE, not_a_choice(column, text)))
        }
        ColumnKind::Text => Ok(Value::String(text.to_owned())),
        ColumnKind::Integer => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong("a whole number"));
            }
            let integer: i64 = text.parse().map_err(|_| problem(codes::OUT_OF_RANGE, range(column)))?;
            if fits(column, integer) {
                Ok(Value::from(integer))
            } else {
                Err(problem(codes::OUT_OF_RANGE, range(column)))
            }
        }
        ColumnKind::Double => {
            let number = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            let double = text.parse::<f64>().ok().filter(|double| number && double.is_finite());
            double.map(Value::from).ok_or_else(|| wrong("a number"))
        }
        ColumnKind::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(wrong("true or false")),
        },
        ColumnKind::Time => match parse_time(text) {
            Ok(time) => Ok(Value::String(time_text(time))),
            Err(message) => Err(problem(codes::WRONG_TYPE, message.to_owned())),
        },
        ColumnKind::Json | ColumnKind::Bytes => Err(wrong("left out: nothing is compared with this field")),
    }
}
