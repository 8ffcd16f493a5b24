//! What a scalar of YAML 1.2's core schema means. `yes`, `no`, `on` and `12:30` are strings here;
//! a number that JSON could only hold rounded is refused.

use serde_json::{Number, Value};

/// Why a plain scalar has no value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It would have to be rounded, or is not a finite number.
    NotExact(String),
    /// Its tag says what it is not, or is not one of the core schema's.
    Tag(String),
}

/// The tag of the core schema that a scalar carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CoreTag {
    Str,
    Int,
    Float,
    Bool,
    Null,
}

impl CoreTag {
    pub(super) fn of(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "str" => Self::Str,
            "int" => Self::Int,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "null" => Self::Null,
            _ => return None,
        })
    }
}

/// The value of a scalar; `plain` is false for quoted and block scalars, which are strings.
pub(super) fn resolve(text: &str, plain: bool, tag: Option<CoreTag>) -> Result<Value, Problem> {
    let value = match tag {
        Some(CoreTag::Str) => Value::String(text.to_owned()),
        None if !plain => Value::String(text.to_owned()),
        _ => resolve_plain(text)?,
    };
    let fits = match tag {
        None | Some(CoreTag::Str) => true,
        Some(CoreTag::Int) => value.is_i64() || value.is_u64(),
        Some(CoreTag::Float) => value.is_number(),
        Some(CoreTag::Bool) => value.is_boolean(),
        Some(CoreTag::Null) => value.is_null(),
    };
    if fits { Ok(value) } else { Err(Problem::Tag("the value is not what its tag says".to_owned())) }
}

fn resolve_plain(text: &str) -> Result<Value, Problem> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match number(text) {
            None => Value::String(text.to_owned()),
            Some(Ok(number)) => Value::Number(number),
            Some(Err(problem)) => return Err(problem),
        },
    })
}

/// The number that a plain scalar is, where it has the form of one.
fn number(text: &str) -> Option<Result<Number, Problem>> {
    let radix = |digits: &str, radix: u32, what: &str| {
        u64::from_str_radix(digits, radix)
            .map(Number::from)
            .map_err(|_| Problem::NotExact(format!("this {what} number is too large to be kept exactly")))
    };
    if let Some(digits) = text.strip_prefix("0x")
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
    {
        return Some(radix(digits, 16, "hexadecimal"));
    }
    if let Some(digits) = text.strip_prefix("0o")
        && !digits.is_empty()
        && digits.bytes().all(|b| matches!(b, b'0'..=b'7'))
    {
        return Some(radix(digits, 8, "octal"));
    }
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err(Problem::NotExact("JSON has no infinite numbers and no NaN".to_owned())));
    }
    if !body.is_empty() && body.bytes().all(|b| b.is_ascii_digit()) {
        return Some(integer(body, negative));
    }
    if has_form_of_float(body) { Some(float(text, body)) } else { None }
}

fn integer(digits: &str, negative: bool) -> Result<Number, Problem> {
    if digits.len() > 1 && digits.starts_with('0') {
        return Err(Problem::NotExact("a number with leading zeros would lose them".to_owned()));
    }
    let too_large = || Problem::NotExact("this number is too large to be kept exactly".to_owned());
    let magnitude: u64 = digits.parse().map_err(|_| too_large())?;
    if !negative {
        return Ok(magnitude.into());
    }
    0_i64.checked_sub_unsigned(magnitude).map(Number::from).ok_or_else(too_large)
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn has_form_of_float(body: &str) -> bool {
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", after)) => !after.is_empty() && digits(after),
        Some((before, after)) => digits(before) && digits(after),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['-', '+']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    mantissa_fits && exponent_fits
}

fn float(text: &str, body: &str) -> Result<Number, Problem> {
    let rounded = || Problem::NotExact("this number cannot be kept exactly".to_owned());
    let parsed: f64 = text.parse().map_err(|_| rounded())?;
    let number = Number::from_f64(parsed).ok_or_else(rounded)?;
    let same = decimal(body).is_some_and(|given| decimal(&format!("{:e}", parsed.abs())) == Some(given));
    if same { Ok(number) } else { Err(rounded()) }
}

/// An unsigned decimal as its significant digits and the power of ten of the last one, so that two
/// spellings of one number compare equal.
fn decimal(body: &str) -> Option<(String, i64)> {
    let (mantissa, exponent) = match body.find(['e', 'E']) {
        Some(at) => (&body[..at], body[at + 1..].parse::<i64>().ok()?),
        None => (body, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{before}{after}");
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some((String::new(), 0));
    }
    let zeros = i64::try_from(digits.len() - digits.trim_end_matches('0').len()).ok()?;
    let power = exponent.checked_sub(i64::try_from(after.len()).ok()?)?.checked_add(zeros)?;
    Some((significant.to_owned(), power))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(text: &str) -> Result<Value, Problem> {
        resolve(text, true, None)
    }

    #[test]
    fn words_of_yaml_1_1_are_strings() {
        for word in ["yes", "no", "on", "off", "y", "n", "12:30", "0b1", "1_000", "2026-11-21", "-", "+", "e5", "."] {
            assert_eq!(plain(word), Ok(json!(word)), "{word}");
        }
    }

    #[test]
    fn words_of_the_core_schema_have_their_values() {
        assert_eq!(plain(""), Ok(json!(null)));
        assert_eq!(plain("~"), Ok(json!(null)));
        assert_eq!(plain("True"), Ok(json!(true)));
        assert_eq!(plain("0x1F"), Ok(json!(31)));
        assert_eq!(plain("0o17"), Ok(json!(15)));
        assert_eq!(plain("-17"), Ok(json!(-17)));
        assert_eq!(plain("0.1"), Ok(json!(0.1)));
        assert_eq!(plain("1e3"), Ok(json!(1000.0)));
        assert_eq!(plain(".5"), Ok(json!(0.5)));
        assert_eq!(plain("100.50"), Ok(json!(100.5)));
        assert_eq!(resolve("12", true, Some(CoreTag::Str)), Ok(json!("12")));
        assert_eq!(resolve("12", false, None), Ok(json!("12")));
    }

    #[test]
    fn r9_a_number_is_exact_or_refused() {
        assert_eq!(plain("9007199254740993"), Ok(json!(9_007_199_254_740_993_u64)));
        assert_eq!(plain("18446744073709551615"), Ok(json!(u64::MAX)));
        assert_eq!(plain("-9223372036854775808"), Ok(json!(i64::MIN)));
        assert_eq!(plain("-0"), Ok(json!(0)));
        for big in [
            "18446744073709551616",
            "-9223372036854775809",
            "1e400",
            "1e-400",
            "9007199254740993.0",
            "0.1000000000000000055",
            "1e99999999999999999999",
            ".inf",
            "-.inf",
            ".nan",
            "0x1ffffffffffffffff",
            "0123",
        ] {
            assert!(matches!(plain(big), Err(Problem::NotExact(_))), "{big}");
        }
    }
}
