//! `/bulk-operations`: one operation over many executions.

use std::str::FromStr;
use std::sync::Arc;

use automate_core::ids::{BulkId, ExecutionId};
use automate_core::limits;
use automate_core::runtime::BulkRequest;
use automate_core::status::{BulkItemStatus, BulkOperation, ExecutionStatus};
use automate_core::store::{BulkItemQuery, BulkRecord, Selection};
use automate_store::models::operations::BULK_OPERATIONS;
use automate_store::resource::Model;
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::executions::ReplayVersion;
use super::nested::found;
use crate::v1::PREFIX;
use crate::v1::base::{
    Access, Action, BaseReadOnlyViewSet, Call, Operation, Parameter, ParameterKind, Reply, model_access,
};
use crate::{FieldError, Problem};

/// Operations over many executions.
pub(super) struct BulkOperations;

impl BaseReadOnlyViewSet for BulkOperations {
    fn model(&self) -> &'static Model {
        &BULK_OPERATIONS
    }

    fn get_permissions(&self, action: &Action) -> Access {
        match action.name() {
            "status" | "items" | "preview" => model_access(&BULK_OPERATIONS, &Action::Retrieve),
            "start" => model_access(&BULK_OPERATIONS, &Action::Create),
            _ => model_access(&BULK_OPERATIONS, action),
        }
    }

    fn extra_operations(self: Arc<Self>) -> Vec<Operation> {
        let word = |name: &'static str, words: Vec<&'static str>, what: &'static str| {
            Parameter::new(name, ParameterKind::OneOf(words.into_iter().map(Into::into).collect()), what)
        };
        let states = BulkItemStatus::ALL.iter().map(|status| status.as_str()).collect();
        vec![
            Operation::post("/bulk-operations/preview", Action::custom("preview"))
                .summary("Says what an operation over many executions would do")
                .description("How many executions it would be done to, and which effects it would repeat.")
                .reads::<BulkInput>()
                .answers::<BulkPreview>(StatusCode::OK, "What it would do.")
                .handler(preview),
            Operation::post("/bulk-operations", Action::custom("start"))
                .summary("Starts an operation over many executions")
                .description(
                    "It is done to the executions that are selected now; what comes later is none of it. A worker \
                     does it at its rate, and it survives the worker's death. Besides the permission to start one, \
                     the permission for the operation itself is needed.",
                )
                .reads::<BulkInput>()
                .answers::<BulkProgress>(StatusCode::ACCEPTED, "The operation.")
                .handler(start),
            Operation::get("/bulk-operations/{id}/status", Action::custom("status"))
                .summary("Says how far an operation is")
                .answers::<BulkProgress>(StatusCode::OK, "The operation, counted.")
                .handler(progress),
            Operation::get("/bulk-operations/{id}/items", Action::custom("items"))
                .summary("Lists what became of the executions of an operation")
                .parameter(Parameter::integer("limit", 1, 200, "Rows of the page; 50 where it is not given."))
                .parameter(Parameter::integer("cursor", 0, i64::from(i32::MAX), "`next` of the page before."))
                .parameter(word("status", states, "Only those of which this became."))
                .answers::<BulkItems>(StatusCode::OK, "A page of them, in the order of the operation.")
                .handler(items),
            Operation::post("/bulk-operations/{id}/cancel", Action::custom("cancel"))
                .summary("Ends an operation before it is through")
                .description("What it did stays done.")
                .answers::<BulkProgress>(StatusCode::OK, "The operation, counted.")
                .handler(cancel),
        ]
    }
}

/// What is to be done to many executions.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BulkInput {
    /// `cancel`, `retry`, `replay`, or `requeue` of dead letters.
    #[schema(value_type = BulkOperationName, inline)]
    operation: BulkOperation,
    /// To which.
    #[serde(default)]
    selection: BulkSelection,
    /// Executions a second, at most.
    #[schema(minimum = 1, maximum = 1000)]
    rate: Option<u32>,
    /// Of a replay: the path of the step to begin at.
    #[schema(max_length = 1000)]
    from: Option<String>,
    /// Of a replay: the version.
    version: Option<ReplayVersion>,
}

/// What is done.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum BulkOperationName {
    Cancel,
    Retry,
    Replay,
    Requeue,
}

