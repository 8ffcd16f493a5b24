//! Documents on their way to being live: check, save, publish, roll back.

use serde::Serialize;

use super::Engine;
use crate::document::{Diagnostic, Document};
use crate::ids::TenantId;
use crate::store::{StoreError, VersionRecord, WorkflowRecord};

/// Why a document was not stored. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It has errors; all of them are here, warnings too.
    #[error("the document has {} error(s)", .0.iter().filter(|d| d.severity == crate::document::Severity::Error).count())]
    Invalid(Vec<Diagnostic>),
    /// The store refused or cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What publishing did.
#[derive(Debug, Clone, Serialize)]
pub struct Published {
    /// The live version.
    pub version: VersionRecord,
    /// What is worth a look.
    pub warnings: Vec<Diagnostic>,
}

impl Engine {
    /// Parses and checks a document against the connectors that are there. `Ok` has the warnings.
    pub fn validate(&self, _source: &str) -> Result<(Document, Vec<Diagnostic>), Vec<Diagnostic>> {
        Err(Vec::new())
    }

    /// Saves a document as the workflow's draft.
    pub async fn save_draft(&self, _tenant: TenantId, _source: &str) -> Result<WorkflowRecord, PublishError> {
        Err(PublishError::Invalid(Vec::new()))
    }

    /// Publishes a document: an immutable version, live at once, its triggers switched with it.
    pub async fn publish(
        &self,
        _tenant: TenantId,
        _source: &str,
        _author: &str,
        _note: &str,
    ) -> Result<Published, PublishError> {
        Err(PublishError::Invalid(Vec::new()))
    }

    /// Publishes an old version again, as a new version.
    pub async fn rollback(
        &self,
        _tenant: TenantId,
        _slug: &str,
        _number: i32,
        _author: &str,
        _note: &str,
    ) -> Result<Published, PublishError> {
        Err(PublishError::Invalid(Vec::new()))
    }
}
