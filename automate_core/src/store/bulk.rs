//! Operations over many executions, as asked for and as stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{BulkId, ExecutionId, TenantId, VersionId};
use crate::status::{BulkItemStatus, BulkOperation, BulkStatus, ExecutionStatus};

/// Which executions are meant. Everything that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Only these; all where empty.
    pub ids: Vec<ExecutionId>,
    /// Only this workflow.
    pub workflow: Option<String>,
    /// Only these statuses; all where empty.
    pub statuses: Vec<ExecutionStatus>,
    /// Only those accepted at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Only those accepted before this.
    pub created_before: Option<DateTime<Utc>>,
    /// Only those that somebody who looked at this time could have seen as they are: accepted before it, and
    /// not ended since.
    pub as_of: Option<DateTime<Utc>>,
    /// Only those that ended with this error code.
    pub error_code: Option<String>,
    /// Only those whose queue item is a dead letter.
    pub dead_letters: bool,
}

/// What a selection comes to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selected {
    /// How many; counted up to one more than one operation may have.
    pub count: u64,
    /// The newest of them.
    pub sample: Vec<SelectedExecution>,
    /// Steps with actions that began in the newest `limits::BULK_LOOKED_AT` of them, for what will
    /// be repeated.
    pub begun: Vec<BegunSteps>,
    /// How many executions `begun` is about.
    pub looked_at: u64,
}

/// One of the selected executions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SelectedExecution {
    /// The execution.
    pub id: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// The number of its version.
    pub version: i32,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// The code that it failed with.
    pub error_code: Option<String>,
}

/// How often a step began over the selected executions.
#[derive(Debug, Clone, PartialEq)]
pub struct BegunSteps {
    /// The workflow.
    pub workflow: String,
    /// The version that ran.
    pub version_id: VersionId,
    /// The step's path.
    pub path: String,
    /// The action.
    pub uses: String,
    /// Executions in which it began.
    pub executions: u64,
    /// Executions in which it failed, was cancelled, or has an outcome that is not known.
    pub unfinished: u64,
}

/// An operation to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBulk {
    /// Its id, made by the caller.
    pub id: BulkId,
    /// What is done.
    pub operation: BulkOperation,
    /// To which executions: frozen when it is stored.
    pub selection: Selection,
    /// More about what is done, as JSON: of a replay, from where and with which version.
    pub parameters: String,
    /// Executions a second, at most.
    pub rate: i32,
    /// Who asked for it.
    pub created_by: String,
}

/// An operation as stored, counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BulkRecord {
    /// Its id.
    pub id: BulkId,
    /// Whose.
    pub tenant_id: TenantId,
    /// What is done.
    pub operation: BulkOperation,
    /// What was selected by.
    pub selection: Selection,
    /// More about what is done.
    pub parameters: serde_json::Value,
    /// Executions a second, at most.
    pub rate: i32,
    /// Where it stands.
    pub status: BulkStatus,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When a worker began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Since when somebody wants it ended.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Executions that were selected.
    pub total: u64,
    /// Those that were not gone through.
    pub pending: u64,
    /// Those that it was done to.
    pub done: u64,
    /// Those that it did not work with.
    pub failed: u64,
    /// Those that were not in a state for it any more.
    pub skipped: u64,
}

/// One execution of an operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BulkItem {
    /// Its place, from 1.
    pub position: i32,
    /// The execution.
    pub execution_id: ExecutionId,
    /// What became of it.
    pub status: BulkItemStatus,
    /// A stable word for what became of it.
    pub code: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// The execution that a replay made.
    pub result_id: Option<ExecutionId>,
    /// When it was gone through.
    pub finished_at: Option<DateTime<Utc>>,
}

/// Which executions of an operation are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BulkItemQuery {
    /// Only those of which this became.
    pub status: Option<BulkItemStatus>,
    /// Only those after this place.
    pub after: i32,
    /// Rows of the page, 200 at most.
    pub limit: usize,
}

/// Which operations are asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BulkPage {
    /// Only older ones than this.
    pub before: Option<BulkId>,
    /// Rows of the page, 200 at most.
    pub limit: usize,
}

/// What a worker has to do of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkWork {
    /// The operation.
    pub bulk: BulkRecord,
    /// What comes next; empty where nothing is left.
    pub next: Vec<BulkItem>,
}

/// What became of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkApplied {
    /// Done, failed or skipped.
    pub status: BulkItemStatus,
    /// A stable word for it.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// The execution that a replay made.
    pub result_id: Option<ExecutionId>,
}

impl BulkApplied {
    /// With a word and a sentence.
    #[must_use]
    pub fn new(status: BulkItemStatus, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), result_id: None }
    }
}
