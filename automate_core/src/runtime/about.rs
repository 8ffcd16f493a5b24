//! What of an execution does not change while it runs, and how its end is told.

use std::sync::Arc;

use serde_json::Value;

use crate::engine::Effects;
use crate::ids::{ExecutionId, TenantId};
use crate::status::ExecutionStatus;
use crate::store::{EventRecord, ExecutionError, ExecutionRecord};

/// Facts that do not change while it runs.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) execution_id: ExecutionId,
    pub(super) tenant_id: TenantId,
    pub(super) workflow: String,
    pub(super) version: i32,
    pub(super) correlation_id: String,
    /// Executions between it and the outside.
    pub(super) depth: u32,
    /// What of it reaches the world.
    pub(super) effects: Arc<Effects>,
}

impl About {
    /// What is stored of an execution and its event.
    pub(super) fn of(execution: &ExecutionRecord, event: Option<&EventRecord>) -> Self {
        Self {
            execution_id: execution.id,
            tenant_id: execution.tenant_id,
            workflow: execution.workflow.clone(),
            version: execution.version,
            correlation_id: execution.correlation_id.clone(),
            depth: event.map_or(0, |event| event.depth),
            effects: Arc::new(Effects::of_execution(&execution.trigger, execution.version)),
        }
    }
}

/// An execution that is ended from outside of its plan.
pub(super) struct Failing<'a> {
    pub(super) id: ExecutionId,
    pub(super) tenant_id: TenantId,
    /// More about it, where it could be read: without, its end is no event.
    pub(super) about: Option<&'a About>,
}

impl<'a> Failing<'a> {
    pub(super) fn of(about: &'a About) -> Self {
        Self { id: about.execution_id, tenant_id: about.tenant_id, about: Some(about) }
    }
}

/// The payload of `core.workflow.*`.
pub(super) fn end_event(
    about: &About,
    status: ExecutionStatus,
    error: Option<&ExecutionError>,
    output: Option<&Value>,
) -> Value {
    serde_json::json!({
        "execution_id": about.execution_id,
        "workflow": about.workflow,
        "version": about.version,
        "status": status,
        "error": error,
        "output": output,
    })
}
