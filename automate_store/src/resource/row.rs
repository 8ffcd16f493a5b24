//! A row of any model.

use automate_core::access::Principal;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Model;

/// A row: its columns by name, as JSON. Hidden columns are in it too; [`Row::shown`] leaves them out.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The columns.
    pub fields: Map<String, Value>,
    /// The column that grows with each change, where the model has one.
    pub version: Option<i64>,
}

impl Row {
    /// The row's id, where the model's key is one.
    #[must_use]
    pub fn id(&self, model: &Model) -> Option<Uuid> {
        self.fields.get(model.key)?.as_str()?.parse().ok()
    }

    /// The row as somebody sees it: without hidden columns, and null in those that need a
    /// permission which they lack. That they saw the others is not audited here; where a model has
    /// such columns, use [`Resources::show_in`](super::Resources::show_in).
    #[must_use]
    pub fn shown(&self, model: &Model, principal: &Principal) -> Map<String, Value> {
        let show = |(name, value): (&String, &Value)| match model.column(name) {
            Some(column) if !column.shown => None,
            Some(column) if column.needs.is_some_and(|permission| !principal.can(permission)) => {
                Some((name.clone(), Value::Null))
            }
            // What is no column is an expansion, which was shown already.
            _ => Some((name.clone(), value.clone())),
        };
        self.fields.iter().filter_map(show).collect()
    }
}
