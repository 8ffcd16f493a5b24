//! JMESPath with bounds: the parser and the interpreter recurse, so that what nests is counted
//! before either runs.

use jmespath::{Expression, Rcvar};
use serde_json::Value;

use crate::base::{ConnectorError, Result};

/// Bytes of an expression.
const EXPRESSION_BYTES: usize = 4 * 1024;
/// Characters of an expression that can make it deeper.
const OPERATORS: usize = 96;

/// A compiled expression.
pub(super) struct Jmes(Expression<'static>);

impl Jmes {
    /// Compiles an expression.
    ///
    /// # Errors
    /// `INVALID_INPUT` where it is not JMESPath or passes a bound.
    pub(super) fn compile(text: &str) -> Result<Self> {
        let operators = text.bytes().filter(|b| b".|[({!&".contains(b)).count();
        if text.len() > EXPRESSION_BYTES || operators > OPERATORS {
            return Err(ConnectorError::invalid_input(format!(
                "the JMESPath expression is too large; {EXPRESSION_BYTES} bytes and {OPERATORS} operators at most"
            )));
        }
        jmespath::compile(text)
            .map(Self)
            .map_err(|error| ConnectorError::invalid_input(format!("the JMESPath expression is not valid: {error}")))
    }

    /// What the expression gives for a value.
    ///
    /// # Errors
    /// `INVALID_INPUT` where it cannot be applied to it.
    pub(super) fn value(&self, value: &Value) -> Result<Value> {
        let found = self.search(value)?;
        serde_json::to_value(&*found).map_err(|error| {
            ConnectorError::invalid_input(format!("the JMESPath expression gives no JSON value: {error}"))
        })
    }

    /// Whether the expression is true for a value, as JMESPath defines truth: neither `null` nor
    /// `false` nor empty.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub(super) fn is_true(&self, value: &Value) -> Result<bool> {
        Ok(self.search(value)?.is_truthy())
    }

    fn search(&self, value: &Value) -> Result<Rcvar> {
        // Messages of the interpreter quote values; only the kind is passed on.
        self.0.search(value).map_err(|error| {
            let place = format!("at column {}", error.column + 1);
            ConnectorError::invalid_input(format!("the JMESPath expression cannot be applied to the value ({place})"))
        })
    }
}
