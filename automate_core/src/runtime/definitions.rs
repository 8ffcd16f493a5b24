//! Compiled versions, kept in memory: a version never changes, so neither does its plan.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use super::Engine;
use crate::document;
use crate::engine::{Plan, PlanError};
use crate::ids::VersionId;
use crate::store::StoreError;

/// Versions that are kept compiled.
const KEPT: usize = 2_000;

/// A version, compiled.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) plan: Plan,
    /// What manual and API runs accept.
    pub(super) inputs: Option<jsonschema::Validator>,
}

/// Why a version cannot be run here.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum DefinitionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Plan(#[from] PlanError),
}

#[derive(Default)]
pub(super) struct Definitions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<VersionId, Arc<Definition>>,
    order: VecDeque<VersionId>,
}

impl Definitions {
    fn get(&self, id: VersionId) -> Option<Arc<Definition>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    fn put(&self, id: VersionId, definition: Arc<Definition>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_id.insert(id, definition).is_none() {
            kept.order.push_back(id);
        }
        while kept.order.len() > KEPT {
            if let Some(oldest) = kept.order.pop_front() {
                kept.by_id.remove(&oldest);
            }
        }
    }
}

impl Engine {
    /// The compiled version, from memory or from the store.
    pub(super) async fn definition(&self, id: VersionId) -> Result<Arc<Definition>, DefinitionError> {
        if let Some(definition) = self.inner.definitions.get(id) {
            return Ok(definition);
        }
        let version = self.ports().store.version(id).await?;
        // The source, not the canonical form: values of a `set` see those written before them.
        let document = document::parse(&version.source).map_err(|problems| {
            let first = problems.first().map(|p| p.message.clone()).unwrap_or_default();
            StoreError::Corrupt(format!("version {id} does not parse: {first}"))
        })?;
        let plan = Plan::compile(&document.workflow, &self.ports().expressions, self.ports().actions.as_ref())?;
        let inputs = match &document.workflow.inputs {
            None => None,
            Some(schema) => Some(
                jsonschema::validator_for(schema)
                    .map_err(|error| PlanError { path: "inputs".to_owned(), message: error.to_string() })?,
            ),
        };
        let definition = Arc::new(Definition { plan, inputs });
        self.inner.definitions.put(id, definition.clone());
        Ok(definition)
    }
}
