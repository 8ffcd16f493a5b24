//! Filters of amounts of money.

use serde_json::Value;

use super::{FilterArgs, FilterError, FilterSpec};

/// Digits of an amount that are printed.
const DIGITS: usize = 40;

pub(super) const SPECS: &[FilterSpec] = &[FilterSpec {
    name: "format_currency",
    signature: "number | format_currency(code)",
    doc: "An amount with the symbol (or else the code) of an ISO 4217 currency, rounded half away from zero to its minor unit, with thousands in groups.",
    example: "{{ 1234.5 | format_currency('EUR') }} -> €1,234.50",
    function: format_currency,
}];

fn format_currency(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> {
    let code = args.required_text(0, "code")?.to_ascii_uppercase();
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(FilterError::new("the currency must be a code of three letters, such as EUR"));
    }
    let (symbol, places) = match code.as_str() {
        "EUR" => ("€", 2),
        "USD" => ("$", 2),
        "GBP" => ("£", 2),
        "INR" => ("₹", 2),
        "CNY" => ("CN¥", 2),
        "BRL" => ("R$", 2),
        "CAD" => ("CA$", 2),
        "AUD" => ("A$", 2),
        "JPY" => ("¥", 0),
        "KRW" => ("₩", 0),
        "VND" => ("₫", 0),
        "CLP" | "ISK" | "PYG" | "UGX" | "XAF" | "XOF" | "XPF" => ("", 0),
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => ("", 3),
        _ => ("", 2),
    };
    let (negative, whole, fraction) = decimal(input)?;
    let (whole, fraction) = rounded(&whole, &fraction, places);
    let zero = whole.bytes().chain(fraction.bytes()).all(|b| b == b'0');
    let mut text = String::from(if negative && !zero { "-" } else { "" });
    text.push_str(symbol);
    if symbol.is_empty() {
        text.push_str(&code);
        text.push('\u{a0}');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if places > 0 {
        text.push('.');
        text.push_str(&fraction);
    }
    Ok(text.into())
}

/// Sign, digits before and digits after the point. Working on the digits that a number is written
/// with keeps 1.005 from being rounded as 1.00499….
fn decimal(input: &Value) -> Result<(bool, String, String), FilterError> {
    let wrong = || FilterError::new("the amount must be a number");
    let text = match input {
        Value::Number(number) if number.is_f64() => format!("{}", number.as_f64().ok_or_else(wrong)?),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return Err(wrong()),
    };
    let (negative, digits) = text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let are_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > DIGITS || !are_digits(whole) || !are_digits(fraction) {
        return Err(wrong());
    }
    let whole = whole.trim_start_matches('0');
    Ok((negative, if whole.is_empty() { "0" } else { whole }.to_owned(), fraction.to_owned()))
}

fn rounded(whole: &str, fraction: &str, places: usize) -> (String, String) {
    let mut digits: Vec<u8> =
        whole.bytes().chain(fraction.bytes().chain(std::iter::repeat(b'0')).take(places)).collect();
    if fraction.as_bytes().get(places).is_some_and(|d| *d >= b'5') {
        let mut carry = true;
        for digit in digits.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carry = false;
                break;
            }
        }
        if carry {
            digits.insert(0, b'1');
        }
    }
    let fraction = digits.split_off(digits.len() - places);
    (digits.into_iter().map(char::from).collect(), fraction.into_iter().map(char::from).collect())
}