/// Which executions are meant. Everything that is given must fit; without a status, those that the
/// operation is for.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct BulkSelection {
    /// Only these.
    #[schema(max_items = 1000)]
    ids: Vec<Uuid>,
    /// Only this workflow, by its slug.
    #[schema(min_length = 1, max_length = 200)]
    workflow: Option<String>,
    /// Only these: `pending`, `running`, `waiting`, `completed`, `failed`, `cancelled`.
    #[schema(max_items = 6, value_type = Vec<SelectedStatus>, inline)]
    statuses: Vec<ExecutionStatus>,
    /// Only those accepted at this time or later.
    created_from: Option<DateTime<Utc>>,
    /// Only those accepted before this.
    created_before: Option<DateTime<Utc>>,
    /// Only those that a list read at this time could have shown as they are: accepted before it, and not ended
    /// since.
    as_of: Option<DateTime<Utc>>,
    /// Only those that ended with this error code.
    #[schema(min_length = 1, max_length = 200)]
    error_code: Option<String>,
    /// Only those whose item in the queue is a dead letter.
    dead_letters: bool,
}

/// A status of executions.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum SelectedStatus {
    Pending,
    Running,
    Waiting,
    Completed,
    Failed,
    Cancelled,
}

/// What an operation would do.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct BulkPreview {
    /// What would be done.
    operation: String,
    /// To which, with the statuses that the operation is for.
    selection: Value,
    /// To how many; counted up to one more than one operation may have.
    #[schema(minimum = 0)]
    count: u64,
    /// More are selected than one operation may have.
    too_many: bool,
    /// Executions a second, at most.
    #[schema(minimum = 1)]
    rate: u32,
    /// How long it would take at least, in seconds.
    #[schema(minimum = 0)]
    seconds: u64,
    /// The newest of them.
    sample: Vec<BulkSample>,
    /// Effects that would be repeated, in the executions that were looked at.
    effects: Vec<BulkEffect>,
    /// How many executions were looked at for effects, the newest first.
    #[schema(minimum = 0)]
    looked_at: u64,
}

/// One of the selected executions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct BulkSample {
    /// The execution.
    id: Uuid,
    /// Its workflow.
    workflow: String,
    /// The number of its version.
    version: i32,
    /// Where it stands.
    status: String,
    /// When it was accepted.
    created_at: DateTime<Utc>,
    /// The code that it failed with.
    error_code: Option<String>,
}

/// An effect that an operation would repeat.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct BulkEffect {
    /// The workflow.
    workflow: String,
    /// The path of the step.
    path: String,
    /// The action.
    uses: String,
    /// `idempotent` or `once`.
    effect: String,
    /// Executions in which it would be repeated.
    #[schema(minimum = 0)]
    executions: u64,
}

/// An operation, counted.
#[derive(Serialize, ToSchema)]
struct BulkProgress {
    /// Its id.
    id: Uuid,
    /// What is done.
    operation: String,
    /// What the executions were selected by.
    selection: Value,
    /// More about what is done.
    parameters: Value,
    /// Executions a second, at most.
    rate: i32,
    /// `pending`, `running`, `completed` or `cancelled`.
    status: String,
    /// Who asked for it.
    created_by: String,
    /// When.
    created_at: DateTime<Utc>,
    /// When a worker began.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// Since when somebody wants it ended.
    cancel_requested_at: Option<DateTime<Utc>>,
    /// Executions that were selected.
    #[schema(minimum = 0)]
    total: u64,
    /// Those that were not gone through.
    #[schema(minimum = 0)]
    pending: u64,
    /// Those that it was done to.
    #[schema(minimum = 0)]
    done: u64,
    /// Those that it did not work with.
    #[schema(minimum = 0)]
    failed: u64,
    /// Those that were not in a state for it any more.
    #[schema(minimum = 0)]
    skipped: u64,
}

impl From<BulkRecord> for BulkProgress {
    fn from(record: BulkRecord) -> Self {
        Self {
            id: record.id.0,
            operation: record.operation.to_string(),
            selection: json!(record.selection),
            parameters: record.parameters,
            rate: record.rate,
            status: record.status.to_string(),
            created_by: record.created_by,
            created_at: record.created_at,
            started_at: record.started_at,
            finished_at: record.finished_at,
            cancel_requested_at: record.cancel_requested_at,
            total: record.total,
            pending: record.pending,
            done: record.done,
            failed: record.failed,
            skipped: record.skipped,
        }
    }
}

/// A page of what became of the executions of an operation.
#[derive(Serialize, ToSchema)]
struct BulkItems {
    /// The executions, in the order of the operation.
    #[schema(value_type = Vec<BulkItem>)]
    results: Vec<automate_core::store::BulkItem>,
    /// The cursor of the page behind this one; null on the last.
    next: Option<String>,
    /// Null: pages go forward.
    previous: Option<String>,
}

