//! Filters between text and data.

use serde_json::Value;

use super::{FilterArgs, FilterError, FilterSpec};
use crate::limits;

/// Bytes of a JMESPath expression, and brackets and operators in it: its parser recurses without a bound.
const JMESPATH_BYTES: usize = 1024;
const JMESPATH_OPERATORS: usize = 128;

pub(super) const SPECS: &[FilterSpec] = &[
    FilterSpec {
        name: "to_json",
        signature: "value | to_json",
        doc: "The compact JSON of a value, as text.",
        example: "{{ {'a': [1, none]} | to_json }} -> {\"a\":[1,null]}",
        function: |input, _| Ok(input.to_string().into()),
    },
    FilterSpec {
        name: "from_json",
        signature: "text | from_json",
        doc: "The value of a JSON text.",
        example: "{{ ('{\"a\": 1}' | from_json).a }} -> 1",
        function: from_json,
    },
    FilterSpec {
        name: "jmespath",
        signature: "value | jmespath(expression)",
        doc: "What a JMESPath expression finds in a value; null where it finds nothing.",
        example: "{{ {'a': [{'b': 1}, {'b': 2}]} | jmespath('a[*].b') }} -> [1,2]",
        function: jmespath,
    },
];

fn from_json(input: &Value, _: &FilterArgs) -> Result<Value, FilterError> {
    let text = input.as_str().ok_or_else(|| FilterError::new("the input must be text"))?;
    if text.len() > limits::TEMPLATE_OUTPUT_BYTES {
        return Err(FilterError::new(format!("at most {} bytes of JSON are read", limits::TEMPLATE_OUTPUT_BYTES)));
    }
    serde_json::from_str(text)
        .map_err(|e| FilterError::new(format!("the text is not JSON (line {}, column {})", e.line(), e.column())))
}

fn jmespath(input: &Value, args: &FilterArgs) -> Result<Value, FilterError> {
    let source = args.required_text(0, "expression")?;
    let operators = source.bytes().filter(|b| b"([{!&*.|".contains(b)).count();
    if source.len() > JMESPATH_BYTES || operators > JMESPATH_OPERATORS {
        return Err(FilterError::new("the JMESPath expression is too long"));
    }
    let expression =
        jmespath::compile(source).map_err(|e| FilterError::new(format!("not a JMESPath expression: {}", e.reason)))?;
    let found = expression.search(input).map_err(|e| FilterError::new(e.reason.to_string()))?;
    serde_json::to_value(&*found).map_err(|_| FilterError::new("the result is not JSON"))
}
