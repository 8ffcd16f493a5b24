//! What tokens cost: exact arithmetic in millionths of the currency.

use serde_json::Value;

use super::chat::Tokens;

/// Millionths of a unit of the currency; a price is for as many tokens.
const MILLION: u64 = 1_000_000;
/// The highest price, in units of the currency: one that no sum of costs overflows.
const HIGHEST: u64 = 1_000_000;
/// Digits after the point that a millionth can hold.
const DECIMALS: usize = 6;

/// The price of a model, in millionths of the currency for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Price {
    /// Of the request.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
    /// Of what the provider had in its cache; as [`Self::input`] where not given.
    pub cached_input: u64,
}

/// Why a price cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PriceError(String);

impl Price {
    /// Reads `{ input = "0.15", output = "0.60", cached_input = "0.075" }`: amounts of the currency
    /// for a million tokens, as text or as whole numbers.
    ///
    /// # Errors
    /// [`PriceError`] that names the field.
    pub fn read(value: &Value) -> Result<Self, PriceError> {
        let Some(map) = value.as_object() else {
            return Err(PriceError("a price is `{ input = \"0.15\", output = \"0.60\" }`".to_owned()));
        };
        if let Some(other) = map.keys().find(|key| !matches!(key.as_str(), "input" | "output" | "cached_input")) {
            return Err(PriceError(format!("a price has `input`, `output` and `cached_input`, and no `{other}`")));
        }
        let amount = |field: &str| map.get(field).map(|value| micros(field, value)).transpose();
        let required = |field: &str| amount(field)?.ok_or_else(|| PriceError(format!("a price needs `{field}`")));
        let input = required("input")?;
        Ok(Self { input, output: required("output")?, cached_input: amount("cached_input")?.unwrap_or(input) })
    }

    /// What so many tokens cost, in millionths of the currency, rounded up.
    #[must_use]
    pub fn cost(&self, tokens: Tokens) -> u64 {
        let cached = tokens.cached_input.min(tokens.input);
        let of = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = of(tokens.input - cached, self.input)
            .saturating_add(of(cached, self.cached_input))
            .saturating_add(of(tokens.output, self.output));
        u64::try_from(sum.div_ceil(u128::from(MILLION))).unwrap_or(u64::MAX)
    }
}

/// An amount in millionths. A binary fraction is refused: it is not what was written.
fn micros(field: &str, value: &Value) -> Result<u64, PriceError> {
    let wrong = || {
        PriceError(format!(
            "`{field}` of a price is an amount for a million tokens, {HIGHEST} at most, as text with {DECIMALS} decimals \
             at most: \"0.15\""
        ))
    };
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => {
            return number.as_u64().filter(|whole| *whole <= HIGHEST).map(|whole| whole * MILLION).ok_or_else(wrong);
        }
        _ => return Err(wrong()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
        return Err(wrong());
    }
    let fraction: u64 = format!("{fraction:0<DECIMALS$}").parse().map_err(|_| wrong())?;
    let whole: u64 = whole.parse().ok().filter(|whole| *whole <= HIGHEST).ok_or_else(wrong)?;
    Ok(whole * MILLION + fraction)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_are_exact() {
        let price = Price::read(&json!({ "input": "0.15", "output": "0.60" })).unwrap();
        assert_eq!(price, Price { input: 150_000, output: 600_000, cached_input: 150_000 });
        let tokens = |input, output, cached_input| Tokens { input, output, cached_input };
        assert_eq!(price.cost(tokens(1_000_000, 0, 0)), 150_000);
        assert_eq!(price.cost(tokens(1_000, 500, 0)), 450);
        assert_eq!(price.cost(tokens(1, 0, 0)), 1, "rounded up: many small calls are not free");
        assert_eq!(price.cost(tokens(0, 0, 0)), 0);
        let dear = Price { input: u64::MAX, output: u64::MAX, cached_input: u64::MAX };
        assert_eq!(dear.cost(tokens(u64::MAX, u64::MAX, u64::MAX)), u64::MAX);
        let cached = Price::read(&json!({ "input": 3, "output": "15", "cached_input": "0.3" })).unwrap();
        assert_eq!(cached.cost(tokens(10_000, 0, 9_000)), 3_000 + 2_700);
        assert_eq!(cached.cost(tokens(10, 0, 9_000)), 3, "no more is cached than there is");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for wrong in
            [json!(0.15), json!("0.1234567"), json!("-1"), json!(-1), json!("1e3"), json!(""), json!("."), json!(null)]
        {
            assert!(Price::read(&json!({ "input": wrong, "output": "1" })).is_err(), "{wrong}");
        }
        assert!(Price::read(&json!({ "input": "1" })).is_err());
        assert!(Price::read(&json!({ "input": "1", "output": "1", "outptu": "1" })).is_err());
        assert!(Price::read(&json!("1")).is_err());
        assert!(Price::read(&json!({ "input": "99999999999999999999", "output": 1 })).is_err());
    }
}
