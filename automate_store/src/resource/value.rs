//! One value of a column: as JSON shows it, and as the database has it.

use automate_core::store::StoreError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Datelike, SecondsFormat, SubsecRound, Utc};
use sea_orm::sea_query::Value as Parameter;
use sea_orm::{ColIdx, DbBackend, QueryResult, TryGetable};
use serde_json::{Number, Value};
use uuid::Uuid;

use super::{Column, ColumnKind};
use crate::error::store_error;

/// Reads a column of a row.
pub(super) fn read(column: &Column, row: &QueryResult) -> Result<Value, StoreError> {
    read_at(column.name, column, row)
}

/// Reads a column of a row, which is at a place of the statement, or has a name there.
pub(super) fn read_at<I: ColIdx>(at: I, column: &Column, row: &QueryResult) -> Result<Value, StoreError> {
    Ok(match column.kind {
        ColumnKind::Uuid => get_at::<Uuid, I>(at, row)?.map_or(Value::Null, |id| Value::String(id.to_string())),
        ColumnKind::Text => get_at::<String, I>(at, row)?.map_or(Value::Null, Value::String),
        ColumnKind::Json => match get_at::<String, I>(at, row)? {
            None => Value::Null,
            Some(text) => serde_json::from_str(&text).unwrap_or_else(|error| {
                // Shown as it is: a list must not fail for one row that somebody spoiled by hand.
                tracing::warn!(column = column.name, %error, "a column does not hold JSON");
                Value::String(text)
            }),
        },
        ColumnKind::Integer => integer(at, column, row)?.map_or(Value::Null, Value::from),
        ColumnKind::Double => get_at::<f64, I>(at, row)?.and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        ColumnKind::Boolean => get_at::<bool, I>(at, row)?.map_or(Value::Null, Value::Bool),
        ColumnKind::Time => {
            get_at::<DateTime<Utc>, I>(at, row)?.map_or(Value::Null, |time| Value::String(time_text(time)))
        }
        ColumnKind::Bytes => {
            get_at::<Vec<u8>, I>(at, row)?.map_or(Value::Null, |bytes| Value::String(STANDARD.encode(bytes)))
        }
    })
}

fn get<T: TryGetable>(column: &Column, row: &QueryResult) -> Result<Option<T>, StoreError> {
    get_at(column.name, row)
}

fn get_at<T: TryGetable, I: ColIdx>(at: I, row: &QueryResult) -> Result<Option<T>, StoreError> {
    row.try_get_by(at).map_err(store_error)
}

/// PostgreSQL's driver reads an integer only as what the column was declared.
fn integer<I: ColIdx>(at: I, column: &Column, row: &QueryResult) -> Result<Option<i64>, StoreError> {
    match column.bits {
        16 => Ok(get_at::<i16, I>(at, row)?.map(i64::from)),
        32 => Ok(get_at::<i32, I>(at, row)?.map(i64::from)),
        _ => get_at::<i64, I>(at, row),
    }
}

/// A time as JSON shows it.
pub(super) fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// A value that fits the column, as a parameter of a statement.
///
/// # Errors
/// `Internal` where it does not fit: whoever calls has checked what comes from outside.
pub(super) fn bind(column: &Column, value: &Value) -> Result<Parameter, StoreError> {
    let unfit = || StoreError::Internal(format!("a value does not fit the column `{}`", column.name));
    let text = || value.as_str().ok_or_else(unfit);
    if value.is_null() {
        return Ok(null(column.kind));
    }
    Ok(match column.kind {
        ColumnKind::Uuid => text()?.parse::<Uuid>().map_err(|_| unfit())?.into(),
        ColumnKind::Text => text()?.into(),
        ColumnKind::Json => value.to_string().into(),
        ColumnKind::Integer => value.as_i64().ok_or_else(unfit)?.into(),
        ColumnKind::Double => value.as_f64().ok_or_else(unfit)?.into(),
        ColumnKind::Boolean => value.as_bool().ok_or_else(unfit)?.into(),
        ColumnKind::Time => parse_time(text()?).map_err(|_| unfit())?.into(),
        ColumnKind::Bytes => STANDARD.decode(text()?).map_err(|_| unfit())?.into(),
    })
}

fn null(kind: ColumnKind) -> Parameter {
    match kind {
        ColumnKind::Uuid => None::<Uuid>.into(),
        ColumnKind::Text | ColumnKind::Json => None::<String>.into(),
        ColumnKind::Integer => None::<i64>.into(),
        ColumnKind::Double => None::<f64>.into(),
        ColumnKind::Boolean => None::<bool>.into(),
        ColumnKind::Time => None::<DateTime<Utc>>.into(),
        ColumnKind::Bytes => None::<Vec<u8>>.into(),
    }
}

/// Reads a time as RFC 3339 writes it; what is wrong with it, in words.
pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, &'static str> {
    const FORM: &str = "must be a time as RFC 3339 writes it, such as 2026-01-31T12:00:00Z (in an address, `+` is \
                        written %2B)";
    // chrono takes a space for the T; we show only the one form.
    if text.len() > 40 || !text.contains('T') {
        return Err(FORM);
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| FORM)?.with_timezone(&Utc);
    if time.timestamp_subsec_nanos() >= 1_000_000_000 {
        return Err("is a leap second, which the databases cannot store");
    }
    if time != time.trunc_subsecs(6) {
        return Err("is more exact than a microsecond, which the databases cannot store");
    }
    if !(1..=9_999).contains(&time.year()) {
        return Err("must be within the years 1 to 9999");
    }
    Ok(time)
}

/// A column's value as a place in an order: exactly what the database compares.
///
/// SQLite compares times as texts, and two texts may mean one time; a double is told by its bits.
pub(super) fn place(column: &Column, row: &QueryResult, backend: DbBackend) -> Result<Value, StoreError> {
    match column.kind {
        ColumnKind::Time if backend == DbBackend::Sqlite => {
            Ok(get::<String>(column, row)?.map_or(Value::Null, Value::String))
        }
        ColumnKind::Double => {
            Ok(get::<f64>(column, row)?.map_or(Value::Null, |double| Value::String(double.to_bits().to_string())))
        }
        _ => read(column, row),
    }
}

/// A place as a parameter.
pub(super) fn bind_place(column: &Column, value: &Value, backend: DbBackend) -> Result<Parameter, StoreError> {
    match (column.kind, value) {
        (ColumnKind::Time, Value::String(text)) if backend == DbBackend::Sqlite => Ok(text.as_str().into()),
        (ColumnKind::Double, Value::String(bits)) => {
            let bits: u64 = bits.parse().map_err(|_| StoreError::Internal("a double's place".to_owned()))?;
            Ok(f64::from_bits(bits).into())
        }
        _ => bind(column, value),
    }
}
