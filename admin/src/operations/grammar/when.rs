//! Times in a search: `<2h`, `>3d`, `today`, `2026-11-01..2026-11-21`.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

/// From, and before.
pub(super) type Span = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

const EXAMPLES: &str = "write `<2h` for the last two hours, `>3d` for older than three days, `today`, `2026-11-21`, or `2026-11-01..2026-11-21`";

pub(super) fn range(value: &str, now: DateTime<Utc>, zone: Tz) -> Result<Span, String> {
    let wrong = || format!("`{value}` is no time; {EXAMPLES}");
    if let Some(age) = value.strip_prefix('<') {
        return Ok((Some(ago(age, now).ok_or_else(wrong)?), None));
    }
    if let Some(age) = value.strip_prefix('>') {
        return Ok((None, Some(ago(age, now).ok_or_else(wrong)?)));
    }
    if let Some((from, to)) = value.split_once("..") {
        let from = (!from.is_empty()).then(|| point(from, now, zone).ok_or_else(wrong)).transpose()?;
        let to = (!to.is_empty()).then(|| point(to, now, zone).ok_or_else(wrong)).transpose()?;
        let span = (from.map(|(begin, _)| begin), to.map(|(_, end)| end));
        return match span {
            (None, None) => Err(wrong()),
            (Some(from), Some(to)) if from >= to => Err(format!("`{value}` ends before it begins")),
            span => Ok(span),
        };
    }
    let (begin, end) = point(value, now, zone).ok_or_else(wrong)?;
    Ok((Some(begin), Some(end)))
}

/// How long ago: `90s`, `15m`, `2h`, `3d`, `1w`.
fn ago(age: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let unit = age.chars().last()?;
    let number: i64 = age.get(..age.len().checked_sub(unit.len_utf8())?)?.parse().ok().filter(|n| *n >= 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    now.checked_sub_signed(TimeDelta::try_seconds(number.checked_mul(seconds)?)?)
}

/// A day or an instant as a span, of which a range takes one end.
fn point(text: &str, now: DateTime<Utc>, zone: Tz) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let today = now.with_timezone(&zone).date_naive();
    let day = match text {
        "today" => Some(today),
        "yesterday" => today.checked_sub_days(Days::new(1)),
        text => text.parse::<NaiveDate>().ok(),
    };
    if let Some(day) = day {
        return Some((begin_of(day, zone)?, begin_of(day.checked_add_days(Days::new(1))?, zone)?));
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some((at.to_utc(), at.to_utc()));
    }
    let formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    let at = zone.from_local_datetime(&local).earliest()?.to_utc();
    Some((at, at))
}

/// When a day begins; where its first hour is left out, after that hour.
fn begin_of(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    (0..24).find_map(|hour| zone.from_local_datetime(&day.and_hms_opt(hour, 0, 0)?).earliest()).map(|at| at.to_utc())
}
