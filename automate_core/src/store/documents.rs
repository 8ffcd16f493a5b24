//! Workflows, versions and triggers, as stored.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::ids::{TenantId, TriggerId, VersionId, WorkflowId};

/// Stands where the number of a version does, for a draft that was tested. It is the number of no version.
pub const DRAFT: i32 = 0;

/// What people read in the place of a version's number: `v3`, or `draft`.
#[must_use]
pub fn version_name(number: i32) -> String {
    if number == DRAFT { "draft".to_owned() } else { format!("v{number}") }
}

/// A workflow as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowRecord {
    /// Its id.
    pub id: WorkflowId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Its slug.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// The number of the live version, where one is published.
    pub live_version: Option<i32>,
    /// That version.
    pub live_version_id: Option<VersionId>,
    /// The source of the draft, where there is one.
    pub draft: Option<String>,
    /// Grows with each change, for `If-Match`.
    pub row_version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// An immutable version as stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VersionRecord {
    /// Its id.
    pub id: VersionId,
    /// Whose.
    pub tenant_id: TenantId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// From 1; [`DRAFT`] of a draft that is kept because it was tested.
    pub number: i32,
    /// The canonical JSON of the document.
    pub document: String,
    /// The source as written.
    pub source: String,
    /// The SHA-256 of the canonical JSON, hex.
    pub sha256: String,
    /// Who published it.
    pub author: String,
    /// Why.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What publishing stores, in one transaction with the switch of the triggers.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// The workflow's slug; the workflow is made where there is none.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// The canonical JSON of the document.
    pub document: String,
    /// The source as written.
    pub source: String,
    /// The SHA-256 of the canonical JSON, hex.
    pub sha256: String,
    /// Who.
    pub author: String,
    /// Why.
    pub note: String,
    /// The triggers of the document.
    pub triggers: Vec<NewTrigger>,
    /// The `row_version` that the workflow must be at; whichever it is where absent.
    pub expected: Option<i32>,
}

/// A draft that is kept because it is to be tested.
#[derive(Debug, Clone)]
pub struct NewDraft {
    /// The workflow, which is there.
    pub workflow_id: WorkflowId,
    /// The canonical JSON of the document.
    pub document: String,
    /// The source as written.
    pub source: String,
    /// The SHA-256 of the canonical JSON, hex.
    pub sha256: String,
    /// Who tests it.
    pub author: String,
}

/// A trigger to be stored with its version.
#[derive(Debug, Clone)]
pub struct NewTrigger {
    /// `webhook`, `event` or `manual`.
    pub kind: String,
    /// The webhook's path or the event's pattern; empty for `manual`.
    pub key: String,
    /// Its place among the document's triggers, from 0.
    pub position: i32,
}

/// A live trigger, with what is needed to start its workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerRecord {
    /// Its id; a new one with each publication.
    pub id: TriggerId,
    /// Whose.
    pub tenant_id: TenantId,
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// The workflow's slug.
    pub workflow: String,
    /// The live version.
    pub version_id: VersionId,
    /// Its number.
    pub version: i32,
    /// `webhook`, `event` or `manual`.
    pub kind: String,
    /// The webhook's path or the event's pattern.
    pub key: String,
    /// Its place among the document's triggers.
    pub position: i32,
}
