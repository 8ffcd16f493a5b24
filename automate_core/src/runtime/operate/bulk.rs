//! One operation over many executions: looked at, started, followed, ended.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Engine;
use super::{OperateError, RerunVersion};
use crate::ids::{BulkId, TenantId};
use crate::limits;
use crate::status::{BulkOperation, Effect, ExecutionStatus};
use crate::store::{BulkItem, BulkItemQuery, BulkPage, BulkRecord, NewBulk, SelectedExecution, Selection};

/// What is to be done to many executions.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest {
    /// What is done.
    pub operation: BulkOperation,
    /// To which. Where it names no status, those that the operation is for.
    pub selection: Selection,
    /// Executions a second, at most; `limits::BULK_RATE` where absent.
    pub rate: Option<u32>,
    /// Of a replay: the path of the step to begin at.
    pub from: Option<String>,
    /// Of a replay: the version.
    pub version: RerunVersion,
    /// Who asks for it.
    pub created_by: String,
}

/// More about a replay, as stored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::runtime) struct Parameters {
    pub(in crate::runtime) from: Option<String>,
    pub(in crate::runtime) version: RerunVersion,
}

/// An effect that an operation repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BulkEffect {
    /// The workflow.
    pub workflow: String,
    /// The step's path.
    pub path: String,
    /// The action.
    pub uses: String,
    /// `once` or `idempotent`.
    pub effect: Effect,
    /// Executions in which it is repeated, of those that were looked at.
    pub executions: u64,
}

/// What an operation will do, before it does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BulkPreview {
    /// What is done.
    pub operation: BulkOperation,
    /// What is selected by, with the statuses that the operation is for.
    pub selection: Selection,
    /// How many executions; counted up to one more than one operation may have.
    pub count: u64,
    /// More are selected than one operation may have.
    pub too_many: bool,
    /// Executions a second, at most.
    pub rate: u32,
    /// How long it will take at least, in seconds.
    pub seconds: u64,
    /// The newest of them.
    pub sample: Vec<SelectedExecution>,
    /// Effects that will be repeated, in the executions that were looked at.
    pub effects: Vec<BulkEffect>,
    /// How many executions were looked at for effects, the newest first.
    pub looked_at: u64,
}

impl Engine {
    /// What an operation over many executions would do. Nothing is changed.
    ///
    /// # Errors
    /// `INVALID_BULK`, and those of the database.
    pub async fn bulk_preview(&self, tenant: TenantId, request: &BulkRequest) -> Result<BulkPreview, OperateError> {
        let (selection, rate) = checked(request)?;
        let selected = self.ports().store.bulk_select(tenant, &selection).await?;
        let mut effects = Vec::new();
        for steps in selected.begun {
            let executions = match request.operation {
                BulkOperation::Retry => steps.unfinished,
                // From a step on, fewer: what it does not depend on is kept.
                BulkOperation::Replay => steps.executions,
                BulkOperation::Cancel | BulkOperation::Requeue => 0,
            };
            let Some(action) = self.ports().actions.action(&steps.uses).filter(|_| executions > 0) else { continue };
            if action.effect != Effect::Pure {
                let (workflow, path, uses) = (steps.workflow, steps.path, steps.uses);
                effects.push(BulkEffect { workflow, path, uses, effect: action.effect, executions });
            }
        }
        Ok(BulkPreview {
            operation: request.operation,
            count: selected.count,
            too_many: selected.count > limits::BULK_EXECUTIONS,
            rate,
            seconds: selected.count.div_ceil(u64::from(rate)),
            sample: selected.sample,
            effects: together(effects),
            looked_at: selected.looked_at,
            selection,
        })
    }

    /// Starts an operation over the executions that are selected now; what comes later is none of
    /// it. A worker does it, at its rate; it survives the worker's death.
    ///
    /// # Errors
    /// `INVALID_BULK`, `CONFLICT` where too many are selected, and those of the database.
    pub async fn bulk_start(&self, tenant: TenantId, request: &BulkRequest) -> Result<BulkRecord, OperateError> {
        let (selection, rate) = checked(request)?;
        let parameters = match request.operation {
            BulkOperation::Replay => json!(Parameters { from: request.from.clone(), version: request.version }),
            BulkOperation::Cancel | BulkOperation::Retry | BulkOperation::Requeue => json!({}),
        };
        let bulk = NewBulk {
            id: BulkId::new(),
            operation: request.operation,
            selection,
            parameters: parameters.to_string(),
            rate: i32::try_from(rate).unwrap_or(i32::MAX),
            created_by: request.created_by.clone(),
        };
        let started = self.ports().store.bulk_start(tenant, bulk).await?;
        self.inner.active.wake.notify_one();
        Ok(started)
    }

    /// How far an operation is, counted.
    ///
    /// # Errors
    /// `NOT_FOUND`, and those of the database.
    pub async fn bulk_status(&self, tenant: TenantId, id: BulkId) -> Result<BulkRecord, OperateError> {
        Ok(self.ports().store.bulk(tenant, id).await?)
    }

