//! The audit of what was shown that takes a permission to see.

use automate_core::audit::AuditEntry;
use automate_core::ids::TenantId;
use serde_json::{Map, Value, json};

use super::expand::Expanded;
use super::shape::{Shape, key_of};
use super::{Model, Writer};

/// Rows of which protected fields were shown.
#[derive(Debug)]
pub(super) struct Viewed {
    fields: Vec<String>,
    ids: Vec<String>,
}

impl Viewed {
    /// None yet.
    pub(super) fn of(shape: &Shape, expanded: &[Expanded]) -> Self {
        let own = shape.protected().into_iter().map(str::to_owned);
        Self { fields: own.chain(expanded.iter().flat_map(Expanded::protected)).collect(), ids: Vec::new() }
    }

    /// A row.
    pub(super) fn add(&mut self, model: &Model, row: &Map<String, Value>) {
        let id = row.get(model.key).and_then(Value::as_str).map_or_else(|| key_of(model, row), str::to_owned);
        self.ids.push(id);
    }

    /// One entry about all rows; none where there are none.
    pub(super) fn entry(self, model: &Model, caller: &Writer) -> Option<AuditEntry> {
        let one = match self.ids.as_slice() {
            [] => return None,
            [id] => id.clone(),
            _ => String::new(),
        };
        let entry =
            AuditEntry::new(log_of(model, caller), caller.principal.actor.clone(), &format!("{}.view", model.noun))
                .from(caller.origin.clone())
                .about(model.noun, one)
                .with(json!({ "fields": self.fields, "ids": self.ids }));
        Some(entry)
    }
}

/// Whose audit log tells of a model's rows.
pub(super) fn log_of(model: &Model, caller: &Writer) -> TenantId {
    match (model.tenant, caller.principal.tenant) {
        (Some(_), Some(tenant)) => tenant,
        _ => TenantId::DEFAULT,
    }
}
