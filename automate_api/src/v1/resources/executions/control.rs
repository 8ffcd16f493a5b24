//! What people and programs do to an execution: cancel, retry, decide, signal, explain.

use automate_core::ids::ExecutionId;
use automate_core::runtime::{OperateError, SignalRequest};
use automate_core::status::ExecutionStatus;
use automate_core::store::{CancelOutcome, Json, Resolution};
use automate_store::models::executions::EXECUTIONS;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::nested::found;
use super::{shape, shown};
use crate::Problem;
use crate::v1::base::{Action, Call, Content, Operation, Reply};

/// A signal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignalInput {
    /// What a step waits for: letters, digits, `_` and `-`, with dots between.
    #[schema(max_length = 63, pattern = "^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$")]
    name: String,
    /// What the waiting step takes as its output.
    #[serde(default)]
    payload: Value,
    /// A second signal of the execution with the same key is not taken. Without one, that of the
    /// request, where it has an `Idempotency-Key`.
    #[schema(min_length = 1, max_length = 64)]
    dedupe_key: Option<String>,
}

/// What became of a signal.
#[derive(Serialize, ToSchema)]
struct SignalAnswer {
    /// Its id; the first one's where this was a duplicate.
    id: Uuid,
    /// Its place among the execution's signals, from 1.
    seq: i32,
    /// One with its key was there before.
    duplicate: bool,
}

/// What is known about a step whose outcome was not.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It happened: the execution goes on with the given output.
    Completed,
    /// It did not happen: it is called again with the same idempotency key.
    Repeat,
    /// It is taken as failed.
    Failed,
}

/// A decision about a step whose outcome is not known.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// The path of the step.
    #[schema(max_length = 1000)]
    step: String,
    /// `completed`: it happened; `repeat`: it did not, and is called again with the same idempotency
    /// key; `failed`: it is taken as failed.
    #[schema(inline)]
    outcome: Outcome,
    /// Of `completed`, the output to go on with.
    output: Option<Value>,
}

/// Why an execution stands where it does.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Explanation {
    /// The execution.
    execution_id: Uuid,
    /// Its workflow.
    workflow: String,
    /// The number of its version.
    version: i32,
    /// Where it stands.
    status: String,
    /// When this was so, by the database's clock.
    at: DateTime<Utc>,
    /// The code of the first reason.
    code: String,
    /// The sentence of the first reason.
    summary: String,
    /// Something is being done about it now, or will be as soon as a worker is free.
    moving: bool,
    /// When it is expected to go on by itself, at the latest.
    expected_at: Option<DateTime<Utc>>,
    /// Who has it.
    holder: Option<ExplanationHolder>,
    /// Its item in the queue, where it has one.
    outbox_id: Option<Uuid>,
    /// Since when somebody wants it cancelled.
    cancel_requested_at: Option<DateTime<Utc>>,
    /// Everything that holds it; what ends first stands first.
    reasons: Vec<ExplanationReason>,
    /// What one can do.
    remedies: Vec<ExplanationRemedy>,
}

/// Who has an execution.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExplanationHolder {
    /// The worker.
    owner: String,
    /// Since when.
    since: DateTime<Utc>,
    /// When its lease ends, if it does not extend it.
    lease_until: Option<DateTime<Utc>>,
}

/// One thing that holds an execution.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExplanationReason {
    /// What it is: a stable code.
    code: String,
    /// The same in a sentence.
    summary: String,
    /// The path of the step that it is about.
    step: Option<String>,
    /// Since when.
    since: Option<DateTime<Utc>>,
    /// When it ends by itself, at the latest.
    until: Option<DateTime<Utc>>,
    /// The name of the signal that is waited for.
    signal: Option<String>,
    /// Ready items of the queue that go first.
    #[schema(minimum = 0)]
    ahead: Option<i64>,
    /// What went wrong before.
    error: Option<ExplanationCause>,
}

/// An error that explains something.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExplanationCause {
    /// A stable code.
    code: String,
    /// For people.
    message: String,
}

/// Something that one can do.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct ExplanationRemedy {
    /// What it does.
    does: String,
    /// The command, to be typed as it stands unless it has words in capitals.
    command: String,
}

