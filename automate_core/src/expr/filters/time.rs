//! Filters of dates. There is no `now`: a template is a function of its context.

use std::fmt::Write as _;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use super::{FilterArgs, FilterError, FilterSpec};

/// Bytes of a format.
const FORMAT_BYTES: usize = 256;

pub(super) const SPECS: &[FilterSpec] = &[FilterSpec {
    name: "format_date",
    signature: "time | format_date(format, timezone)",
    doc: "Prints a time (RFC 3339, a date, or seconds since 1970) with a strftime format, by default `%Y-%m-%d %H:%M:%S`, in an IANA time zone, by default UTC.",
    example: "{{ '2026-07-01T22:30:00Z' | format_date('%d.%m.%Y %H:%M', 'Europe/Paris') }} -> 02.07.2026 00:30",
    function: format_date,
}];

fn format_date(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> {
    let format = args.text(0, "format")?.unwrap_or("%Y-%m-%d %H:%M:%S");
    let zone = args.text(1, "timezone")?.unwrap_or("UTC");
    let zone: Tz = zone.parse().map_err(|_| FilterError::new("the time zone is not one of the IANA database"))?;
    if format.len() > FORMAT_BYTES || StrftimeItems::new(format).any(|i| matches!(i, Item::Error)) {
        return Err(FilterError::new("the format is not a strftime format"));
    }
    let time = time_of(input, zone)
        .ok_or_else(|| FilterError::new("the input is not a time: use RFC 3339, a date, or seconds since 1970"))?;
    let mut text = String::new();
    write!(text, "{}", time.with_timezone(&zone).format(format))
        .map_err(|_| FilterError::new("the time cannot be printed in this format"))?;
    Ok(text.into())
}

/// Times without an offset are of the time zone that they are printed in.
fn time_of(input: &Value, zone: Tz) -> Option<DateTime<Utc>> {
    match input {
        Value::Number(number) => {
            if let Some(seconds) = number.as_i64() {
                return DateTime::from_timestamp(seconds, 0);
            }
            let seconds = number.as_f64()?;
            // Beyond it chrono has no date; within it the product is exact to the microsecond.
            if seconds.abs() > 8e12 {
                return None;
            }
            #[expect(clippy::cast_possible_truncation, reason = "the range is checked above")]
            DateTime::from_timestamp_micros((seconds * 1e6) as i64)
        }
        Value::String(text) => {
            let text = text.trim();
            if let Ok(time) = DateTime::parse_from_rfc3339(text) {
                return Some(time.with_timezone(&Utc));
            }
            let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
                .iter()
                .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
                .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
            zone.from_local_datetime(&local).earliest().map(|t| t.with_timezone(&Utc))
        }
        _ => None,
    }
}