/// What became of an execution.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct BulkItem {
    /// Its place, from 1.
    #[schema(minimum = 1)]
    position: i32,
    /// The execution.
    execution_id: Uuid,
    /// `pending`, `done`, `failed` or `skipped`.
    status: String,
    /// A stable code for what became of it.
    code: Option<String>,
    /// The same for people.
    message: Option<String>,
    /// The execution that a replay made.
    result_id: Option<Uuid>,
    /// When it was gone through.
    finished_at: Option<DateTime<Utc>>,
}

/// What is asked for, checked where the schema cannot.
fn request(call: &Call) -> Result<(BulkRequest, Value), Problem> {
    let input: BulkInput = call.read()?;
    let given = json!(input);
    let BulkInput { operation, selection, rate, from, version } = input;
    if from.as_ref().is_some_and(|from| from.chars().count() > limits::PARAMETER_CHARS) {
        let fault =
            FieldError { path: "/from".to_owned(), code: "TOO_LONG".to_owned(), message: "is too long".to_owned() };
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT", "the input is not valid")
            .with_errors(vec![fault]));
    }
    let selection = Selection {
        ids: selection.ids.into_iter().map(ExecutionId).collect(),
        workflow: selection.workflow,
        statuses: selection.statuses,
        created_from: selection.created_from,
        created_before: selection.created_before,
        as_of: selection.as_of,
        error_code: selection.error_code,
        dead_letters: selection.dead_letters,
    };
    let created_by = call.principal.actor.name.clone();
    Ok((BulkRequest { operation, selection, rate, from, version: ReplayVersion::of(version), created_by }, given))
}

async fn preview(call: Call) -> Result<Reply, Problem> {
    let (request, _) = request(&call)?;
    Reply::ok(call.api.engine().bulk_preview(call.tenant()?, &request).await?)
}

/// The permission for doing it to one.
const fn permission(operation: BulkOperation) -> &'static str {
    match operation {
        BulkOperation::Cancel => "execution.cancel",
        BulkOperation::Retry => "execution.retry",
        BulkOperation::Replay => "execution.replay",
        BulkOperation::Requeue => "outbox.requeue",
    }
}

async fn start(call: Call) -> Result<Reply, Problem> {
    let (request, given) = request(&call)?;
    let needed = permission(request.operation);
    if !call.principal.can(needed) {
        let detail = format!("you lack the permission `{needed}`");
        return Err(Problem::new(StatusCode::FORBIDDEN, "PERMISSION_REQUIRED", detail));
    }
    let entry = call.audit("bulk_operation.start")?.about("bulk_operation", request.operation).with(given);
    let started = call.api.audit().around(entry, call.api.engine().bulk_start(call.tenant()?, &request)).await;
    let started = started.map_err(|error| match Problem::from(error) {
        problem if problem.status() == StatusCode::CONFLICT => {
            let detail = format!("more executions are selected than the {} of one operation", limits::BULK_EXECUTIONS);
            Problem::new(StatusCode::CONFLICT, "TOO_MANY_SELECTED", detail)
        }
        problem => problem,
    })?;
    let location = HeaderValue::from_str(&format!("{PREFIX}/bulk-operations/{}", started.id));
    let reply = Reply::accepted(BulkProgress::from(started))?;
    Ok(match location {
        Ok(location) => reply.with_header(header::LOCATION, location),
        Err(_) => reply,
    })
}

/// The operation of the path, of the caller's tenant.
async fn of_path(call: &Call) -> Result<BulkId, Problem> {
    found(call, &BULK_OPERATIONS).await.map(BulkId)
}

async fn progress(call: Call) -> Result<Reply, Problem> {
    let id = of_path(&call).await?;
    Reply::ok(BulkProgress::from(call.api.engine().bulk_status(call.tenant()?, id).await?))
}

async fn items(call: Call) -> Result<Reply, Problem> {
    let id = of_path(&call).await?;
    let limit = call.query_integer("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(50);
    let query = BulkItemQuery {
        status: call.query("status").and_then(|status| BulkItemStatus::from_str(status).ok()),
        after: call.query_integer("cursor").and_then(|after| i32::try_from(after).ok()).unwrap_or(0),
        limit,
    };
    let results = call.api.engine().bulk_items(call.tenant()?, id, &query).await?;
    let next = results.last().filter(|_| results.len() == limit).map(|item| item.position.to_string());
    Reply::ok(BulkItems { results, next, previous: None })
}

async fn cancel(call: Call) -> Result<Reply, Problem> {
    let (id, tenant) = (of_path(&call).await?, call.tenant()?);
    let entry = call.audit("bulk_operation.cancel")?.about("bulk_operation", id);
    let ended = call.api.audit().around(entry, call.api.engine().bulk_cancel(tenant, id)).await?;
    Reply::ok(BulkProgress::from(ended))
}
