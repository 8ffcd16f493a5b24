//! Takes the values of a connection out of what an action says. The driver scrubs the secrets that
//! it bound into the input; it never sees those of the connection.

use automate_core::error::StepError;
use automate_core::secrets::SecretValue;
use serde_json::Value;

/// What stands where a secret stood.
const MASK: &str = "***";
/// Shorter values are not replaced: they would match by chance and are no secrets.
const MIN_BYTES: usize = 4;

/// The values to take out.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    values: Vec<SecretValue>,
}

impl Scrubber {
    pub(crate) fn new(mut values: Vec<SecretValue>) -> Self {
        values.retain(|value| value.expose_secret().len() >= MIN_BYTES);
        // The longest first, so that a value that contains another leaves no rest.
        values.sort_by_key(|value| std::cmp::Reverse(value.expose_secret().len()));
        Self { values }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn text(&self, text: &mut String) {
        for value in &self.values {
            if text.contains(value.expose_secret()) {
                *text = text.replace(value.expose_secret(), MASK);
            }
        }
    }

    /// Scrubs all strings, the keys of objects included. The recursion is bounded by what made
    /// the value: serde_json reads 128 levels at most.
    pub(crate) fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(map) => {
                if map.keys().any(|key| self.values.iter().any(|v| key.contains(v.expose_secret()))) {
                    *map = std::mem::take(map)
                        .into_iter()
                        .map(|(mut key, item)| {
                            self.text(&mut key);
                            (key, item)
                        })
                        .collect();
                }
                map.values_mut().for_each(|item| self.value(item));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    pub(crate) fn error(&self, error: &mut StepError) {
        self.text(&mut error.message);
        if let Some(details) = &mut error.details {
            self.value(details);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_leave_no_trace_in_texts_keys_and_nested_values() {
        let scrub = Scrubber::new(["tok-1", "tok-1-long", "abc"].map(|v| SecretValue::new(v.to_owned())).to_vec());
        let mut value = json!({ "a tok-1": ["x tok-1-long y", 1], "abc": "abc" });
        scrub.value(&mut value);
        assert_eq!(value, json!({ "a ***": ["x *** y", 1], "abc": "abc" }));
    }
}