pub(super) fn operations() -> Vec<Operation> {
    let accepted = |operation: Operation, what: &'static str| {
        operation.answers_with(StatusCode::ACCEPTED, what, Content::Json(shape()))
    };
    vec![
        accepted(
            Operation::post("/executions/{id}/cancel", Action::custom("cancel"))
                .summary("Cancels an execution")
                .description("After the answer no new step starts; actions under way are told to stop."),
            "A worker has it and stops.",
        )
        .answers_with(StatusCode::OK, "It is cancelled.", Content::Json(shape()))
        .handler(cancel),
        accepted(
            Operation::post("/executions/{id}/retry", Action::custom("retry"))
                .summary("Goes on with a failed execution")
                .description("Steps that failed run again, with new idempotency keys; what had finished stays."),
            "It is back in the queue.",
        )
        .handler(retry),
        accepted(
            Operation::post("/executions/{id}/resolve", Action::custom("resolve"))
                .summary("Decides a step whose outcome is not known")
                .reads::<Decision>(),
            "It is decided, and the execution is back in the queue.",
        )
        .handler(resolve),
        Operation::post("/executions/{id}/signal", Action::custom("signal"))
            .summary("Sends a signal")
            .description("After the answer the signal is durable; the step that waits for it, or that will, takes it.")
            .reads::<SignalInput>()
            .answers::<SignalAnswer>(StatusCode::ACCEPTED, "It is stored.")
            .handler(signal),
        Operation::get("/executions/{id}/explain", Action::custom("explain"))
            .summary("Says why an execution stands where it does")
            .description("What holds it, who, until when, and what one can do about it.")
            .answers::<Explanation>(StatusCode::OK, "Why.")
            .handler(explain),
    ]
}

/// The execution of the path, of the caller's tenant.
async fn of_path(call: &Call) -> Result<ExecutionId, Problem> {
    found(call, &EXECUTIONS).await.map(ExecutionId)
}

/// 409 with where the execution stands, for what cannot be done to it as it is.
async fn unfit(call: &Call, id: ExecutionId, error: OperateError, what: &str) -> Problem {
    let problem = Problem::from(error);
    if problem.status() != StatusCode::CONFLICT {
        return problem;
    }
    let store = &call.api.engine().ports().store;
    match (call.tenant(), problem.code()) {
        (Ok(tenant), "CONFLICT") => match store.execution(tenant, id).await {
            Ok(execution) => {
                Problem::new(StatusCode::CONFLICT, "CONFLICT", format!("the execution is {}; {what}", execution.status))
            }
            Err(error) => error.into(),
        },
        _ => problem,
    }
}

async fn cancel(call: Call) -> Result<Reply, Problem> {
    let (id, tenant) = (of_path(&call).await?, call.tenant()?);
    let entry = call.audit("execution.cancel")?.about("execution", id);
    match call.api.audit().around(entry, call.api.engine().cancel(tenant, id)).await? {
        CancelOutcome::Requested => shown(&call, StatusCode::ACCEPTED, id).await,
        CancelOutcome::Cancelled | CancelOutcome::AlreadyEnded(ExecutionStatus::Cancelled) => {
            shown(&call, StatusCode::OK, id).await
        }
        CancelOutcome::AlreadyEnded(status) => Err(OperateError::Ended { id, status }.into()),
    }
}

async fn retry(call: Call) -> Result<Reply, Problem> {
    let (id, tenant) = (of_path(&call).await?, call.tenant()?);
    let entry = call.audit("execution.retry")?.about("execution", id);
    match call.api.audit().around(entry, call.api.engine().retry(tenant, id)).await {
        Ok(()) => shown(&call, StatusCode::ACCEPTED, id).await,
        Err(error) => {
            Err(unfit(&call, id, error, "what has failed, and no worker holds any more, can be retried").await)
        }
    }
}

async fn resolve(call: Call) -> Result<Reply, Problem> {
    let Decision { step, outcome, output } = call.read()?;
    let (id, tenant) = (of_path(&call).await?, call.tenant()?);
    let resolution = match outcome {
        Outcome::Completed => Resolution::Completed(output.map(|output| Json::from(output.to_string()))),
        Outcome::Repeat => Resolution::Repeat,
        Outcome::Failed => Resolution::Failed,
    };
    let entry = call.audit("execution.resolve")?.about("execution", id);
    let entry = entry.with(json!({ "step": step, "outcome": outcome }));
    match call.api.audit().around(entry, call.api.engine().resolve(tenant, id, &step, resolution)).await {
        Ok(()) => shown(&call, StatusCode::ACCEPTED, id).await,
        Err(error) => {
            let what = "a step can be decided whose outcome is not known, while the execution waits for that";
            Err(unfit(&call, id, error, what).await)
        }
    }
}

async fn signal(call: Call) -> Result<Reply, Problem> {
    let SignalInput { name, payload, dedupe_key } = call.read()?;
    let (id, tenant) = (of_path(&call).await?, call.tenant()?);
    let entry = call.audit("execution.signal")?.about("execution", id).with(json!({ "name": name }));
    let dedupe_key = dedupe_key.or_else(|| call.dedupe_key().map(|key| format!("api:{key}")));
    let request =
        SignalRequest { tenant_id: tenant, execution_id: id, name, payload, dedupe_key, source: "api".to_owned() };
    let sent = call.api.audit().around(entry, call.api.engine().signal(request)).await?;
    Reply::accepted(SignalAnswer { id: sent.id.0, seq: sent.seq, duplicate: sent.duplicate })
}

async fn explain(call: Call) -> Result<Reply, Problem> {
    let id = of_path(&call).await?;
    Reply::ok(call.api.engine().explain(call.tenant()?, id).await?)
}
