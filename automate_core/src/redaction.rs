//! Redaction by known value (the process-wide scrubber) and by name of a field.

use std::sync::LazyLock;

use serde_json::Value;

use crate::config::{MASK, is_sensitive_name};
use crate::expr::secret::Scrubber;

/// Every secret that this process has resolved or stored, for whatever leaves it outside of one
/// call: log lines, traces, panics, the audit log.
#[must_use]
pub fn process_scrubber() -> &'static Scrubber {
    static SCRUBBER: LazyLock<Scrubber> = LazyLock::new(Scrubber::new);
    &SCRUBBER
}

/// Masks every value under a name that holds credentials. References (`$secret:KEY`) and nulls tell
/// nothing and stay.
pub fn mask_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let tells_nothing = match &*field {
                    Value::Null => true,
                    Value::String(text) => text.starts_with("$secret:"),
                    Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
                };
                if is_sensitive_name(name) && !tells_nothing {
                    *field = Value::String(MASK.to_owned());
                } else {
                    mask_fields(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
