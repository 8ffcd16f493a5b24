//! Lengths of time as documents write them: `30s`, `100ms`, `5m`, `1h`, `2d`, `1h30m`.

use std::time::Duration;

use crate::limits;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It has another form.
    #[error("this is not a length of time")]
    Form,
    /// A number without a unit.
    #[error("a length of time needs a unit")]
    Unit,
    /// It is longer than [`limits::MAX_WAIT`].
    #[error("no length of time may be longer than five years")]
    TooLong,
}

impl DurationError {
    /// What to write instead.
    #[must_use]
    pub const fn suggestion(self) -> &'static str {
        match self {
            Self::Form => "write it like `30s`, `100ms`, `5m`, `1h`, `2d` or `1h30m`",
            Self::Unit => "add one of `ms`, `s`, `m`, `h`, `d`",
            Self::TooLong => "five years are the most",
        }
    }
}

/// Parses whole numbers with units in descending order, each unit once: `1h30m`.
///
/// # Errors
/// [`DurationError`] where the text has another form or is longer than [`limits::MAX_WAIT`].
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return Err(DurationError::Form);
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::Form);
        }
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if unit.is_empty() {
            return Err(DurationError::Unit);
        }
        // The iterator goes on from the unit before, so units can only descend.
        let (_, factor) = units.find(|(name, _)| *name == unit).ok_or(DurationError::Form)?;
        // A number too long for u64 is a length of time all the same.
        let part = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor));
        total = part.and_then(|part| total.checked_add(part)).ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    let duration = Duration::from_millis(total);
    if duration > limits::MAX_WAIT { Err(DurationError::TooLong) } else { Ok(duration) }
}

/// A length of time as documents write it, in whole milliseconds; the inverse of [`parse`].
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, factor) in UNITS {
        let count = rest / factor;
        if count > 0 {
            out.push_str(&std::format!("{count}{unit}"));
            rest %= factor;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_written_back() {
        for (text, ms) in [
            ("30s", 30_000),
            ("100ms", 100),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
            ("1h30m", 5_400_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
            assert_eq!(format(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn f5_what_is_no_length_of_time_or_too_long_is_refused() {
        for text in ["", "s", "-1s", "1.5h", "1e308s", "NaN", "1m1h", "1s1s", "5 m", "1w", "m5"] {
            assert_eq!(parse(text), Err(DurationError::Form), "{text}");
        }
        assert_eq!(parse("30"), Err(DurationError::Unit));
        assert_eq!(parse("1h30"), Err(DurationError::Unit));
        for text in ["3650000d", "1831d", "99999999999999999999h", "18446744073709551615d"] {
            assert_eq!(parse(text), Err(DurationError::TooLong), "{text}");
        }
        assert!(parse("1830d").is_ok());
    }
}