    /// A page of operations, newest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn bulk_list(&self, tenant: TenantId, page: &BulkPage) -> Result<Vec<BulkRecord>, OperateError> {
        Ok(self.ports().store.bulks(tenant, page).await?)
    }

    /// A page of what became of the executions of an operation, in its order.
    ///
    /// # Errors
    /// `NOT_FOUND`, and those of the database.
    pub async fn bulk_items(
        &self,
        tenant: TenantId,
        id: BulkId,
        query: &BulkItemQuery,
    ) -> Result<Vec<BulkItem>, OperateError> {
        Ok(self.ports().store.bulk_items(tenant, id, query).await?)
    }

    /// Ends an operation before it is through; what it did stays done.
    ///
    /// # Errors
    /// `NOT_FOUND`, and those of the database.
    pub async fn bulk_cancel(&self, tenant: TenantId, id: BulkId) -> Result<BulkRecord, OperateError> {
        Ok(self.ports().store.bulk_cancel(tenant, id).await?)
    }
}

/// One entry for each step, over all versions.
fn together(effects: Vec<BulkEffect>) -> Vec<BulkEffect> {
    let mut sums: Vec<BulkEffect> = Vec::new();
    for effect in effects {
        let same = |sum: &&mut BulkEffect| {
            (&sum.workflow, &sum.path, &sum.uses) == (&effect.workflow, &effect.path, &effect.uses)
        };
        match sums.iter_mut().find(same) {
            Some(sum) => sum.executions += effect.executions,
            None => sums.push(effect),
        }
    }
    sums
}

/// The statuses that an operation is for.
const fn statuses(operation: BulkOperation) -> &'static [ExecutionStatus] {
    match operation {
        BulkOperation::Cancel => &[ExecutionStatus::Pending, ExecutionStatus::Running, ExecutionStatus::Waiting],
        BulkOperation::Retry => &[ExecutionStatus::Failed],
        BulkOperation::Replay => &[ExecutionStatus::Completed, ExecutionStatus::Failed, ExecutionStatus::Cancelled],
        // A dead letter's execution has failed, or has not ended where even that could not be recorded.
        BulkOperation::Requeue => {
            &[ExecutionStatus::Pending, ExecutionStatus::Running, ExecutionStatus::Waiting, ExecutionStatus::Failed]
        }
    }
}

/// The selection with the statuses of the operation, and the rate.
fn checked(request: &BulkRequest) -> Result<(Selection, u32), OperateError> {
    let refuse = |text: String| Err(OperateError::InvalidBulk(text));
    let operation = request.operation;
    let mut selection = request.selection.clone();
    let fitting = statuses(operation);
    if selection.statuses.is_empty() {
        selection.statuses = fitting.to_vec();
    }
    if let Some(status) = selection.statuses.iter().find(|status| !fitting.contains(status)) {
        let words: Vec<&str> = fitting.iter().map(|status| status.as_str()).collect();
        return refuse(format!("`{operation}` is for executions that are {}, not {status}", words.join(", ")));
    }
    selection.statuses.sort_unstable();
    selection.statuses.dedup();
    selection.dead_letters |= operation == BulkOperation::Requeue;
    if selection.ids.len() > limits::BULK_IDS {
        return refuse(format!("a selection names at most {} executions by their ids", limits::BULK_IDS));
    }
    if operation != BulkOperation::Replay && (request.from.is_some() || request.version != RerunVersion::Pinned) {
        return refuse(format!("a step to begin at and a version belong to `replay`, not to `{operation}`"));
    }
    for text in [&selection.workflow, &selection.error_code].into_iter().flatten() {
        if text.is_empty() || text.len() > limits::TRIGGER_NAME_BYTES || text.contains('\0') {
            return refuse("a workflow or error code of the selection cannot be one".to_owned());
        }
    }
    match request.rate.unwrap_or(limits::BULK_RATE) {
        rate if (1..=limits::BULK_RATE_MAX).contains(&rate) => Ok((selection, rate)),
        rate => refuse(format!("a rate of {rate} a second is not between 1 and {}", limits::BULK_RATE_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(operation: BulkOperation) -> BulkRequest {
        BulkRequest {
            operation,
            selection: Selection::default(),
            rate: None,
            from: None,
            version: RerunVersion::Pinned,
            created_by: "test".to_owned(),
        }
    }

    #[test]
    fn without_a_status_those_are_selected_that_the_operation_is_for() {
        let (selection, rate) = checked(&request(BulkOperation::Retry)).unwrap();
        assert_eq!((selection.statuses, rate), (vec![ExecutionStatus::Failed], limits::BULK_RATE));
        assert!(checked(&request(BulkOperation::Requeue)).unwrap().0.dead_letters);
    }

    #[test]
    fn what_does_not_fit_the_operation_is_refused() {
        let mut ended = request(BulkOperation::Cancel);
        ended.selection.statuses = vec![ExecutionStatus::Failed];
        let refused = checked(&ended).unwrap_err();
        assert!(refused.to_string().contains("`cancel` is for executions that are pending"), "{refused}");
        assert!(checked(&BulkRequest { rate: Some(0), ..request(BulkOperation::Retry) }).is_err());
        assert!(checked(&BulkRequest { rate: Some(1_001), ..request(BulkOperation::Retry) }).is_err());
        assert!(checked(&BulkRequest { from: Some("a".to_owned()), ..request(BulkOperation::Retry) }).is_err());
        assert!(checked(&BulkRequest { from: Some("a".to_owned()), ..request(BulkOperation::Replay) }).is_ok());
    }
}
