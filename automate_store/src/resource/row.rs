//! A row of any model.

use serde_json::{Map, Value};

/// A row: its columns by name, as JSON. Hidden columns are in it too; [`Row::shown`] leaves them out.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The columns.
    pub fields: Map<String, Value>,
    /// The column that grows with each change, where the model has one.
    pub version: Option<i64>,
}
