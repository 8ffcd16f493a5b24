//! What was typed into a field, as the value that it means.

use automate_store::resource::ColumnKind;
use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::{Number, Value};

use super::show::local;
use super::{Slot, schema_of};
use crate::form::{FieldErrors, Widget};
use crate::http::{Cx, Fields, iso};
use crate::schema_form::json;

/// What people are told when a field that is needed is empty.
const NEEDED: &str = "is needed";

impl Slot {
    /// The value; none where the field leaves it as it is. What is wrong goes to `errors`.
    pub(in crate::generated) fn read(
        &self,
        cx: &Cx,
        name: &str,
        posted: &Fields,
        stored: Option<&Value>,
        errors: &mut FieldErrors,
    ) -> Option<Value> {
        if let Some(form) = schema_of(self, name) {
            return match form.read(posted) {
                Ok(value) => Some(value),
                Err(found) => {
                    errors.merge(found);
                    None
                }
            };
        }
        match self.value(cx, name, posted, stored) {
            Ok(value) => value,
            Err(message) => {
                errors.add_named(name, message);
                None
            }
        }
    }

    fn value(&self, cx: &Cx, name: &str, posted: &Fields, stored: Option<&Value>) -> Result<Option<Value>, String> {
        let column = self.column;
        if let Some(Widget::Checks(groups)) = &self.widget {
            let known = |word: &str| groups.iter().flat_map(|(_, all)| all).any(|choice| choice.value == word);
            let chosen: Vec<&str> = posted.all(name).collect();
            if !chosen.iter().all(|word| known(word)) {
                return Err("has something that is not one of the choices".to_owned());
            }
            let mut chosen = chosen;
            chosen.sort_unstable();
            return Ok(Some(Value::Array(chosen.into_iter().map(|word| Value::String(word.to_owned())).collect())));
        }
        if column.kind == ColumnKind::Boolean && !column.nullable {
            return Ok(Some(Value::Bool(posted.get(name) == Some("true"))));
        }
        let by_id = format!("{name}__id");
        let typed = posted.get(&by_id).filter(|id| !id.trim().is_empty()).or_else(|| posted.get(name));
        let text = typed.unwrap_or_default();
        if self.widget == Some(Widget::Secret) && text.is_empty() {
            // It is never filled in, so that nothing typed means nothing changed.
            return if stored.is_none() && self.required { Err(NEEDED.to_owned()) } else { Ok(None) };
        }
        if text.trim().is_empty() {
            return match column.kind {
                _ if self.required => Err(NEEDED.to_owned()),
                _ if column.nullable => Ok(Some(Value::Null)),
                ColumnKind::Text if stored.is_some() => Ok(Some(Value::String(String::new()))),
                // What may be left out is left out.
                _ => Ok(None),
            };
        }
        if let Some(Widget::Choices(choices)) = &self.widget
            && !choices.iter().any(|choice| choice.value == text)
        {
            return Err("is not one of the choices".to_owned());
        }
        let plain = text.trim();
        let value = match column.kind {
            ColumnKind::Text => Value::String(text.replace("\r\n", "\n")),
            ColumnKind::Uuid => Value::String(plain.to_ascii_lowercase()),
            ColumnKind::Json => json(plain)?,
            ColumnKind::Integer => Value::from(plain.parse::<i64>().map_err(|_| "must be a whole number")?),
            ColumnKind::Double => {
                let number = plain.parse::<i64>().ok().map(Number::from);
                let number = number.or_else(|| plain.parse().ok().and_then(Number::from_f64));
                Value::Number(number.ok_or("must be a number")?)
            }
            ColumnKind::Boolean => Value::Bool(plain.parse().map_err(|_| "must be yes or no")?),
            ColumnKind::Time => {
                // The control holds whole seconds: what was not touched keeps its fractions.
                if let Some(stored) = stored.filter(|stored| local(stored, cx.prefs()) == plain) {
                    return Ok(Some(stored.clone()));
                }
                Value::String(iso(&time(plain, cx.prefs().zone)?))
            }
            ColumnKind::Bytes => return Ok(None),
        };
        Ok(Some(value))
    }
}

/// Whether a text is a time without an offset.
pub(super) fn is_local(text: &str) -> bool {
    text.is_empty() || naive(text).is_some()
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    let text = text.replace(' ', "T");
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"].iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
}

/// A time in a zone, or with its own offset.
fn time(text: &str, zone: Tz) -> Result<DateTime<Utc>, String> {
    if let Ok(exact) = DateTime::parse_from_rfc3339(text) {
        return Ok(exact.with_timezone(&Utc));
    }
    let naive = naive(text).ok_or("must be a date and a time such as 2026-01-31T12:00")?;
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(time) => Ok(time.with_timezone(&Utc)),
        LocalResult::Ambiguous(first, second) => Err(format!(
            "comes twice in the zone {zone}, as the clocks are put back: type {} or {}",
            first.to_rfc3339(),
            second.to_rfc3339()
        )),
        LocalResult::None => {
            Err(format!("does not come in the zone {zone}, as the clocks are put forward; type another time"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_zone_of_whoever_types_it() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let read = |text: &str| time(text, berlin).map(|time| iso(&time));
        assert_eq!(read("2026-01-31T12:00").unwrap(), "2026-01-31T11:00:00Z");
        assert_eq!(read("2026-07-31T12:00:05").unwrap(), "2026-07-31T10:00:05Z");
        assert_eq!(read("2026-07-31T12:00:05+00:00").unwrap(), "2026-07-31T12:00:05Z");
        assert!(read("tomorrow").is_err());
    }

    #[test]
    fn a_time_that_comes_twice_or_never_is_refused_with_what_to_type() {
        let berlin: Tz = "Europe/Berlin".parse().unwrap();
        let twice = time("2026-10-25T02:30", berlin).unwrap_err();
        assert!(twice.contains("2026-10-25T02:30:00+02:00") && twice.contains("2026-10-25T02:30:00+01:00"), "{twice}");
        assert!(time("2026-03-29T02:30", berlin).unwrap_err().contains("does not come"));
        assert_eq!(iso(&time("2026-10-25T02:30:00+01:00", berlin).unwrap()), "2026-10-25T01:30:00Z");
    }
}
