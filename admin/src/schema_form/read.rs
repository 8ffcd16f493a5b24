//! What was posted, as the value that it means.

use automate_core::limits;
use serde_json::{Number, Value};

use super::kind::Kind;
use super::{Input, word_of};
use crate::http::Fields;

impl Input {
    /// The value; none where the field was left empty.
    pub(super) fn read(&self, posted: &Fields) -> Result<Option<Value>, String> {
        let text = posted.get(&self.name).unwrap_or_default();
        let missing = || if self.required { Err("is needed".to_owned()) } else { Ok(None) };
        match &self.kind {
            Kind::Boolean if self.required && !self.nullable => Ok(Some(Value::Bool(text == "true"))),
            Kind::Words(words) => {
                let chosen: Vec<&str> = posted.all(&self.name).filter(|word| !word.is_empty()).collect();
                if let Some(wrong) = chosen.iter().find(|word| !words.iter().any(|known| word_of(known) == **word)) {
                    return Err(format!("`{}` is not one of the choices", shortened(wrong)));
                }
                let found: Vec<Value> =
                    words.iter().filter(|word| chosen.contains(&word_of(word).as_str())).cloned().collect();
                Ok((self.required || !found.is_empty()).then_some(Value::Array(found)))
            }
            Kind::List { of } => {
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                let read = |(at, line): (usize, &str)| {
                    scalar(of, line).map_err(|message| format!("line {}: {message}", at + 1))
                };
                let found: Vec<Value> = lines.enumerate().map(read).collect::<Result<_, _>>()?;
                Ok((self.required || !found.is_empty()).then_some(Value::Array(found)))
            }
            // What a text holds is kept as it was typed; of the others, space around means nothing.
            kind @ Kind::Text { .. } => {
                let text = text.replace("\r\n", "\n");
                if text.is_empty() { missing() } else { scalar(kind, &text).map(Some) }
            }
            _ if text.trim().is_empty() => missing(),
            kind => scalar(kind, text.trim()).map(Some),
        }
    }
}

fn scalar(kind: &Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Text { min, max, .. } => {
            let length = text.chars().count();
            if length < *min {
                return Err(format!("must be at least {min} characters"));
            }
            match max {
                Some(max) if length > *max => Err(format!("must be at most {max} characters")),
                _ => Ok(Value::String(text.to_owned())),
            }
        }
        Kind::Number { whole, least, most } => {
            let number = if *whole {
                let integer = text.parse::<i64>().map(Number::from);
                integer.or_else(|_| text.parse::<u64>().map(Number::from)).map_err(|_| "must be a whole number")?
            } else {
                let number = text.parse::<i64>().ok().map(Number::from);
                let number = number.or_else(|| text.parse().ok().and_then(Number::from_f64));
                number.ok_or("must be a number")?
            };
            let size = number.as_f64().unwrap_or_default();
            if let Some(least) = least.filter(|least| size < *least) {
                return Err(format!("must be {least} or more"));
            }
            if let Some(most) = most.filter(|most| size > *most) {
                return Err(format!("must be {most} or less"));
            }
            Ok(Value::Number(number))
        }
        Kind::Boolean => text.parse().map(Value::Bool).map_err(|_| "must be yes or no".to_owned()),
        Kind::Enum(words) => {
            let found = words.iter().find(|word| word_of(word) == text).cloned();
            found.ok_or_else(|| "is not one of the choices".to_owned())
        }
        Kind::Object | Kind::Json | Kind::Words(_) | Kind::List { .. } => json(text),
    }
}

/// Reads JSON that somebody typed.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    if text.len() > limits::FIELD_JSON_BYTES {
        return Err(format!("must be at most {} bytes of JSON", limits::FIELD_JSON_BYTES));
    }
    serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}
